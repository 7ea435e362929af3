package records

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

func TestPutSetsRevisionAndTimes(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	d := &fleet.Device{MAC: mac(1), Label: "one"}
	putDevices(t, s, d)
	if d.Revision != 1 || !d.CreatedAt.Equal(h.now) || !d.UpdatedAt.Equal(h.now) {
		t.Errorf("after the first put: %+v", d)
	}
	h.now = h.now.Add(time.Hour)
	again := &fleet.Device{MAC: mac(1), Label: "one"}
	putDevices(t, s, again)
	if s.Revision() != 1 || again.Revision != 1 || !again.UpdatedAt.Equal(startOfTime) {
		t.Errorf("a put of the same is a change: %+v", again)
	}
	again.Label = "two"
	putDevices(t, s, again, &fleet.Device{MAC: mac(2)})
	if s.Revision() != 2 || again.Revision != 2 || !again.CreatedAt.Equal(startOfTime) || !again.UpdatedAt.Equal(h.now) {
		t.Errorf("after a change: %+v", again)
	}
	s = h.open()
	must(t, s.View(func(f fleet.View) error {
		got, err := f.Device(mac(1))
		if err != nil || got.Revision != 2 || f.Revision() != 2 || s.Revision() != 2 {
			t.Errorf("after opening again: %+v, %v, revisions %d and %d", got, err, f.Revision(), s.Revision())
		}
		return nil
	}))
}

func TestAFailedEditLeavesNothing(t *testing.T) {
	s := newFixture(t).open()
	wrong := errors.New("wrong")
	err := s.Edit("tester", "half", func(e fleet.Edit) error {
		must(t, e.PutDevice(&fleet.Device{MAC: mac(1), ReservedIP: addr(1)}))
		must(t, e.PutRegistrar(&fleet.Registrar{Name: "main"}))
		return wrong
	})
	entries, _ := s.Audit(0, 10)
	_, reserved := s.Reserved(mac(1))
	if !errors.Is(err, wrong) || s.Revision() != 0 || len(entries) != 0 || reserved {
		t.Errorf("%v, revision %d, audit %v, reserved %v", err, s.Revision(), entries, reserved)
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.Edit("tester", "panic", func(fleet.Edit) error { panic("template") })
	}()
	putDevices(t, s, &fleet.Device{MAC: mac(1)}) // hangs if the panic left a lock
	if s.Revision() != 1 {
		t.Errorf("revision %d", s.Revision())
	}
}

