package dbfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Schema lists which tables a file has and which version of them this plugtone writes.
type Schema struct {
	Version   uint64 // 1 or more
	Checksums uint64 // the first version whose records carry checksums
	Tables    []string
	Sealed    []string // those of Tables whose records are encrypted when the file has keys
}

// keySchema holds the version. Its value has no header, so that a plugtone from before the checksums reads a large number
// and refuses the file: the checksum of the version in the upper half, the version in the lower.
const keySchema = "schema"

// migrateBatch is how many records one transaction of a migration rewrites.
const migrateBatch = 5_000

func schemaValue(version uint64) uint64 {
	b := binary.BigEndian.AppendUint64(nil, version)
	return uint64(crc32.Checksum(b, castagnoli))<<32 | version
}

// schemaVersion returns the version in a file, 0 in one that is new. ok is false when the number is damaged.
func schemaVersion(tx *bolt.Tx) (version uint64, ok bool) {
	b := tx.Bucket([]byte(MetaTable))
	if b == nil {
		return 0, true
	}
	v := b.Get([]byte(keySchema))
	if v == nil {
		return 0, true
	}
	if len(v) != 8 {
		return 0, false
	}
	n := binary.BigEndian.Uint64(v)
	version = n & (1<<32 - 1)
	return version, n>>32 == 0 || n == schemaValue(version)
}

func setSchemaVersion(tx *bolt.Tx, version uint64) error {
	b, err := tx.CreateBucketIfNotExists([]byte(MetaTable))
	if err != nil {
		return err
	}
	return b.Put([]byte(keySchema), binary.BigEndian.AppendUint64(nil, schemaValue(version)))
}

// refuseNewer stops an older plugtone from reading what it would not understand.
func (s Schema) refuseNewer(path string, have uint64) error {
	if have > s.Version {
		return fmt.Errorf("%s has schema %d, this plugtone supports up to %d: %w\nhint: install the newer plugtone, or restore a backup of this one", path, have, s.Version, ErrNewer)
	}
	return nil
}

// migrate brings the file to the newest version. A file that holds data is copied to the folder backups first, unless that is empty; a newer one is refused.
// A migration that was interrupted goes on at the next start.
func (f *File) migrate(want Schema, backups string) (from uint64, err error) {
	have, sound := uint64(0), true
	if err := f.View(func(tx Tx) error { have, sound = schemaVersion(tx.Tx); return nil }); err != nil {
		return 0, err
	}
	if !sound { // only a file of today's form can have a damaged number: the older ones had no checksum
		have = want.Version
	}
	if err := want.refuseNewer(f.path, have); err != nil {
		return have, err
	}
	if have == want.Version && sound {
		return have, nil
	}
	if have > 0 && sound && backups != "" {
		to := filepath.Join(backups, fmt.Sprintf("%s.schema-%d-%s", f.name, have, Stamp(f.o.Now())))
		if err := copyBefore(f, to); err != nil {
			return have, fmt.Errorf("copy before migration: %w", err)
		}
	}
	err = f.Update(func(tx Tx) error { return tx.makeTables(slices.Concat(want.Tables, []string{DamagedTable, MetaTable})) })
	if err == nil && have > 0 && have < want.Checksums {
		err = f.addChecksums(want)
	}
	if err == nil {
		err = f.Update(func(tx Tx) error { return setSchemaVersion(tx.Tx, want.Version) })
	}
	if err != nil {
		return have, fmt.Errorf("%s: migrate from schema %d to %d: %w", f.path, have, want.Version, err)
	}
	return have, nil
}

// addChecksums rewrites the records of version 1.
func (f *File) addChecksums(want Schema) error {
	for _, table := range slices.Concat(want.Tables, []string{MetaTable}) {
		for next := []byte{}; next != nil; {
			err := f.Update(func(tx Tx) (err error) { next, err = addChecksums(tx, table, next); return err })
			if err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
	}
	return nil
}

// addChecksums rewrites records from a key on and returns the key to go on with, nil at the end.
func addChecksums(tx Tx, table string, from []byte) ([]byte, error) {
	type record struct{ key, payload []byte }
	var todo []record
	t := tx.Table(table)
	t.sealed = false // that comes after the migration, in a new file
	c := t.Cursor()
	k, v := c.Seek(from)
	for ; k != nil && len(todo) < migrateBatch; k, v = c.Next() {
		if table == MetaTable && string(k) == keySchema {
			continue
		}
		if _, err := Payload(table, k, v); err == nil {
			continue // by a migration that was interrupted
		}
		todo = append(todo, record{bytes.Clone(k), bytes.Clone(v)})
	}
	next := bytes.Clone(k) // nil at the end
	for _, r := range todo {
		if err := t.Put(r.key, r.payload); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// CopyTo writes the file as of the last commit.
func (f *File) CopyTo(w io.Writer) error {
	return f.View(func(tx Tx) error { _, err := tx.WriteTo(w); return err })
}

// Stamp is a time in a file name; names sort as times do.
func Stamp(t time.Time) string { return t.UTC().Format("20060102T150405.000Z") }

// WriteDurably writes what fill writes to path, all of it or nothing.
func WriteDurably(path string, fill func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	if err = fill(tmp); err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes renames in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}
