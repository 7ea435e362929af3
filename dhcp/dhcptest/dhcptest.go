// Package dhcptest holds the fixtures of the tests of package dhcp and the packages below it: subnets, clients' messages, an engine with
// a table, a disk that fails.
package dhcptest

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
)

// Start is when every test begins.
var Start = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

// Times and numbers of the rules, as the tests expect them.
const (
	Second          = time.Second
	DefaultLease    = 8 * 24 * time.Hour // C35
	MaxDeclines     = 5                  // C45, within an hour
	ShortQuarantine = 10 * time.Minute   // C45, of a reserved address
	OfferHold       = time.Minute        // C38
	ProbeFresh      = 30 * time.Second   // C41
	Retransmitted   = 10 * time.Second   // C49
)

// Broadcast is where clients without an address send.
var Broadcast = netip.MustParseAddr("255.255.255.255")

// Addr parses an address. It panics on a malformed one.
func Addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// ClientMAC returns the MAC of the client with the number n.
func ClientMAC(n int) dhcp.MAC {
	m := dhcp.MAC{0x00, 0x15, 0x65}
	m[3], m[4], m[5] = byte(n>>16), byte(n>>8), byte(n)
	return m
}

// Voice returns the subnet of most tests: ten addresses on a link of this host.
func Voice() dhcp.Subnet {
	return dhcp.Subnet{
		Prefix: netip.MustParsePrefix("10.20.0.0/24"), Interface: "voice0",
		Pools:   []dhcp.Range{{First: Addr("10.20.0.100"), Last: Addr("10.20.0.109")}},
		Routers: []netip.Addr{Addr("10.20.0.1")}, DNSServers: []netip.Addr{Addr("10.20.0.3"), Addr("10.20.0.4")},
		DomainName: "voice.example.net",
	}
}

// ConfigOf returns an authoritative configuration with the subnets.
func ConfigOf(subnets ...dhcp.Subnet) dhcp.Config {
	return dhcp.Config{Authoritative: true, Subnets: subnets}
}

// FakeReservations holds reservations in both directions.
type FakeReservations map[dhcp.MAC]netip.Addr

// Reserved returns the address that is reserved for a MAC.
func (f FakeReservations) Reserved(m dhcp.MAC) (netip.Addr, bool) { a, ok := f[m]; return a, ok }

// HolderOf returns the MAC that an address is reserved for.
func (f FakeReservations) HolderOf(a netip.Addr) (dhcp.MAC, bool) {
	for m, r := range f {
		if r == a {
			return m, true
		}
	}
	return dhcp.MAC{}, false
}

// Phones is a policy that classifies every client with a vendor class as a phone.
type Phones struct{ Policy dhcp.Policy }

// PolicyFor returns p.Policy, with Phone set, for a client with a vendor class; the zero Policy otherwise.
func (p Phones) PolicyFor(c dhcp.Client, _ dhcp.Site) dhcp.Policy {
	if c.VendorClass == "" {
		return dhcp.Policy{}
	}
	a := p.Policy
	a.Phone = true
	return a
}

// Fixture is an engine with a lease table and a clock that only the test advances. Decisions are written to disk at once.
type Fixture struct {
	T            *testing.T
	Config       dhcp.Config
	Reservations engine.Reservations
	Policy       dhcp.ClientPolicy
	Engine       *engine.Engine
	Table        *leasetable.Table
	Now          time.Time
	Link         dhcp.Link
}

// NewFixture returns a Fixture with a new engine, at Start.
func NewFixture(t *testing.T, cfg dhcp.Config, r engine.Reservations, p dhcp.ClientPolicy) *Fixture {
	t.Helper()
	e, err := engine.New(cfg, r, p)
	if err != nil {
		t.Fatal(err)
	}
	g := FixtureOf(t, cfg, e)
	g.Reservations, g.Policy = r, p
	return g
}

// Reconfigure changes the configuration of the engine; the leases stay.
func (g *Fixture) Reconfigure(change func(*dhcp.Config)) {
	g.T.Helper()
	change(&g.Config)
	e, err := engine.New(g.Config, g.Reservations, g.Policy)
	if err != nil {
		g.T.Fatal(err)
	}
	g.Engine = e
}

// From runs f with packets from port 67 of src, addressed to this host.
func (g *Fixture) From(src string, f func()) {
	saved := g.Link
	g.Link.Source, g.Link.Dest = netip.AddrPortFrom(Addr(src), 67), Addr("10.20.0.2")
	f()
	g.Link = saved
}

