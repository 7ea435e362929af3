package fleet

import (
	"iter"
	"time"
)

// The kinds of record that a change can touch.
const (
	KindDevice    = "device"
	KindExtension = "extension"
	KindRegistrar = "registrar"
	KindProfile   = "profile"
)

// Write holds who changes records, from where, and the reason.
type Write struct {
	Actor   string // local:USER, token:NAME, or the daemon
	From    string // address that the request came from; "" for the daemon itself and the unix socket
	Action  string // what is done, in words
	Message string // what for, as the operator gave it
	Undoes  uint64 // the change that this one undoes; 0 for none
	DryRun  bool   // nothing is stored: the change is only computed
}

// Change is one write of the records. Its ID is the revision of every record that it made.
type Change struct {
	ID      uint64    `json:"id" doc:"number of the change, and revision of the records that it made; 0 when nothing changed" example:"128"`
	Time    time.Time `json:"time" doc:"when the change was made" example:"2026-11-22T12:00:00Z"`
	Actor   string    `json:"actor" doc:"who made it: local:USER over the unix socket, token:NAME over TCP" example:"token:helpdesk"`
	From    string    `json:"from,omitempty" doc:"address that the request came from; absent over the unix socket" example:"10.0.0.7"`
	Action  string    `json:"action" doc:"what was done, in words" example:"change device 00:15:65:12:34:56"`
	Message string    `json:"message,omitempty" doc:"what the change was for, as its author wrote" example:"move the front desk"`
	Undoes  uint64    `json:"undoes,omitempty" doc:"the change that this one undid" example:"127"`
	Created int       `json:"created,omitempty" doc:"how many records were created" example:"0" minimum:"0"`
	Changed int       `json:"changed,omitempty" doc:"how many records were changed" example:"1" minimum:"0"`
	Deleted int       `json:"deleted,omitempty" doc:"how many records were deleted" example:"0" minimum:"0"`
	// Records are those of a dry run. Those of a change that is stored are read by View.ChangeRecords.
	Records []ChangedRecord `json:"-"`
}

// Total returns the number of records that the change touched.
func (c Change) Total() int { return c.Created + c.Changed + c.Deleted }

// Record is one record of any kind: one member is set.
type Record struct {
	Device    *Device
	Extension *Extension
	Registrar *Registrar
	Profile   *Profile
}

// Any returns the record's pointer, nil when no member is set.
func (r *Record) Any() any {
	switch {
	case r == nil:
	case r.Device != nil:
		return r.Device
	case r.Extension != nil:
		return r.Extension
	case r.Registrar != nil:
		return r.Registrar
	case r.Profile != nil:
		return r.Profile
	}
	return nil
}

// ChangedRecord is a record before and after a change.
type ChangedRecord struct {
	Kind   string
	Name   string  // a MAC, NUMBER@REGISTRAR or a name
	Before *Record // nil: it did not exist
	After  *Record // nil: the change deleted it
}

// Change returns what happened to the record: created, changed or deleted.
func (c ChangedRecord) Change() string {
	switch {
	case c.Before == nil:
		return "created"
	case c.After == nil:
		return "deleted"
	}
	return "changed"
}

// RecordRevision is a record before and after one change of it.
type RecordRevision struct {
	Change Change
	ChangedRecord
}

// Changes reads the changes that are kept. The store implements it.
type Changes interface {
	// Changes returns at most limit changes with an ID less than before, newest first; 0 begins with the newest.
	Changes(before uint64, limit int) ([]Change, error)
	// RecordHistory returns the changes of one record that are kept, newest first, limit at most; those of a deleted one too.
	RecordHistory(kind, name string, limit int) ([]RecordRevision, error)
}

// ChangeView reads changes within a View.
type ChangeView interface {
	// Change returns one change without its records; the error wraps ErrNotFound when it is not kept.
	Change(id uint64) (Change, error)
	// ChangeRecords yields the records of a change in the order in which they were touched. A part that is damaged is an error.
	ChangeRecords(id uint64) iter.Seq2[ChangedRecord, error]
}
