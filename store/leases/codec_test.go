package leases

import (
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/store/dbfile"
	"plugtone/store/storetest"
)

func TestEveryLeaseReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l dhcp.Lease
		storetest.Fill(t, reflect.ValueOf(&l).Elem(), "lease")
		l.ClientID = string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		b := AppendLease(nil, l)
		got, err := ReadLease(b)
		got.Addr = l.Addr // the key
		if err != nil || got != l {
			t.Fatalf("%v\nput %+v\ngot %+v", err, l, got)
		}
		for n := range b {
			if _, err := ReadLease(b[:n]); err == nil {
				t.Fatalf("lease cut to %d of %d bytes was read", n, len(b))
			}
		}
	})
}

func TestZeroLeaseReadsBack(t *testing.T) {
	got, err := ReadLease(AppendLease(nil, dhcp.Lease{}))
	if err != nil || got != (dhcp.Lease{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Leases written before the relay was recorded are read; their relay is unknown.
func TestLeaseWithoutRelayReadsBack(t *testing.T) {
	l := dhcp.Lease{MAC: dhcp.MAC{0, 1, 2, 3, 4, 5}, State: dhcp.LeaseActive, Hostname: "phone"}
	b := AppendLease(nil, l)
	b[0] = leaseWithoutRelay
	got, err := ReadLease(b[:len(b)-1]) // the empty relay is the last byte
	if err != nil || got.Relay.Known() || got.Hostname != l.Hostname {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzReadLease(f *testing.F) {
	f.Add(AppendLease(nil, lease(1)))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ReadLease(b)
		if err != nil {
			return
		}
		again, err := ReadLease(AppendLease(nil, l))
		if err != nil || again != l {
			t.Errorf("%+v, %+v, %v", l, again, err)
		}
	})
}

func TestLeasesOfANewerPlugtoneAreRefused(t *testing.T) {
	if _, err := ReadLease([]byte("\x03 123456789")); !errors.Is(err, dbfile.ErrNewer) {
		t.Errorf("got %v", err)
	}
}
