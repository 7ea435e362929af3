package fleet

import (
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

// Token is a bearer token of the admin API. Only its digest is kept.
type Token struct {
	Name      string    `json:"name"`
	Role      string    `json:"role"` // admin, operator, viewer
	Hash      string    `json:"-"`    // SHA-256 of the token, hex
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by,omitempty"`
}