// Because is Want that checks the reason, too.
func (g *Fixture) Because(v dhcp.Verdict, reason string, r *dhcp.Request) dhcp.Decision {
	g.T.Helper()
	d := g.Want(v, r)
	if !strings.Contains(d.Event.Reason, reason) {
		g.T.Errorf("%s of %s: %q, want %q in it", r.Type, r.MAC, d.Event.Reason, reason)
	}
	if d.Reply != nil && d.Reply.Type == dhcp.MessageTypeNak && string(OptionOf(d.Reply, 56)) != d.Event.Reason {
		g.T.Errorf("message of the NAK is %q", OptionOf(d.Reply, 56))
	}
	return d
}

// FixtureOf returns a Fixture with an existing engine.
func FixtureOf(t *testing.T, cfg dhcp.Config, e *engine.Engine) *Fixture {
	t.Helper()
	g := &Fixture{T: t, Config: cfg, Engine: e, Now: Start}
	g.Table = leasetable.NewTable(cfg, NewDisk(), func() time.Time { return g.Now })
	g.Link = dhcp.Link{
		Interface: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.2/24")}, Host: []netip.Addr{Addr("10.20.0.2"), Addr("192.0.2.2")},
		Source: netip.MustParseAddrPort("0.0.0.0:68"), Dest: Broadcast, MTU: 1500,
	}
	RunTable(t, g.Table)
	return g
}

// Leases returns the leases as the next decision sees them.
func (g *Fixture) Leases() *leasetable.Leases {
	return LeasesOf(g.Table)
}

// Load puts a lease into the table, as at the start of the server.
func (g *Fixture) Load(l dhcp.Lease) {
	g.T.Helper()
	if err := g.Table.Load(func(f func(dhcp.Lease) error) error { return f(l) }); err != nil {
		g.T.Fatal(err)
	}
}

// ProbedFree reports to the table that no host answered a probe of a.
func (g *Fixture) ProbedFree(a netip.Addr) { g.Table.Probed(a, false) }

// Decide decides without changing the table.
func (g *Fixture) Decide(r *dhcp.Request) dhcp.Decision {
	return g.Engine.Decide(g.Now, r, &g.Link, g.Engine.Classify(r, &g.Link), g.Leases())
}

// Do decides, and applies the decision to the table.
func (g *Fixture) Do(r *dhcp.Request) dhcp.Decision {
	g.T.Helper()
	d, err := ServeAndWait(g.Table, g.Engine, r, &g.Link)
	if err != nil {
		g.T.Fatal(err)
	}
	if d.Event.Verdict == "" || d.Event.Reason == "" {
		g.T.Errorf("decision about %s has no verdict or no reason: %+v", r.Type, d.Event)
	}
	return *d
}

// Want decides and checks the verdict.
func (g *Fixture) Want(v dhcp.Verdict, r *dhcp.Request) dhcp.Decision {
	g.T.Helper()
	d := g.Do(r)
	if d.Event.Verdict != v {
		g.T.Fatalf("%s of %s: verdict %s (%s), want %s", r.Type, r.MAC, d.Event.Verdict, d.Event.Reason, v)
	}
	return d
}

// Bind takes a client from DISCOVER to ACK and returns its address.
func (g *Fixture) Bind(n int, opts ...func(*dhcp.Request)) netip.Addr {
	g.T.Helper()
	o := g.Want(dhcp.VerdictOffered, Discover(n, opts...))
	a := g.Want(dhcp.VerdictAcked, Selecting(n, o.Reply.YIAddr, opts...))
	return a.Reply.YIAddr
}

// Unicast runs f with packets from port 68 of src, addressed to this host.
func (g *Fixture) Unicast(src string, f func()) {
	saved := g.Link
	g.Link.Source, g.Link.Dest = netip.AddrPortFrom(Addr(src), 68), Addr("10.20.0.2")
	f()
	g.Link = saved
}

// Message returns a message of client n.
func Message(n int, t dhcp.MessageType, opts ...func(*dhcp.Request)) *dhcp.Request {
	r := &dhcp.Request{Type: t, MAC: ClientMAC(n), XID: [4]byte{1, 2, 3, byte(n)}}
	copy(r.CHAddr[:], r.MAC[:])
	r.Client.MAC = r.MAC
	for _, o := range opts {
		o(r)
	}
	return r
}

// Discover returns a DISCOVER of client n.
func Discover(n int, opts ...func(*dhcp.Request)) *dhcp.Request {
	return Message(n, dhcp.MessageTypeDiscover, opts...)
}

