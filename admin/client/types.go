// Package client calls the admin API of a running daemon, and has the types of its requests and answers, which the server (package admin)
// uses too. All checks are the server's.
package client

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/changes"
	"plugtone/provision/devicestatus"
	"plugtone/provision/diagnosis"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/overrides"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
	"plugtone/provision/timeline"
)

// Page is one page of a list.
type Page[T any] struct {
	Items      []T    `json:"items" doc:"the items of this page"`
	NextCursor string `json:"next_cursor" doc:"cursor of the next page; absent on the last one" example:"MDAxNTY1MTIzNDU2"`
}

// Device is a device record with the status of the phone.
type Device struct {
	fleet.Device
	Status   *devicestatus.Status `json:"status,omitempty" readOnly:"true" doc:"what is known of the phone now; ignored in a body"`
	Warnings []string             `json:"warnings,omitempty" readOnly:"true" doc:"what contradicts the record: the prefix of the MAC, what the phone was recognised as, or files that its settings name and that are not there; not in lists; ignored in a body" example:"[\"the prefix of its MAC belongs to yealink, but its record has snom\"]"`
}

// DevicePage is one page of the list of devices.
type DevicePage struct {
	Items      []Device `json:"items" doc:"the items of this page"`
	NextCursor string   `json:"next_cursor" doc:"cursor of the next page; empty on the last one" example:"MDAxNTY1MTIzNDU2"`
	Total      int      `json:"total" doc:"how many devices the list has on all its pages" example:"1234" minimum:"0"`
	Pending    int      `json:"pending" doc:"where the list depends on states: of how many devices the state is from before something changed that it depends on, because the time to wait was over; 0: all is exact. The items of a page are always exact" example:"0" minimum:"0"`
}

// DeviceCounts is how many devices there are, by what they have. A facet that was not requested is absent.
type DeviceCounts struct {
	Total   int          `json:"total" doc:"how many devices are selected" example:"1234" minimum:"0"`
	Pending int          `json:"pending" doc:"of how many devices the state is from before something changed that it depends on, because the time to wait was over; 0: all counts are exact" example:"0" minimum:"0"`
	State   []ValueCount `json:"state,omitempty" doc:"by state"`
	Vendor  []ValueCount `json:"vendor,omitempty" doc:"by vendor"`
	Model   []ValueCount `json:"model,omitempty" doc:"by VENDOR/MODEL"`
	Profile []ValueCount `json:"profile,omitempty" doc:"by profile"`
	Subnet  []ValueCount `json:"subnet,omitempty" doc:"by subnet of the lease, else of the reserved address"`
	Tag     []ValueCount `json:"tag,omitempty" doc:"by tag; a device counts for each of its tags"`
	LeftOut []ValueCount `json:"left_out,omitempty" doc:"by what the phones do not get; a device counts for each"`
}

// ValueCount is how many devices have a value.
type ValueCount struct {
	Value string `json:"value" doc:"the value; empty for devices without one" example:"stale"`
	Count int    `json:"count" doc:"how many devices have it" example:"17" minimum:"0"`
}

// Lease is one lease, as operators see it.
type Lease struct {
	IP          netip.Addr      `json:"ip" doc:"leased address" example:"10.20.1.7"`
	MAC         dhcp.MAC        `json:"mac" doc:"MAC address of the client" example:"00:15:65:12:34:56"`
	Subnet      netip.Prefix    `json:"subnet" doc:"subnet of the address" example:"10.20.0.0/22"`
	State       dhcp.LeaseState `json:"state" enum:"active,released,expired,declined" doc:"state of the lease; a declined address was in use by another host" example:"active"`
	Device      bool            `json:"device" doc:"whether the client has a device record" example:"true"`
	Vendor      string          `json:"vendor" doc:"vendor pack that recognised the client; empty when none did" example:"yealink"`
	Hostname    string          `json:"hostname" doc:"host name that the client sent" example:"SIP-T46U"`
	StartsAt    time.Time       `json:"starts_at" doc:"when the lease was given or renewed last" example:"2026-11-22T12:00:00Z"`
	ExpiresAt   time.Time       `json:"expires_at" doc:"when the lease ends" example:"2026-11-23T12:00:00Z"`
	VendorClass string          `json:"vendor_class,omitempty" doc:"vendor class of the client (DHCP option 60): printable text, else hexadecimal with 0x" example:"yealink"`
	CircuitID   string          `json:"circuit_id" doc:"circuit of the relay agent (DHCP option 82): printable text, else hexadecimal with 0x" example:"Gi1/0/7"`
	RemoteID    string          `json:"remote_id" doc:"remote id of the relay agent (DHCP option 82): printable text, else hexadecimal with 0x" example:"switch-3"`
}

