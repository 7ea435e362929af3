package store

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// fill sets every member of the struct that v points to to something, by its type, so that a member added to a shared
// type later is part of the round trips without anybody thinking of it.
func fill(t *rapid.T, v reflect.Value, path string) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, path), 0).UTC()
		return
	case *netip.Addr:
		*p = addr(rapid.IntRange(0, 1<<16-1).Draw(t, path))
		return
	case *netip.Prefix:
		*p = netip.PrefixFrom(addr(rapid.IntRange(0, 1<<16-1).Draw(t, path)), rapid.IntRange(0, 32).Draw(t, path)).Masked()
		return
	case *dhcp.MAC:
		*p = mac(rapid.IntRange(1, 1<<24-1).Draw(t, path))
		return
	case *setting.Duration:
		*p = setting.Duration(time.Duration(rapid.IntRange(0, 1<<30).Draw(t, path)) * time.Millisecond)
		return
	case *setting.Values:
		*p = drawSettings(t, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), path)
	case reflect.String:
		v.SetString(rapid.StringN(1, 20, 60).Draw(t, path))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, path))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(1, 1<<40).Draw(t, path))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, path))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(1, 3).Draw(t, path), 3))
		for i := range v.Len() {
			fill(t, v.Index(i), fmt.Sprint(path, i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, path+" key")
		fill(t, val, path+" value")
		v.SetMapIndex(key, val)
	default:
		t.Fatalf("%s: fill knows no %s", path, v.Type())
	}
}

func drawSettings(t *rapid.T, path string) setting.Values {
	v := setting.Values{}
	for range rapid.IntRange(1, 5).Draw(t, path) {
		var val any
		switch rapid.IntRange(0, 6).Draw(t, path) {
		case 0:
			val = rapid.String().Draw(t, path)
		case 1:
			val = rapid.Bool().Draw(t, path)
		case 2:
			val = rapid.Int().Draw(t, path)
		case 3:
			val = setting.Duration(rapid.Int64().Draw(t, path))
		case 4:
			val = rapid.SliceOf(rapid.String()).Draw(t, path)
		case 5:
			val = setting.Secret(rapid.String().Draw(t, path))
		case 6:
			val = time.Duration(rapid.Int64().Draw(t, path))
		}
		v[rapid.StringMatching(`[a-z_]{1,9}`).Draw(t, path)] = val
	}
	return v
}

func roundTrip[T any](t *rapid.T, k kind[T]) {
	var v T
	fill(t, reflect.ValueOf(&v).Elem(), k.word)
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
	t.Run("lease", rapid.MakeCheck(func(t *rapid.T) {
		var l dhcp.Lease
		fill(t, reflect.ValueOf(&l).Elem(), "lease")
		l.ClientID = string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		b := appendLease(nil, l)
		got, err := readLease(b)
		got.Addr = l.Addr // the key
		if err != nil || got != l {
			t.Fatalf("%v\nput %+v\ngot %+v", err, l, got)
		}
		for n := range b {
			if _, err := readLease(b[:n]); err == nil {
				t.Fatalf("lease cut to %d of %d bytes was read", n, len(b))
			}
		}
	}))
}

func TestZeroLeaseReadsBack(t *testing.T) {
	got, err := readLease(appendLease(nil, dhcp.Lease{}))
	if err != nil || got != (dhcp.Lease{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzReadLease(f *testing.F) {
	f.Add(appendLease(nil, lease(1)))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := readLease(b)
		if err != nil {
			return
		}
		again, err := readLease(appendLease(nil, l))
		if err != nil || again != l {
			t.Errorf("%+v, %+v, %v", l, again, err)
		}
	})
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
			if s.Health() != nil {
				t.Errorf("a refused record makes the store ill: %v", s.Health())
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
	if _, err := decodeDevice([]byte("\x02{}")); !errors.Is(err, errNewerRecord) {
		t.Errorf("got %v", err)
	}
	for _, b := range []string{"", "\x00{}", "\x01", "\x01[", "\x01{\"mac\":7}"} {
		if _, err := decodeDevice([]byte(b)); !errors.Is(err, errDamaged) {
			t.Errorf("%q: got %v", b, err)
		}
	}
	if _, err := readLease([]byte("\x02 123456789")); !errors.Is(err, errNewerRecord) {
		t.Errorf("lease: got %v", err)
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
	seen := 0
	must(t, s.Edit("tester", "change all", func(e fleet.Edit) error {
		for d, err := range e.Devices(dhcp.MAC{}) {
			must(t, err)
			seen++
			if seen%3 == 0 {
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
	if seen != 1000 || left != 667 {
		t.Errorf("%d seen, %d left", seen, left)
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

// Leases written before the relay was recorded are read; their relay is unknown.
func TestLeaseWithoutRelayReadsBack(t *testing.T) {
	l := dhcp.Lease{MAC: dhcp.MAC{0, 1, 2, 3, 4, 5}, State: dhcp.LeaseActive, Hostname: "phone"}
	b := appendLease(nil, l)
	b[0] = leaseWithoutRelay
	got, err := readLease(b[:len(b)-1]) // the empty relay is the last byte
	if err != nil || got.Relay.Known() || got.Hostname != l.Hostname {
		t.Errorf("%+v, %v", got, err)
	}
}
