package records

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/trust"
	"plugtone/store/dbfile"
)

func TestWindowsAreKept(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	if all, err := s.LoadWindows(); len(all) != 0 || err != nil {
		t.Errorf("in a new store: %v, %v", all, err)
	}
	from := time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC)
	want := []trust.EnrollmentWindow{
		{Window: trust.Window{MAC: mac(1), From: netip.MustParsePrefix("192.0.2.0/24"), Until: from.Add(time.Hour)}, Opened: from, MACs: []dhcp.MAC{mac(1), mac(2)}},
		{Window: trust.Window{Until: from.Add(time.Minute)}, Opened: from},
	}
	revision := s.Revision()
	for _, w := range want {
		_, err := s.UpdateWindows(func(all []trust.EnrollmentWindow) ([]trust.EnrollmentWindow, error) { return append(all, w), nil })
		must(t, err)
	}
	if s.Revision() != revision {
		t.Error("windows moved the fleet's revision")
	}
	s = h.open()
	got, err := s.LoadWindows()
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read back %+v, want %+v", got, want)
	}
	must(t, s.file.Update(func(tx dbfile.Tx) error { return tx.SetMeta(keyWindows, []byte("?")) }))
	if _, err := s.LoadWindows(); err == nil {
		t.Error("a damaged record is read")
	}
}

func TestBudgetsOfResetsAreKept(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	want := trust.ResetState{
		Budgets: []trust.StoredBudget{{Subnet: netip.MustParsePrefix("10.20.0.0/22"), Tokens: 2.5, At: at}},
		Phones:  []trust.StoredChallenge{{MAC: mac(1), Challenged: at, File: 1<<63 + 1, Boots: 2}, {MAC: mac(2), Granted: at}},
	}
	must(t, s.SaveResets(want))
	if s.Revision() != 0 {
		t.Error("budgets moved the fleet's revision")
	}
	got, err := h.open().LoadResets()
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read back %+v, want %+v", got, want)
	}
}
