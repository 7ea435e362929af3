package leasetable_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/sharing"
	"plugtone/store/etcd/sharedleases"
	"plugtone/store/etcd/simulated"
	"plugtone/store/leases"
)

// clusterMember is one server, through its restarts.
type clusterMember struct {
	c      *cluster
	n      int
	id     netip.Addr
	client *simulated.Client
	disk   *dhcptest.Disk
	origin leases.Origin // of what is on the disk; guarded by mu
	life   atomic.Pointer[memberLife]

	mu      sync.Mutex
	offset  time.Duration // of its wall clock
	truth   map[int64]time.Time
	packets []*dhcp.Request // that arrived while it was stopped

	connected, ended time.Time // from when until when it was connected last
	received         published // what it published last
}

// published is up to which revision of which store a member has received which leases were given back.
type published struct {
	id string
	at int64
}

// publish returns what the member has published: what it has received, or had when it ended.
func (m *clusterMember) publish() published {
	l := m.life.Load()
	var now published
	if l != nil {
		now = published{l.leases.ID(), l.shared.Received()[dhcptest.Voice().Prefix]} // before mu: the table reads the member's clock under its own lock
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l != nil {
		m.received = now
	}
	return m.received
}

// receivedByAll returns up to which revision of the member's store all others have received which leases were given back.
func (m *clusterMember) receivedByAll(l *memberLife) int64 {
	lowest := int64(math.MaxInt64)
	for _, o := range m.c.members {
		if received := o.publish(); o != m && received.id != l.leases.ID() {
			return 0
		} else if o != m {
			lowest = min(lowest, received.at)
		}
	}
	return lowest
}

// memberLife is a member from start to end.
type memberLife struct {
	table  *leasetable.Table
	leases *sharedleases.Leases
	shared *leasetable.Shared
	engine *engine.Engine
	cancel context.CancelFunc
	ended  sync.WaitGroup
	dead   atomic.Bool
	disk   *dhcptest.Disk
}

// WriteLeases writes to the member's disk while it lives.
func (l *memberLife) WriteLeases(changes []dhcp.Change) error {
	if l.dead.Load() {
		return context.Canceled
	}
	return l.disk.WriteLeases(changes)
}

// LeaseOrigin reads from the member's disk where its leases are from.
func (m *clusterMember) LeaseOrigin() (leases.Origin, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.origin, nil
}

// SetLeaseOrigin writes to the member's disk where its leases are from.
func (m *clusterMember) SetLeaseOrigin(o leases.Origin) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.origin = o
	return nil
}

func (m *clusterMember) wall() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	w := now.Add(m.offset)
	m.truth[w.UnixNano()] = now
	return w
}

func (m *clusterMember) since(now, before time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.truth[now.UnixNano()].Sub(m.truth[before.UnixNano()])
}

func (m *clusterMember) step(d time.Duration) {
	m.mu.Lock()
	m.offset += d
	m.mu.Unlock()
	if l := m.life.Load(); l != nil {
		l.table.Stats() // reads the clock, as each packet does
	}
}

func (m *clusterMember) start() {
	if m.life.Load() != nil {
		return
	}
	m.c.note("member %d starts", m.n)
	ctx, cancel := context.WithCancel(m.c.t.Context())
	s := dhcptest.Voice()
	s.Shared, s.LeaseTime, s.OtherLeaseTime = true, m.c.lease, m.c.lease
	s.Pools = []dhcp.Range{{First: dhcptest.Addr(firstAddr), Last: dhcptest.AddrOf(dhcptest.NumberOf(dhcptest.Addr(firstAddr)) + simPool - 1)}}
	cfg := dhcptest.ConfigOf(s)
	e, err := engine.New(cfg, nil, nil)
	if err != nil {
		m.c.t.Fatal(err)
	}
	born := time.Now()
	l := &memberLife{engine: e, cancel: cancel, disk: m.disk}
	l.leases = sharedleases.New(ctx, sharedleases.Config{
		Store: m.client, Subnets: []netip.Prefix{s.Prefix}, Elapsed: func() time.Duration { return time.Since(born) }, Wall: m.wall,
		Copy: m, Log: slog.New(slog.DiscardHandler), Changed: func() {}, Doubt: func() {},
	})
	l.table = leasetable.NewTable(cfg, l, m.wall)
	leasetable.SetSince(l.table, m.since)
	l.shared = l.table.Share(l.leases)
	if err := l.table.Load(m.disk.Load); err != nil {
		m.c.t.Fatal(err)
	}
	l.ended.Go(func() { _ = l.table.Run(ctx) })
	l.ended.Go(func() { l.leases.Run(ctx, l.shared) })
	m.life.Store(l)
}

