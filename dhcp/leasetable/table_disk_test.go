package leasetable_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/leasetable"
)

// When writes fail, the server sends nothing and never a NAK; leases on disk stay in force. It recovers when the disk does.
func TestTableDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a))
		full := errors.New("no space left on device")
		d.Fail(full)
		c := b.Want(dhcp.VerdictOffered, dhcptest.Discover(2)).Reply.YIAddr
		if dec, err := b.Do(dhcptest.Selecting(2, c)); !errors.Is(err, full) || dec.Reply.Type == dhcp.MessageTypeNak {
			t.Errorf("%v %v", dec.Event, err)
		}
		if _, ok := b.LeaseAt(c); ok {
			t.Error("a withdrawn lease can be read")
		}
		if _, ok := b.LeaseAt(a); !ok {
			t.Error("the lease on disk is gone")
		}
		time.Sleep(2 * time.Minute)
		if _, err := b.Do(dhcptest.Renew(1, a)); !errors.Is(err, full) {
			t.Errorf("renewal: %v", err)
		}
		if l, ok := b.LeaseAt(a); !ok || l != d.Leases[a] {
			t.Error("a failed renewal changed the lease")
		}
		// A lease on disk is acknowledged for its remaining time; no other is.
		b.Link.NoWrite = true
		left := time.Until(d.Leases[a].Expires)
		if r := b.Want(dhcp.VerdictAcked, dhcptest.Renew(1, a)).Reply; binary.BigEndian.Uint32(dhcptest.OptionOf(r, dhcp.OptionLeaseTime)) != uint32(left/time.Second) || r.YIAddr != a {
			t.Errorf("renewed for % x s of %s", dhcptest.OptionOf(r, dhcp.OptionLeaseTime), left)
		}
		b.Want(dhcp.VerdictInternalError, dhcptest.Selecting(2, c))
		b.Want(dhcp.VerdictNak, dhcptest.Selecting(3, a))
		b.Link.NoWrite = false
		if s := b.Stats()[0]; s.Active != 1 || s.Offered != 0 || s.Free != 9 {
			t.Errorf("%+v", s)
		}
		d.Fail(nil)
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(2, c))
	})
}

// While writes fail no client gets a NAK, however many clients compete for few addresses.
func TestDiskFullSendsNoNak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		full := errors.New("no space left on device")
		d.Fail(full)
		offered := map[int]netip.Addr{}
		silent := 0
		for round := range 6 {
			for n := round % 2; n < 30; n += 2 {
				if dec, err := b.Do(dhcptest.Discover(n, dhcptest.AsPhone)); err == nil && dec.Reply != nil {
					offered[n] = dec.Reply.YIAddr
				}
			}
			for n, a := range offered {
				b.Link.NoWrite = false
				dec, err := b.Do(dhcptest.Selecting(n, a, dhcptest.AsPhone))
				if err != nil { // as the server does
					b.Link.NoWrite = true
					dec, err = b.Do(dhcptest.Selecting(n, a, dhcptest.AsPhone))
				}
				if err == nil && dec.Reply != nil {
					t.Fatalf("round %d: client %d has a %s (%s)", round, n, dec.Reply.Type, dec.Event.Reason)
				}
				silent++
			}
			b.Link.NoWrite = false
			time.Sleep(dhcptest.OfferHold + dhcptest.Second) // the offers end, their addresses are offered to others
		}
		if silent < 60 || len(offered) <= 10 {
			t.Errorf("%d requests of %d clients", silent, len(offered))
		}
		d.Fail(nil)
		b.Want(dhcp.VerdictAcked, dhcptest.InitReboot(50, dhcptest.Addr("10.20.0.100"), dhcptest.AsPhone))
		b.Want(dhcp.VerdictNak, dhcptest.InitReboot(51, dhcptest.Addr("10.20.0.100"), dhcptest.AsPhone))
	})
}

// A client whose lease could not be written keeps its offer.
func TestFailedWriteKeepsTheOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr
		d.Fail(errors.New("no space left on device"))
		if _, err := b.Do(dhcptest.Selecting(1, a)); err == nil {
			t.Fatal("written")
		}
		if o := b.Want(dhcp.VerdictOffered, dhcptest.Discover(2, func(r *dhcp.Request) { r.Requested = a })).Reply.YIAddr; o == a {
			t.Error("offered to another")
		}
		d.Fail(nil)
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a))
	})
}