func TestOneEditOneRevisionOneAuditEntry(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	must(t, s.Edit("anna", "apply fleet.yaml", func(e fleet.Edit) error {
		return errors.Join(e.PutRegistrar(&fleet.Registrar{Name: "main"}), e.PutExtension(&fleet.Extension{Number: "1", Registrar: "main"}),
			e.PutDevice(&fleet.Device{MAC: mac(1)}), e.PutDevice(&fleet.Device{MAC: mac(1), Label: "again"}), e.PutProfile(&fleet.Profile{Name: "p"}))
	}))
	must(t, s.Edit("bert", "rm", func(e fleet.Edit) error {
		return errors.Join(e.DeleteProfile("p"), e.DeleteExtension("1", "main"), e.DeleteRegistrar("main"), e.DeleteDevice(mac(1)))
	}))
	must(t, s.Edit("carl", "nothing", func(fleet.Edit) error { return nil }))
	must(t, s.RecordAudit(fleet.AuditEntry{Actor: "dora", Action: "reveal", Records: []fleet.AuditRecord{{Kind: "extension", Name: "1@main", Change: "revealed"}}}))
	if s.Revision() != 2 {
		t.Errorf("revision %d", s.Revision())
	}
	got, err := s.Audit(0, 10)
	must(t, err)
	slices.Reverse(got)
	at := h.now.UTC()
	want := []fleet.AuditEntry{
		{ID: 1, Time: at, Actor: "anna", Action: "apply fleet.yaml", Revision: 1, Records: []fleet.AuditRecord{
			{Kind: "registrar", Name: "main", Change: "created"}, {Kind: "extension", Name: "1@main", Change: "created"},
			{Kind: "device", Name: mac(1).String(), Change: "created"}, {Kind: "profile", Name: "p", Change: "created"}}},
		{ID: 2, Time: at, Actor: "bert", Action: "rm", Revision: 2, Records: []fleet.AuditRecord{
			{Kind: "profile", Name: "p", Change: "deleted"}, {Kind: "extension", Name: "1@main", Change: "deleted"},
			{Kind: "registrar", Name: "main", Change: "deleted"}, {Kind: "device", Name: mac(1).String(), Change: "deleted"}}},
		{ID: 3, Time: at, Actor: "dora", Action: "reveal", Records: []fleet.AuditRecord{{Kind: "extension", Name: "1@main", Change: "revealed"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err = s.Audit(3, 1); err != nil || len(got) != 1 || got[0].ID != 2 {
		t.Errorf("page before 3: %+v, %v", got, err)
	}
}

func TestALargeEditNamesItsFirstRecords(t *testing.T) {
	s := newFixture(t).open()
	var many []*fleet.Device
	for i := range 250 {
		many = append(many, &fleet.Device{MAC: mac(i + 1)})
	}
	putDevices(t, s, many...)
	got, err := s.Audit(0, 10)
	if err != nil || len(got) != 1 || len(got[0].Records) != 100 || got[0].More != 150 {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestHistoryKeepsTheNewestChanges(t *testing.T) {
	s := newFixture(t).open()
	for i := range 60 {
		must(t, s.Edit("anna", fmt.Sprint("label ", i), func(e fleet.Edit) error {
			return errors.Join(e.PutDevice(&fleet.Device{MAC: mac(1), Label: fmt.Sprint(i)}), e.PutDevice(&fleet.Device{MAC: mac(2)}))
		}))
	}
	must(t, s.Edit("bert", "rm", func(e fleet.Edit) error { return e.DeleteDevice(mac(1)) }))
	got := historyOf(t, s, mac(1))
	if len(got) != 50 || got[0].After != nil || got[0].Change.ID != 61 || got[0].Before.Device.Label != "59" || got[0].Change.Actor != "bert" {
		t.Fatalf("%d revisions, newest %+v", len(got), got[0])
	}
	if last := got[49]; last.Change.ID != 12 || last.After.Device.Label != "11" || last.Change.Action != "label 11" {
		t.Errorf("oldest %+v", last)
	}
	if got = historyOf(t, s, mac(2)); len(got) != 1 {
		t.Errorf("a device that did not change has %d revisions", len(got))
	}
	if got = historyOf(t, s, mac(3)); len(got) != 0 {
		t.Errorf("a device that never was has %d revisions", len(got))
	}
}

func TestClaimsOfOthersAreRefused(t *testing.T) {
	base := []*fleet.Device{{MAC: mac(1), OtherMACs: []dhcp.MAC{mac(11)}, ReservedIP: addr(1)}, {MAC: mac(2)}}
	for _, c := range []struct {
		name string
		d    fleet.Device
		want string
	}{
		{"reserved address", fleet.Device{MAC: mac(2), ReservedIP: addr(1)},
			`device 00:15:65:00:00:02: reserved_ip "10.20.0.1": is reserved for device 00:15:65:00:00:01 already`},
		{"the same written as IPv6", fleet.Device{MAC: mac(2), ReservedIP: netip.AddrFrom16(addr(1).As16())},
			`device 00:15:65:00:00:02: reserved_ip "::ffff:10.20.0.1": is reserved for device 00:15:65:00:00:01 already`},
		{"other MAC of another", fleet.Device{MAC: mac(2), OtherMACs: []dhcp.MAC{mac(12), mac(11)}},
			`device 00:15:65:00:00:02: other_macs[1] "00:15:65:00:00:0b": belongs to device 00:15:65:00:00:01 already`},
		{"MAC of another", fleet.Device{MAC: mac(3), OtherMACs: []dhcp.MAC{mac(2)}},
			`device 00:15:65:00:00:03: other_macs[0] "00:15:65:00:00:02": belongs to device 00:15:65:00:00:02 already`},
		{"new device under another's other MAC", fleet.Device{MAC: mac(11)},
			`device 00:15:65:00:00:0b: mac "00:15:65:00:00:0b": is one of the other_macs of device 00:15:65:00:00:01`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newFixture(t).open()
			putDevices(t, s, base...)
			err := s.Edit("tester", "claim", func(e fleet.Edit) error { return e.PutDevice(&c.d) })
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if invalid := (fleet.ValidationError)(nil); !errors.As(err, &invalid) {
				t.Error("is no Invalid")
			}
		})
	}
}

func TestAnAddressMayChangeHandsWithinAnEdit(t *testing.T) {
	s := newFixture(t).open()
	putDevices(t, s, &fleet.Device{MAC: mac(1), ReservedIP: addr(1)}, &fleet.Device{MAC: mac(2), ReservedIP: addr(2)})
	must(t, s.Edit("tester", "swap", func(e fleet.Edit) error {
		return errors.Join(e.PutDevice(&fleet.Device{MAC: mac(1)}), e.PutDevice(&fleet.Device{MAC: mac(2), ReservedIP: addr(1)}),
			e.PutDevice(&fleet.Device{MAC: mac(1), ReservedIP: addr(2)}))
	}))
	a1, _ := s.Reserved(mac(1))
	a2, _ := s.Reserved(mac(2))
	m1, _ := s.HolderOf(addr(1))
	m2, _ := s.HolderOf(netip.AddrFrom16(addr(2).As16()))
	if a1 != addr(2) || a2 != addr(1) || m1 != mac(2) || m2 != mac(1) {
		t.Errorf("%s %s %s %s", a1, a2, m1, m2)
	}
}

// TestIndexesAgreeWithTheRecords makes random edits and compares every index, within them and after, and what is kept in memory, with what a
// walk over all devices finds; then once more after opening the files again.
func TestIndexesAgreeWithTheRecords(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := newFixture(t)
		s := h.open()
		few := rapid.IntRange(1, 6)
		for range rapid.IntRange(1, 12).Draw(r, "edits") {
			err := s.Edit("tester", "random", func(e fleet.Edit) error {
				for range rapid.IntRange(1, 3).Draw(r, "changes") {
					m := mac(few.Draw(r, "mac"))
					if rapid.IntRange(0, 4).Draw(r, "delete") == 0 {
						if err := e.DeleteDevice(m); err != nil && !errors.Is(err, fleet.ErrNotFound) {
							return err
						}
						continue
					}
					d := &fleet.Device{MAC: m, Profile: fmt.Sprint("p", few.Draw(r, "profile"))}
					if rapid.Bool().Draw(r, "reserve") {
						d.ReservedIP = addr(few.Draw(r, "ip"))
					}
					if rapid.Bool().Draw(r, "other") {
						d.OtherMACs = []dhcp.MAC{mac(4 + few.Draw(r, "other mac"))}
					}
					for i := range rapid.IntRange(0, 2).Draw(r, "lines") {
						d.Lines = append(d.Lines, fleet.Line{Position: i + 1, Extension: fmt.Sprint(few.Draw(r, "ext")), Registrar: "main"})
					}
					if err := e.PutDevice(d); err != nil {
						return err
					}
				}
				compareView(r, e)
				return nil
			})
			if invalid := (fleet.ValidationError)(nil); err != nil && !errors.As(err, &invalid) {
				r.Fatal(err)
			}
			compareIndexes(r, s)
		}
		compareIndexes(r, h.open())
		must(t, h.file.Close())
	})
}

func compareIndexes(t *rapid.T, s *DB) {
	err := s.View(func(f fleet.View) error {
		reserved := compareView(t, f)
		for i := range 12 {
			if holder, _ := s.HolderOf(addr(i)); holder != reserved[addr(i)] {
				t.Fatalf("%s is held by %s, not %s", addr(i), holder, reserved[addr(i)])
			}
			a, ok := s.Reserved(mac(i))
			if want := reserved[a]; ok && want != mac(i) {
				t.Fatalf("%s has %s reserved, which is %s's", mac(i), a, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compareView compares the indexes of a view with its records. It returns the devices by their reserved addresses.
func compareView(t *rapid.T, f fleet.View) map[netip.Addr]dhcp.MAC {
	withExt, withProfile := map[string][]dhcp.MAC{}, map[string][]dhcp.MAC{}
	reserved, others := map[netip.Addr]dhcp.MAC{}, map[dhcp.MAC]dhcp.MAC{}
	for d, err := range f.Devices(dhcp.MAC{}) {
		if err != nil {
			t.Fatal(err)
		}
		listed := map[string]bool{}
		for _, l := range d.Lines {
			if !listed[l.Extension] {
				withExt[l.Extension] = append(withExt[l.Extension], d.MAC)
			}
			listed[l.Extension] = true
		}
		withProfile[d.Profile] = append(withProfile[d.Profile], d.MAC)
		if d.ReservedIP.IsValid() {
			reserved[d.ReservedIP] = d.MAC
		}
		for _, m := range d.OtherMACs {
			others[m] = d.MAC
		}
	}
	for i := range 12 {
		name := fmt.Sprint(i)
		d, err := f.DeviceByAny(mac(i)) // before what writes the index
		_, own := f.Device(mac(i))
		byIP, _ := f.DeviceByIP(addr(i))
		gotExt, _ := f.DevicesWith(name, "main")
		gotProfile, _ := f.DevicesWithProfile("p" + name)
		if diff := cmp.Diff([]any{withExt[name], withProfile["p"+name], reserved[addr(i)]}, []any{gotExt, gotProfile, byIP}); diff != "" {
			t.Fatalf("%d: %s", i, diff)
		}
		switch owner, ok := others[mac(i)]; {
		case own == nil && (err != nil || d.MAC != mac(i)):
			t.Fatalf("%s is not found by its own MAC", mac(i))
		case own != nil && ok && (err != nil || d.MAC != owner):
			t.Fatalf("%s is not found by %s: %v", owner, mac(i), err)
		case own != nil && !ok && err == nil:
			t.Fatalf("%s is found by %s", d.MAC, mac(i))
		}
	}
	return reserved
}

func TestTokensAreStoredByNameAndFoundByHash(t *testing.T) {
	s := newFixture(t).open()
	must(t, s.PutToken("root", fleet.Token{Name: "ci", Role: "viewer", Hash: "aa", CreatedAt: startOfTime}))
	must(t, s.PutToken("root", fleet.Token{Name: "boss", Role: "admin", Hash: "bb", CreatedAt: startOfTime, CreatedBy: "root"}))
	all, err := s.Tokens()
	if err != nil || len(all) != 2 || all[0].Name != "boss" || all[0].Hash != "bb" || all[1].Role != "viewer" {
		t.Errorf("%+v, %v", all, err)
	}
	if got, err := s.TokenByHash("aa"); err != nil || got.Name != "ci" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, hash := range []string{"", "cc"} {
		if _, err := s.TokenByHash(hash); !errors.Is(err, fleet.ErrNotFound) {
			t.Errorf("hash %q: %v", hash, err)
		}
	}
	must(t, s.DeleteToken("root", "ci"))
	if err := s.DeleteToken("root", "ci"); !errors.Is(err, fleet.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := s.PutToken("root", fleet.Token{Name: "x"}); err == nil {
		t.Error("a token without hash was kept")
	}
	entries, err := s.Audit(0, 10)
	must(t, err)
	var log []string
	for _, e := range slices.Backward(entries) {
		log = append(log, e.Actor+" "+e.Action+" "+e.Records[0].Name)
	}
	if got := strings.Join(log, "; "); got != "root token created ci; root token created boss; root token deleted ci" {
		t.Error(got)
	}
}

func TestReadersDontWaitForAnEdit(t *testing.T) {
	s := newFixture(t).open()
	putDevices(t, s, &fleet.Device{MAC: mac(1), Label: "before"})
	must(t, s.Edit("tester", "slow", func(e fleet.Edit) error {
		must(t, e.PutDevice(&fleet.Device{MAC: mac(1), Label: "after"}))
		done := make(chan string)
		go func() {
			_ = s.View(func(f fleet.View) error {
				d, err := f.Device(mac(1))
				if err != nil {
					done <- err.Error()
					return nil
				}
				done <- d.Label
				return nil
			})
		}()
		if got := <-done; got != "before" {
			t.Errorf("a reader sees %q", got)
		}
		return nil
	}))
}

// TestWritersDontWaitForAReader holds a reader open while the file grows: with a map that must grow too, this hangs.
func TestWritersDontWaitForAReader(t *testing.T) {
	s := newFixture(t).open()
	must(t, s.View(func(f fleet.View) error {
		for i := range 20 {
			var many []*fleet.Device
			for j := range 100 {
				many = append(many, &fleet.Device{MAC: mac(i*100 + j + 1), Notes: strings.Repeat("x", 4000)})
			}
			putDevices(t, s, many...)
		}
		if f.Revision() != 0 {
			t.Error("the reader's state moved")
		}
		return nil
	}))
	if s.file.Size() < 8<<20 {
		t.Errorf("the file did not grow: %v", s.file.Size())
	}
}
