package records

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// edit is one transaction of plugtone.db. It implements fleet.Edit.
type edit struct {
	view
	now      time.Time
	revision uint64 // of every record that it changes
	write    fleet.Write

	touched []touchedRecord
	at      map[[2]string]int // table and key to place in touched
	moved   []netip.Addr      // addresses whose reservations change
	change  fleet.Change
}

// Edit implements fleet.Records. Edits run one after the other; readers go on meanwhile. An Edit that changes nothing,
// also one that puts what is there already, leaves the revision as it is and no audit entry. f must not call Edit.
func (db *DB) Edit(actor, action string, f func(fleet.Edit) error) error {
	_, err := db.Write(fleet.Write{Actor: actor, Action: action}, f)
	return err
}

// Write implements fleet.Records; see Edit.
func (db *DB) Write(w fleet.Write, f func(fleet.Edit) error) (fleet.Change, error) {
	db.editMu.Lock()
	defer db.editMu.Unlock()
	var e *edit
	err := db.file.Update(func(tx dbfile.Tx) error {
		e = &edit{view: view{tx, indexWrites{}}, now: db.time(), write: w, at: map[[2]string]int{}}
		e.revision = e.Revision() + 1
		if err := f(e); err != nil {
			return err
		}
		return e.finish(db.history())
	})
	switch {
	case errors.Is(err, errNothingChanged):
		return fleet.Change{}, nil
	case errors.Is(err, errDryRun):
		return e.change, nil
	case errors.Is(err, dbfile.ErrOutcomeUnknown):
		return fleet.Change{}, errors.Join(err, db.load()) // memory follows what can be read
	case err != nil:
		return fleet.Change{}, err
	}
	if err := refresh(db, e.moved); err != nil {
		db.log.Error("the change is stored, but reservations may be those of before until the next start", "err", err)
	}
	return e.change, nil
}

var (
	// errNothingChanged undoes an edit of which nothing would be left anyway, without the cost of a commit.
	errNothingChanged = errors.New("nothing changed")
	// errDryRun undoes a dry run.
	errDryRun = errors.New("dry run")
)

// commitTime is how long the commit of one changed record may take on a slow disk.
const commitTime = time.Millisecond / 5

// finish writes the revision, the change and the audit entry.
func (e *edit) finish(bound historyBound) error {
	audited, err := e.count()
	if err != nil {
		return err
	}
	if len(audited) == 0 {
		return errNothingChanged
	}
	if e.write.DryRun {
		if err := e.collect(); err != nil {
			return err
		}
		return errDryRun
	}
	if err := e.later.write(e.tx, indexTables...); err != nil {
		return err
	}
	if err := e.tx.SetNumber(keyRevision, e.revision); err != nil {
		return err
	}
	if err := e.storeChange(); err != nil {
		return err
	}
	e.tx.Advance(time.Duration(len(e.touched)) * commitTime)
	if err := e.prune(bound); err != nil {
		return err
	}
	return appendAudit(e.tx, fleet.AuditEntry{Time: e.now, Actor: e.write.Actor, Action: e.write.Action, Revision: e.revision,
		From: e.write.From, Message: e.write.Message, Records: audited})
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
	if _, err := e.setAside(k.table, key); err != nil {
		return nil, false, broken(k.word, k.name(key), err)
	}
	stored, err := table.Get(key)
	if err != nil {
		return nil, false, broken(k.word, k.name(key), err)
	}
	stored = bytes.Clone(stored) // bbolt reuses its memory when the record is put again
	if stored != nil {
		if old, err = k.decode(stored); err != nil {
			return nil, false, broken(k.word, k.name(key), err)
		}
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
	e.touch(k.table, key, stored)
	e.tx.Advance(0)
	return old, true, nil
}

// setAside moves a damaged record out of the way of the one that replaces it, and reports whether there was one.
func (e *edit) setAside(table string, key []byte) (damaged bool, err error) {
	if _, err := e.tx.Table(table).Get(key); !errors.Is(err, dbfile.ErrDamaged) {
		return false, nil
	}
	return true, e.tx.SetAside(table, key)
}

// remove takes a record away and returns it.
func remove[T any](e *edit, k kind[T], key []byte) (*T, error) {
	old, err := get(e.tx, k, key)
	if err != nil {
		return nil, err
	}
	stored, err := e.tx.Table(k.table).Get(key)
	if err != nil {
		return nil, broken(k.word, k.name(key), err)
	}
	e.touch(k.table, key, bytes.Clone(stored))
	if err := e.tx.Table(k.table).Delete(key); err != nil {
		return nil, broken(k.word, k.name(key), err)
	}
	return old, nil
}

func (e *edit) PutDevice(d *fleet.Device) error {
	if d.MAC.IsZero() || d.MAC[0]&1 != 0 {
		return fleet.ValidationError{{Field: "mac", Value: d.MAC.String(), Message: "belongs to no device (zero or multicast)"}}
	}
	if err := e.checkDevice(d); err != nil {
		return fmt.Errorf("device %s: %w", d.MAC, err)
	}
	if damaged, err := e.setAside(tableDevices, d.MAC[:]); err != nil {
		return broken("device", d.MAC.String(), err)
	} else if damaged {
		if err := e.dropIndex(d.MAC); err != nil {
			return broken("device", d.MAC.String(), err)
		}
	}
	old, changed, err := put(e, deviceKind, d.MAC[:], d)
	if err != nil || !changed {
		return err
	}
	e.index(old, d)
	return nil
}

func (e *edit) DeleteDevice(mac dhcp.MAC) error {
	old, err := remove(e, deviceKind, mac[:])
	if err != nil {
		return err
	}
	e.index(old, nil)
	return nil
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
