package leasetable_test

import (
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
)

// A simulation has three networks, between which clients move: phones' own link, an ordinary or moving network, and
// phones behind a relay.
const (
	atVoice = iota
	atData
	atRelay
	sites
)

// simulatedClient is a client that can move.
type simulatedClient struct {
	simClient
	site  int
	phone bool
}

func (r *simulatedClient) mac() dhcp.MAC { return dhcptest.ClientMAC(r.n) }

// simulation is a server whose clients move and find addresses in use, whose operator reserves, deletes and reloads, whose clock is set,
// and where a guest in the ordinary network uses the MACs of others.
type simulation struct {
	cfgs     [2]dhcp.Config // a reload changes from one to the other
	cfg      int
	reserved dhcptest.FakeReservations
	engine   *engine.Engine
	table    *leasetable.Table
	disk     *dhcptest.Disk
	now      time.Time
	offset   time.Duration // of the wall clock
	steps    time.Duration // how often it was set
	truth    map[int64]time.Time
	clients  []*simulatedClient
	net      []datagram
	probes   []probing
	squatted netip.Addr // an address that a host uses without a lease
	life     int
	xid      uint32
	declined int
}

// datagram is a packet in transit to the server, from a site, or to a client.
type datagram struct {
	req   *dhcp.Request
	site  int
	reply *dhcp.Reply
	to    int
	xid   uint32
	guest bool

	direct, mismatch bool // a guest's own
}

type probing struct {
	datagram
	addr netip.Addr
	life int
}

func newSimulation(t *rapid.T) *simulation {
	kind := rapid.SampledFrom([]string{dhcp.PhonesNone, dhcp.PhonesMove}).Draw(t, "data network")
	m := &simulation{disk: dhcptest.NewDisk(), now: dhcptest.Start, reserved: dhcptest.FakeReservations{}, truth: map[int64]time.Time{}, squatted: dhcptest.Addr("10.20.0.103")}
	for i := range m.cfgs {
		v, r := dhcptest.Voice(), dhcptest.Relayed()
		v.LeaseTime, v.OtherLeaseTime = 20*time.Minute, 10*time.Minute
		r.LeaseTime, r.OtherLeaseTime = v.LeaseTime, v.OtherLeaseTime
		if i == 1 {
			v.Prefix, v.Pools = netip.MustParsePrefix("10.20.0.0/23"), []dhcp.Range{{First: dhcptest.Addr("10.20.0.102"), Last: dhcptest.Addr("10.20.0.113")}}
		}
		m.cfgs[i] = dhcptest.ConfigOf(v, dhcptest.Data(kind), r)
		m.cfgs[i].ConflictCheck = true
	}
	for n := range rapid.IntRange(2, 4).Draw(t, "clients") {
		r := &simulatedClient{phone: rapid.Bool().Draw(t, "phone"), site: rapid.IntRange(0, sites-1).Draw(t, "site")}
		r.n, r.state = n, "init"
		m.clients = append(m.clients, r)
	}
	m.reload(t)
	m.boot(t)
	return m
}

func (m *simulation) wall() time.Time {
	w := m.now.Add(m.offset)
	m.truth[w.UnixNano()] = m.now
	return w
}

func (m *simulation) since(now, before time.Time) time.Duration {
	return m.truth[now.UnixNano()].Sub(m.truth[before.UnixNano()])
}

func (m *simulation) reload(t *rapid.T) {
	var err error
	if m.engine, err = engine.New(m.cfgs[m.cfg], m.reserved, dhcptest.Phones{}); err != nil {
		t.Fatal(err)
	}
	if m.table != nil {
		m.table.Configure(m.cfgs[m.cfg])
	}
}

func (m *simulation) boot(t *rapid.T) {
	m.life++
	m.table = leasetable.NewTable(m.cfgs[m.cfg], m.disk, m.wall)
	leasetable.SetSince(m.table, m.since)
	if err := m.table.Load(m.disk.Load); err != nil {
		t.Fatal(err)
	}
}

func (m *simulation) link(site int, unicast bool) *dhcp.Link {
	l := &dhcp.Link{Interface: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.2/23")}, Dest: dhcptest.Broadcast, Source: netip.MustParseAddrPort("0.0.0.0:68"),
		Host: []netip.Addr{dhcptest.Addr("10.20.0.2"), dhcptest.Addr("10.40.0.2"), dhcptest.Addr("192.0.2.2")}}
	switch site {
	case atData:
		l.Interface, l.Addrs = "data0", []netip.Prefix{netip.MustParsePrefix("10.40.0.2/24")}
	case atRelay:
		l.Source = netip.MustParseAddrPort("10.30.0.1:67")
		l.Interface, l.Addrs, l.LocalAddr, l.Dest = "up0", []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24")}, dhcptest.Addr("192.0.2.2"), dhcptest.Addr("192.0.2.2")
		return l
	}
	if unicast {
		l.Dest = l.Addrs[0].Addr()
	}
	return l
}

