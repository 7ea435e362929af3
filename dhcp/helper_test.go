package dhcp

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// start is when every test begins.
var start = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func mac(n int) MAC {
	m := MAC{0x00, 0x15, 0x65}
	m[3], m[4], m[5] = byte(n>>16), byte(n>>8), byte(n)
	return m
}

// voice is the subnet of most tests: ten addresses, of which one is kept for phones.
func voice() Subnet {
	return Subnet{
		Prefix: netip.MustParsePrefix("10.20.0.0/24"), Interface: "voice0",
		Pools:   []Range{{ip("10.20.0.100"), ip("10.20.0.109")}},
		Routers: []netip.Addr{ip("10.20.0.1")}, DNSServers: []netip.Addr{ip("10.20.0.3"), ip("10.20.0.4")},
		DomainName: "voice.example.net",
	}
}

func config(subnets ...Subnet) Config { return Config{Authoritative: true, Subnets: subnets} }

// fakeReservations holds reservations in both directions.
type fakeReservations map[MAC]netip.Addr

func (f fakeReservations) Reserved(m MAC) (netip.Addr, bool) { a, ok := f[m]; return a, ok }

func (f fakeReservations) HolderOf(a netip.Addr) (MAC, bool) {
	for m, r := range f {
		if r == a {
			return m, true
		}
	}
	return MAC{}, false
}

// phones is an adviser that takes every client with a vendor class for a phone.
type phones struct{ policy Policy }

func (p phones) PolicyFor(c Client, _ Site) Policy {
	if c.VendorClass == "" {
		return Policy{}
	}
	a := p.policy
	a.Phone = true
	return a
}

// rig is an engine with its view and a clock that stands still until it is moved. What it decides is on disk at once.
type rig struct {
	t      *testing.T
	engine *Engine
	view   *Leases
	now    time.Time
	link   Link
}

func newRig(t *testing.T, cfg Config, r Reservations, a ClientPolicy) *rig {
	t.Helper()
	e, err := NewEngine(cfg, r, a)
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, engine: e, view: NewLeases(cfg), now: start}
	g.link = Link{
		Interface: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.2/24")}, Host: []netip.Addr{ip("10.20.0.2"), ip("192.0.2.2")},
		Source: netip.MustParseAddrPort("0.0.0.0:68"), Dest: limitedBroadcast, MTU: 1500,
	}
	return g
}

// decide decides and changes nothing.
func (g *rig) decide(r *Request) Decision {
	return g.engine.Decide(g.now, r, &g.link, g.engine.Classify(r, &g.link), g.view)
}

// serveOn classifies a request and has it decided on a table.
func serveOn(t *Table, e *Engine, r *Request, link *Link, done func(*Decision, error)) {
	c := e.Classify(r, link)
	t.Serve(func(now time.Time, leases *Leases) Decision { return e.Decide(now, r, link, c, leases) }, done)
}

// do decides, and takes over what was decided.
func (g *rig) do(r *Request) Decision {
	g.t.Helper()
	g.view.Advance(g.now)
	d := g.decide(r)
	if d.Unhold {
		g.view.dropOffer(r.MAC)
	}
	if d.Hold.IsValid() {
		g.view.hold(r.MAC, d.Hold, d.Event.Phone)
	}
	for _, c := range d.Changes {
		g.view.apply(c)
	}
	for _, c := range d.Changes {
		g.view.completeWrite(c, true)
	}
	if d.Event.Verdict == "" || d.Event.Reason == "" {
		g.t.Errorf("decision about %s has no verdict or no reason: %+v", r.Type, d.Event)
	}
	return d
}

// want decides and checks the verdict.
func (g *rig) want(v Verdict, r *Request) Decision {
	g.t.Helper()
	d := g.do(r)
	if d.Event.Verdict != v {
		g.t.Fatalf("%s of %s: verdict %s (%s), want %s", r.Type, r.MAC, d.Event.Verdict, d.Event.Reason, v)
	}
	return d
}

// bind takes a client from DISCOVER to ACK and returns its address.
func (g *rig) bind(n int, opts ...func(*Request)) netip.Addr {
	g.t.Helper()
	o := g.want(VerdictOffered, discoverOf(n, opts...))
	a := g.want(VerdictAcked, selectingOf(n, o.Reply.YIAddr, opts...))
	return a.Reply.YIAddr
}

// unicast runs f with packets that come to us alone from src.
func (g *rig) unicast(src string, f func()) {
	saved := g.link
	g.link.Source, g.link.Dest = netip.AddrPortFrom(ip(src), 68), ip("10.20.0.2")
	f()
	g.link = saved
}

func request(n int, t MessageType, opts ...func(*Request)) *Request {
	r := &Request{Type: t, MAC: mac(n), XID: [4]byte{1, 2, 3, byte(n)}}
	copy(r.CHAddr[:], r.MAC[:])
	r.Client.MAC = r.MAC
	for _, o := range opts {
		o(r)
	}
	return r
}

func discoverOf(n int, opts ...func(*Request)) *Request {
	return request(n, MessageTypeDiscover, opts...)
}

func selectingOf(n int, a netip.Addr, opts ...func(*Request)) *Request {
	return request(n, MessageTypeRequest, append([]func(*Request){func(r *Request) { r.Requested, r.ServerID = a, ip("10.20.0.2") }}, opts...)...)
}

func initRebootOf(n int, a netip.Addr, opts ...func(*Request)) *Request {
	return request(n, MessageTypeRequest, append([]func(*Request){func(r *Request) { r.Requested = a }}, opts...)...)
}

func renewOf(n int, a netip.Addr, opts ...func(*Request)) *Request {
	return request(n, MessageTypeRequest, append([]func(*Request){func(r *Request) { r.CIAddr = a }}, opts...)...)
}

func asPhone(r *Request) { r.Client.VendorClass = "phone" }

func params(codes ...uint8) func(*Request) {
	return func(r *Request) { r.HasParams, r.Client.Params = true, unique(codes) }
}

// codes lists the options of a reply in order.
func codes(r *Reply) []uint8 {
	var out []uint8
	for _, o := range r.Options {
		out = append(out, o.Code)
	}
	return out
}

func optionOf(r *Reply, code uint8) []byte {
	for _, o := range r.Options {
		if o.Code == code {
			return o.Data
		}
	}
	return nil
}

func seconds(b []byte) int {
	if len(b) != 4 {
		return -1
	}
	return int(binary.BigEndian.Uint32(b))
}

// packet builds a client's message from the figures of RFC 2131, 2, independently of the codec.
func packet(t MessageType, options ...byte) []byte {
	p := make([]byte, 240)
	p[0], p[1], p[2] = 1, 1, 6
	copy(p[4:], []byte{0xde, 0xad, 0xbe, 0xef})
	copy(p[28:], []byte{0x00, 0x15, 0x65, 0x12, 0x34, 0x56})
	copy(p[236:], []byte{99, 130, 83, 99})
	p = append(p, 53, 1, byte(t))
	return append(p, options...)
}
