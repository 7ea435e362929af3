package store

import (
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// TestALongEditIsHealthyWhileItGoesOn takes half a minute of an edit that writes, and of edits that only read: none is reported. One that
// does nothing for three seconds is, until it goes on.
func TestALongEditIsHealthyWhileItGoesOn(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	s := h.open()
	putDevices(t, s, &fleet.Device{MAC: mac(1)}, &fleet.Device{MAC: mac(2)})
	must(t, s.Edit("tester", "put", func(e fleet.Edit) error { return e.PutProfile(&fleet.Profile{Name: "desk"}) }))
	healthy := func(doing string) {
		t.Helper()
		if err := s.Health(); err != nil {
			t.Errorf("%s: %v", doing, err)
		}
	}
	for doing, step := range map[string]func(e fleet.Edit, n int) error{
		"writing": func(e fleet.Edit, n int) error { return e.PutDevice(&fleet.Device{MAC: mac(100 + n)}) },
		"reading devices": func(e fleet.Edit, _ int) error {
			_, err := e.Device(mac(1))
			return err
		},
		"looking for a MAC": func(e fleet.Edit, _ int) error {
			_, err := e.DeviceByAny(mac(2))
			return err
		},
		"reading profiles": func(e fleet.Edit, _ int) error {
			_, err := e.Profile("desk")
			return err
		},
		"listing devices": func(e fleet.Edit, _ int) error {
			for _, err := range e.Devices(dhcp.MAC{}) {
				h.now = h.now.Add(time.Second / 2)
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		must(t, s.Edit("tester", doing, func(e fleet.Edit) error {
			for n := range 15 {
				if err := step(e, n); err != nil {
					return err
				}
				h.now = h.now.Add(2 * time.Second)
				healthy(doing)
			}
			return nil
		}))
		healthy(doing + ", ended")
	}
	must(t, s.Edit("tester", "hang", func(e fleet.Edit) error {
		h.now = h.now.Add(3 * time.Second)
		if err := s.Health(); err == nil || !strings.Contains(err.Error(), "has not ended for 3s") {
			t.Errorf("an edit that does nothing: %v", err)
		}
		_, err := e.Device(mac(1))
		healthy("going on")
		return err
	}))
}
