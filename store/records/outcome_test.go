package records

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// TestAnEditOfUnknownOutcomeSaysSo: the second sync of a commit fails, and the file can't be written again. The change can
// be read, so the revision and the reservations follow it.
func TestAnEditOfUnknownOutcomeSaysSo(t *testing.T) {
	h := newFixture(t)
	failing := false
	h.commit = func(commit func() error) error {
		if !failing {
			return commit()
		}
		return errors.Join(commit(), syscall.EIO, os.Rename(h.path, h.path+".moved"), os.Mkdir(h.path, 0o700))
	}
	db := h.open()
	putDevices(t, db, &fleet.Device{MAC: mac(1), ReservedIP: addr(1)})
	failing = true
	err := db.Edit("tester", "move", func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: mac(1), ReservedIP: addr(2)})
	})
	if !errors.Is(err, dbfile.ErrOutcomeUnknown) || !errors.Is(err, fleet.ErrInternal) {
		t.Errorf("got %v", err)
	}
	var device *fleet.Device
	must(t, db.View(func(f fleet.View) (err error) { device, err = f.Device(mac(1)); return err }))
	if a, _ := db.Reserved(mac(1)); db.Revision() != 2 || device.Revision != 2 || device.ReservedIP != addr(2) || a != addr(2) {
		t.Errorf("revision %d, device %+v, reserved %s", db.Revision(), device, a)
	}
	failing = false
	must(t, errors.Join(os.Remove(h.path), os.Rename(h.path+".moved", h.path)))
	putDevices(t, db, &fleet.Device{MAC: mac(2)})
	if db.Revision() != 3 {
		t.Errorf("revision %d", db.Revision())
	}
}

// TestLostIndexesAreBuiltAgain damages the revision and an index entry.
func TestLostIndexesAreBuiltAgain(t *testing.T) {
	h := newFixture(t)
	db := h.open()
	putDevices(t, db, &fleet.Device{MAC: mac(1)})
	putDevices(t, db, &fleet.Device{MAC: mac(2), ReservedIP: addr(2), Profile: "p"})
	must(t, db.file.Update(func(tx dbfile.Tx) error {
		a := addr(2)
		return errors.Join(tx.Table(tableByIP).PutRecord(a.AsSlice(), []byte("\x02damaged")),
			tx.Table(dbfile.MetaTable).PutRecord([]byte(keyRevision), []byte("\x02damaged")))
	}))
	db = h.open()
	if a, _ := db.Reserved(mac(2)); a != addr(2) || db.Revision() != 2 {
		t.Errorf("reserved %s, revision %d", a, db.Revision())
	}
	must(t, db.View(func(f fleet.View) error {
		if m, err := f.DeviceByIP(addr(2)); err != nil || m != mac(2) {
			t.Errorf("%s, %v", m, err)
		}
		return nil
	}))
}
