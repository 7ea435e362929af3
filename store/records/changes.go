package records

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// Limits of the changes that are kept, unless SetHistory sets others.
const (
	DefaultHistoryKeep = 90 * 24 * time.Hour
	DefaultHistoryMax  = 10_000
)

// prunedAtOnce bounds how many old changes one write removes, so that no write is held up for long.
const prunedAtOnce = 20

// historyBound is how many changes are kept, and for how long.
type historyBound struct {
	keep time.Duration
	max  int
}

// SetHistory sets for how long changes are kept, and how many at most. The next write removes what is beyond.
func (db *DB) SetHistory(keep time.Duration, max int) {
	db.bound.Store(&historyBound{keep, max})
}

func (db *DB) history() historyBound {
	if b := db.bound.Load(); b != nil {
		return *b
	}
	return historyBound{DefaultHistoryKeep, DefaultHistoryMax}
}

// touchedRecord is a record that an edit has put or deleted, as it was stored before; nil: not at all.
type touchedRecord struct {
	table  string
	key    []byte
	before []byte
	after  []byte // set by count
}

// touch notes a record, once however often it is put.
func (e *edit) touch(table string, key, before []byte) {
	id := [2]string{table, string(key)}
	if _, again := e.at[id]; again {
		return
	}
	e.at[id] = len(e.touched)
	e.touched = append(e.touched, touchedRecord{table: table, key: bytes.Clone(key), before: before})
}

// count reads what became of the touched records and counts them. Those that are as they were are left out. It returns them
// for the audit entry.
func (e *edit) count() ([]fleet.AuditRecord, error) {
	var audited []fleet.AuditRecord
	kept := e.touched[:0]
	e.change = fleet.Change{Time: e.now, Actor: e.write.Actor, From: e.write.From, Action: e.write.Action, Message: e.write.Message, Undoes: e.write.Undoes}
	for _, t := range e.touched {
		k := kindOf(t.table)
		after, err := e.tx.Table(t.table).Get(t.key)
		if err != nil {
			return nil, broken(k.word, k.name(t.key), err)
		}
		t.after = after
		word := ""
		switch {
		case t.before == nil && after == nil:
			continue
		case t.before == nil:
			word = "created"
			e.change.Created++
		case after == nil:
			word = "deleted"
			e.change.Deleted++
		default:
			word = "changed"
			e.change.Changed++
		}
		audited = append(audited, fleet.AuditRecord{Kind: k.word, Name: k.name(t.key), Change: word})
		kept = append(kept, t)
	}
	e.touched = kept
	if !e.write.DryRun {
		e.change.ID = e.revision
	}
	return audited, nil
}

// collect decodes the touched records for a dry run.
func (e *edit) collect() error {
	for _, t := range e.touched {
		r, err := changedRecord(t)
		if err != nil {
			return err
		}
		e.change.Records = append(e.change.Records, r)
	}
	return nil
}

// changedRecord decodes an entry.
func changedRecord(t touchedRecord) (r fleet.ChangedRecord, err error) {
	k := kindOf(t.table)
	if k.decode == nil {
		return r, dbfile.Damagedf("a record of no kind")
	}
	r = fleet.ChangedRecord{Kind: k.word, Name: k.name(t.key)}
	if len(t.before) > 0 {
		if r.Before, err = k.decode(t.before); err != nil {
			return r, broken(k.word, r.Name, err)
		}
	}
	if len(t.after) > 0 {
		if r.After, err = k.decode(t.after); err != nil {
			return r, broken(k.word, r.Name, err)
		}
	}
	return r, nil
}

// storeChange writes the change, its records and the index by record.
func (e *edit) storeChange() error {
	v, err := dbfile.EncodeExact(&e.change)
	if err != nil {
		return fleet.ValidationError{{Field: "message", Value: e.change.Message, Message: err.Error()}}
	}
	if err := e.tx.Table(tableChanges).Put(number(e.change.ID), v); err != nil {
		return err
	}
	var pack packer
	for i, part := range parts(e.touched) {
		b, err := pack.entries(part)
		if err != nil {
			return err
		}
		if err := e.tx.Table(tableChanged).Put(partKey(e.change.ID, i), b); err != nil {
			return err
		}
		for _, t := range part {
			e.later.put(tableByRecord, recordKey(t, e.change.ID), binary.AppendUvarint(nil, uint64(i)))
		}
	}
	return e.later.write(e.tx, tableByRecord)
}