func (m *simulation) linkOf(l datagram) *dhcp.Link {
	link := m.link(l.site, l.req.CIAddr.IsValid() && !l.guest || l.direct)
	if l.site == atRelay && !l.req.GIAddr.IsValid() {
		link.Source = netip.AddrPortFrom(l.req.CIAddr, 68)
	}
	if link.ReversePathMismatch = l.mismatch; l.direct {
		link.Source = netip.MustParseAddrPort("10.40.0.100:68")
	}
	return link
}

func (m *simulation) send(c *simulatedClient, typ dhcp.MessageType, set func(*dhcp.Request)) {
	m.xid++
	c.xid, c.sent = m.xid, m.now
	m.net = append(m.net, m.datagram(c, c.site, typ, set))
}

func (m *simulation) datagram(c *simulatedClient, site int, typ dhcp.MessageType, set func(*dhcp.Request)) datagram {
	r := dhcptest.Message(c.n, typ, set)
	if c.phone {
		dhcptest.AsPhone(r)
	}
	if site == atRelay && !r.CIAddr.IsValid() {
		r.GIAddr = dhcptest.Addr("10.30.0.1")
	}
	return datagram{req: r, site: site, xid: m.xid}
}

func (m *simulation) act(c *simulatedClient, whim int) {
	if c.state == "bound" && !c.live(m.now) {
		c.state = "init"
	}
	bound := c.state == "bound"
	switch {
	case bound && whim == 0:
		c.state = "requesting"
		m.send(c, dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.Requested = c.addr })
	case bound && whim == 1:
		c.state = "init"
		m.send(c, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = c.addr })
	case bound && whim == 2 && m.declined < 3:
		m.declined++
		c.state = "init"
		m.send(c, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = c.addr })
	case bound:
		m.send(c, dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.CIAddr = c.addr })
	default:
		c.state = "selecting"
		m.send(c, dhcp.MessageTypeDiscover, func(*dhcp.Request) {})
	}
}

// move takes a client to another network, where it may remember its address.
func (m *simulation) move(c *simulatedClient, site int, remembers bool) {
	m.net = slices.DeleteFunc(m.net, func(l datagram) bool { return l.req != nil && l.req.MAC == c.mac() || l.req == nil && l.to == c.n })
	was := c.state
	c.state, c.site = "init", site
	if was == "bound" && remembers {
		c.state = "requesting"
		m.send(c, dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.Requested = c.addr })
	}
}

// borrow sends a message with another client's MAC from the ordinary network.
func (m *simulation) borrow(c *simulatedClient, what int) {
	if c.site == atData || !c.addr.IsValid() {
		return
	}
	m.xid++
	typ, set := dhcp.MessageTypeDiscover, func(r *dhcp.Request) {}
	switch what {
	case 0:
		typ, set = dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = c.addr }
	case 1:
		typ, set = dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = c.addr }
	case 2:
		typ, set = dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.CIAddr = c.addr }
	case 3:
		typ, set = dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.Requested = c.addr }
	case 4:
		typ, set = dhcp.MessageTypeRequest, func(r *dhcp.Request) {
			r.Requested, r.ServerID = dhcptest.Addr("10.40.0.105"), dhcptest.Addr("10.40.0.2")
		}
	case 5:
		typ, set = dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr, r.GIAddr = c.addr, dhcptest.Addr("10.40.0.77") }
	case 6, 7:
		typ, set = dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = c.addr }
	}
	l := m.datagram(c, atData, typ, set)
	l.guest, l.direct, l.mismatch = true, what >= 6, what == 6
	m.net = append(m.net, l)
}

// lost makes a client drop a lease that ended legitimately: by an operator, or by a delayed message of its own.
func (m *simulation) lost(who dhcp.MAC, addr netip.Addr) {
	for _, c := range m.clients {
		if c.mac() == who && c.addr == addr {
			c.state, c.xid = "init", 0
		}
	}
}

