package records

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// partBytes is how much of a change is compressed at a time. One part is read to show one record.
const partBytes = 64 << 10

// recordKind is a kind of record for the changes, which hold records of all kinds.
type recordKind struct {
	word, table string
	code        byte // in the index
	name        func(key []byte) string
	decode      func(payload []byte) (*fleet.Record, error)
}

// recordKinds are all kinds.
var recordKinds = []recordKind{
	{fleet.KindDevice, tableDevices, 'd', macName, decodeAs(deviceKind, func(d *fleet.Device) *fleet.Record { return &fleet.Record{Device: d} })},
	{fleet.KindExtension, tableExtensions, 'e', accountName, decodeAs(extensionKind, func(x *fleet.Extension) *fleet.Record { return &fleet.Record{Extension: x} })},
	{fleet.KindRegistrar, tableRegistrars, 'r', plainName, decodeAs(registrarKind, func(r *fleet.Registrar) *fleet.Record { return &fleet.Record{Registrar: r} })},
	{fleet.KindProfile, tableProfiles, 'p', plainName, decodeAs(profileKind, func(p *fleet.Profile) *fleet.Record { return &fleet.Record{Profile: p} })},
}

func decodeAs[T any](k kind[T], wrap func(*T) *fleet.Record) func([]byte) (*fleet.Record, error) {
	return func(b []byte) (*fleet.Record, error) {
		v, err := k.decode(b)
		if err != nil {
			return nil, err
		}
		return wrap(v), nil
	}
}

// kindOf finds a kind by its table; the zero kind when there is none.
func kindOf(table string) recordKind {
	for _, k := range recordKinds {
		if k.table == table {
			return k
		}
	}
	return recordKind{name: plainName}
}

// recordNamed finds the kind and the key of a record by what people call them.
func recordNamed(kind, name string) (recordKind, []byte, error) {
	for _, k := range recordKinds {
		if k.word != kind {
			continue
		}
		switch kind {
		case fleet.KindDevice:
			mac, err := dhcp.ParseMAC(name)
			return k, mac[:], err
		case fleet.KindExtension:
			number, registrar := fleet.ParseExtension(name)
			return k, accountKey(number, registrar), nil
		}
		return k, []byte(name), nil
	}
	return recordKind{}, nil, fmt.Errorf("kind of record %q: %w", kind, fleet.ErrNotFound)
}

// recordKey is the key of a record's change in the index.
func recordKey(t touchedRecord, id uint64) []byte {
	return append(append([]byte{kindOf(t.table).code}, t.key...), number(id)...)
}

func partKey(id uint64, part int) []byte {
	return binary.BigEndian.AppendUint32(number(id), uint32(part))
}

// parts splits records into parts of about partBytes.
func parts(all []touchedRecord) [][]touchedRecord {
	var out [][]touchedRecord
	start, size := 0, 0
	for i, t := range all {
		if size += len(t.before) + len(t.after); size >= partBytes {
			out = append(out, all[start:i+1])
			start, size = i+1, 0
		}
	}
	if start < len(all) {
		out = append(out, all[start:])
	}
	return out
}

// packer compresses records, many parts with the same memory.
type packer struct {
	plain []byte
	out   bytes.Buffer
	w     *flate.Writer
}

// entries compresses records: for each its kind's code, key, and the payloads before and after, all but the code with
// its length before it. An empty payload is none. The bytes are valid until the next call.
func (p *packer) entries(list []touchedRecord) ([]byte, error) {
	plain := p.plain[:0]
	for _, t := range list {
		plain = append(plain, kindOf(t.table).code)
		for _, b := range [][]byte{t.key, t.before, t.after} {
			plain = binary.AppendUvarint(plain, uint64(len(b)))
			plain = append(plain, b...)
		}
	}
	p.plain = plain
	p.out.Reset()
	if p.w == nil {
		w, err := flate.NewWriter(&p.out, flate.BestSpeed)
		if err != nil {
			return nil, err
		}
		p.w = w
	} else {
		p.w.Reset(&p.out)
	}
	if _, err := p.w.Write(plain); err != nil {
		return nil, err
	}
	if err := p.w.Close(); err != nil {
		return nil, err
	}
	return p.out.Bytes(), nil
}

// maxPart bounds what a part may unpack to: one record on each side is beyond partBytes at most.
const maxPart = 64 << 20

