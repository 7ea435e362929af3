package leasetable_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
)

// sharedServer is one server of a shared subnet, beside which it serves a subnet alone.
type sharedServer struct {
	t      *testing.T
	table  *leasetable.Table
	shared *leasetable.Shared
	engine *engine.Engine
	disk   *dhcptest.Disk
	link   dhcp.Link
	data   dhcp.Link // of the subnet that is not shared
	stop   func()
}

func sharedConfig() dhcp.Config {
	v := dhcptest.Voice()
	v.Shared, v.LeaseTime, v.OtherLeaseTime = true, time.Hour, time.Hour
	d := dhcptest.Data(dhcp.PhonesProvision)
	return dhcptest.ConfigOf(v, d)
}

// startShared starts a server in a synctest bubble. store may be unreachable: then connect is false.
func startShared(t *testing.T, store *dhcptest.SharedStore, disk *dhcptest.Disk, connect bool) *sharedServer {
	t.Helper()
	cfg := sharedConfig()
	g := dhcptest.NewFixture(t, cfg, nil, nil)
	s := &sharedServer{t: t, engine: g.Engine, disk: disk, link: g.Link, table: leasetable.NewTable(cfg, disk, time.Now)}
	s.data = dhcp.Link{Interface: "data0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.40.0.2/24")}, Host: g.Link.Host, Source: g.Link.Source, Dest: g.Link.Dest}
	s.shared = s.table.Share(store)
	if err := s.table.Load(disk.Load); err != nil {
		t.Fatal(err)
	}
	if connect {
		store.Connect(s.shared, time.Now)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.table.Run(ctx) }()
	s.stop = func() { cancel(); <-ended }
	t.Cleanup(s.stop)
	return s
}

func (s *sharedServer) want(v dhcp.Verdict, r *dhcp.Request) *dhcp.Decision {
	s.t.Helper()
	d, err := dhcptest.ServeAndWait(s.table, s.engine, r, &s.link)
	if err != nil || d.Event.Verdict != v {
		s.t.Fatalf("%s: %s (%s), %v; want %s", r.Type, d.Event.Verdict, d.Event.Reason, err, v)
	}
	return d
}

func (s *sharedServer) fails(want error, r *dhcp.Request) {
	s.t.Helper()
	if d, err := dhcptest.ServeAndWait(s.table, s.engine, r, &s.link); !errors.Is(err, want) {
		s.t.Fatalf("%s: %s (%s), %v; want %v", r.Type, d.Event.Verdict, d.Event.Reason, err, want)
	}
}

var at105 = dhcptest.Addr("10.20.0.105")

// C57: of two servers that bind the same address, one fails and learns of the other's lease.
func TestOneAddressIsBoundOnceC57(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		a, b := startShared(t, store, dhcptest.NewDisk(), true), startShared(t, store, dhcptest.NewDisk(), true)
		a.want(dhcp.VerdictAcked, dhcptest.Selecting(1, at105))
		b.fails(leasetable.ErrOtherServer, dhcptest.Selecting(2, at105))
		if l, ok := b.table.LeaseAt(at105); !ok || l.MAC != dhcptest.ClientMAC(1) {
			t.Errorf("%+v", l)
		}
		b.want(dhcp.VerdictNak, dhcptest.Selecting(2, at105))
		time.Sleep(20 * time.Second)
		b.want(dhcp.VerdictAcked, dhcptest.Renew(1, at105)) // moved to the other server
		a.fails(leasetable.ErrOtherServer, dhcptest.Message(1, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = at105 }))
	})
}

// C57: changes of an address that follow each other are bound one after the other, and fail with the first.
func TestChangesFollowEachOtherC57(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		s := startShared(t, store, dhcptest.NewDisk(), true)
		release := dhcptest.Message(1, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = at105 })
		for _, fail := range []error{nil, dhcptest.ErrUnknownOutcome} {
			resume := store.Hang()
			var errs []error
			done := func(_ *dhcp.Decision, err error) { errs = append(errs, err) }
			dhcptest.ServeOn(s.table, s.engine, dhcptest.Selecting(1, at105), &s.link, done)
			s.table.Flush()
			synctest.Wait()
			dhcptest.ServeOn(s.table, s.engine, release, &s.link, done)
			s.table.Flush()
			synctest.Wait()
			store.Fail(fail)
			resume()
			synctest.Wait()
			store.Fail(nil)
			if len(errs) != 2 || !errors.Is(errs[0], fail) || (errs[1] == nil) != (fail == nil) {
				t.Fatalf("%v: %v", fail, errs)
			}
			if got := store.At(at105).Lease.State; got != dhcp.LeaseReleased {
				t.Errorf("the store has %q", got)
			}
		}
	})
}

