// Package storetest holds the fixtures of the tests of store and the packages below it: addresses, leases, and values in which every
// member is set.
package storetest

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/provision/setting"
)

// Start is the time at which tests begin.
var Start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// MAC returns the MAC of phone n.
func MAC(n int) dhcp.MAC { return dhcp.MAC{0x00, 0x15, 0x65, byte(n >> 16), byte(n >> 8), byte(n)} }

// Addr returns the address of phone n.
func Addr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 20 + byte(n>>16), byte(n >> 8), byte(n)})
}

// Lease returns a lease of Addr(n) for MAC(n).
func Lease(n int) dhcp.Lease {
	return dhcp.Lease{Addr: Addr(n), MAC: MAC(n), ClientID: "\x01\x00\xff", Subnet: netip.MustParsePrefix("10.20.0.0/16"),
		State: dhcp.LeaseActive, FirstSeen: Start.Add(time.Nanosecond), Starts: Start, Expires: Start.Add(time.Hour),
		Hostname: fmt.Sprint("phone", n), VendorClass: "acme SIP", Vendor: "acme", Phone: true, CircuitID: "\x00\x04", RemoteID: "sw\xff",
		Relay: dhcp.Relay{GIAddr: netip.MustParseAddr("10.30.0.1"), Source: netip.MustParseAddr("192.0.2.254")}}
}

// Must ends the test when err is not nil.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Fill sets v, and every member if it is a struct, to a random value of its type. Members that are added to a shared type later are
// thereby part of the round-trip tests.
func Fill(t *rapid.T, v reflect.Value, path string) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, path), 0).UTC()
		return
	case *netip.Addr:
		*p = Addr(rapid.IntRange(0, 1<<16-1).Draw(t, path))
		return
	case *netip.Prefix:
		*p = netip.PrefixFrom(Addr(rapid.IntRange(0, 1<<16-1).Draw(t, path)), rapid.IntRange(0, 32).Draw(t, path)).Masked()
		return
	case *dhcp.MAC:
		*p = MAC(rapid.IntRange(1, 1<<24-1).Draw(t, path))
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
			Fill(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		Fill(t, v.Elem(), path)
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
			Fill(t, v.Index(i), fmt.Sprint(path, i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		Fill(t, key, path+" key")
		Fill(t, val, path+" value")
		v.SetMapIndex(key, val)
	default:
		t.Fatalf("%s: no random value for type %s", path, v.Type())
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
