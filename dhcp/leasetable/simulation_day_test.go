package leasetable_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/leasetable"
)

// The properties of TestTableHoldsItsInvariantsInASimulation also hold when clients move, addresses are taken, reserved, declined and deleted, the clock is set and the
// configuration changes. A client of an ordinary network ends no other client's lease on another network.
func TestClientsThatMove(t *testing.T) {
	for range 30 {
		rapid.Check(t, simulatedDay)
	}
}

func simulatedDay(t *rapid.T) {
	m := newSimulation(t)
	pick := func() (datagram, bool) {
		if len(m.net) == 0 {
			return datagram{}, false
		}
		i := rapid.IntRange(0, len(m.net)-1).Draw(t, "datagram")
		l := m.net[i]
		m.net = append(m.net[:i:i], m.net[i+1:]...)
		return l, true
	}
	anyClient := func() *simulatedClient { return rapid.SampledFrom(m.clients).Draw(t, "client") }
	deliver := func(t *rapid.T) {
		if l, ok := pick(); ok {
			m.deliver(t, l, nil)
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"":             m.check,
		"client acts":  func(t *rapid.T) { m.act(anyClient(), rapid.IntRange(0, 8).Draw(t, "whim")) },
		"client boots": func(t *rapid.T) { c := anyClient(); c.state = "init"; m.act(c, 9); m.quiet(t, true) },
		"deliver":      deliver,
		"deliver too":  deliver,
		"quiet":        func(t *rapid.T) { m.quiet(t, true) },
		"write backlog": func(t *rapid.T) {
			if rapid.Bool().Draw(t, "acts") {
				m.act(anyClient(), rapid.IntRange(0, 8).Draw(t, "whim"))
			}
			m.quiet(t, false)
		},
		"lose":          func(t *rapid.T) { pick() },
		"write":         func(t *rapid.T) { leasetable.WriteQueued(m.table) },
		"write fails":   func(t *rapid.T) { m.disk.Err = errDisk; leasetable.WriteQueued(m.table); m.disk.Err = nil },
		"crash":         func(t *rapid.T) { m.boot(t) },
		"borrows a MAC": func(t *rapid.T) { m.borrow(anyClient(), rapid.IntRange(0, 8).Draw(t, "what")) },
		"double": func(t *rapid.T) {
			if l, ok := pick(); ok {
				m.net = append(m.net, l, l)
			}
		},
		"client moves": func(t *rapid.T) {
			m.move(anyClient(), rapid.IntRange(0, sites-1).Draw(t, "site"), rapid.Bool().Draw(t, "remembers"))
		},
		"probe ends": m.endProbe,
		"reserve":    m.reserve,
		"reload":     func(t *rapid.T) { m.cfg = 1 - m.cfg; m.reload(t) },
		"delete":     m.deleteLease,
		"the clock is set": func(t *rapid.T) {
			m.steps++ // makes every time distinct
			m.offset += time.Duration(rapid.SampledFrom([]int{-3000, -60, 60, 3000}).Draw(t, "seconds"))*time.Second + m.steps
			m.table.Stats()
			leasetable.WriteQueued(m.table)
		},
		"time passes": func(t *rapid.T) {
			m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 5, 20, 70, 290, 590}).Draw(t, "seconds")) * time.Second)
			m.table.Stats()
		},
	})
	m.drain(t)
}

// drain lets a quiet network finish every exchange.
func (m *simulation) drain(t *rapid.T) {
	m.net, m.probes = nil, nil
	leasetable.WriteQueued(m.table)
	m.now = m.now.Add(time.Hour)
	m.table.Stats()
	for range 4 {
		for _, c := range m.clients {
			if !c.live(m.now) {
				c.state = "init"
				m.act(c, 9)
			}
			m.quiet(t, true)
		}
	}
	for _, c := range m.clients {
		if !c.live(m.now) && (c.phone || c.site == atData) {
			t.Fatalf("client %d, at %d, ends in %s without an address; %+v", c.n, c.site, c.state, m.table.Stats())
		}
	}
}

// reserve gives a client another reservation, or none.
func (m *simulation) reserve(t *rapid.T) {
	c := m.clients[rapid.IntRange(0, 1).Draw(t, "client")]
	delete(m.reserved, c.mac())
	a := dhcptest.AddrOf(dhcptest.NumberOf(dhcptest.Addr("10.20.0.98")) + rapid.Uint32Range(0, 12).Draw(t, "address"))
	if _, taken := m.reserved.HolderOf(a); !taken && rapid.Bool().Draw(t, "again") {
		m.reserved[c.mac()] = a
	}
}

// deleteLease deletes a lease as an operator does.
func (m *simulation) deleteLease(t *rapid.T) {
	all := m.table.All()
	if len(all) == 0 {
		return
	}
	l := rapid.SampledFrom(all).Draw(t, "lease")
	m.table.Commit([]dhcp.Change{{Lease: dhcp.Lease{Addr: l.Addr}, Delete: true}}, nil)
	for _, c := range m.clients {
		m.lost(c.mac(), l.Addr)
	}
}

// endProbe ends the oldest probe.
func (m *simulation) endProbe(t *rapid.T) {
	if len(m.probes) > 0 {
		p := m.probes[0]
		m.probes = m.probes[1:]
		m.probed(t, p)
	}
}