// C59: an address whose lease has ended is given to its own client at once, and to another one a minute later.
func TestMarginAfterTheEndC59(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		s := startShared(t, store, dhcptest.NewDisk(), true)
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(1, at105))
		time.Sleep(time.Hour + 2*time.Second)
		if _, ok := s.table.LeaseAt(at105); ok {
			t.Error("the lease is proof after its end")
		}
		s.want(dhcp.VerdictNak, dhcptest.Selecting(2, at105))
		time.Sleep(57 * time.Second)
		s.want(dhcp.VerdictNak, dhcptest.Selecting(2, at105))
		s.want(dhcp.VerdictOffered, dhcptest.Discover(1))
		time.Sleep(2 * time.Minute) // the offer ends, too
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(2, at105))
	})
}

// C59: the store has its own time. Leases keep their length there, and come back with the table's.
func TestTimeOfTheStoreC59(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		store.Ahead = 1000 * time.Hour
		disk := dhcptest.NewDisk()
		s := startShared(t, store, disk, true)
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(1, at105))
		ends := time.Now().Add(time.Hour + time.Second).Truncate(time.Second)
		if got := store.At(at105).Lease.Expires; !got.Equal(ends.Add(store.Ahead)) {
			t.Errorf("in the store it ends at %s", got)
		}
		other := startShared(t, store, dhcptest.NewDisk(), true)
		if l, ok := other.table.LeaseAt(at105); !ok || !l.Expires.Equal(ends) {
			t.Errorf("%+v", l)
		}
		// The other server's clock is a minute slow by now, without a step.
		store.Ahead += time.Minute
		other.shared.SyncTime(func() time.Time { return time.Now().Add(store.Ahead) })
		if l, ok := other.table.LeaseAt(at105); !ok || !l.Expires.Equal(ends.Add(-time.Minute)) {
			t.Errorf("%+v", l)
		}
		s.stop()
		if l := disk.Leases[at105]; !l.Expires.Equal(ends) {
			t.Errorf("on disk: %+v", l)
		}
	})
}

// C57: an answer of the store that comes too late, because the process was stopped, is no ACK; the lease is bound all the same.
func TestLateAnswerIsNoAckC57(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		s := startShared(t, store, dhcptest.NewDisk(), true)
		resume := store.Hang()
		go func() { time.Sleep(10 * time.Second); resume() }()
		s.fails(leasetable.ErrLate, dhcptest.Selecting(1, at105))
		if l, ok := s.table.LeaseAt(at105); !ok || l.MAC != dhcptest.ClientMAC(1) {
			t.Errorf("%+v", l)
		}
	})
}

// C61: what a store has bound that has lost its data since is no ACK, and what waits for it fails.
func TestResultOfALostStoreIsNoAckC61(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		s := startShared(t, store, dhcptest.NewDisk(), true)
		resume := store.Hang()
		var errs []error
		release := dhcptest.Message(1, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = at105 })
		for _, r := range []*dhcp.Request{dhcptest.Selecting(1, at105), release} {
			dhcptest.ServeOn(s.table, s.engine, r, &s.link, func(_ *dhcp.Decision, err error) { errs = append(errs, err) })
			s.table.Flush()
			synctest.Wait()
		}
		s.shared.Forget()
		resume()
		synctest.Wait()
		if len(errs) != 2 || errs[0] == nil || errs[1] == nil {
			t.Errorf("%v", errs)
		}
		if all := s.table.All(); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	})
}

// C58: a store that hangs holds up no subnet that is served alone; a phone that moves there loses its shared lease afterwards.
func TestStoreThatHangsHoldsUpNoOtherSubnetC58(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		s := startShared(t, store, dhcptest.NewDisk(), true)
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(1, at105))
		resume := store.Hang()
		began := time.Now()
		at := dhcptest.Addr("10.40.0.105")
		d, err := dhcptest.ServeAndWait(s.table, s.engine, dhcptest.Message(1, dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.Requested, r.ServerID = at, dhcptest.Addr("10.40.0.2") }), &s.data)
		if err != nil || d.Event.Verdict != dhcp.VerdictAcked || time.Since(began) > 0 {
			t.Fatalf("%+v, %v after %s", d.Event, err, time.Since(began))
		}
		resume()
		synctest.Wait()
		if got := store.At(at105).Lease.State; got != dhcp.LeaseReleased {
			t.Errorf("its lease in the store is %s", got)
		}
	})
}

