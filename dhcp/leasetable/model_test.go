package leasetable_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
)

// simClient is a client written from RFC 2131, 4.4, not from the server's code.
type simClient struct {
	n       int
	state   string // init, selecting, requesting, bound
	xid     uint32
	addr    netip.Addr // wanted or held
	sent    time.Time  // when the request under way was sent first: the lease counts from there
	expires time.Time
}

func (c *simClient) live(now time.Time) bool { return c.state == "bound" && now.Before(c.expires) }

// message is a packet in transit, to the server or to client to.
type message struct {
	req   *dhcp.Request
	reply *dhcp.Reply
	to    int
	xid   uint32
}

// promise is a lease that the server acknowledged.
type promise struct {
	addr    netip.Addr
	expires time.Time
}

// sim is a server that crashes, a disk that fails, a network that loses, duplicates and delays packets, and clients.
type sim struct {
	cfg      dhcp.Config
	engine   *engine.Engine
	table    *leasetable.Table
	disk     *dhcptest.Disk
	now      time.Time
	link     dhcp.Link
	clients  []*simClient
	net      []message
	promises map[dhcp.MAC]promise
	life     int // counts restarts: replies from before a restart are never sent
	xid      uint32
	served   int              // counts messages
	released map[dhcp.MAC]int // when, by that count, a client gave its lease back
}

func newSim(t *rapid.T) *sim {
	s := dhcptest.Voice()
	s.Phones, s.OtherLeaseTime = dhcp.PhonesNone, 10*time.Minute
	s.Pools = []dhcp.Range{{First: dhcptest.Addr("10.20.0.100"), Last: dhcptest.Addr("10.20.0.103")}}
	m := &sim{cfg: dhcptest.ConfigOf(s), disk: dhcptest.NewDisk(), now: dhcptest.Start, promises: map[dhcp.MAC]promise{}, released: map[dhcp.MAC]int{}}
	m.engine, _ = engine.New(m.cfg, nil, nil)
	m.link = dhcp.Link{Interface: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.2/24")}, Dest: dhcptest.Broadcast, Source: netip.MustParseAddrPort("0.0.0.0:68")}
	for n := range rapid.IntRange(2, 6).Draw(t, "clients") {
		m.clients = append(m.clients, &simClient{n: n, state: "init"})
	}
	m.boot(t)
	return m
}

// boot starts a server from what is on disk.
func (m *sim) boot(t *rapid.T) {
	m.life++
	m.table = leasetable.NewTable(m.cfg, m.disk, func() time.Time { return m.now })
	if err := m.table.Load(m.disk.Load); err != nil {
		t.Fatal(err)
	}
	for mac, p := range m.promises {
		if m.now.Before(p.expires) {
			if l, ok := m.table.LeaseAt(p.addr); !ok || l.MAC != mac || l.Expires.Before(p.expires) {
				t.Fatalf("%s was acknowledged to %s until %s; after a restart there is %+v", p.addr, mac, p.expires, l)
			}
		}
	}
}

func (m *sim) send(c *simClient, typ dhcp.MessageType, set func(*dhcp.Request)) {
	m.xid++
	c.xid, c.sent = m.xid, m.now
	m.net = append(m.net, message{req: dhcptest.Message(c.n, typ, set), xid: c.xid})
}

// act is what a client does when its timer fires.
func (m *sim) act(c *simClient, whim int) {
	if c.state == "bound" && !c.live(m.now) {
		c.state = "init"
	}
	switch {
	case c.state == "bound" && whim == 0: // power cut; it remembers its address
		c.state = "requesting"
		m.send(c, dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.Requested = c.addr })
	case c.state == "bound" && whim == 1:
		c.state = "init"
		m.send(c, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = c.addr })
	case c.state == "bound":
		m.send(c, dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.CIAddr = c.addr })
	default:
		c.state = "selecting"
		m.send(c, dhcp.MessageTypeDiscover, func(*dhcp.Request) {})
	}
}

// deliver delivers a message, which may be a duplicate.
func (m *sim) deliver(t *rapid.T, msg message) {
	if msg.req == nil {
		m.receive(t, m.clients[msg.to], msg)
		return
	}
	m.served++
	life, served := m.life, m.served
	dhcptest.ServeOn(m.table, m.engine, msg.req, &m.link, func(d *dhcp.Decision, err error) {
		if err != nil || m.life != life || d.Reply == nil {
			return
		}
		if d.Reply.Type == dhcp.MessageTypeAck && m.released[msg.req.MAC] < served { // else the client gave it back while this was being written
			until := d.Event.Time.Add(time.Duration(dhcptest.Seconds(dhcptest.OptionOf(d.Reply, 51))) * time.Second)
			m.promises[msg.req.MAC] = promise{d.Reply.YIAddr, until}
			// A lease that ended before it was written may be another client's in the same write.
			if l, ok := m.disk.Leases[d.Reply.YIAddr]; m.now.Before(until) && (!ok || l.MAC != msg.req.MAC) {
				t.Fatalf("%s acknowledged to %s, on disk is %+v", d.Reply.YIAddr, msg.req.MAC, l)
			}
		}
		n := int(msg.req.MAC[5])
		m.net = append(m.net, message{reply: d.Reply, to: n, xid: msg.xid})
	})
	if msg.req.Type == dhcp.MessageTypeRelease {
		if l, ok := leasetable.LeasesOf(m.table).At(msg.req.CIAddr); ok && l.MAC == msg.req.MAC && l.State == dhcp.LeaseReleased {
			delete(m.promises, msg.req.MAC)
			m.released[msg.req.MAC] = m.served
			// A delayed or duplicated RELEASE also ends a lease that the client got after it had sent it: the message does not identify
			// a lease. Outside this model a probe finds that the client still has the address.
			if c := m.clients[msg.req.MAC[5]]; c.state == "bound" && c.addr == msg.req.CIAddr {
				c.state = "init"
			}
		}
	}
}

