package fleet

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// Key is one key of a device or profile.
type Key struct {
	Area  string `json:"area" doc:"where the key is: line (when left out), memory, programmable, or expansion1 to expansion6" example:"line"`
	Slot  int    `json:"slot" doc:"position of the key in its area, 1 to 999" example:"2"`
	Type  string `json:"type" doc:"what the key does, such as line, blf, speed_dial or park; the pack lists the types of its phones" example:"blf"`
	Value string `json:"value,omitempty" doc:"number or address that the key acts on; which types need one depends on the type" example:"1002"`
	Label string `json:"label,omitempty" doc:"text beside the key" example:"Front Desk"`
	Line  int    `json:"line,omitempty" doc:"position of the line that the key uses, 1 to 255; 0 or absent: the phone's first line" example:"1"`
	// LabelSource is where the label comes from: LabelFixed or LabelExtension.
	LabelSource string `json:"label_source,omitempty" enum:"fixed,extension" doc:"where the label comes from: fixed (when left out) is label; extension is the display name of the extension that value names" example:"extension"`
	PickupCode  string `json:"pickup_code,omitempty" doc:"code that the phone dials before the number to pick up its call, where the phone can" example:"**"`
	Locked      bool   `json:"locked,omitempty" doc:"whether the phone's user may not change the key, where the phone can" example:"false"`
}

// Where a key's label comes from.
const (
	LabelFixed     = "fixed"
	LabelExtension = "extension" // follows the display name
)

// Line binds a line position of a device to an extension.
type Line struct {
	Position  int                `json:"position" doc:"position of the line on the phone, 1 to 255; its place in the list when left out" example:"1"`
	Extension string             `json:"extension" doc:"number of the extension that registers on the line" example:"1001"`
	Registrar string             `json:"registrar,omitempty" doc:"registrar of the extension; needed only when two registrars have the number" example:"main"`
	Label     string             `json:"label,omitempty" doc:"text that the phone shows for the line; the extension's display name when left out" example:"Sales"`
	Enabled   *bool              `json:"enabled,omitempty" doc:"false: the line stays in the record, and the phone is given none at this position; true when left out" example:"true"`
	Shared    bool               `json:"shared,omitempty" doc:"whether the line is a shared appearance, also without a key for it" example:"false"`
	Override  *RegistrarOverride `json:"registrar_override,omitempty" doc:"settings of the registrar that differ on this line"`
}

// RegistrarOverride has the settings of a registrar that differ on one line. Absent ones are the registrar's.
type RegistrarOverride struct {
	Host            string           `json:"host,omitempty" doc:"host name or IPv4 address of the SIP server" example:"pbx-b.example.net"`
	Port            int              `json:"port,omitempty" doc:"SIP port, 1 to 65535" example:"5060"`
	Transport       string           `json:"transport,omitempty" doc:"SIP transport: udp, tcp or tls" example:"tcp"`
	OutboundProxy   string           `json:"outbound_proxy,omitempty" doc:"HOST or HOST:PORT that the line's SIP is sent through" example:"proxy.example.net:5060"`
	RegisterExpires setting.Duration `json:"register_expires,omitzero" doc:"how long a registration lasts, from 30s to 7d" example:"15m"`
}

// On reports whether the phone is to have the line.
func (l Line) On() bool { return l.Enabled == nil || *l.Enabled }

// String returns NUMBER@REGISTRAR, or the number alone without a registrar.
func (l Line) String() string {
	if l.Registrar == "" {
		return l.Extension
	}
	return l.Extension + "@" + l.Registrar
}

// Contact is one entry of the phonebook of a device or profile. It has a name and one number at least.
type Contact struct {
	Name   string `json:"name" doc:"name of the contact" example:"Front Desk"`
	Number string `json:"number,omitempty" doc:"number at work; one of number, mobile and home is needed" example:"1001"`
	Mobile string `json:"mobile,omitempty" doc:"mobile number" example:"+49 170 1234567"`
	Home   string `json:"home,omitempty" doc:"number at home" example:"+49 30 1234567"`
	Group  string `json:"group,omitempty" doc:"group in which phones show the contact" example:"Office"`
}

// Numbers returns how many numbers a contact has: many phones take only entries with one.
func (c Contact) Numbers() int {
	n := 0
	for _, number := range []string{c.Number, c.Mobile, c.Home} {
		if number != "" {
			n++
		}
	}
	return n
}