// C58: after a start without the store the leases on disk are known and none is bound; what the store has replaces them.
func TestStartWithoutTheStoreC58(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := dhcptest.NewSharedStore(), dhcptest.NewDisk()
		s := startShared(t, store, disk, true)
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(1, at105))
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(2, dhcptest.Addr("10.20.0.106")))
		s.stop()

		s = startShared(t, store, disk, false)
		if _, ok := s.table.LeaseAt(at105); !ok {
			t.Fatal("the lease is lost")
		}
		if _, err := dhcptest.ServeAndWait(s.table, s.engine, dhcptest.Selecting(3, dhcptest.Addr("10.20.0.107")), &s.link); err == nil {
			t.Fatal("a lease was bound before the store was read")
		}
		gone := store.At(at105)
		gone.Lease.MAC = dhcptest.ClientMAC(4)
		store.Put(gone)
		store.Connect(s.shared, time.Now)
		if l, ok := s.table.LeaseAt(at105); !ok || l.MAC != dhcptest.ClientMAC(4) {
			t.Errorf("%+v", l)
		}
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(3, dhcptest.Addr("10.20.0.107")))
		s.stop()
		if l := disk.Leases[at105]; l.MAC != dhcptest.ClientMAC(4) {
			t.Errorf("on disk: %+v", l)
		}
	})
}

// Who counts new phones gets a lease before its client does.
func TestBoundBeforeTheReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		s := startShared(t, store, dhcptest.NewDisk(), true)
		var bound []netip.Addr
		s.shared.OnBound(func(l dhcp.Lease) { bound = append(bound, l.Addr) })
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(1, at105))
		if len(bound) != 1 || bound[0] != at105 {
			t.Errorf("bound %v", bound)
		}
	})
}

// C58: a disk that was full for a while has all shared leases afterwards.
func TestDiskGetsSharedLeasesLaterC58(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := dhcptest.NewSharedStore(), dhcptest.NewDisk()
		s := startShared(t, store, disk, true)
		disk.Fail(errors.New("no space left on device"))
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(1, at105))
		time.Sleep(time.Minute)
		disk.Fail(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if l := disk.Leases[at105]; l.MAC != dhcptest.ClientMAC(1) {
			t.Errorf("on disk: %+v", l)
		}
	})
}

// A client with two leases in force, because a server bound the second before it received the first, keeps the one that it got last.
func TestOfTwoLeasesTheLaterOneCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		s := startShared(t, store, dhcptest.NewDisk(), true)
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(1, at105))
		first := store.At(at105)
		first.Lease.Addr = dhcptest.Addr("10.20.0.106")
		first.Lease.Starts, first.Lease.Expires = first.Lease.Starts.Add(-10*time.Minute), first.Lease.Expires.Add(-10*time.Minute)
		s.shared.Apply([]leasetable.SharedChange{store.Put(first)})
		s.want(dhcp.VerdictAcked, dhcptest.Message(1, dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.Requested = at105 }))
	})
}

// Records arrive in any order and more than once: an older one changes nothing.
func TestOlderRecordsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		s := startShared(t, store, dhcptest.NewDisk(), true)
		s.want(dhcp.VerdictAcked, dhcptest.Selecting(1, at105))
		old := store.At(at105)
		s.want(dhcp.VerdictReleased, dhcptest.Message(1, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = at105 }))
		s.shared.Apply([]leasetable.SharedChange{old})
		if _, ok := s.table.LeaseAt(at105); ok {
			t.Error("the released lease is back")
		}
		now := store.At(at105)
		now.Delete = true
		now.Revision += 5
		s.shared.Apply([]leasetable.SharedChange{now, now, old})
		if all := s.table.All(); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	})
}

// What is queued at the same time is bound in one request.
func TestManyLeasesInOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := dhcptest.NewSharedStore()
		s := startShared(t, store, dhcptest.NewDisk(), true)
		for n := 1; n <= 8; n++ {
			a := dhcptest.AddrOf(dhcptest.NumberOf(dhcptest.Addr("10.20.0.100")) + uint32(n))
			dhcptest.ServeOn(s.table, s.engine, dhcptest.Selecting(n, a), &s.link, func(_ *dhcp.Decision, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		s.table.WriteQueued()
		synctest.Wait()
		if len(store.Batches) != 1 {
			t.Errorf("%v", store.Batches)
		}
	})
}