// entriesOf reads what a packer has made, from a value of the table.
func entriesOf(table dbfile.Table, key, value []byte) ([]touchedRecord, error) {
	if value == nil {
		return nil, notFound("part of change", fmt.Sprintf("%x", key))
	}
	b, err := table.Payload(key, value)
	if err != nil {
		return nil, err
	}
	r := flate.NewReader(bytes.NewReader(b))
	plain, err := io.ReadAll(io.LimitReader(r, maxPart))
	if err != nil {
		return nil, dbfile.Damagedf("part of a change: %v", err)
	}
	var out []touchedRecord
	for len(plain) > 0 {
		t := touchedRecord{}
		for _, k := range recordKinds {
			if k.code == plain[0] {
				t.table = k.table
			}
		}
		plain = plain[1:]
		for _, to := range []*[]byte{&t.key, &t.before, &t.after} {
			n, size := binary.Uvarint(plain)
			if size <= 0 || n > uint64(len(plain)-size) {
				return nil, dbfile.Damagedf("part of a change")
			}
			*to = plain[size : size+int(n)]
			plain = plain[size+int(n):]
		}
		out = append(out, t)
	}
	return out, nil
}

// Change implements fleet.ChangeView.
func (f view) Change(id uint64) (c fleet.Change, err error) {
	b, err := f.tx.Table(tableChanges).Get(number(id))
	if err == nil && b == nil {
		return c, fmt.Errorf("change %d: %w", id, fleet.ErrNotFound)
	}
	if err == nil {
		err = dbfile.Decode(b, &c)
	}
	if err != nil {
		return c, broken("change", fmt.Sprint(id), err)
	}
	return c, nil
}

// ChangeRecords implements fleet.ChangeView.
func (f view) ChangeRecords(id uint64) iter.Seq2[fleet.ChangedRecord, error] {
	return func(yield func(fleet.ChangedRecord, error) bool) {
		table := f.tx.Table(tableChanged)
		for part := 0; ; part++ {
			key := partKey(id, part)
			value := bytes.Clone(table.Bucket.Get(key)) // an Edit may write while it goes on
			if value == nil {
				return
			}
			entries, err := entriesOf(table, key, value)
			if err != nil {
				yield(fleet.ChangedRecord{}, broken("change", fmt.Sprint(id), err))
				return
			}
			for _, t := range entries {
				if r, err := changedRecord(t); !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

// oldHistory returns the revisions of a device that versions before the changes wrote, newest first, as far as they are
// older than those found.
func (f view) oldHistory(mac dhcp.MAC, found []fleet.RecordRevision) ([]fleet.RecordRevision, error) {
	var list []fleet.RecordRevision
	history := f.tx.Table(tableHistory)
	c := history.Cursor()
	var before *fleet.Record
	for k, v := c.Seek(mac[:]); bytes.HasPrefix(k, mac[:]); k, v = c.Next() {
		b, err := history.Payload(k, v)
		if err != nil {
			continue // damaged
		}
		var r historyRecord
		err = dbfile.Decode(b, &r)
		if err == nil && r.Device == nil {
			err = dbfile.Damagedf("no device in it")
		}
		if err != nil {
			return nil, broken("history of device", mac.String(), err)
		}
		if len(found) > 0 && r.Revision >= found[len(found)-1].Change.ID {
			break
		}
		rev := fleet.RecordRevision{
			Change:        fleet.Change{ID: r.Revision, Time: r.Time, Actor: r.Actor, Action: r.Action},
			ChangedRecord: fleet.ChangedRecord{Kind: fleet.KindDevice, Name: mac.String(), Before: before},
		}
		device := &fleet.Record{Device: r.Device.device()}
		if r.Deleted {
			rev.Before = device
		} else {
			rev.After = device
		}
		before = rev.After
		list = append([]fleet.RecordRevision{rev}, list...)
	}
	return list, nil
}

// rebuildByRecord builds the index of changes by record again.
func rebuildByRecord(tx dbfile.Tx) error {
	table := tx.Table(tableChanged)
	index := tx.Table(tableByRecord)
	c := table.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if len(k) != 12 {
			continue
		}
		entries, err := entriesOf(table, k, v)
		if err != nil {
			continue // damaged
		}
		id, part := binary.BigEndian.Uint64(k), uint64(binary.BigEndian.Uint32(k[8:]))
		for _, t := range entries {
			if err := index.Put(recordKey(t, id), binary.AppendUvarint(nil, part)); err != nil {
				return err
			}
		}
	}
	return nil
}