// Subnet is a subnet and how full it is.
type Subnet struct {
	Subnet          netip.Prefix `json:"subnet" doc:"the subnet" example:"10.20.0.0/22"`
	Interface       string       `json:"interface,omitempty" doc:"network interface that the subnet is on; absent for subnets behind a relay" example:"eth1"`
	Phones          string       `json:"phones" doc:"what phones are given here: provision is an address and files, move only the voice VLAN and a lease of two minutes, none nothing beyond an ordinary network" example:"provision" enum:"provision,move,none"`
	Pools           []string     `json:"pools" doc:"ranges that addresses are leased from" example:"[\"10.20.1.0-10.20.3.250\"]"`
	Addresses       int          `json:"addresses" doc:"how many addresses the pools have" example:"763" minimum:"0"`
	Active          int          `json:"active" doc:"how many are leased" example:"120" minimum:"0"`
	Declined        int          `json:"declined" doc:"how many are set aside because another host uses them" example:"1" minimum:"0"`
	Free            int          `json:"free" doc:"how many can be leased to new clients" example:"642" minimum:"0"`
	Peaks           []int        `json:"daily_peaks,omitempty" doc:"most leases at once on each of the last days of 24 hours, at most 14, the oldest first" example:"[110,112,120]"`
	DaysUntilFull   *int         `json:"days_until_full,omitempty" doc:"in how many days no address is free if the daily peaks grow as they did; absent when they do not grow, when fewer than three days are known, and when it is more than a year" example:"21" minimum:"0"`
	ProvisioningURL string       `json:"provisioning_url,omitempty" doc:"address that phones of the subnet are sent to for their files" example:"http://10.20.0.2/"`
}

// Files are the files that a phone would be given, in the order of its requests.
type Files struct {
	MAC   dhcp.MAC             `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Items []provision.FileInfo `json:"items" doc:"the files, in the order in which the phone requests them"`
}

// FileDiff compares the last fetch of a file with the file now.
type FileDiff struct {
	Name          string    `json:"name" doc:"name of the file" example:"001565123456.cfg"`
	Change        string    `json:"change" enum:"same,changed,never_fetched,gone" doc:"how the last fetch compares with now; gone: the phone would not be given the file any more" example:"changed"`
	FetchedDigest string    `json:"fetched_digest,omitempty" doc:"SHA-256 of what was fetched last, in hexadecimal; a stand-in for callers without the role admin" example:"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"`
	FetchedSize   int64     `json:"fetched_size,omitempty" doc:"size of what was fetched last, in bytes" example:"10112" minimum:"0"`
	FetchedAt     time.Time `json:"fetched_at,omitzero" doc:"when the file was fetched last" example:"2026-11-22T12:00:00Z"`
	Digest        string    `json:"digest,omitempty" doc:"SHA-256 of the file as it is now, in hexadecimal; a stand-in for callers without the role admin" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Size          int64     `json:"size,omitempty" doc:"size of the file as it is now, in bytes" example:"10240" minimum:"0"`
	Diff          string    `json:"diff,omitempty" doc:"of a changed file: the lines that differ, as a unified diff with *** for secrets" example:"-label = Desk\n+label = Reception\n"`
	Note          string    `json:"note,omitempty" doc:"of a changed file: why there are no lines" example:"only secrets differ"`
}

