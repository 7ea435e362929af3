package records

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// recordsOf reads the records of a change.
func recordsOf(t *testing.T, db *DB, id uint64) (list []fleet.ChangedRecord) {
	t.Helper()
	must(t, db.View(func(f fleet.View) error {
		for r, err := range f.ChangeRecords(id) {
			must(t, err)
			list = append(list, r)
		}
		return nil
	}))
	return list
}

func TestAChangeHoldsItsRecordsBeforeAndAfter(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	_, err := s.Write(fleet.Write{Actor: "token:helpdesk", From: "10.0.0.7", Action: "set extension 1001", Message: "new hire"}, func(e fleet.Edit) error {
		return e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: "s3cret"})
	})
	must(t, err)
	c, err := s.Write(fleet.Write{Actor: "local:root", Action: "all at once"}, func(e fleet.Edit) error {
		x, err := e.Extension("1001", "main")
		must(t, err)
		x.DisplayName = "Front"
		must(t, e.PutExtension(x))
		x.DisplayName = "Front Desk"
		must(t, e.PutExtension(x))
		must(t, e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx"}))
		must(t, e.PutProfile(&fleet.Profile{Name: "gone"}))
		return e.DeleteProfile("gone")
	})
	if err != nil || c.ID != 2 || c.Created != 1 || c.Changed != 1 || c.Deleted != 0 {
		t.Fatalf("%+v %v", c, err)
	}
	s = h.open()
	list := recordsOf(t, s, 2)
	if len(list) != 2 {
		t.Fatalf("records %+v", list)
	}
	x := list[0]
	if x.Kind != "extension" || x.Name != "1001@main" || x.Change() != "changed" || x.Before.Extension.DisplayName != "" ||
		x.After.Extension.DisplayName != "Front Desk" || x.Before.Extension.Password != "s3cret" || x.After.Extension.Revision != 2 {
		t.Errorf("%+v", x)
	}
	if r := list[1]; r.Kind != "registrar" || r.Before != nil || r.After.Registrar.Host != "pbx" {
		t.Errorf("%+v", r)
	}
	changes, err := s.Changes(0, 10)
	must(t, err)
	if len(changes) != 2 || changes[0].ID != 2 || changes[1].Message != "new hire" || changes[1].From != "10.0.0.7" {
		t.Errorf("%+v", changes)
	}
	if before, err := s.Changes(2, 10); err != nil || len(before) != 1 || before[0].ID != 1 {
		t.Errorf("before 2: %+v %v", before, err)
	}
	must(t, s.Edit("tester", "remove", func(e fleet.Edit) error { return e.DeleteExtension("1001", "main") }))
	history, err := s.RecordHistory("extension", "1001@main", 10)
	must(t, err)
	if len(history) != 3 || history[0].After != nil || history[0].Before.Extension.DisplayName != "Front Desk" || history[2].Before != nil || history[1].Change.Action != "all at once" {
		t.Errorf("%+v", history)
	}
	if audit, err := s.Audit(0, 10); err != nil || len(audit) != 3 || audit[2].Message != "new hire" || audit[2].Revision != 1 {
		t.Errorf("%+v %v", audit, err)
	}
}

func TestADryRunStoresNothing(t *testing.T) {
	s := newFixture(t).open()
	putDevices(t, s, &fleet.Device{MAC: mac(1), Label: "one"})
	c, err := s.Write(fleet.Write{DryRun: true, Action: "try"}, func(e fleet.Edit) error {
		must(t, e.PutDevice(&fleet.Device{MAC: mac(2), ReservedIP: addr(2)}))
		return e.DeleteDevice(mac(1))
	})
	must(t, err)
	if c.ID != 0 || c.Created != 1 || c.Deleted != 1 || len(c.Records) != 2 || c.Records[1].Before.Device.Label != "one" {
		t.Errorf("%+v", c)
	}
	_, reserved := s.Reserved(mac(2))
	if changes, err := s.Changes(0, 10); err != nil || len(changes) != 1 || s.Revision() != 1 || reserved {
		t.Errorf("%+v %v, revision %d, reserved %v", changes, err, s.Revision(), reserved)
	}
}

func TestOldChangesAreForgotten(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	s.SetHistory(48*time.Hour, 5)
	for i := range 8 {
		h.now = h.now.Add(time.Hour)
		putDevices(t, s, &fleet.Device{MAC: mac(1), Label: fmt.Sprint(i)})
	}
	ids := func() (ids []uint64) {
		list, err := s.Changes(0, 100)
		must(t, err)
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		return ids
	}
	if got := fmt.Sprint(ids()); got != "[8 7 6 5 4]" {
		t.Errorf("by number: %s", got)
	}
	if history := historyOf(t, s, mac(1)); len(history) != 5 || history[4].After.Device.Label != "3" {
		t.Errorf("history %+v", history)
	}
	h.now = h.now.Add(46 * time.Hour)
	putDevices(t, s, &fleet.Device{MAC: mac(2)})
	if got := fmt.Sprint(ids()); got != "[9 8 7 6]" {
		t.Errorf("by age: %s", got)
	}
	must(t, h.file.View(func(tx dbfile.Tx) error {
		if n := tx.Table(tableChanged).Stats().KeyN; n != 4 {
			t.Errorf("%d parts are left", n)
		}
		if n := tx.Table(tableByRecord).Stats().KeyN; n != 4 {
			t.Errorf("%d entries of the index are left", n)
		}
		return nil
	}))
}

