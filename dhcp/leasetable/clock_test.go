package leasetable_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/leasetable"
)

// leaseFile returns a disk with n leases that began one minute after the other, the last one just now.
func leaseFile(now time.Time, n int) *dhcptest.Disk {
	d := dhcptest.NewDisk()
	for i := range n {
		a := dhcptest.AddrOf(dhcptest.NumberOf(dhcptest.Addr("10.20.0.100")) + uint32(i))
		starts := now.Add(time.Duration(i-n+1) * time.Minute).UTC().Truncate(time.Second)
		d.Leases[a] = dhcp.Lease{Addr: a, MAC: dhcptest.ClientMAC(i), Subnet: dhcptest.Voice().Prefix, State: dhcp.LeaseActive, FirstSeen: starts, Starts: starts, Expires: starts.Add(time.Hour)}
	}
	return d
}

// flip changes one lease as a damaged disk does.
func flip(d *dhcptest.Disk, last byte, change func(*dhcp.Lease)) netip.Addr {
	a := netip.AddrFrom4([4]byte{10, 20, 0, last})
	l := d.Leases[a]
	change(&l)
	d.Leases[a] = l
	return a
}

// A damaged time in one lease does not change other leases, in memory or on disk.
func TestOneDamagedLeaseShiftsNoOther(t *testing.T) {
	century := 100 * 365 * 24 * time.Hour
	for name, change := range map[string]func(*dhcp.Lease){
		"begins in the future":              func(l *dhcp.Lease) { l.Starts = l.Starts.Add(century) },
		"begins and ends in the future":     func(l *dhcp.Lease) { l.Starts, l.Expires = l.Starts.Add(century), l.Expires.Add(century) },
		"begins a moment ahead":             func(l *dhcp.Lease) { l.Starts = l.Starts.Add(time.Hour / 2) },
		"began before there were computers": func(l *dhcp.Lease) { l.Starts = l.Starts.Add(-century) },
	} {
		for _, leases := range []int{1, 2, 3, 10} {
			t.Run(fmt.Sprintf("%s, one of %d", name, leases), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := leaseFile(time.Now(), leases)
					before := map[netip.Addr]dhcp.Lease{}
					for a, l := range d.Leases {
						before[a] = l
					}
					bad := flip(d, 100, change)
					b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
					synctest.Wait()
					for a, want := range before {
						l, ok := b.LeaseAt(a)
						switch {
						case !ok:
							t.Errorf("%d leases: %s is expired", leases, a)
						case a != bad && (l != want || d.Leases[a] != want):
							t.Errorf("%d leases: %s is %+v, on disk %+v", leases, a, l, d.Leases[a])
						case a == bad && (l.Expires.After(time.Now().Add(2*time.Hour)) || l.Starts.After(time.Now())):
							t.Errorf("%d leases: the damaged one is from %s to %s", leases, l.Starts, l.Expires)
						}
					}
				})
			})
		}
	}
}

// C36: a clock that is behind is recognised by many leases, even when some of them are damaged. Expired leases stay expired.
func TestClockBehindManyLeasesC36(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		year := 365 * 24 * time.Hour
		d := leaseFile(time.Now().Add(year), 10)
		flip(d, 100, func(l *dhcp.Lease) { l.Starts = l.Starts.Add(10 * year) })
		ended := flip(d, 101, func(l *dhcp.Lease) { l.Starts, l.Expires = l.Starts.Add(-24*time.Hour), l.Starts.Add(-23*time.Hour) })
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		synctest.Wait()
		for a, l := range d.Leases {
			if left := time.Until(l.Expires); a != ended && (left < 50*time.Minute || left > 65*time.Minute) || a == ended && left > 0 {
				t.Errorf("%s: %s left of an hour, some minutes after it began", a, left)
			}
		}
		if _, ok := b.LeaseAt(ended); ok {
			t.Error("an expired lease is in force again")
		}
	})
}

// distrustFixture is a table that lost its leases: only what is loaded from d is known.
func distrustFixture(t *testing.T, cfg dhcp.Config, d *dhcptest.Disk) *dhcptest.TableFixture {
	b := dhcptest.NewTableFixture(t, cfg, d, time.Now)
	b.Distrust(time.Now().Add(dhcptest.DefaultLease), "the lease file is missing")
	return b
}

