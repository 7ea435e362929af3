package records

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// edit is one transaction of plugtone.db. It implements fleet.Edit.
type edit struct {
	view
	now           time.Time
	revision      uint64 // of every record that it changes
	actor, action string

	touched []fleet.AuditRecord
	at      map[[2]string]int // kind and name to place in touched
	moved   []reservation     // in the order made
}

// Edit implements fleet.Records. Edits run one after the other; readers go on meanwhile. An Edit that changes nothing,
// also one that puts what is there already, leaves the revision as it is and no audit entry. f must not call Edit.
func (db *DB) Edit(actor, action string, f func(fleet.Edit) error) error {
	db.editMu.Lock()
	defer db.editMu.Unlock()
	var e *edit
	err := db.file.Update(func(tx dbfile.Tx) error {
		e = &edit{view: view{tx}, now: db.time(), actor: actor, action: action, at: map[[2]string]int{}}
		e.revision = e.Revision() + 1
		if err := f(e); err != nil {
			return err
		}
		return e.finish()
	})
	if errors.Is(err, errNothingChanged) {
		return nil
	}
	if errors.Is(err, dbfile.ErrOutcomeUnknown) {
		return errors.Join(err, db.load()) // memory follows what can be read
	}
	if err != nil {
		return err
	}
	db.reserved.apply(e.moved)
	db.revision.Store(e.revision)
	return nil
}

// errNothingChanged undoes an edit of which nothing would be left anyway, without the cost of a commit.
var errNothingChanged = errors.New("nothing changed")

// finish writes the revision and the audit entry.
func (e *edit) finish() error {
	if len(e.touched) == 0 {
		return errNothingChanged
	}
	if err := e.tx.SetNumber(keyRevision, e.revision); err != nil {
		return err
	}
	entry := fleet.AuditEntry{Time: e.now, Actor: e.actor, Action: e.action, Revision: e.revision, Records: e.touched}
	return appendAudit(e.tx, entry)
}

// touch notes a record for the audit entry, once however often it is put.
func (e *edit) touch(kind, name, change string) {
	key := [2]string{kind, name}
	i, again := e.at[key]
	if !again {
		e.at[key] = len(e.touched)
		e.touched = append(e.touched, fleet.AuditRecord{Kind: kind, Name: name, Change: change})
		return
	}
	if e.touched[i].Change == "created" && change == "changed" {
		return
	}
	e.touched[i].Change = change
}

// put writes a record under key, with new metadata unless it is there just so. old is nil when it is new.
func put[T any](e *edit, k kind[T], key []byte, v *T) (old *T, changed bool, err error) {
	table := e.tx.Table(k.table)
	given := k.metadata(v)
	had := given.values()
	defer func() {
		if err != nil {
			given.set(had)
		}
	}()
	next := metadataValues{revision: e.revision, created: e.now, updated: e.now}
	stored, err := table.Get(key)
	if err != nil {
		return nil, false, broken(k.word, k.name(key), err)
	}
	change := "created"
	if stored != nil {
		if old, err = k.decode(stored); err != nil {
			return nil, false, broken(k.word, k.name(key), err)
		}
		change = "changed"
		next.created = *k.metadata(old).created
		given.set(k.metadata(old).values())
		same, err := k.encode(v)
		if err == nil && bytes.Equal(same, stored) {
			return old, false, nil
		}
	}
	given.set(next)
	b, err := k.encode(v)
	if err != nil {
		return nil, false, fleet.ValidationError{{Field: k.word, Value: k.name(key), Message: err.Error()}}
	}
	if err := table.Put(key, b); err != nil {
		return nil, false, broken(k.word, k.name(key), err)
	}
	e.touch(k.word, k.name(key), change)
	return old, true, nil
}

// remove takes a record away and returns it.
func remove[T any](e *edit, k kind[T], key []byte) (*T, error) {
	old, err := get(e.tx, k, key)
	if err != nil {
		return nil, err
	}
	if err := e.tx.Table(k.table).Delete(key); err != nil {
		return nil, broken(k.word, k.name(key), err)
	}
	e.touch(k.word, k.name(key), "deleted")
	return old, nil
}

func (e *edit) PutDevice(d *fleet.Device) error {
	if d.MAC.IsZero() || d.MAC[0]&1 != 0 {
		return fleet.ValidationError{{Field: "mac", Value: d.MAC.String(), Message: "belongs to no device (zero or multicast)"}}
	}
	if err := e.checkDevice(d); err != nil {
		return fmt.Errorf("device %s: %w", d.MAC, err)
	}
	old, changed, err := put(e, deviceKind, d.MAC[:], d)
	if err != nil || !changed {
		return err
	}
	if err := e.index(old, d); err != nil {
		return broken("device", d.MAC.String(), err)
	}
	return e.addHistory(d, false)
}

func (e *edit) DeleteDevice(mac dhcp.MAC) error {
	old, err := remove(e, deviceKind, mac[:])
	if err != nil {
		return err
	}
	if err := e.index(old, nil); err != nil {
		return broken("device", mac.String(), err)
	}
	return e.addHistory(old, true)
}

func (e *edit) PutExtension(x *fleet.Extension) error {
	if err := errors.Join(checkKey("number", x.Number), checkName("registrar", x.Registrar)); err != nil {
		return err
	}
	_, _, err := put(e, extensionKind, accountKey(x.Number, x.Registrar), x)
	return err
}

func (e *edit) DeleteExtension(number, registrar string) error {
	_, err := remove(e, extensionKind, accountKey(number, registrar))
	return err
}

func (e *edit) PutRegistrar(r *fleet.Registrar) error {
	if err := checkKey("name", r.Name); err != nil {
		return err
	}
	_, _, err := put(e, registrarKind, []byte(r.Name), r)
	return err
}

func (e *edit) DeleteRegistrar(name string) error {
	_, err := remove(e, registrarKind, []byte(name))
	return err
}

func (e *edit) PutProfile(p *fleet.Profile) error {
	if err := checkKey("name", p.Name); err != nil {
		return err
	}
	_, _, err := put(e, profileKind, []byte(p.Name), p)
	return err
}

func (e *edit) DeleteProfile(name string) error {
	_, err := remove(e, profileKind, []byte(name))
	return err
}