// kill ends the member at once; what it has sent to etcd may still be done.
func (m *clusterMember) kill() {
	l := m.life.Load()
	if l == nil {
		return
	}
	m.c.note("member %d is killed", m.n)
	m.publish()
	l.dead.Store(true)
	m.life.Store(nil)
	m.goOn()
	l.cancel()
	l.ended.Wait()
}

// goOn ends a stop. The packets that arrived meanwhile are served now.
func (m *clusterMember) goOn() {
	m.client.GoOn()
	m.mu.Lock()
	packets := m.packets
	m.packets = nil
	m.mu.Unlock()
	for _, r := range packets {
		m.receive(r)
	}
}

// link is that of a packet; unicast says that it was sent to this member alone.
func (m *clusterMember) link(l *memberLife, unicast bool) *dhcp.Link {
	var members []sharing.Member
	for _, o := range m.c.members {
		alive := o.life.Load() != nil && o.client.Connected()
		if m.c.random(6) == 0 {
			alive = !alive // what a member has heard of the others may be old
		}
		members = append(members, sharing.Member{Name: fmt.Sprint(o.n), ServerID: o.id, Alive: alive})
	}
	prefix := dhcptest.Voice().Prefix
	k := &dhcp.Link{Interface: "voice0", Addrs: []netip.Prefix{netip.PrefixFrom(m.id, 24)}, Source: netip.MustParseAddrPort("0.0.0.0:68"), Dest: dhcptest.Broadcast,
		Sharing: sharing.Subnets{prefix: sharing.NewServers(fmt.Sprint(m.n), members, sharing.State{Usable: l.leases.Unusable() == nil, Complete: m.c.complete(), Received: m.receivedByAll(l)})}}
	if unicast {
		k.Dest = m.id
	}
	return k
}

// receive serves a packet. GIAddr of the simulation's requests is unused; Hops marks a unicast.
func (m *clusterMember) receive(r *dhcp.Request) {
	l := m.life.Load()
	if l == nil {
		return
	}
	if m.client.Stopped() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.packets) < 20 {
			m.packets = append(m.packets, r)
		}
		return
	}
	m.serve(l, r, m.link(l, r.Hops == unicastMark))
}

func (m *clusterMember) serve(l *memberLife, r *dhcp.Request, link *dhcp.Link) {
	dhcptest.ServeOn(l.table, l.engine, r, link, func(d *dhcp.Decision, err error) {
		for _, ch := range d.Changes {
			m.c.note("member %d: %s %s for phone %d until %s (%s): %v", m.n, ch.Lease.State, ch.Lease.Addr, ch.Lease.MAC[5], ch.Lease.Expires, d.Event.Reason, err)
		}
		switch {
		case l.dead.Load():
		case err != nil && d.Reply != nil && !link.NoWrite:
			again := *link
			again.NoWrite = true
			m.serve(l, r, &again)
		case err == nil && d.Reply != nil && !(link.NoWrite && d.Reply.Type != dhcp.MessageTypeAck):
			if d.Reply.Type != dhcp.MessageTypeOffer {
				m.c.note("member %d: %s %s to phone %d for %d s: %s", m.n, d.Reply.Type, d.Event.Addr, r.MAC[5], dhcptest.Seconds(dhcptest.OptionOf(d.Reply, 51)), d.Event.Reason)
			}
			m.c.phones[r.MAC[5]-1].deliver(d.Reply)
		}
	})
	l.table.Flush()
}

// observe notes since when a member is connected, or until when it was.
func (m *clusterMember) observe() {
	up := m.life.Load() != nil && m.client.Connected()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case up && (m.connected.IsZero() || !m.ended.IsZero()):
		m.connected, m.ended = time.Now(), time.Time{}
	case !up && !m.connected.IsZero() && m.ended.IsZero():
		m.ended = time.Now()
	}
}