// Diff is the comparison for all files of a phone.
type Diff struct {
	MAC     dhcp.MAC             `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Items   []FileDiff           `json:"items" doc:"one comparison for each file"`
	OnPhone []overrides.Override `json:"overridden_on_phone,omitempty" doc:"what its user changed on the phone, which wins over these files; 200 parameters at most"`
}

// Revision is a record as it was after one change.
type Revision struct {
	Revision uint64           `json:"revision" doc:"number of the revision, and of the change that made it" example:"17"`
	Time     time.Time        `json:"time" doc:"when the change was made" example:"2026-11-22T12:00:00Z"`
	Actor    string           `json:"actor" doc:"who made it: local:USER over the unix socket, token:NAME over TCP" example:"token:helpdesk"`
	From     string           `json:"from,omitempty" doc:"address that the request came from; absent over the unix socket" example:"10.0.0.7"`
	Action   string           `json:"action" doc:"what was done, in words" example:"change device 00:15:65:12:34:56"`
	Message  string           `json:"message,omitempty" doc:"what the change was for, as its author wrote" example:"move the front desk"`
	Deleted  bool             `json:"deleted,omitempty" doc:"whether the change deleted the record" example:"false"`
	Members  []changes.Member `json:"members,omitempty" doc:"the members that the change set, from what to what; *** in place of secrets"`
	Device   *Device          `json:"device,omitempty" doc:"in the history of a device: the device after the change, or what was deleted"`
}

// History has the revisions of a device, newest first.
type History struct {
	MAC   dhcp.MAC   `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Items []Revision `json:"items" doc:"the revisions, newest first"`
}

// RecordHistory has the revisions of an extension, registrar or profile, newest first.
type RecordHistory struct {
	Kind  string     `json:"kind" doc:"kind of record: extension, registrar or profile" example:"extension"`
	Name  string     `json:"name" doc:"name of the record" example:"1001@main"`
	Items []Revision `json:"items" doc:"the revisions, newest first"`
}

// ChangeDetail is a change with the records that it touched.
type ChangeDetail struct {
	fleet.Change
	Records []ChangedRecord `json:"records" doc:"the records that it touched, 1000 at most"`
	More    int             `json:"more,omitempty" doc:"how many further records it touched" example:"0" minimum:"0"`
}

// ManyDevices changes or deletes many devices at once.
type ManyDevices struct {
	MACs   []dhcp.MAC     `json:"macs,omitempty" doc:"the devices by their MACs" example:"[\"00:15:65:12:34:56\"]"`
	Where  string         `json:"where,omitempty" doc:"the devices by conditions, as in the list of devices" example:"profile=desk"`
	Set    map[string]any `json:"set,omitempty" doc:"members of each device; null clears one"`
	Keys   []fleet.Key    `json:"keys,omitempty" doc:"keys of each device in these areas and slots; one without a type is removed"`
	Delete bool           `json:"delete,omitempty" doc:"delete the devices instead" example:"false"`
}

// FleetDocument is many records in one document, as export writes and apply reads it.
type FleetDocument struct {
	Private    bool              `json:"private,omitempty" doc:"whether it was exported without secrets; those of existing records are kept" example:"true"`
	Registrars []fleet.Registrar `json:"registrars,omitempty" doc:"SIP servers"`
	Extensions []fleet.Extension `json:"extensions,omitempty" doc:"SIP accounts"`
	Profiles   []fleet.Profile   `json:"profiles,omitempty" doc:"keys, contacts and settings that devices share"`
	Devices    []Device          `json:"devices,omitempty" doc:"phones"`
}