// Device is the record of a physical phone.
type Device struct {
	MAC            dhcp.MAC                     `json:"mac" doc:"MAC address of the phone; 001565123456, 00-15-65-12-34-56 and 0015.6512.3456 are also accepted" example:"00:15:65:12:34:56"`
	OtherMACs      []dhcp.MAC                   `json:"other_macs,omitempty" doc:"further MAC addresses of the same phone, such as Wi-Fi's; 8 at most" example:"[\"00:15:65:12:34:57\"]"`
	Vendor         string                       `json:"vendor,omitempty" doc:"id or alias of the vendor pack; empty: the phone gets an address and no files" example:"yealink"`
	Model          string                       `json:"model,omitempty" doc:"model as the pack names it; VENDOR/MODEL also sets the vendor" example:"T46U"`
	Label          string                       `json:"label,omitempty" doc:"name for people" example:"Reception"`
	Profile        string                       `json:"profile,omitempty" doc:"profile that the device inherits keys, contacts and settings from" example:"desk"`
	Enabled        bool                         `json:"enabled" doc:"whether the phone is given its files; true when left out" example:"true"`
	ReservedIP     netip.Addr                   `json:"reserved_ip,omitzero" doc:"IPv4 address that only this phone is leased" example:"10.20.0.50"`
	Location       string                       `json:"location,omitempty" doc:"where the phone is, 128 characters at most" example:"Berlin, 2nd floor, room 214"`
	Serial         string                       `json:"serial,omitempty" doc:"serial number of the phone, 64 characters at most" example:"3130018062012345"`
	Tags           []string                     `json:"tags,omitempty" doc:"short words by which devices are selected, 32 at most" example:"[\"pilot\"]"`
	Source         string                       `json:"source,omitempty" doc:"PBX source that the record comes from; absent for records made by hand; ignored in a body" example:"main"`
	SourceMembers  []string                     `json:"source_members,omitempty" doc:"members that come from the source and are changed there only: by name, and as lines.POSITION, keys.AREA:SLOT, settings.NAME; ignored in a body" example:"[\"model\",\"lines.1\",\"keys.line:2\"]"`
	Gone           bool                         `json:"gone,omitempty" doc:"the source has it no more; it stays as it is until it is removed; ignored in a body" example:"false"`
	Notes          string                       `json:"notes,omitempty" doc:"free text for operators, 4096 characters at most" example:"spare power supply in the cupboard"`
	BeyondModel    bool                         `json:"beyond_model,omitempty" doc:"whether lines and keys beyond those that the pack states of the model are written; where its numbers are not certain they always are" example:"false"`
	Lines          []Line                       `json:"lines" doc:"the extensions that the phone registers, 255 at most"`
	Keys           []Key                        `json:"keys" doc:"programmable keys; a key here replaces the profile's in the same area and slot"`
	Contacts       []Contact                    `json:"contacts,omitempty" doc:"entries of the phone's phonebook, which it gets when the setting phonebook is on; 1000 at most"`
	Settings       setting.Values               `json:"settings,omitempty" doc:"settings of this device by name, as GET /vendors/{vendor} lists them, over those of its profile, registrar, subnet and site; lists are arrays; secrets are shown with reveal only" example:"{\"language\":\"de\",\"emergency_numbers\":[\"112\",\"110\"]}"`
	VendorSettings map[string]map[string]string `json:"vendor_settings,omitempty" doc:"parameters in the vendor's own words by vendor and name, written into the files as they are; *** in place of a value that is not shown and is kept" example:"{\"yealink\":{\"features.dnd.enable\":\"0\"}}"`
	Credentials    *trust.Credentials           `json:"credentials,omitempty" doc:"the phone's own HTTP user and password, made by the daemon"`
	Revision       uint64                       `json:"revision" doc:"revision of the record, also its ETag; ignored in a body" example:"17"`
	CreatedAt      time.Time                    `json:"created_at,omitzero" doc:"when the record was created; ignored in a body" example:"2026-11-22T12:00:00Z"`
	UpdatedAt      time.Time                    `json:"updated_at,omitzero" doc:"when the record was changed last; ignored in a body" example:"2026-11-22T12:00:00Z"`
}

// Profile is keys and settings shared by many devices.
type Profile struct {
	Name           string                       `json:"name" doc:"name of the profile, 64 characters at most" example:"desk"`
	Parent         string                       `json:"parent,omitempty" doc:"profile that this one inherits from" example:"base"`
	Source         string                       `json:"source,omitempty" doc:"PBX source that the record comes from; absent for records made by hand; ignored in a body" example:"main"`
	SourceMembers  []string                     `json:"source_members,omitempty" doc:"members that come from the source and are changed there only: by name, and as lines.POSITION, keys.AREA:SLOT, settings.NAME; ignored in a body" example:"[\"model\",\"lines.1\",\"keys.line:2\"]"`
	Gone           bool                         `json:"gone,omitempty" doc:"the source has it no more; it stays as it is until it is removed; ignored in a body" example:"false"`
	Keys           []Key                        `json:"keys" doc:"programmable keys of all devices with the profile"`
	Contacts       []Contact                    `json:"contacts,omitempty" doc:"phonebook entries of all devices with the profile"`
	Settings       setting.Values               `json:"settings,omitempty" doc:"settings by name, over those of the parent, registrar, subnet and site; secrets are shown with reveal only" example:"{\"language\":\"de\"}"`
	VendorSettings map[string]map[string]string `json:"vendor_settings,omitempty" doc:"parameters in the vendor's own words by vendor and name, written into the files as they are; *** in place of a value that is not shown and is kept" example:"{\"yealink\":{\"features.dnd.enable\":\"0\"}}"`
	// Upstream, UpstreamUser and UpstreamPassword are inherited together, from the nearest profile that has an upstream.
	Upstream         []string       `json:"upstream,omitempty" doc:"http or https URLs of PBXs that render the configuration files of the devices with the profile: the first that answers is used; in a body also one URL as text; only the role admin sets it" example:"[\"https://pbx.example.net/app/provision/\"]"`
	UpstreamUser     string         `json:"upstream_user,omitempty" doc:"user of HTTP Digest or Basic at those PBXs" example:"provision"`
	UpstreamPassword setting.Secret `json:"upstream_password,omitempty" doc:"its password; shown with reveal only" example:"correct-horse-battery"`
	Revision         uint64         `json:"revision" doc:"revision of the record, also its ETag; ignored in a body" example:"17"`
	CreatedAt        time.Time      `json:"created_at,omitzero" doc:"when the record was created; ignored in a body" example:"2026-11-22T12:00:00Z"`
	UpdatedAt        time.Time      `json:"updated_at,omitzero" doc:"when the record was changed last; ignored in a body" example:"2026-11-22T12:00:00Z"`
}

