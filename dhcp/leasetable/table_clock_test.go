package leasetable_test

import (
	"fmt"
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
				synctest.Wait()
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
		synctest.Wait()
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

// C36: a host that starts in 1970 or far in the future, as one without a clock of its own does, keeps its leases for the time that was left;
// when the clock is set while it runs they keep that too, also after another start. A host that was off for some days lets them end.
func TestClockThatWasNeverSetC36(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, offset := range map[string]time.Duration{"1970": -56 * year, "2099": 73 * year, "a year ahead": year, "40 days ahead": 40 * 24 * time.Hour} {
		for _, n := range []int{1, 2, 3, 20} {
			t.Run(fmt.Sprint(name, ", leases: ", n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(27 * year) // synctest begins in 2000
					d := leaseFile(time.Now(), n)
					c := &steppingClock{truth: map[int64]time.Time{}, offset: offset}
					check := func(when string, b *dhcptest.TableFixture, left time.Duration) {
						t.Helper()
						synctest.Wait()
						for a := range d.Leases {
							l, ok := b.LeaseAt(a)
							if got := l.Expires.Sub(c.now()); !ok || got > left+11*time.Minute || got < left-21*time.Minute {
								t.Errorf("%s: %s has %s left of %s", when, a, got, left)
							}
						}
					}
					b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, c.now)
					synctest.Wait()
					leasetable.SetSince(b.Table, c.since)
					check("at the start", b, time.Hour)
					if !leasetable.ClockWrong(b.Table) {
						t.Error("the clock is not reported")
					}
					time.Sleep(10 * time.Minute)
					c.step(-offset)
					b.Want(dhcp.VerdictNak, dhcptest.Selecting(77, dhcptest.Addr("10.20.0.100")))
					check("when the clock was set", b, 50*time.Minute)
					if leasetable.ClockWrong(b.Table) {
						t.Error("the clock is still reported")
					}
					again := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, c.now)
					synctest.Wait()
					leasetable.SetSince(again.Table, c.since)
					check("after another start", again, 50*time.Minute)
				})
			})
		}
	}
}

func TestLeasesEndWhileTheHostIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := leaseFile(time.Now(), 10)
		time.Sleep(29 * 24 * time.Hour)
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		synctest.Wait()
		for a := range d.Leases {
			if _, ok := b.LeaseAt(a); ok {
				t.Errorf("%s is in force", a)
			}
		}
	})
}