// Selecting returns a REQUEST of client n in state SELECTING, for the address a that this server offered.
func Selecting(n int, a netip.Addr, opts ...func(*dhcp.Request)) *dhcp.Request {
	return Message(n, dhcp.MessageTypeRequest, append([]func(*dhcp.Request){func(r *dhcp.Request) { r.Requested, r.ServerID = a, Addr("10.20.0.2") }}, opts...)...)
}

// InitReboot returns a REQUEST of client n in state INIT-REBOOT, for the address a.
func InitReboot(n int, a netip.Addr, opts ...func(*dhcp.Request)) *dhcp.Request {
	return Message(n, dhcp.MessageTypeRequest, append([]func(*dhcp.Request){func(r *dhcp.Request) { r.Requested = a }}, opts...)...)
}

// Renew returns a REQUEST of client n in state RENEWING or REBINDING, for its address a.
func Renew(n int, a netip.Addr, opts ...func(*dhcp.Request)) *dhcp.Request {
	return Message(n, dhcp.MessageTypeRequest, append([]func(*dhcp.Request){func(r *dhcp.Request) { r.CIAddr = a }}, opts...)...)
}

// AsPhone gives a request a vendor class, by which Phones classifies the client as a phone.
func AsPhone(r *dhcp.Request) { r.Client.VendorClass = "phone" }

// Params sets the parameter request list of a request.
func Params(codes ...uint8) func(*dhcp.Request) {
	return func(r *dhcp.Request) { r.HasParams, r.Client.Params = true, codes }
}

// Codes lists the options of a reply in order.
func Codes(r *dhcp.Reply) []uint8 {
	var out []uint8
	for _, o := range r.Options {
		out = append(out, o.Code)
	}
	return out
}

// OptionOf returns the data of an option of a reply, nil when the reply does not have it.
func OptionOf(r *dhcp.Reply, code uint8) []byte {
	for _, o := range r.Options {
		if o.Code == code {
			return o.Data
		}
	}
	return nil
}

// Seconds decodes an option with a time in seconds; -1 when it does not have four bytes.
func Seconds(b []byte) int {
	if len(b) != 4 {
		return -1
	}
	return int(binary.BigEndian.Uint32(b))
}

// Packet builds a client's message from the figures of RFC 2131, 2, independently of the codec.
func Packet(t dhcp.MessageType, options ...byte) []byte {
	p := make([]byte, 240)
	p[0], p[1], p[2] = 1, 1, 6
	copy(p[4:], []byte{0xde, 0xad, 0xbe, 0xef})
	copy(p[28:], []byte{0x00, 0x15, 0x65, 0x12, 0x34, 0x56})
	copy(p[236:], []byte{99, 130, 83, 99})
	p = append(p, 53, 1, byte(t))
	return append(p, options...)
}

// Relayed returns a subnet without an interface, which is served through a relay.
func Relayed() dhcp.Subnet {
	return dhcp.Subnet{Prefix: netip.MustParsePrefix("10.30.0.0/24"), Pools: []dhcp.Range{{First: Addr("10.30.0.100"), Last: Addr("10.30.0.109")}}, Routers: []netip.Addr{Addr("10.30.0.1")}}
}

// Data returns the subnet of a data VLAN, whose phones are treated by kind.
func Data(kind string) dhcp.Subnet {
	return dhcp.Subnet{Prefix: netip.MustParsePrefix("10.40.0.0/24"), Interface: "data0", Phones: kind, VoiceVLAN: 20, Pools: []dhcp.Range{{First: Addr("10.40.0.100"), Last: Addr("10.40.0.109")}}}
}

// Parsed reads a packet with the library, as a client would.
func Parsed(t *testing.T, p []byte) *dhcpv4.DHCPv4 {
	t.Helper()
	m, err := dhcpv4.FromBytes(p)
	if err != nil {
		t.Fatalf("a client can't read it: %v", err)
	}
	return m
}

// OptionOrder returns the codes of the options of a packet, in their order.
func OptionOrder(p []byte) []uint8 {
	var out []uint8
	for p = p[240:]; len(p) > 0 && p[0] != 255; {
		if p[0] == 0 {
			p = p[1:]
			continue
		}
		out = append(out, p[0])
		p = p[2+int(p[1]):]
	}
	return out
}

// AddrOf returns the address with the number n.
func AddrOf(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// NumberOf returns the number of an address.
func NumberOf(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}