// prune removes the oldest changes beyond the bound.
func (e *edit) prune(bound historyBound) error {
	table := e.tx.Table(tableChanges)
	for range prunedAtOnce {
		k, v := table.Cursor().First()
		if len(k) != 8 {
			return nil
		}
		id := binary.BigEndian.Uint64(k)
		if id+uint64(bound.max) > e.revision { // ids count up by one
			var c fleet.Change // one that can't be read goes by its number
			b, err := table.Payload(k, v)
			if err != nil || dbfile.Decode(b, &c) != nil || e.now.Sub(c.Time) <= bound.keep {
				return nil
			}
		}
		if err := e.forget(id); err != nil {
			return err
		}
	}
	return nil
}

// forget removes a change. What of it can't be read stays as an entry of the index without its change.
func (e *edit) forget(id uint64) error {
	changed, index := e.tx.Table(tableChanged), e.tx.Table(tableByRecord)
	var keys [][]byte
	c := changed.Cursor()
	for k, v := c.Seek(number(id)); bytes.HasPrefix(k, number(id)); k, v = c.Next() {
		keys = append(keys, bytes.Clone(k))
		entries, err := entriesOf(changed, k, v)
		if err != nil {
			continue
		}
		for _, t := range entries {
			if err := index.Delete(recordKey(t, id)); err != nil {
				return err
			}
		}
	}
	for _, k := range keys {
		if err := changed.Delete(k); err != nil {
			return err
		}
	}
	return e.tx.Table(tableChanges).Delete(number(id))
}

// Changes implements fleet.Changes.
func (db *DB) Changes(before uint64, limit int) ([]fleet.Change, error) {
	var found []fleet.Change
	err := db.file.View(func(tx dbfile.Tx) error {
		table := tx.Table(tableChanges)
		c := table.Cursor()
		var k, v []byte
		if at, _ := c.Seek(number(before)); before > 0 && at != nil {
			k, v = c.Prev()
		} else {
			k, v = c.Last()
		}
		for ; k != nil && len(found) < limit; k, v = c.Prev() {
			b, err := table.Payload(k, v)
			if err != nil {
				continue // damaged
			}
			var change fleet.Change
			if err := dbfile.Decode(b, &change); err != nil {
				return broken("change", fmt.Sprintf("%x", k), err)
			}
			found = append(found, change)
		}
		return nil
	})
	return found, err
}

// RecordHistory implements fleet.Changes.
func (db *DB) RecordHistory(kind, name string, limit int) ([]fleet.RecordRevision, error) {
	k, key, err := recordNamed(kind, name)
	if err != nil {
		return nil, err
	}
	var found []fleet.RecordRevision
	err = db.file.View(func(tx dbfile.Tx) error {
		f := view{tx: tx}
		for _, at := range f.entriesFor(k.table, key, limit) {
			r, err := f.revision(at, k.table, key)
			if err != nil {
				continue // damaged, or no longer kept
			}
			found = append(found, r)
		}
		if kind == fleet.KindDevice && len(found) < limit {
			older, err := f.oldHistory(dhcp.MAC(key), found)
			found = append(found, older...)
			return err
		}
		return nil
	})
	return found[:min(limit, len(found))], err
}

// entry is a place in tableChanged.
type entry struct {
	id   uint64
	part int
}

// entriesFor finds the changes of a record, the newest first.
func (f view) entriesFor(table string, key []byte, limit int) []entry {
	var found []entry
	index := f.tx.Table(tableByRecord)
	prefix := recordKey(touchedRecord{table: table, key: key}, 0)
	prefix = prefix[:len(prefix)-8]
	c := index.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if len(k) != len(prefix)+8 {
			continue // of another record whose key begins with this one
		}
		b, err := index.Payload(k, v)
		n, size := binary.Uvarint(b)
		if err == nil && size > 0 {
			found = append(found, entry{binary.BigEndian.Uint64(k[len(prefix):]), int(n)})
		}
	}
	slices.Reverse(found)
	return found[:min(limit, len(found))]
}

// revision reads one record out of a change.
func (f view) revision(at entry, table string, key []byte) (r fleet.RecordRevision, err error) {
	if r.Change, err = f.Change(at.id); err != nil {
		return r, err
	}
	changed := f.tx.Table(tableChanged)
	partAt := partKey(at.id, at.part)
	entries, err := entriesOf(changed, partAt, changed.Bucket.Get(partAt))
	if err != nil {
		return r, err
	}
	for _, t := range entries {
		if t.table == table && bytes.Equal(t.key, key) {
			r.ChangedRecord, err = changedRecord(t)
			return r, err
		}
	}
	return r, notFound("change of", string(key))
}