// Extension is an account on a registrar. (Number, Registrar) is its key.
type Extension struct {
	Number      string         `json:"number" doc:"number of the extension, which is also its SIP user; 64 characters at most" example:"1001"`
	Registrar   string         `json:"registrar" doc:"registrar of the account; needed only when there are several" example:"main"`
	DisplayName string         `json:"display_name,omitempty" doc:"name that called phones show, 128 characters at most" example:"Front Desk"`
	AuthUser    string         `json:"auth_user,omitempty" doc:"user for SIP authentication; the number when left out" example:"1001"`
	Password    setting.Secret `json:"password,omitempty" doc:"SIP password, 128 characters at most; shown with reveal only" example:"correct-horse-battery"`
	Voicemail   string         `json:"voicemail,omitempty" doc:"number that reaches the mailbox" example:"*97"`
	Source      string         `json:"source,omitempty" doc:"PBX source that the record comes from; absent for records made by hand; ignored in a body" example:"main"`
	Gone        bool           `json:"gone,omitempty" doc:"the source has it no more; its phones keep it until it is removed; ignored in a body" example:"false"`
	Revision    uint64         `json:"revision" doc:"revision of the record, also its ETag; ignored in a body" example:"17"`
	CreatedAt   time.Time      `json:"created_at,omitzero" doc:"when the record was created; ignored in a body" example:"2026-11-22T12:00:00Z"`
	UpdatedAt   time.Time      `json:"updated_at,omitzero" doc:"when the record was changed last; ignored in a body" example:"2026-11-22T12:00:00Z"`
}

// Registrar is the SIP server that phones register with.
type Registrar struct {
	Name          string `json:"name" doc:"name of the registrar, 64 characters at most" example:"main"`
	Host          string `json:"host" doc:"host name or IPv4 address of the SIP server" example:"pbx.example.net"`
	Port          int    `json:"port" doc:"SIP port, 1 to 65535; 5060 when left out, 5061 with the transport tls" example:"5060"`
	Transport     string `json:"transport" doc:"SIP transport: udp (when left out), tcp or tls" example:"udp"`
	OutboundProxy string `json:"outbound_proxy,omitempty" doc:"HOST or HOST:PORT that phones send all SIP through" example:"proxy.example.net:5060"`
	BackupHost    string `json:"backup_host,omitempty" doc:"host name or IPv4 address of the server that phones use when the first one fails" example:"pbx2.example.net"`
	// SIPDomain and BackupOutboundProxy are written where the vendor's files have a place for them.
	SIPDomain           string           `json:"sip_domain,omitempty" doc:"SIP domain of the accounts, when it is not the host" example:"example.net"`
	BackupOutboundProxy string           `json:"backup_outbound_proxy,omitempty" doc:"HOST or HOST:PORT that phones send all SIP through when the first outbound proxy fails" example:"proxy2.example.net:5060"`
	RegisterExpires     setting.Duration `json:"register_expires" doc:"how long a registration lasts, as 90s, 15m or 1h30m, from 30s to 7d; 1h when left out" example:"1h"`
	Settings            setting.Values   `json:"settings,omitempty" doc:"settings of the phones that use the registrar, by name; secrets are shown with reveal only" example:"{\"dtmf\":\"rfc2833\"}"`
	Revision            uint64           `json:"revision" doc:"revision of the record, also its ETag; ignored in a body" example:"17"`
	CreatedAt           time.Time        `json:"created_at,omitzero" doc:"when the record was created; ignored in a body" example:"2026-11-22T12:00:00Z"`
	UpdatedAt           time.Time        `json:"updated_at,omitzero" doc:"when the record was changed last; ignored in a body" example:"2026-11-22T12:00:00Z"`
}
