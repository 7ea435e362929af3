package sharedleases_test

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/leasetable"
	"plugtone/store/etcd/etcdtest"
	"plugtone/store/etcd/sharedleases"
	"plugtone/store/leases"
)

// memory is a Copy in memory.
type memory struct {
	mu     sync.Mutex
	origin leases.Origin
}

func (m *memory) LeaseOrigin() (leases.Origin, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.origin, nil
}

func (m *memory) SetLeaseOrigin(o leases.Origin) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.origin = o
	return nil
}

// A member that runs notices that etcd has lost its data, whose watches do not report that, and brings its leases.
func TestLeasesComeBackIntoAnEtcdThatHasLostThem(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	s := dhcptest.Voice()
	s.Shared = true
	store, origin, began, doubts := sharedleases.Etcd(e.Client(t)), &memory{}, time.Now(), make(chan struct{}, 10)
	shared := sharedleases.New(t.Context(), sharedleases.Config{Store: store, Subnets: []netip.Prefix{s.Prefix}, Copy: origin, Elapsed: func() time.Duration { return time.Since(began) },
		Wall: time.Now, Log: slog.New(slog.DiscardHandler), Changed: func() {}, Doubt: func() { doubts <- struct{}{} }})
	table := leasetable.NewTable(dhcptest.ConfigOf(s), dhcptest.NewDisk(), time.Now)
	part := table.Share(shared)
	ctx, stop := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	tasks.Go(func() { _ = table.Run(ctx) })
	tasks.Go(func() { shared.Run(ctx, part) })
	defer func() { stop(); tasks.Wait() }()
	until := func(what string, ok func() bool) {
		t.Helper()
		for range 3000 {
			if ok() {
				return
			}
			<-time.After(10 * time.Millisecond)
		}
		t.Fatalf("not %s: %v, origin %+v", what, shared.Unusable(), origin)
	}
	until("usable", func() bool { return shared.Unusable() == nil })
	at := dhcptest.Addr("10.20.0.105")
	now := time.Now().Truncate(time.Second)
	done := make(chan error)
	table.Commit([]dhcp.Change{{Lease: dhcp.Lease{Addr: at, Subnet: s.Prefix, MAC: dhcptest.ClientMAC(1), State: dhcp.LeaseActive, Starts: now, Expires: now.Add(time.Hour)}}}, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	before, _ := origin.LeaseOrigin()
	e.Lose()
	until("from the new etcd", func() bool { o, _ := origin.LeaseOrigin(); return o.ID != before.ID })
	records, _, err := store.List(t.Context(), "leases/")
	if err != nil || len(records) != 1 || records[0].Key != "leases/10.20.0.0/24/10.20.0.105" {
		t.Errorf("etcd has %+v, %v", records, err)
	}
	if err := shared.Unusable(); err != sharedleases.ErrHeld || len(doubts) != 1 {
		t.Errorf("leases can be bound at once: %v, %d doubts", err, len(doubts))
	}
	if l, ok := table.LeaseAt(at); !ok || !l.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("the lease is %+v", l)
	}
}
