package fleet

import (
	"time"
)

// AuditRecord names one record that an audited action touched.
type AuditRecord struct {
	Kind   string `json:"kind" doc:"kind of record: device, extension, registrar, profile, token, lease, window, discovered, credentials, configuration or backup" example:"device"`
	Name   string `json:"name" doc:"name of the record: a MAC, NUMBER@REGISTRAR, an address or a name; empty where there is only one" example:"00:15:65:12:34:56"`
	Change string `json:"change" doc:"what happened to it; revealed means that secrets were read" example:"changed" enum:"created,changed,deleted,revealed"`
}

// AuditEntry records who did what, when, to which records. It never holds a record's contents, so no secret is in it.
type AuditEntry struct {
	ID       uint64        `json:"id" doc:"number of the entry; counts up from 1 without gaps" example:"4711" minimum:"1"`
	Time     time.Time     `json:"time" doc:"when the change was made" example:"2026-11-22T12:00:00Z"`
	Actor    string        `json:"actor" doc:"who made it: local:USER over the unix socket, token:NAME over TCP" example:"token:helpdesk"`
	Action   string        `json:"action" doc:"what was done, in words" example:"change device 00:15:65:12:34:56"`
	From     string        `json:"from,omitempty" doc:"address that the request came from; absent over the unix socket" example:"10.0.0.7"`
	Message  string        `json:"message,omitempty" doc:"what the change was for, as its author wrote" example:"move the front desk"`
	Revision uint64        `json:"revision,omitempty" doc:"revision of all records after the change, and its id among the changes; absent when no record changed" example:"128"`
	Records  []AuditRecord `json:"records,omitempty" doc:"the records that were touched, 100 at most"`
	More     int           `json:"more,omitempty" doc:"how many further records were touched" example:"0" minimum:"0"`
}

// Token is a bearer token of the admin API. Only its digest is kept.
type Token struct {
	Name      string    `json:"name" doc:"name of the token, 1 to 63 letters, digits, dots, underscores and hyphens" example:"helpdesk"`
	Role      string    `json:"role" doc:"what the token may do: viewer reads without secrets, operator also changes, admin also reads secrets and manages tokens" example:"operator" enum:"admin,operator,viewer,push"`
	Hash      string    `json:"-"` // SHA-256 of the token, hex
	CreatedAt time.Time `json:"created_at" doc:"when it was made" example:"2026-11-22T12:00:00Z"`
	CreatedBy string    `json:"created_by,omitempty" doc:"who made it" example:"local:root"`
}
