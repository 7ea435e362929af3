package provision_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

func TestSettingsOfTheDeviceOverrideProfileAndSite(t *testing.T) {
	h := newFixture(t)
	value := func() any {
		t.Helper()
		x, err := h.Explain(context.Background(), provision.Question{MAC: front})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range x.Settings {
			if o.Name == "time_zone" {
				return o.Value
			}
		}
		return nil
	}
	zone := func(name string) setting.Values { return setting.Values{"time_zone": name} }
	steps := []struct {
		name string
		set  func(string)
	}{
		{"default", func(z string) { s := *h.site; s.TimeZone = z; h.site = &s }},
		{"site", func(z string) { s := *h.site; s.Settings = zone(z); h.site = &s }},
		{"subnet", func(z string) {
			s := *h.site
			s.Subnets = slices.Clone(s.Subnets)
			s.Subnets[1].Settings = zone(z)
			h.site = &s
		}},
		{"registrar", func(z string) {
			edit(t, h.records, func(e fleet.Edit) error {
				return e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "h", Port: 1, Transport: "udp", Settings: zone(z)})
			})
		}},
		{"parent", func(z string) {
			edit(t, h.records, func(e fleet.Edit) error { return e.PutProfile(&fleet.Profile{Name: "base", Settings: zone(z)}) })
		}},
		{"profile", func(z string) {
			edit(t, h.records, func(e fleet.Edit) error {
				return e.PutProfile(&fleet.Profile{Name: "reception", Parent: "base", Settings: zone(z)})
			})
		}},
		{"device", func(z string) {
			edit(t, h.records, func(e fleet.Edit) error {
				d, err := e.Device(front)
				if err == nil {
					d.Settings = zone(z)
					err = e.PutDevice(d)
				}
				return err
			})
		}},
	}
	zones := []string{"Europe/Paris", "Europe/Rome", "Europe/Oslo", "Europe/Kyiv", "Europe/Riga", "Europe/Malta", "Europe/Minsk"}
	for i, s := range steps {
		s.set(zones[i])
		if got := value(); got != zones[i] {
			t.Errorf("with %s set the zone is %v, want %s", s.name, got, zones[i])
		}
	}
}

func TestKeysOfAProfileThatDoNotFitAreReported(t *testing.T) {
	h := newFixture(t)
	edit(t, h.records, func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err == nil {
			d.Model = "A1" // two keys, no expansion module
			err = e.PutDevice(d)
		}
		return err
	})
	body := h.served(h.get("001565123456.cfg", "10.20.1.7"))
	contains(t, body, "key.2.value = 1002")
	x, err := h.Explain(context.Background(), provision.Question{MAC: front})
	if err != nil || len(x.LeftOut) != 2 {
		t.Fatalf("left out %q, %v", x.LeftOut, err)
	}
	contains(t, x.LeftOut[0], "key 3=blf:1008 of profile reception: ")
	contains(t, x.LeftOut[1], "key expansion1:1=blf:1007 of profile reception: ")
}

// A setting that the model's files have no parameter for stays in the record, for the next phone, and is reported as left out.
func TestSettingsThatTheModelLacksAreReported(t *testing.T) {
	h := newFixture(t)
	edit(t, h.records, func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err != nil {
			return err
		}
		d.Settings = setting.Values{"wallpaper": "logo.png", "firmware": []string{"fw.rom"}}
		p, err := e.Profile("reception")
		if err != nil {
			return err
		}
		p.Settings["session_timers"] = true
		return errors.Join(e.PutDevice(d), e.PutProfile(p))
	})
	x, err := h.Explain(context.Background(), provision.Question{MAC: front})
	if err != nil {
		t.Fatal(err)
	}
	leftOut := strings.Join(x.LeftOut, "\n")
	contains(t, leftOut, "setting wallpaper of the device: no way is known to set it on A4")
	contains(t, leftOut, "setting session_timers of profile reception: no way")
	if strings.Contains(leftOut, "firmware") {
		t.Errorf("left out %q", leftOut)
	}
}

func TestKeyOfALineWithoutAccountIsReported(t *testing.T) {
	h := newFixture(t)
	edit(t, h.records, func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err == nil {
			d.Keys = []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: "1002", Line: 1}, {Area: "line", Slot: 3, Type: "blf", Value: "1002", Line: 4}}
			err = e.PutDevice(d)
		}
		return err
	})
	x, err := h.Explain(context.Background(), provision.Question{MAC: front})
	if leftOut := strings.Join(x.LeftOut, "\n"); err != nil || strings.Count(leftOut, "no account on line") != 1 || !strings.Contains(leftOut, "key 3=blf:1002,line=4 of the device: ") {
		t.Errorf("left out %q, %v", leftOut, err)
	}
}

func TestLineWithoutRegistrarIsLeftOut(t *testing.T) {
	h := newFixture(t)
	edit(t, h.records, func(e fleet.Edit) error { return fleet.RemoveRegistrar(e, "main", true) })
	contains(t, h.served(h.get("001565123456.cfg", "10.20.1.7")), "account.1.enable = 0")
	x, err := h.Explain(context.Background(), provision.Question{MAC: front})
	if err != nil || len(x.LeftOut) == 0 || !strings.Contains(x.LeftOut[0], "extension 1001 has no registrar") {
		t.Errorf("left out %q, %v", x.LeftOut, err)
	}
}
