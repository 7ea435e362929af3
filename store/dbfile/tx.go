package dbfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Tables that every file has.
const (
	MetaTable    = "meta"
	damagedTable = "damaged" // records that were set aside: table NUL key, the value as it was found
)

// Tx is a transaction.
type Tx struct {
	*bolt.Tx
	file *File // nil while the file is being checked
}

// Advance records that a long write goes on, which would else count as one that hangs. Its commit may take extra time.
func (tx Tx) Advance(extra time.Duration) {
	if tx.file != nil {
		tx.file.writing.Advance(tx.file.o.Now(), extra)
	}
}

// Table returns a table that the schema made.
func (tx Tx) Table(name string) Table {
	return Table{Bucket: tx.Bucket([]byte(name)), name: name, file: tx.file}
}

// Table is one bucket. Its Get and Put are those of records with checksums; a value that a cursor returns is opened with
// Payload.
type Table struct {
	*bolt.Bucket
	name string
	file *File
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

// Payload verifies a value that a cursor returned. A damaged one is counted and logged, and must not be used.
func (t Table) Payload(key, value []byte) ([]byte, error) {
	payload, err := Payload(t.name, key, value)
	if err != nil && t.file != nil {
		t.file.noteDamaged(t.name, key, err)
	}
	return payload, err
}

// SetAside moves a damaged record to a table of its own, so that another can take its place.
func (tx Tx) SetAside(table string, key []byte) error {
	from := tx.Bucket([]byte(table))
	value := bytes.Clone(from.Get(key))
	if _, err := Payload(table, key, value); err != nil {
		tx.file.noteDamaged(table, key, err)
	}
	aside, err := tx.CreateBucketIfNotExists([]byte(damagedTable))
	if err != nil {
		return err
	}
	return errors.Join(aside.Put(bytes.Join([][]byte{[]byte(table), key}, []byte{0}), value), from.Delete(key))
}

// Put stores payload under key.
func (t Table) Put(key, payload []byte) error {
	return t.Bucket.Put(key, AppendRecord(nil, t.name, key, payload))
}

// PutSealed stores a value that AppendRecord has made for this table and key.
func (t Table) PutSealed(key, value []byte) error { return t.Bucket.Put(key, value) }

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
