package leasetable_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/leasetable"
)

// steppingClock is a wall clock that can be set, with the monotonic time behind each reading.
type steppingClock struct {
	mu     sync.Mutex
	offset time.Duration
	truth  map[int64]time.Time
}

func (c *steppingClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	wall := now.Round(0).Add(c.offset)
	c.truth[wall.UnixNano()] = now
	return wall
}

func (c *steppingClock) since(now, before time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.truth[now.UnixNano()].Sub(c.truth[before.UnixNano()])
}

func (c *steppingClock) step(d time.Duration) { c.mu.Lock(); c.offset += d; c.mu.Unlock() }

// C36: a step of the wall clock in either direction neither shortens nor extends a lease, in memory and on disk.
func TestClockStepC36(t *testing.T) {
	for name, step := range map[string]time.Duration{"a year ahead": 365 * 24 * time.Hour, "a year back": -365 * 24 * time.Hour, "slewed": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &steppingClock{truth: map[int64]time.Time{}}
				d := dhcptest.NewDisk()
				b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, c.now)
				leasetable.SetSince(b.Table, c.since)
				a := dhcptest.Addr("10.20.0.105")
				b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a))
				time.Sleep(30 * time.Minute)
				c.step(step)
				if _, ok := b.LeaseAt(a); !ok {
					t.Error("gone right after the step")
				}
				b.Want(dhcp.VerdictNak, dhcptest.Selecting(2, a))
				synctest.Wait()
				if _, ok := b.LeaseAt(a); !ok {
					t.Error("gone after the next message")
				}
				if left := d.Leases[a].Expires.Sub(c.now()); left < 29*time.Minute || left > 31*time.Minute {
					t.Errorf("on disk %s are left of half an hour", left)
				}
				time.Sleep(31 * time.Minute)
				if _, ok := b.LeaseAt(a); ok {
					t.Error("still there after its time")
				}
				b.Want(dhcp.VerdictAcked, dhcptest.Selecting(2, a))
			})
		})
	}
}

// A step of the clock writes every record again. That does not count as another decline of a client, and quarantines keep their length.
func TestClockStepIsNoDecline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &steppingClock{truth: map[int64]time.Time{}}
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), dhcptest.NewDisk(), c.now)
		leasetable.SetSince(b.Table, c.since)
		for range dhcptest.MaxDeclines - 1 {
			a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr
			b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a))
			b.Want(dhcp.VerdictDeclined, dhcptest.Message(1, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = a }))
		}
		c.step(-time.Hour)
		a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a))
		b.Want(dhcp.VerdictDeclined, dhcptest.Message(1, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = a }))
		states := func(want dhcp.LeaseState) {
			t.Helper()
			for _, l := range b.All() {
				if l.State != want {
					t.Errorf("%s is %s, want %s", l.Addr, l.State, want)
				}
			}
		}
		states(dhcp.LeaseDeclined)
		time.Sleep(leasetable.Quarantine + 2*dhcptest.Second)
		states(dhcp.LeaseExpired)
		if s := b.Stats()[0]; s.Declined != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// C36: a host that boots with a wrong clock keeps its leases for their remaining time.
func TestClockBehindAtStartC36(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, func() time.Time { return time.Now().Add(50 * 365 * 24 * time.Hour) })
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, dhcptest.Addr("10.20.0.105")))
		again := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		synctest.Wait()
		l, ok := again.LeaseAt(dhcptest.Addr("10.20.0.105"))
		if left := time.Until(l.Expires); !ok || left > 61*time.Minute || left < 59*time.Minute {
			t.Errorf("%s left of an hour", left)
		}
		if age := time.Since(l.FirstSeen); age < 0 || age > time.Minute {
			t.Errorf("first seen %s ago: it is new for as long as it was before", age)
		}
	})
}
