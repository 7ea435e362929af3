package records

import (
	"encoding/binary"
	"fmt"

	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

const (
	auditMax     = 100_000 // entries
	auditRecords = 100     // named in one entry
)

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// appendAudit numbers an entry, writes it and lets the oldest go.
func appendAudit(tx dbfile.Tx, e fleet.AuditEntry) error {
	b := tx.Table(tableAudit)
	c := b.Cursor()
	last, _ := c.Last()
	e.ID = 1
	if len(last) == 8 {
		e.ID = binary.BigEndian.Uint64(last) + 1
	}
	if n := len(e.Records); n > auditRecords {
		e.Records, e.More = e.Records[:auditRecords], e.More+n-auditRecords
	}
	// The actor may be what a client claimed: what JSON can't carry is replaced, not refused.
	v, err := dbfile.Encode(&e)
	if err != nil {
		return fmt.Errorf("audit entry: %w", err)
	}
	if err := b.Put(number(e.ID), v); err != nil {
		return err
	}
	for k, _ := c.First(); len(k) == 8 && binary.BigEndian.Uint64(k)+auditMax <= e.ID; k, _ = c.First() {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// RecordAudit adds an entry for what is no Edit: a reveal of secrets, a backup. Its ID is set here, its time when zero.
func (db *DB) RecordAudit(e fleet.AuditEntry) error {
	if e.Time.IsZero() {
		e.Time = db.time()
	}
	return db.file.Update(func(tx dbfile.Tx) error { return appendAudit(tx, e) })
}

// Audit returns at most limit entries with an ID less than before, newest first; 0 begins with the newest.
func (db *DB) Audit(before uint64, limit int) ([]fleet.AuditEntry, error) {
	var entries []fleet.AuditEntry
	err := db.file.View(func(tx dbfile.Tx) error {
		audit := tx.Table(tableAudit)
		c := audit.Cursor()
		k, v := c.Last()
		if before > 0 {
			if at, _ := c.Seek(number(before)); at != nil {
				k, v = c.Prev()
			}
		}
		for ; k != nil && len(entries) < limit; k, v = c.Prev() {
			b, err := audit.Payload(k, v)
			if err != nil {
				continue // damaged
			}
			var e fleet.AuditEntry
			if err := dbfile.Decode(b, &e); err != nil {
				return broken("audit entry", fmt.Sprintf("%x", k), err)
			}
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}
