package records

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/store/dbfile"
	"plugtone/store/storetest"
)

func roundTrip[T any](t *rapid.T, k kind[T]) {
	var v T
	storetest.Fill(t, reflect.ValueOf(&v).Elem(), k.word)
	b, err := k.encode(&v)
	if err != nil {
		t.Fatalf("%+v: %v", v, err)
	}
	got, err := k.decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&v, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Fatal(diff)
	}
	for i := range b { // what was read must not point into the page that it was read from
		b[i] = 'X'
	}
	if diff := cmp.Diff(&v, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Fatal("aliases the page:", diff)
	}
}

func TestEveryRecordReadsBack(t *testing.T) {
	t.Run("device", rapid.MakeCheck(func(t *rapid.T) { roundTrip(t, deviceKind) }))
	t.Run("extension", rapid.MakeCheck(func(t *rapid.T) { roundTrip(t, extensionKind) }))
	t.Run("registrar", rapid.MakeCheck(func(t *rapid.T) { roundTrip(t, registrarKind) }))
	t.Run("profile", rapid.MakeCheck(func(t *rapid.T) { roundTrip(t, profileKind) }))
}

func TestSecretsAreKeptInClear(t *testing.T) {
	s := newFixture(t).open()
	must(t, s.Edit("tester", "put", func(e fleet.Edit) error {
		return errors.Join(
			e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: "s3cr\"et"}),
			e.PutDevice(&fleet.Device{MAC: mac(1), Settings: setting.Values{"admin_password": setting.Secret("pw")}}))
	}))
	must(t, s.View(func(f fleet.View) error {
		x, err := f.Extension("1001", "main")
		must(t, err)
		d, err := f.Device(mac(1))
		must(t, err)
		if string(x.Password) != "s3cr\"et" || d.Settings["admin_password"] != setting.Secret("pw") {
			t.Errorf("password %q, setting %#v", string(x.Password), d.Settings["admin_password"])
		}
		return nil
	}))
	entries, err := s.Audit(0, 10)
	must(t, err)
	if text := fmt.Sprintf("%+v", entries); strings.Contains(text, "s3cr") || strings.Contains(text, "pw") {
		t.Errorf("a secret is in the audit log: %s", text)
	}
}

func TestWhatWouldNotReadBackIsRefused(t *testing.T) {
	for name, d := range map[string]*fleet.Device{
		"zero MAC":         {},
		"multicast MAC":    {MAC: dhcp.MAC{1, 2, 3, 4, 5, 6}},
		"zero other MAC":   {MAC: mac(1), OtherMACs: []dhcp.MAC{{}}},
		"label not UTF-8":  {MAC: mac(1), Label: "caf\xe9"},
		"setting of float": {MAC: mac(1), Settings: setting.Values{"volume": 1.5}},
		"NUL in profile":   {MAC: mac(1), Profile: "a\x00b"},
		"long extension":   {MAC: mac(1), Lines: []fleet.Line{{Position: 1, Extension: strings.Repeat("1", 300)}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t).open()
			err := s.Edit("tester", "put", func(e fleet.Edit) error { return e.PutDevice(d) })
			if invalid := (fleet.ValidationError)(nil); !errors.As(err, &invalid) {
				t.Errorf("got %v", err)
			}
			if s.Revision() != 0 || d.Revision != 0 || !d.CreatedAt.IsZero() {
				t.Errorf("something was kept: revision %d, device %+v", s.Revision(), d)
			}
			if s.file.Health() != nil {
				t.Errorf("a refused record makes the store ill: %v", s.file.Health())
			}
		})
	}
	s := newFixture(t).open()
	for _, put := range []func(fleet.Edit) error{
		func(e fleet.Edit) error { return e.PutExtension(&fleet.Extension{Registrar: "main"}) },
		func(e fleet.Edit) error { return e.PutRegistrar(&fleet.Registrar{}) },
		func(e fleet.Edit) error {
			return e.PutProfile(&fleet.Profile{Name: strings.Repeat("x", 10_000)})
		},
		func(e fleet.Edit) error {
			return e.PutRegistrar(&fleet.Registrar{Name: "a", RegisterExpires: -1})
		},
	} {
		if err := s.Edit("tester", "put", put); err == nil || len(err.Error()) > 300 {
			t.Errorf("got %v", err)
		}
	}
}