func (m *simulation) deliver(t *rapid.T, l datagram, link *dhcp.Link) {
	if l.req == nil {
		m.receive(m.clients[l.to], l)
		m.check(t)
		return
	}
	c := m.clients[l.req.MAC[5]]
	if l.req.Type == dhcp.MessageTypeRequest && !l.guest && l.xid != c.xid {
		return // the network delays no packet until after its client has moved on
	}
	if link == nil {
		link = m.linkOf(l)
	}
	life := m.life
	reserved := m.reserved[l.req.MAC]
	dhcptest.ServeOn(m.table, m.engine, l.req, link, func(d *dhcp.Decision, err error) {
		switch {
		case m.life != life:
		case err == nil && d.Probe.IsValid():
			m.probes = append(m.probes, probing{l, d.Probe, life})
		case err != nil && d.Reply != nil && !link.NoWrite:
			again := *link
			again.NoWrite = true
			m.deliver(t, l, &again)
		case err == nil && d.Reply != nil:
			if y := d.Reply.YIAddr; y.IsValid() {
				if h, ok := m.reserved.HolderOf(y); ok && h != l.req.MAC && y != reserved && len(d.Changes) == 0 {
					t.Fatalf("%s given to %s, reserved for %s", y, l.req.MAC, h)
				}
			}
			if !l.guest {
				m.net = append(m.net, datagram{reply: d.Reply, to: int(l.req.MAC[5]), xid: l.xid})
			}
		}
	})
	ended := func(addr netip.Addr, state dhcp.LeaseState) {
		if x, ok := leasetable.LeasesOf(m.table).At(addr); ok && x.MAC == l.req.MAC && x.State == state && !l.guest {
			m.lost(l.req.MAC, addr)
		}
	}
	switch l.req.Type {
	case dhcp.MessageTypeRelease:
		ended(l.req.CIAddr, dhcp.LeaseReleased)
	case dhcp.MessageTypeDecline:
		ended(l.req.Requested, dhcp.LeaseDeclined)
	}
	m.check(t)
}

func (m *simulation) receive(c *simulatedClient, l datagram) {
	if l.xid != c.xid {
		return
	}
	switch r := l.reply; {
	case r.Type == dhcp.MessageTypeOffer && c.state == "selecting":
		c.state, c.addr = "requesting", r.YIAddr
		m.send(c, dhcp.MessageTypeRequest, func(q *dhcp.Request) { q.Requested, q.ServerID = r.YIAddr, r.ServerID })
	case r.Type == dhcp.MessageTypeAck && (c.state == "requesting" || c.state == "bound"):
		c.state, c.addr = "bound", r.YIAddr
		c.expires = c.sent.Add(time.Duration(dhcptest.Seconds(dhcptest.OptionOf(r, 51))) * time.Second)
	case r.Type == dhcp.MessageTypeNak && c.state != "selecting":
		c.state = "init"
	}
}

func (m *simulation) probed(t *rapid.T, p probing) {
	if p.life != m.life {
		return
	}
	used := p.addr == m.squatted
	for _, c := range m.clients {
		used = used || c.live(m.now) && c.addr == p.addr && c.mac() != p.req.MAC
	}
	m.table.Probed(p.addr, used)
	m.deliver(t, p.datagram, nil)
}

// check fails unless each live client has its lease, as decided and on disk, no two have one address, and the index is consistent.
func (m *simulation) check(t *rapid.T) {
	if why := leasetable.Inconsistent(leasetable.LeasesOf(m.table)); why != "" {
		t.Fatal(why)
	}
	held := map[netip.Addr]int{}
	for _, c := range m.clients {
		if !c.live(m.now) {
			continue
		}
		if other, twice := held[c.addr]; twice {
			t.Fatalf("%s is held by clients %d and %d", c.addr, other, c.n)
		}
		held[c.addr] = c.n
		until := c.expires.Add(m.offset - m.steps*dhcptest.Second) // leases are moved by whole seconds
		if l, ok := leasetable.LeasesOf(m.table).At(c.addr); !ok || l.MAC != c.mac() || l.State != dhcp.LeaseActive || l.Expires.Before(until) {
			t.Fatalf("client %d has %s until %s, decided is %+v", c.n, c.addr, until, l)
		}
		if l, ok := m.table.LeaseAt(c.addr); !ok || l.MAC != c.mac() || l.Expires.Before(until) {
			t.Fatalf("client %d has %s until %s, to be read is %+v", c.n, c.addr, until, l)
		}
		if l := m.disk.Leases[c.addr]; l.MAC != c.mac() || l.State != dhcp.LeaseActive || l.Expires.Before(until) {
			t.Fatalf("client %d has %s until %s, on disk is %+v", c.n, c.addr, until, l)
		}
	}
}

// quiet delivers every datagram; written reports whether the disk writes.
func (m *simulation) quiet(t *rapid.T, written bool) {
	for range 8 {
		sent := m.net
		m.net = nil
		for _, l := range sent {
			var link *dhcp.Link
			if l.req != nil {
				link = m.linkOf(l)
				link.NoWrite = !written
			}
			m.deliver(t, l, link)
		}
		waiting := m.probes
		m.probes = nil
		for _, p := range waiting {
			m.probed(t, p)
		}
		if written {
			leasetable.WriteQueued(m.table)
		}
		m.check(t)
	}
}
