// Package client speaks to a running daemon over its admin API, and holds the shapes of what travels there. The server
// (package admin) answers with the same types.
//
// It decides nothing: what is allowed is the server's business.
package client

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/timeline"
)

// Page is one page of a list.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor" doc:"cursor of the next page; empty on the last one"`
}

// Device is a device record with what is known of the phone.
type Device struct {
	fleet.Device
	Status *provision.Status `json:"status,omitempty" readOnly:"true"`
}

// Lease is one lease, as operators see it.
type Lease struct {
	IP          netip.Addr      `json:"ip"`
	MAC         dhcp.MAC        `json:"mac"`
	Subnet      netip.Prefix    `json:"subnet"`
	State       dhcp.LeaseState `json:"state" enum:"active,released,expired,declined"`
	Device      bool            `json:"device" doc:"whether there is a device record"`
	Vendor      string          `json:"vendor"`
	Hostname    string          `json:"hostname"`
	StartsAt    time.Time       `json:"starts_at"`
	ExpiresAt   time.Time       `json:"expires_at"`
	VendorClass string          `json:"vendor_class,omitempty"`
	CircuitID   string          `json:"circuit_id" doc:"printable text, else hexadecimal with 0x"`
	RemoteID    string          `json:"remote_id" doc:"printable text, else hexadecimal with 0x"`
}

// Subnet is a subnet that is leased in, and how full it is.
type Subnet struct {
	Subnet          netip.Prefix `json:"subnet"`
	Interface       string       `json:"interface,omitempty"`
	Phones          string       `json:"phones"`
	Pools           []string     `json:"pools"`
	Addresses       int          `json:"addresses" doc:"addresses in the pools"`
	Active          int          `json:"active"`
	Declined        int          `json:"declined"`
	Free            int          `json:"free"`
	ProvisioningURL string       `json:"provisioning_url,omitempty"`
}

// Files is what a phone would be given, in the order it asks.
type Files struct {
	MAC   dhcp.MAC             `json:"mac"`
	Items []provision.FileInfo `json:"items"`
}

// FileDiff compares one file: what was fetched last against what would be given now.
type FileDiff struct {
	Name          string    `json:"name"`
	Change        string    `json:"change" enum:"same,changed,never_fetched,gone"`
	FetchedDigest string    `json:"fetched_digest,omitempty"`
	FetchedSize   int64     `json:"fetched_size,omitempty"`
	FetchedAt     time.Time `json:"fetched_at,omitzero"`
	Digest        string    `json:"digest,omitempty"`
	Size          int64     `json:"size,omitempty"`
}

// Diff is the comparison for all files of a phone.
type Diff struct {
	MAC   dhcp.MAC   `json:"mac"`
	Items []FileDiff `json:"items"`
}

// Revision is a device as it was after one change.
type Revision struct {
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
	Actor    string    `json:"actor"`
	Action   string    `json:"action"`
	Deleted  bool      `json:"deleted,omitempty"`
	Device   *Device   `json:"device"`
}

// History is the revisions of a device, newest first.
type History struct {
	MAC   dhcp.MAC   `json:"mac"`
	Items []Revision `json:"items"`
}

// Timeline is what happened to one phone, newest last, and what can be concluded from it.
type Timeline struct {
	MAC       dhcp.MAC           `json:"mac"`
	Items     []timeline.Entry   `json:"items"`
	Diagnosis []timeline.Finding `json:"diagnosis"`
}

// ExplainRequest asks what would be answered: about a phone, or about a file asked for from an address.
type ExplainRequest struct {
	MAC       string `json:"mac,omitempty" doc:"the phone; or path and ip"`
	Path      string `json:"path,omitempty" doc:"the file, as a phone would ask for it"`
	IP        string `json:"ip,omitempty" doc:"the requester's address"`
	UserAgent string `json:"user_agent,omitempty"`
	Subnet    string `json:"subnet,omitempty" doc:"as in this subnet; the phone's own when left out"`
}

// Explanation is the dry run of DHCP and of file requests, with the leases that the phone has.
type Explanation struct {
	provision.Explanation
	Leases []Lease `json:"leases,omitempty"`
}

// AdoptRequest makes a discovered phone a device.
type AdoptRequest struct {
	Lines   []fleet.Line `json:"lines,omitempty"`
	Profile string       `json:"profile,omitempty"`
	Label   string       `json:"label,omitempty"`
}

// EnrollRequest opens a window in which files need no proof.
type EnrollRequest struct {
	For  string `json:"for" required:"true" doc:"how long, as 30m; 0s closes the window"`
	From string `json:"from,omitempty" doc:"only for requests from these addresses, as 198.51.100.0/24; anywhere when left out"`
}

// Login is a phone's own HTTP user and password, and where it uses them.
type Login struct {
	MAC       dhcp.MAC  `json:"mac"`
	URL       string    `json:"url,omitempty"`
	User      string    `json:"user,omitempty" doc:"absent while the phone has none"`
	Password  string    `json:"password,omitempty" doc:"with reveal only"`
	Changing  bool      `json:"changing" doc:"the password before counts too, until this one is used"`
	ChangedAt time.Time `json:"changed_at,omitzero"`
}

// RollbackRequest names the revision that a device goes back to.
type RollbackRequest struct {
	Revision uint64 `json:"revision" required:"true"`
}

// Vendor is a vendor pack in short.
type Vendor struct {
	Vendor       string                  `json:"vendor"`
	Name         string                  `json:"name"`
	Aliases      []string                `json:"aliases,omitempty"`
	Experimental bool                    `json:"experimental"`
	Recognises   bool                    `json:"recognises" doc:"false: experimental, and not named in the configuration"`
	Models       []pack.ModelDescription `json:"models"`
}

// Lost says that a follower of events did not keep up.
type Lost struct {
	Entries uint64 `json:"entries"`
}

// TokenRequest asks for a new token.
type TokenRequest struct {
	Name string `json:"name" required:"true" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$" patternDescription:"letters, digits, . _ - (63 at most)"`
	Role string `json:"role" required:"true" enum:"admin,operator,viewer"`
}

// NewToken is a token just made. Its secret is shown this once.
type NewToken struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	Token string `json:"token" doc:"shown this once: only its digest is kept"`
}

// DaemonStatus is how the daemon is.
type DaemonStatus struct {
	Version   string           `json:"version"`
	StartedAt time.Time        `json:"started_at"`
	Config    string           `json:"config,omitempty" doc:"the configuration file, empty when there is none"`
	DataDir   string           `json:"data_dir,omitempty"`
	Revision  uint64           `json:"revision" doc:"of what operators entered"`
	Ready     bool             `json:"ready"`
	Faults    []string         `json:"faults,omitempty"`
	Warnings  []string         `json:"warnings,omitempty"`
	Tasks     []string         `json:"tasks,omitempty"`
	Listening []string         `json:"listening,omitempty"`
	Sizes     map[string]int64 `json:"sizes,omitempty" doc:"bytes of each file of the store"`
}