// Applied is what became of the records of an apply.
type Applied struct {
	Change  uint64       `json:"change" doc:"number of the change; 0 when nothing changed" example:"128"`
	New     int          `json:"new" doc:"how many records were created" example:"500" minimum:"0"`
	Changed int          `json:"changed" doc:"how many records were changed" example:"3" minimum:"0"`
	Same    int          `json:"same" doc:"how many records were so already" example:"12" minimum:"0"`
	Deleted int          `json:"deleted" doc:"how many records were removed by prune" example:"0" minimum:"0"`
	Skipped int          `json:"skipped" doc:"how many records come from a PBX source and were left alone" example:"0" minimum:"0"`
	Rows    []RowVerdict `json:"rows,omitempty" doc:"the records that were created, changed or removed, and those that a PBX source keeps as they are, in the order of the file, 1000 at most"`
	More    int          `json:"more,omitempty" doc:"how many further ones there were" example:"0" minimum:"0"`

	LeftOut []resolve.LeftOutCount `json:"left_out,omitempty" doc:"what phones do not get that they did not lack before, by vendor"`
}

// SavedProfile is a profile as it was saved.
type SavedProfile struct {
	fleet.Profile
	Warnings []string `json:"warnings,omitempty" readOnly:"true" doc:"files that its settings name and that are not there; of a write only" example:"[\"the setting wallpaper names logo.jpg, which is in no folder of files in data_dir\"]"`

	LeftOut []resolve.LeftOutCount `json:"left_out,omitempty" readOnly:"true" doc:"what its phones do not get that they did not lack before, by vendor; of a write only"`
}

// SavedRegistrar is a registrar as it was saved.
type SavedRegistrar struct {
	fleet.Registrar
	Warnings []string `json:"warnings,omitempty" readOnly:"true" doc:"files that its settings name and that are not there; of a write only" example:"[\"the setting wallpaper names logo.jpg, which is in no folder of files in data_dir\"]"`

	LeftOut []resolve.LeftOutCount `json:"left_out,omitempty" readOnly:"true" doc:"what phones with a line there do not get that they did not lack before, by vendor; of a write only"`
}

// SavedExtension is an extension as it was saved.
type SavedExtension struct {
	fleet.Extension

	LeftOut []resolve.LeftOutCount `json:"left_out,omitempty" readOnly:"true" doc:"what phones with a line of it do not get that they did not lack before, by vendor; of a write only"`
}

// Undone is the change that an undo made.
type Undone struct {
	fleet.Change

	LeftOut []resolve.LeftOutCount `json:"left_out,omitempty" doc:"what phones do not get that they did not lack before, by vendor"`
}

// RowVerdict is what became of one record of an apply.
type RowVerdict = impact.RowVerdict

// ApplyLine is one line of the progress of an apply. The last one has one of result, preview and problem.
type ApplyLine struct {
	Done    int             `json:"done,omitempty" doc:"how many records are done" example:"1200" minimum:"0"`
	Total   int             `json:"total,omitempty" doc:"how many records there are" example:"5000" minimum:"0"`
	Result  *Applied        `json:"result,omitempty" doc:"what became of the records"`
	Preview *impact.Preview `json:"preview,omitempty" doc:"of a dry run: which phones' files would change"`
	Problem *Problem        `json:"problem,omitempty" doc:"why nothing was changed, as a problem document"`
}

// ChangedRecord is a record that a change touched.
type ChangedRecord struct {
	Kind    string           `json:"kind" doc:"kind of record: device, extension, registrar or profile" example:"device"`
	Name    string           `json:"name" doc:"name of the record: a MAC, NUMBER@REGISTRAR or a name" example:"00:15:65:12:34:56"`
	Change  string           `json:"change" enum:"created,changed,deleted" doc:"what happened to it" example:"changed"`
	Members []changes.Member `json:"members" doc:"the members that differ, from what to what; *** in place of secrets"`
}

// Unanswered is a member of the cluster that did not answer.
type Unanswered struct {
	Member  string `json:"member" doc:"name of the member" example:"voice-b"`
	Problem string `json:"problem" doc:"why there is no answer" example:"it does not run, or does not reach etcd"`
}