// TestPageOfChangesBeyondTheNewest: a cursor from before a restore of older data begins with the newest change, once.
func TestPageOfChangesBeyondTheNewest(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	for _, before := range []uint64{0, 7} {
		if list, err := s.Changes(before, 10); err != nil || len(list) != 0 {
			t.Errorf("before %d without changes: %v %v", before, list, err)
		}
	}
	for i := range 3 {
		putDevices(t, s, &fleet.Device{MAC: mac(1), Label: fmt.Sprint(i)})
	}
	for before, want := range map[uint64]string{0: "[3 2 1]", 1: "[]", 2: "[1]", 3: "[2 1]", 4: "[3 2 1]", 1000: "[3 2 1]"} {
		list, err := s.Changes(before, 10)
		must(t, err)
		ids := []uint64{}
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		if got := fmt.Sprint(ids); got != want {
			t.Errorf("before %d: %s, want %s", before, got, want)
		}
	}
}

func TestALargeChangeIsStoredCompactly(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	const n = 5000
	size := 0
	must(t, s.Edit("tester", "many", func(e fleet.Edit) error {
		for i := range n {
			d := &fleet.Device{MAC: mac(i), Vendor: "acme", Model: "A4", Label: fmt.Sprintf("Phone %d", i), Enabled: true,
				Lines: []fleet.Line{{Position: 1, Extension: fmt.Sprint(1000 + i), Registrar: "main"}}, Keys: []fleet.Key{}}
			must(t, e.PutDevice(d))
			b, err := encodeDevice(d)
			must(t, err)
			size += len(b)
		}
		return nil
	}))
	stored := 0
	must(t, h.file.View(func(tx dbfile.Tx) error {
		return tx.Table(tableChanged).ForEach(func(_, v []byte) error { stored += len(v); return nil })
	}))
	if stored > size/5 {
		t.Errorf("%d bytes of records are stored in %d", size, stored)
	}
	if list := recordsOf(t, s, 1); len(list) != n || list[n-1].After.Device.MAC != mac(n-1) {
		t.Errorf("%d records", len(list))
	}
	if history := historyOf(t, s, mac(n/2)); len(history) != 1 || history[0].After.Device.MAC != mac(n/2) {
		t.Errorf("%+v", history)
	}
}

// TestHistoryOfAnOlderVersionIsShown puts revisions as versions without changes wrote them.
func TestHistoryOfAnOlderVersionIsShown(t *testing.T) {
	h := newFixture(t)
	h.open()
	must(t, h.file.Update(func(tx dbfile.Tx) error {
		for rev := uint64(1); rev <= 3; rev++ {
			r := historyRecord{
				Revision: rev, Time: startOfTime, Actor: "old", Action: "set",
				Device: &deviceRecord{Device: fleet.Device{MAC: mac(1), Label: fmt.Sprint(rev), Revision: rev}},
			}
			b, err := dbfile.Encode(&r)
			must(t, err)
			must(t, tx.Table(tableHistory).Put(append(bytes.Clone(r.Device.MAC[:]), number(rev)...), b))
		}
		return tx.SetNumber(keyRevision, 3)
	}))
	s := h.open()
	putDevices(t, s, &fleet.Device{MAC: mac(1), Label: "new"})
	list, err := s.RecordHistory("device", mac(1).String(), 100)
	must(t, err)
	var labels []string
	for _, r := range list {
		labels = append(labels, r.After.Device.Label)
	}
	if fmt.Sprint(labels) != "[new 3 2 1]" || list[2].Before.Device.Label != "1" {
		t.Errorf("%v %+v", labels, list)
	}
}

func TestTheIndexOfChangesIsRepaired(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	putDevices(t, s, &fleet.Device{MAC: mac(1), Label: "one"})
	putDevices(t, s, &fleet.Device{MAC: mac(1), Label: "two"})
	must(t, h.file.Update(func(tx dbfile.Tx) error {
		return tx.Table(tableByRecord).Delete(recordKey(touchedRecord{table: tableDevices, key: bytes.Clone(macBytes(1))}, 1))
	}))
	must(t, rebuild(s.file))
	if history := historyOf(t, s, mac(1)); len(history) != 2 {
		t.Errorf("%+v", history)
	}
}

func macBytes(n int) []byte { m := dhcp.MAC(mac(n)); return m[:] }
