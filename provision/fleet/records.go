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
	Area  string `json:"area"` // "line" when left out
	Slot  int    `json:"slot"`
	Type  string `json:"type"`
	Value string `json:"value,omitempty"`
	Label string `json:"label,omitempty"`
	Line  int    `json:"line,omitempty"`
}

// Line binds a line position of a device to an extension.
type Line struct {
	Position  int    `json:"position"`
	Extension string `json:"extension"`           // number
	Registrar string `json:"registrar,omitempty"` // name; filled in when the record is saved
}

// Contact is one entry of the phonebook of a device or profile. It has a name and one number at least.
type Contact struct {
	Name   string `json:"name"`
	Number string `json:"number,omitempty"` // at work
	Mobile string `json:"mobile,omitempty"`
	Home   string `json:"home,omitempty"`
	Group  string `json:"group,omitempty"`
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
	MAC            dhcp.MAC                     `json:"mac"`
	OtherMACs      []dhcp.MAC                   `json:"other_macs,omitempty"`
	Vendor         string                       `json:"vendor,omitempty"` // vendor id; "" : only its address is kept
	Model          string                       `json:"model,omitempty"`
	Label          string                       `json:"label,omitempty"`
	Profile        string                       `json:"profile,omitempty"`
	Enabled        bool                         `json:"enabled"`
	ReservedIP     netip.Addr                   `json:"reserved_ip,omitzero"`
	Notes          string                       `json:"notes,omitempty"`
	Lines          []Line                       `json:"lines"`
	Keys           []Key                        `json:"keys"`
	Contacts       []Contact                    `json:"contacts,omitempty"` // of its phonebook, when the setting phonebook is on
	Settings       setting.Values               `json:"settings,omitempty"`
	VendorSettings map[string]map[string]string `json:"vendor_settings,omitempty"`
	Credentials    *trust.Credentials           `json:"credentials,omitempty"` // its own HTTP user and password; made by CheckDevice
	Revision       uint64                       `json:"revision"`
	CreatedAt      time.Time                    `json:"created_at,omitzero"`
	UpdatedAt      time.Time                    `json:"updated_at,omitzero"`
}

// Profile is keys and settings shared by many devices.
type Profile struct {
	Name           string                       `json:"name"`
	Parent         string                       `json:"parent,omitempty"`
	Keys           []Key                        `json:"keys"`
	Contacts       []Contact                    `json:"contacts,omitempty"` // of the phonebooks of its devices
	Settings       setting.Values               `json:"settings,omitempty"`
	VendorSettings map[string]map[string]string `json:"vendor_settings,omitempty"`
	Revision       uint64                       `json:"revision"`
	CreatedAt      time.Time                    `json:"created_at,omitzero"`
	UpdatedAt      time.Time                    `json:"updated_at,omitzero"`
}

// Extension is an account on a registrar. (Number, Registrar) is its key.
type Extension struct {
	Number      string         `json:"number"`
	Registrar   string         `json:"registrar"`
	DisplayName string         `json:"display_name,omitempty"`
	AuthUser    string         `json:"auth_user,omitempty"` // default: the number
	Password    setting.Secret `json:"password,omitempty"`
	Voicemail   string         `json:"voicemail,omitempty"`
	Revision    uint64         `json:"revision"`
	CreatedAt   time.Time      `json:"created_at,omitzero"`
	UpdatedAt   time.Time      `json:"updated_at,omitzero"`
}

// Registrar is the SIP server that phones register with.
type Registrar struct {
	Name            string           `json:"name"`
	Host            string           `json:"host"`
	Port            int              `json:"port"`      // default 5060, with tls 5061
	Transport       string           `json:"transport"` // udp, tcp, tls
	OutboundProxy   string           `json:"outbound_proxy,omitempty"`
	BackupHost      string           `json:"backup_host,omitempty"`
	RegisterExpires setting.Duration `json:"register_expires"` // default 1h
	Settings        setting.Values   `json:"settings,omitempty"`
	Revision        uint64           `json:"revision"`
	CreatedAt       time.Time        `json:"created_at,omitzero"`
	UpdatedAt       time.Time        `json:"updated_at,omitzero"`
}