// Timeline has the entries of one phone, newest last, and the diagnosis.
type Timeline struct {
	MAC       dhcp.MAC            `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Items     []timeline.Entry    `json:"items" doc:"the newest entries, newest last"`
	Diagnosis []diagnosis.Finding `json:"diagnosis" doc:"what can be concluded from the entries; in a cluster, from those of the member with the newest one"`

	Unanswered []Unanswered `json:"unanswered,omitempty" doc:"members of the cluster whose entries are missing"`
}

// ExplainRequest is the question of a dry run: about a phone, or about a file request from an address.
type ExplainRequest struct {
	MAC       string `json:"mac,omitempty" doc:"MAC address of the phone; either mac, or path and ip" example:"00:15:65:12:34:56"`
	Path      string `json:"path,omitempty" doc:"name of the file as a phone would request it; needs ip" example:"001565123456.cfg"`
	IP        string `json:"ip,omitempty" doc:"IPv4 address of the requester" example:"10.20.1.7"`
	UserAgent string `json:"user_agent,omitempty" doc:"User-Agent header of the request" example:"Yealink SIP-T46U 108.86.0.70 00:15:65:12:34:56"`
	Subnet    string `json:"subnet,omitempty" doc:"subnet to answer for; the phone's own when left out" example:"10.20.0.0/22"`
}

// Explanation is the result of a dry run, with the leases of the phone.
type Explanation struct {
	provision.Explanation
	Leases []Lease `json:"leases,omitempty" doc:"leases of the phone"`
}

// AdoptRequest has the members of a device that is made of a discovered phone.
type AdoptRequest struct {
	Lines   []fleet.Line `json:"lines,omitempty" doc:"the extensions that the phone registers"`
	Profile string       `json:"profile,omitempty" doc:"profile of the device" example:"desk"`
	Label   string       `json:"label,omitempty" doc:"name for people" example:"Kitchen"`
}

// EnrollRequest opens a window in which files need no proof.
type EnrollRequest struct {
	For  string `json:"for" required:"true" doc:"how long the window stays open, as 30m or 2h, 24h at most; 0s closes it" example:"30m"`
	From string `json:"from,omitempty" doc:"network that requests must come from; anywhere when left out" example:"198.51.100.0/24"`
}

// Login is a phone's own HTTP user and password, and where it uses them.
type Login struct {
	MAC       dhcp.MAC  `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	URL       string    `json:"url,omitempty" doc:"address that the phone sends them to" example:"http://10.20.0.2/"`
	User      string    `json:"user,omitempty" doc:"HTTP user; absent while the phone has none" example:"p001565123456"`
	Password  string    `json:"password,omitempty" doc:"HTTP password; shown with reveal only" example:"k7m2x9q4w8r3t6y5n2b4"`
	Changing  bool      `json:"changing" doc:"whether the password before is still accepted, which ends when the phone uses this one" example:"false"`
	ChangedAt time.Time `json:"changed_at,omitzero" doc:"when the password was made" example:"2026-11-22T12:00:00Z"`
}

// RollbackRequest names the revision that a device goes back to.
type RollbackRequest struct {
	Revision uint64 `json:"revision" required:"true" doc:"revision that the device goes back to, from its history" example:"17"`
}

// Vendor is the summary of a vendor pack.
type Vendor struct {
	Vendor       string                  `json:"vendor" doc:"id of the vendor" example:"yealink"`
	Name         string                  `json:"name" doc:"name of the vendor" example:"Yealink"`
	Aliases      []string                `json:"aliases,omitempty" doc:"further names that are accepted for the vendor" example:"[\"yealink-sip\"]"`
	Experimental bool                    `json:"experimental" doc:"whether the pack is experimental" example:"false"`
	Recognises   bool                    `json:"recognises" doc:"whether phones are recognised by it; false for an experimental pack that the configuration does not name" example:"true"`
	Models       []pack.ModelDescription `json:"models" doc:"the models, with what each has"`
}

