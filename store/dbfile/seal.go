package dbfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"

	"plugtone/provision/fleet"
	"plugtone/store/seal"
)

// keyKey holds the id of the key that all sealed records of the file are encrypted with.
const keyKey = "key"

// SealedBy returns the id of the key that the sealed records of the file at path are encrypted with, "" when they are not. No File may
// have it open.
func SealedBy(path string) (id string, err error) {
	db, err := bolt.Open(path, FileMode, &bolt.Options{ReadOnly: true, Timeout: lockTries * lockPause})
	if err != nil {
		return "", err
	}
	err = guard(func() error {
		return db.View(func(tx *bolt.Tx) error { id = string(Tx{Tx: tx}.Meta(keyKey)); return nil })
	})
	return id, errors.Join(err, db.Close())
}

// noKeyError is the text about records whose key is missing.
type noKeyError string

func (e noKeyError) Error() string { return string(e) }

// Unwrap leaves out of the text that it is an internal error.
func (e noKeyError) Unwrap() []error { return []error{seal.ErrNoKey, fleet.ErrInternal} }

// Locked returns nil while the sealed records can be read, else an error that wraps seal.ErrNoKey.
func (f *File) Locked() error { return f.locked }

// sealAll makes sure that all records of the sealed tables are encrypted with the newest key. Else it writes the file again, so that no
// free page has what was there before. Without the key of the file it is Locked.
func sealAll(f *File, isNew bool) error {
	if len(f.schema.Sealed) == 0 {
		return nil
	}
	id := ""
	if err := f.View(func(tx Tx) error { id = string(tx.Meta(keyKey)); return nil }); err != nil {
		return err
	}
	if id != "" && (f.o.Keys == nil || !f.o.Keys.Has(id)) {
		f.encrypted = true
		f.locked = noKeyError(fmt.Sprintf("%s is encrypted with the key %s: %v", f.path, id, seal.ErrNoKey))
		return nil
	}
	f.encrypted = id != ""
	var err error
	switch {
	case f.o.Keys == nil || id == f.o.Keys.ID():
	case isNew:
		err = f.Update(func(tx Tx) error { return tx.SetMeta(keyKey, []byte(f.o.Keys.ID())) })
	default:
		err = f.Replace(f.schema, f.o.MaxSize, sealTo)
	}
	f.encrypted = f.encrypted || f.o.Keys != nil
	return err
}

// sealTo copies all tables of a file to another one, which seals them with its own key.
func sealTo(from Tx, to *File) error {
	return from.ForEach(func(name []byte, b *bolt.Bucket) error {
		c := b.Cursor()
		for k, v := c.First(); k != nil; {
			err := to.Update(func(tx Tx) error {
				for n := 0; k != nil && n < migrateBatch; n++ {
					if err := sealRecord(from, tx, string(name), k, v); err != nil {
						return err
					}
					k, v = c.Next()
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
		}
		return nil
	})
}

func sealRecord(from, to Tx, table string, k, v []byte) error {
	target := to.Table(table)
	switch {
	case table == MetaTable && (string(k) == keySchema || string(k) == keyKey):
		return nil
	case table == DamagedTable && len(v) > 0 && v[0] != sealedVersion: // what it was may have been a secret
		return target.Bucket.Put(k, appendRecord(nil, sealedVersion, DamagedTable, k, to.file.o.Keys.Seal(v, placeOf(DamagedTable, k))))
	case !target.sealed:
		return target.Bucket.Put(k, v)
	}
	payload, err := from.Table(table).Payload(k, v)
	if errors.Is(err, ErrDamaged) {
		aside := bytes.Join([][]byte{[]byte(table), k}, []byte{0})
		return sealRecord(from, to, DamagedTable, aside, v)
	}
	if err != nil {
		return err
	}
	return target.Put(k, payload)
}

// copyBefore copies the file before a migration. What is not encrypted in it is encrypted as a whole, in the age format: path then ends in
// .age, and the key is the passphrase.
func copyBefore(f *File, path string) error {
	id := ""
	if err := f.View(func(tx Tx) error { id = string(tx.Meta(keyKey)); return nil }); err != nil {
		return err
	}
	if f.o.Keys == nil || len(f.schema.Sealed) == 0 || id != "" {
		return WriteDurably(path, f.CopyTo)
	}
	recipient, err := age.NewScryptRecipient(f.o.Keys.Passphrases()[0])
	if err != nil {
		return err
	}
	recipient.SetWorkFactor(1) // the passphrase is a random key: there is nothing to guess
	return WriteDurably(path+".age", func(w io.Writer) error {
		encrypted, err := age.Encrypt(w, recipient)
		if err != nil {
			return err
		}
		return errors.Join(f.CopyTo(encrypted), encrypted.Close())
	})
}