func TestRecordsOfANewerPlugtoneAreRefused(t *testing.T) {
	if _, err := decodeDevice([]byte("\x02{}")); !errors.Is(err, dbfile.ErrNewer) {
		t.Errorf("got %v", err)
	}
	for _, b := range []string{"", "\x00{}", "\x01", "\x01[", "\x01{\"mac\":7}"} {
		if _, err := decodeDevice([]byte(b)); !errors.Is(err, dbfile.ErrDamaged) {
			t.Errorf("%q: got %v", b, err)
		}
	}
}

func TestRecordsComeInOrder(t *testing.T) {
	s := newFixture(t).open()
	must(t, s.Edit("tester", "put", func(e fleet.Edit) error {
		for i := range 30 {
			n := (i*7)%30 + 1
			err := errors.Join(e.PutDevice(&fleet.Device{MAC: mac(n)}),
				e.PutExtension(&fleet.Extension{Number: fmt.Sprint(1000 + n%15), Registrar: fmt.Sprint("r", n/15)}),
				e.PutProfile(&fleet.Profile{Name: fmt.Sprint("p", 100+n)}), e.PutRegistrar(&fleet.Registrar{Name: fmt.Sprint("r", 100+n)}))
			if err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, s.View(func(f fleet.View) error {
		var macs []int
		for d, err := range f.Devices(mac(10)) {
			must(t, err)
			if macs = append(macs, int(d.MAC[5])); len(macs) == 5 {
				break
			}
		}
		if !slices.Equal(macs, []int{11, 12, 13, 14, 15}) {
			t.Errorf("devices after the tenth: %v", macs)
		}
		var names []string
		for p, err := range f.Profiles() {
			must(t, err)
			names = append(names, p.Name)
		}
		for r, err := range f.Registrars() {
			must(t, err)
			names = append(names, r.Name)
		}
		for x, err := range f.Extensions() {
			must(t, err)
			names = append(names, x.Number+x.Registrar)
		}
		if len(names) != 90 || !slices.IsSorted(names[:30]) || !slices.IsSorted(names[30:60]) || !slices.IsSorted(names[60:]) {
			t.Errorf("%d names: %v", len(names), names)
		}
		found, err := f.ExtensionsNumbered("1003")
		if err != nil || len(found) != 2 || found[0].Registrar != "r0" || found[1].Registrar != "r1" {
			t.Errorf("extensions 1003: %v, %v", found, err)
		}
		found, err = f.ExtensionsNumbered("100")
		if err != nil || len(found) != 0 {
			t.Errorf("extensions 100: %v, %v", found, err)
		}
		return nil
	}))
}

func TestAnEditMayChangeWhatItWalks(t *testing.T) {
	s := newFixture(t).open()
	var devices []*fleet.Device
	for i := range 1000 {
		devices = append(devices, &fleet.Device{MAC: mac(i + 1), Label: "old"})
	}
	putDevices(t, s, devices...)
	visited := 0
	must(t, s.Edit("tester", "change all", func(e fleet.Edit) error {
		for d, err := range e.Devices(dhcp.MAC{}) {
			must(t, err)
			visited++
			if visited%3 == 0 {
				must(t, e.DeleteDevice(d.MAC))
				continue
			}
			d.Label = strings.Repeat("new", 100)
			must(t, e.PutDevice(d))
		}
		return nil
	}))
	left := 0
	must(t, s.View(func(f fleet.View) error {
		for d, err := range f.Devices(dhcp.MAC{}) {
			must(t, err)
			left++
			if !strings.HasPrefix(d.Label, "new") {
				t.Errorf("%s was left out", d.MAC)
			}
		}
		return nil
	}))
	if visited != 1000 || left != 667 {
		t.Errorf("%d visited, %d left", visited, left)
	}
}

func TestMissingRecordsAreNamed(t *testing.T) {
	s := newFixture(t).open()
	must(t, s.View(func(f fleet.View) error {
		_, err1 := f.Device(mac(1))
		_, err2 := f.DeviceByAny(mac(2))
		_, err3 := f.DeviceByIP(addr(3))
		_, err4 := f.Extension("1001", "main")
		_, err5 := f.Registrar("main")
		_, err6 := f.Profile("sales")
		for i, want := range []string{"device 00:15:65:00:00:01: not found", "device 00:15:65:00:00:02: not found",
			"device with reserved_ip 10.20.0.3: not found", "extension 1001@main: not found", "registrar main: not found", "profile sales: not found"} {
			err := []error{err1, err2, err3, err4, err5, err6}[i]
			if !errors.Is(err, fleet.ErrNotFound) || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		return nil
	}))
	err := s.Edit("tester", "rm", func(e fleet.Edit) error { return e.DeleteExtension("1", "x") })
	if !errors.Is(err, fleet.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