// receive is the client's side of RFC 2131, figure 5.
func (m *sim) receive(t *rapid.T, c *simClient, msg message) {
	if msg.xid != c.xid {
		return
	}
	switch r := msg.reply; {
	case r.Type == dhcp.MessageTypeOffer && c.state == "selecting":
		c.state, c.addr = "requesting", r.YIAddr
		m.send(c, dhcp.MessageTypeRequest, func(q *dhcp.Request) { q.Requested, q.ServerID = r.YIAddr, r.ServerID })
	case r.Type == dhcp.MessageTypeAck && (c.state == "requesting" || c.state == "bound"):
		c.state, c.addr = "bound", r.YIAddr
		c.expires = c.sent.Add(time.Duration(dhcptest.Seconds(dhcptest.OptionOf(r, 51))) * time.Second)
		m.check(t)
	case r.Type == dhcp.MessageTypeNak && c.state != "selecting":
		c.state = "init"
	}
}

// check fails when an address has two live holders.
func (m *sim) check(t *rapid.T) {
	if why := leasetable.Inconsistent(leasetable.LeasesOf(m.table)); why != "" {
		t.Fatal(why)
	}
	held := map[netip.Addr]int{}
	for _, c := range m.clients {
		if c.live(m.now) {
			if other, twice := held[c.addr]; twice {
				t.Fatalf("%s is held by clients %d and %d", c.addr, other, c.n)
			}
			held[c.addr] = c.n
		}
	}
}

var errDisk = errors.New("disk full")

// No address is acknowledged to two live clients. Acknowledged leases survive a crash at any moment. Every client that keeps trying gets
// an address while one is free.
func TestTableHoldsItsInvariantsInASimulation(t *testing.T) {
	for range 50 { // a hundred runs each: some bugs show only in thousands of runs
		rapid.Check(t, model)
	}
}

func model(t *rapid.T) {
	m := newSim(t)
	pick := func() (message, bool) {
		if len(m.net) == 0 {
			return message{}, false
		}
		i := rapid.IntRange(0, len(m.net)-1).Draw(t, "message")
		msg := m.net[i]
		m.net = append(m.net[:i:i], m.net[i+1:]...)
		return msg, true
	}
	t.Repeat(map[string]func(*rapid.T){
		"": m.check,
		"client acts": func(t *rapid.T) {
			c := rapid.SampledFrom(m.clients).Draw(t, "client")
			m.act(c, rapid.IntRange(0, 5).Draw(t, "whim"))
		},
		"deliver": func(t *rapid.T) {
			if msg, ok := pick(); ok {
				m.deliver(t, msg)
			}
		},
		"deliver too": func(t *rapid.T) {
			if msg, ok := pick(); ok {
				m.deliver(t, msg)
			}
		},
		"a quiet moment": func(t *rapid.T) {
			for range 6 {
				sent := m.net
				m.net = nil
				for _, msg := range sent {
					m.deliver(t, msg)
				}
				leasetable.WriteQueued(m.table)
			}
		},
		"double": func(t *rapid.T) {
			if msg, ok := pick(); ok {
				m.net = append(m.net, msg, msg)
			}
		},
		"lose":        func(t *rapid.T) { pick() },
		"write":       func(t *rapid.T) { leasetable.WriteQueued(m.table) },
		"write fails": func(t *rapid.T) { m.disk.Err = errDisk; leasetable.WriteQueued(m.table); m.disk.Err = nil },
		"crash":       func(t *rapid.T) { m.boot(t) },
		"crash after the write": func(t *rapid.T) {
			m.life++ // the replies are never sent
			leasetable.WriteQueued(m.table)
			m.boot(t)
		},
		"time passes": func(t *rapid.T) {
			m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 20, 70, 290, 590}).Draw(t, "seconds")) * time.Second)
		},
	})
	m.drain(t)
}

// drain lets a quiet network finish every exchange: there are four addresses for at most four clients.
func (m *sim) drain(t *rapid.T) {
	m.net = nil
	m.clients = m.clients[:min(4, len(m.clients))]
	leasetable.WriteQueued(m.table)
	m.now = m.now.Add(30 * time.Minute) // what others held has ended
	for range 4 {
		for _, c := range m.clients {
			if !c.live(m.now) {
				c.state = "init"
				m.act(c, 5)
			}
			for len(m.net) > 0 {
				msg := m.net[0]
				m.net = m.net[1:]
				if msg.req == nil && msg.to >= len(m.clients) {
					continue
				}
				m.deliver(t, msg)
				leasetable.WriteQueued(m.table)
			}
		}
		m.check(t)
	}
	for _, c := range m.clients {
		if !c.live(m.now) {
			t.Fatalf("client %d ends in %s without an address; %s", c.n, c.state, m.describe())
		}
	}
}

func (m *sim) describe() string { return fmt.Sprintf("%+v, disk %+v", m.table.Stats(), m.disk.Leases) }
