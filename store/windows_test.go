package store

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/trust"
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
	must(t, s.SaveWindows(want[:1]))
	must(t, s.SaveWindows(want))
	if s.Revision() != revision {
		t.Error("windows moved the fleet's revision")
	}
	must(t, s.Close())
	s = h.open()
	got, err := s.LoadWindows()
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read back %+v, want %+v", got, want)
	}
	must(t, s.fleetDB.update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyWindows, []byte("?")) }))
	if _, err := s.LoadWindows(); err == nil {
		t.Error("a damaged record is read")
	}
}