// A hanging disk does not make the queue grow without bound, however many requests need a write. Clients with a lease on disk keep it.
func TestHangingDiskBoundsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a))
		c := b.Want(dhcp.VerdictOffered, dhcptest.Discover(2)).Reply.YIAddr
		d.Slow(time.Hour)
		var refused, acked int
		named := func(n int) func(*dhcp.Request) {
			return func(r *dhcp.Request) { r.Client.Hostname = fmt.Sprint("host", n) }
		}
		for n := range leasetable.MaxQueued + 100 {
			b.Serve(b.Engine, dhcptest.Selecting(2, c, named(n)), &b.Link, func(d *dhcp.Decision, err error) {
				switch {
				case errors.Is(err, leasetable.ErrWriteBacklog):
					refused++
				case err == nil:
					acked++
				}
			})
			if b.Flush(); n == 0 {
				synctest.Wait() // the writer has begun
			}
		}
		if refused != 99 || acked != 0 || leasetable.QueueLen(b.Table) != leasetable.MaxQueued {
			t.Errorf("%d refused, %d acknowledged, %d wait", refused, acked, leasetable.QueueLen(b.Table))
		}
		b.Link.NoWrite = true
		b.Want(dhcp.VerdictAcked, dhcptest.Renew(1, a))
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if acked != leasetable.MaxQueued+1 || leasetable.QueueLen(b.Table) != 0 || d.Leases[c].Hostname != fmt.Sprint("host", leasetable.MaxQueued) {
			t.Errorf("%d acknowledged, %d wait, on disk is %+v", acked, leasetable.QueueLen(b.Table), d.Leases[c])
		}
	})
}

// While a disk hangs no client waits for long: a lease on disk is acknowledged for its remaining time.
func TestSlowDiskDelaysNoRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		given := map[int]netip.Addr{}
		for n := range 3 {
			given[n] = b.Want(dhcp.VerdictOffered, dhcptest.Discover(n)).Reply.YIAddr
			b.Want(dhcp.VerdictAcked, dhcptest.Selecting(n, given[n]))
		}
		time.Sleep(time.Minute)
		d.Slow(20 * time.Minute)
		late := 0
		for n := range 2 { // these are queued
			b.Serve(b.Engine, dhcptest.Renew(n, given[n]), &b.Link, func(*dhcp.Decision, error) { late++ })
			b.Flush()
			synctest.Wait()
		}
		left := func(n int) {
			t.Helper()
			if _, err := b.Do(dhcptest.Renew(n, given[n])); !errors.Is(err, leasetable.ErrWriteBacklog) {
				t.Errorf("client %d: %v", n, err)
			}
			b.Link.NoWrite = true
			secs := dhcptest.Seconds(dhcptest.OptionOf(b.Want(dhcp.VerdictAcked, dhcptest.Renew(n, given[n])).Reply, 51))
			if most := int(time.Until(d.Leases[given[n]].Expires) / time.Second); secs > most || secs < most-1 {
				t.Errorf("client %d is sent %d seconds, on disk are %d", n, secs, most)
			}
			b.Link.NoWrite = false
		}
		time.Sleep(leasetable.SlowWrite + dhcptest.Second)
		left(2)
		time.Sleep(dhcptest.Retransmitted)
		for n := range 3 {
			left(n)
		}
		offered := b.Want(dhcp.VerdictOffered, dhcptest.Discover(9)).Reply.YIAddr
		if _, err := b.Do(dhcptest.Selecting(9, offered)); !errors.Is(err, leasetable.ErrWriteBacklog) {
			t.Error(err)
		}
		v := dhcptest.LeasesOf(b.Table)
		if held, ok := v.Offered(dhcptest.Voice().Prefix, dhcptest.ClientMAC(9)); !ok || held != offered {
			t.Errorf("offered %s, held is %s: the client will request it again", offered, held)
		}
		d.Slow(0)
		time.Sleep(time.Hour / 2)
		synctest.Wait()
		if late != 2 {
			t.Errorf("%d of 2 were written", late)
		}
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(9, dhcptest.Addr("10.20.0.109")))
	})
}
