package provision

import (
	"net/netip"
	"time"
)

// AuditRecord names one record that an audited action touched.
type AuditRecord struct {
	Kind   string `json:"kind"`   // device, extension, registrar, profile, token
	Name   string `json:"name"`   // MAC, number@registrar, name
	Change string `json:"change"` // created, changed, deleted; revealed for a read of secrets
}

// AuditEntry says who did what, when, to which records. It never holds a record's contents, so no secret is in it.
type AuditEntry struct {
	ID       uint64        `json:"id"` // counts up without gaps; set by the store
	Time     time.Time     `json:"time"`
	Actor    string        `json:"actor"`
	Action   string        `json:"action"`
	Revision uint64        `json:"revision,omitempty"` // of the fleet after it; 0 when the fleet did not change
	Records  []AuditRecord `json:"records,omitempty"`  // the first 100
	More     int           `json:"more,omitempty"`     // how many further records were touched
}

// DeviceRevision is a device as it was after one edit.
type DeviceRevision struct {
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
	Actor    string    `json:"actor"`
	Action   string    `json:"action"`
	Deleted  bool      `json:"deleted,omitempty"` // this edit removed it; Device is what was removed
	Device   *Device   `json:"device"`
}

// Fetch is the last time that a phone was given one of its files.
type Fetch struct {
	MAC       MAC        `json:"mac"`
	File      string     `json:"file"` // cleaned name
	Kind      string     `json:"kind,omitempty"`
	Digest    string     `json:"digest"` // SHA-256 of the bytes, hex
	Size      int64      `json:"size"`
	Time      time.Time  `json:"time"`
	From      netip.Addr `json:"from,omitzero"`
	Transport Transport  `json:"transport"`
	UserAgent string     `json:"user_agent,omitempty"`
	Vendor    string     `json:"vendor,omitempty"`
	Model     string     `json:"model,omitempty"`
	Firmware  string     `json:"firmware,omitempty"`
	Port      string     `json:"port,omitempty"` // switch port (option 82) that the phone was behind
}

// Discovered is a phone that asked for something and has no device record. When the same phone is seen again its
// members are merged: FirstSeen stays, what is newly known replaces, what is not said stays.
type Discovered struct {
	MAC       MAC          `json:"mac"`
	Vendor    string       `json:"vendor,omitempty"`
	Model     string       `json:"model,omitempty"`
	Firmware  string       `json:"firmware,omitempty"`
	Hostname  string       `json:"hostname,omitempty"`
	IP        netip.Addr   `json:"ip,omitzero"`
	Subnet    netip.Prefix `json:"subnet,omitzero"`
	Reason    string       `json:"reason,omitempty"` // how it was recognised
	CircuitID string       `json:"circuit_id,omitempty"`
	RemoteID  string       `json:"remote_id,omitempty"`
	FirstSeen time.Time    `json:"first_seen"`
	LastSeen  time.Time    `json:"last_seen"`
}

// Token is a bearer token of the admin API. Only its digest is kept.
type Token struct {
	Name      string    `json:"name"`
	Role      string    `json:"role"` // admin, operator, viewer
	Hash      string    `json:"-"`    // SHA-256 of the token, hex
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by,omitempty"`
}

// ProfileUsers is implemented by the store's Fleet: which devices name a profile, in MAC order, from an index.
type ProfileUsers interface {
	DevicesWithProfile(name string) ([]MAC, error)
}