// Lost reports entries that a follower did not get because it was too slow.
type Lost struct {
	Entries uint64 `json:"entries" doc:"how many entries were lost; 0 when the number is not known" example:"12"`
}

// TokenRequest describes a new token.
type TokenRequest struct {
	Name string `json:"name" required:"true" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$" patternDescription:"letters, digits, . _ - (63 at most)" doc:"name of the token, 1 to 63 letters, digits, dots, underscores and hyphens; it begins with a letter or digit" example:"helpdesk"`
	Role string `json:"role" required:"true" enum:"admin,operator,viewer,push" doc:"what the token may do: viewer reads without secrets, operator also changes, admin also reads secrets and manages tokens" example:"operator"`
}

// NewToken is a new token with its secret, which is shown only once.
type NewToken struct {
	Name  string `json:"name" doc:"name of the token" example:"helpdesk"`
	Role  string `json:"role" doc:"what the token may do" example:"operator"`
	Token string `json:"token" doc:"the secret, in this answer only: the daemon stores its digest" example:"plugtone_3q2-7wEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`
}

// DaemonStatus is the state of the daemon.
type DaemonStatus struct {
	Version   string           `json:"version" doc:"version of the daemon" example:"1.4.0"`
	StartedAt time.Time        `json:"started_at" doc:"when the daemon started" example:"2026-11-22T12:00:00Z"`
	Config    string           `json:"config,omitempty" doc:"the configuration file; absent when there is none" example:"/etc/plugtone/plugtone.yaml"`
	DataDir   string           `json:"data_dir,omitempty" doc:"folder of the records and leases" example:"/var/lib/plugtone"`
	Revision  uint64           `json:"revision" doc:"revision of all records" example:"128"`
	Ready     bool             `json:"ready" doc:"whether everything runs" example:"true"`
	Faults    []string         `json:"faults,omitempty" doc:"what does not run" example:"[\"leases.db: no space left on device\"]"`
	Warnings  []string         `json:"warnings,omitempty" doc:"what needs attention" example:"[\"subnet 10.20.0.0/22: 97 % of the addresses are leased\"]"`
	Tasks     []string         `json:"tasks,omitempty" doc:"what the daemon is doing in the background" example:"[\"compact leases\"]"`
	Listening []string         `json:"listening,omitempty" doc:"addresses that the daemon listens on" example:"[\"udp 10.20.0.2:69\"]"`
	Sizes     map[string]int64 `json:"sizes,omitempty" doc:"size of each file of the store, in bytes" example:"{\"records.db\":1048576}"`
	Member    string           `json:"member,omitempty" doc:"name of this member of a cluster; absent on a single appliance" example:"voice-a"`
	Members   []MemberStatus   `json:"members,omitempty" doc:"the other members of the cluster"`
}

// MemberStatus is the state of another member of the cluster.
type MemberStatus struct {
	Member    string    `json:"member" doc:"name of the member" example:"voice-b"`
	Problem   string    `json:"problem,omitempty" doc:"why it did not answer; absent when it did" example:"it does not run, or does not reach etcd"`
	Version   string    `json:"version,omitempty" doc:"version of its daemon" example:"1.4.0"`
	StartedAt time.Time `json:"started_at,omitzero" doc:"when its daemon started" example:"2026-11-22T12:00:00Z"`
	Revision  uint64    `json:"revision,omitempty" doc:"revision of its records" example:"128"`
	Ready     bool      `json:"ready" doc:"whether everything runs there" example:"true"`
	Faults    []string  `json:"faults,omitempty" doc:"what does not run there" example:"[\"leases.db: no space left on device\"]"`
	Warnings  []string  `json:"warnings,omitempty" doc:"what needs attention there" example:"[\"subnet 10.20.0.0/22: 97 % of the addresses are leased\"]"`
}

// DiscoveredPage is a page of discovered phones.
type DiscoveredPage struct {
	Page[fleet.Discovered]
	Unanswered []Unanswered `json:"unanswered,omitempty" doc:"members of the cluster whose phones are missing"`
}