// Where leases may be missing every address is probed before it is offered: under load too, without conflict_check, and also a
// client's own last one.
func TestDistrustProbesEveryAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := distrustFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), leaseFile(time.Now(), 1))
		for n, overloaded := range []bool{true, false, true} {
			b.Link.Overloaded, b.Link.NoProbe = overloaded, false
			a := b.Want(dhcp.VerdictProbing, dhcptest.Discover(n, dhcptest.AsPhone)).Probe
			b.Link.NoProbe = true
			if d := b.Want(dhcp.VerdictSilent, dhcptest.Discover(n, dhcptest.AsPhone)); d.Reply != nil || d.Hold != a {
				t.Errorf("unprobed: %+v, holds %s", d.Event, d.Hold)
			}
			b.Probed(a, false)
			if o := b.Want(dhcp.VerdictOffered, dhcptest.Discover(n, dhcptest.AsPhone)).Reply.YIAddr; o != a {
				t.Errorf("offered %s, probed %s", o, a)
			}
			b.Want(dhcp.VerdictAcked, dhcptest.Selecting(n, a, dhcptest.AsPhone))
		}
	})
}

// An address on which a probe finds a client of a lost lease goes into quarantine; the next one is tried.
func TestDistrustFindsLostLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := distrustFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), dhcptest.NewDisk())
		a := b.Want(dhcp.VerdictProbing, dhcptest.Discover(1)).Probe
		b.Probed(a, true)
		next := b.Want(dhcp.VerdictProbing, dhcptest.Discover(1)).Probe
		b.Probed(next, false)
		if o := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr; o != next || o == a {
			t.Errorf("offered %s, in use is %s", o, a)
		}
	})
}

// Lost leases are on the addresses that were handed out last, so the other addresses are offered first: never-leased ones, then those
// given up long ago.
func TestDistrustHandsOutLongestUnusedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := leaseFile(time.Now().Add(-24*time.Hour), 3)
		b := distrustFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d)
		var order []string
		for n := range 10 {
			a := b.Want(dhcp.VerdictProbing, dhcptest.Discover(20+n, dhcptest.AsPhone)).Probe
			b.Probed(a, false)
			order = append(order, a.String()[len("10.20.0."):])
			b.Want(dhcp.VerdictOffered, dhcptest.Discover(20+n, dhcptest.AsPhone))
		}
		want := [10]string{"109", "108", "107", "106", "105", "104", "103", "100", "101", "102"}
		if [10]string(order) != want {
			t.Errorf("%v, want %v", order, want)
		}
	})
}

// Clients that renew or remember a free and permitted address get it after a probe, whether the server is authoritative or not, and
// even against a stored record, which may be older.
func TestDistrustGrantsClaimedAddressesAfterAProbe(t *testing.T) {
	for _, authoritative := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			cfg := dhcptest.ConfigOf(dhcptest.Voice())
			cfg.Authoritative = authoritative
			b := distrustFixture(t, cfg, leaseFile(time.Now(), 1))
			for _, req := range []*dhcp.Request{
				dhcptest.InitReboot(1, dhcptest.Addr("10.20.0.104")), dhcptest.Renew(2, dhcptest.Addr("10.20.0.105")), dhcptest.InitReboot(0, dhcptest.Addr("10.20.0.106")), // its record has 10.20.0.100
			} {
				b.Probed(b.Want(dhcp.VerdictProbing, req).Probe, false)
				b.Want(dhcp.VerdictAcked, req)
			}
			taken, _ := b.Do(dhcptest.InitReboot(3, dhcptest.Addr("10.20.0.104"))) // which another client has by now
			if taken.Reply != nil && taken.Reply.Type != dhcp.MessageTypeNak {
				t.Errorf("%+v", taken.Event)
			}
		})
	}
}

// Caution lasts one lease time, also when the wall clock is set, and can be read.
func TestDistrustLastsOneLeaseTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &steppingClock{truth: map[int64]time.Time{}}
		cfg := dhcptest.ConfigOf(dhcptest.Voice())
		b := dhcptest.NewTableFixture(t, cfg, dhcptest.NewDisk(), c.now)
		synctest.Wait()
		leasetable.SetSince(b.Table, c.since)
		b.Distrust(c.now().Add(dhcptest.DefaultLease), "cut short")
		c.step(365 * 24 * time.Hour)
		time.Sleep(dhcptest.DefaultLease - time.Minute)
		if until, reason := b.DistrustedUntil(); until.IsZero() || reason != "cut short" {
			t.Errorf("distrusted until %s: %q", until, reason)
		}
		b.Want(dhcp.VerdictProbing, dhcptest.Discover(1))
		time.Sleep(2 * time.Minute)
		if until, _ := b.DistrustedUntil(); !until.IsZero() {
			t.Errorf("still distrusted until %s", until)
		}
		b.Want(dhcp.VerdictOffered, dhcptest.Discover(2))
	})
}
