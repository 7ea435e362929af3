package dbfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"plugtone/provision/fleet"
	"plugtone/store/seal"
)

// Tables that every file has.
const (
	MetaTable    = "meta"
	DamagedTable = "damaged" // records that were set aside: table NUL key, the value as it was found
)

// Tx is a transaction.
type Tx struct {
	*bolt.Tx
	file     *File // nil while the file is being checked
	recorded *recorded
}

// Advance records that a long write goes on, which would else count as one that hangs. Its commit may take extra time.
func (tx Tx) Advance(extra time.Duration) {
	if tx.file != nil {
		tx.file.writing.Advance(tx.file.o.Now(), extra)
	}
}

// Table returns a table that the schema made.
func (tx Tx) Table(name string) Table {
	t := Table{Bucket: tx.Bucket([]byte(name)), name: name, file: tx.file, recorded: tx.recorded}
	t.sealed = tx.file != nil && (tx.file.o.Keys != nil || tx.file.locked != nil) && slices.Contains(tx.file.schema.Sealed, name)
	return t
}

// Table is one bucket. Its Get and Put are those of records with checksums; a value that a cursor returns is opened with
// Payload.
type Table struct {
	*bolt.Bucket
	name     string
	file     *File
	sealed   bool // what is put is encrypted
	recorded *recorded
}

// Get returns the payload under key, nil when there is none. It is valid until the transaction ends.
func (t Table) Get(key []byte) ([]byte, error) {
	value := t.Bucket.Get(key)
	if value == nil {
		return nil, nil
	}
	return t.Payload(key, value)
}

// Has reports whether there is a record under key, damaged or not.
func (t Table) Has(key []byte) bool { return t.Bucket.Get(key) != nil }

// Payload verifies a value that a cursor returned, and decrypts it. A damaged one is counted and logged, and must not be used.
func (t Table) Payload(key, value []byte) ([]byte, error) {
	payload, err := Payload(t.name, key, value)
	switch {
	case err != nil:
	case value[0] == sealedVersion:
		payload, err = t.open(key, payload)
	case t.sealed && t.file.encrypted:
		err = Damagedf("it is in clear, where all records are encrypted")
	}
	if errors.Is(err, ErrDamaged) && t.file != nil {
		t.file.noteDamaged(t.name, key, err)
	}
	return payload, err
}

// open decrypts the payload of a sealed record.
func (t Table) open(key, payload []byte) ([]byte, error) {
	if t.file != nil && t.file.locked != nil {
		return nil, t.file.locked
	}
	if t.file == nil || t.file.o.Keys == nil {
		return nil, fmt.Errorf("%w: %w", seal.ErrNoKey, fleet.ErrInternal)
	}
	plain, err := t.file.o.Keys.Open(payload, placeOf(t.name, key))
	if errors.Is(err, seal.ErrAltered) {
		return nil, Damagedf("%v", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, fleet.ErrInternal)
	}
	return plain, nil
}

// placeOf names the place that a sealed record is bound to.
func placeOf(table string, key []byte) []byte { return append(append([]byte(table), 0), key...) }

// SetAside moves a damaged record to a table of its own, so that another can take its place.
func (tx Tx) SetAside(table string, key []byte) error {
	from := tx.Bucket([]byte(table))
	value := bytes.Clone(from.Get(key))
	if _, err := Payload(table, key, value); err != nil {
		tx.file.noteDamaged(table, key, err)
	}
	aside, err := tx.CreateBucketIfNotExists([]byte(DamagedTable))
	if err != nil {
		return err
	}
	return errors.Join(aside.Put(bytes.Join([][]byte{[]byte(table), key}, []byte{0}), value), from.Delete(key))
}

// Put stores payload under key, encrypted if the table is one of the schema's sealed ones.
func (t Table) Put(key, payload []byte) error {
	t.recorded.add(t.name, key, payload, false)
	switch {
	case t.sealed && t.file.locked != nil:
		return t.file.locked
	case t.sealed:
		return t.Bucket.Put(key, appendRecord(nil, sealedVersion, t.name, key, t.file.o.Keys.Seal(payload, placeOf(t.name, key))))
	}
	return t.Bucket.Put(key, AppendRecord(nil, t.name, key, payload))
}

// Delete removes the record under key; it is no error if there is none.
func (t Table) Delete(key []byte) error {
	t.recorded.add(t.name, key, nil, true)
	return t.Bucket.Delete(key)
}

// PutRecord stores a value that AppendRecord has made for this table and key.
func (t Table) PutRecord(key, value []byte) error { return t.Bucket.Put(key, value) }

// Meta returns a record about the file itself, nil when there is none or it is damaged.
func (tx Tx) Meta(key string) []byte {
	if tx.Bucket([]byte(MetaTable)) == nil {
		return nil
	}
	payload, err := tx.Table(MetaTable).Get([]byte(key))
	if err != nil {
		return nil
	}
	return payload
}

// SetMeta stores a record about the file itself; nil removes it.
func (tx Tx) SetMeta(key string, payload []byte) error {
	b, err := tx.CreateBucketIfNotExists([]byte(MetaTable))
	if err != nil {
		return err
	}
	tx.recorded.add(MetaTable, []byte(key), payload, payload == nil)
	if payload == nil {
		return b.Delete([]byte(key))
	}
	return b.Put([]byte(key), AppendRecord(nil, MetaTable, []byte(key), payload))
}

// Number returns a number about the file, 0 when there is none.
func (tx Tx) Number(key string) uint64 {
	if v := tx.Meta(key); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// SetNumber stores a number about the file.
func (tx Tx) SetNumber(key string, n uint64) error {
	return tx.SetMeta(key, binary.BigEndian.AppendUint64(nil, n))
}

// makeTables makes what is missing.
func (tx Tx) makeTables(names []string) error {
	for _, name := range names {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}
