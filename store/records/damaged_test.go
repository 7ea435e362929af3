package records

import (
	"errors"
	"testing"

	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// A record that is damaged while plugtone runs is replaced by a good one, also without a restart. What was found under the old one leads
// nowhere any more.
func TestDamagedRecordIsReplaced(t *testing.T) {
	h := newFixture(t)
	db := h.open()
	must(t, db.Edit("tester", "put", func(e fleet.Edit) error { return e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "a"}) }))
	old := &fleet.Device{MAC: mac(1), ReservedIP: addr(1), Profile: "front", Lines: []fleet.Line{{Extension: "1001", Registrar: "main"}}}
	putDevices(t, db, old, &fleet.Device{MAC: mac(2), ReservedIP: addr(2), Profile: "front"})
	must(t, h.file.Update(func(tx dbfile.Tx) error {
		m := mac(1)
		return errors.Join(tx.Table(tableDevices).PutRecord(m[:], []byte("\x02damaged")), tx.Table(tableRegistrars).PutRecord([]byte("main"), []byte("\x02damaged")))
	}))
	device := func() (d *fleet.Device, err error) {
		return d, db.View(func(f fleet.View) error { d, err = f.Device(mac(1)); return err })
	}
	if _, err := device(); !errors.Is(err, dbfile.ErrDamaged) {
		t.Fatalf("the record is not damaged: %v", err)
	}
	must(t, db.Edit("tester", "put", func(e fleet.Edit) error { return e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "b"}) }))
	putDevices(t, db, &fleet.Device{MAC: mac(1), ReservedIP: addr(3), Label: "new"})
	d, err := device()
	must(t, err)
	if d.Label != "new" || d.Revision == 0 {
		t.Errorf("%+v", d)
	}
	if holder, ok := db.HolderOf(addr(1)); ok {
		t.Errorf("the old address is reserved for %s", holder)
	}
	putDevices(t, db, &fleet.Device{MAC: mac(4), ReservedIP: addr(1)})
	must(t, db.View(func(f fleet.View) error {
		_, err := f.Registrar("main")
		if m, err := f.DeviceByIP(addr(2)); err != nil || m != mac(2) {
			t.Errorf("another device's address leads to %s, %v", m, err)
		}
		return err
	}))
	if db = h.open(); db.Revision() == 0 { // nothing is damaged any more
		t.Error("no revision after a restart")
	}
	if d, err := device(); err != nil || d.Label != "new" {
		t.Errorf("after a restart: %+v, %v", d, err)
	}
}
