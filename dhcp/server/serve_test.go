package server

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
	"plugtone/dhcp/netif"
	"plugtone/dhcp/wire"
)

var (
	voice0 = &netif.Interface{Index: 7, Name: "voice0", MAC: dhcp.MAC{2, 0, 0, 0, 0, 1}, MTU: 1500, Up: true,
		Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.2/24")}}
	uplink = &netif.Interface{Index: 8, Name: "uplink", MAC: dhcp.MAC{2, 0, 0, 0, 0, 2}, MTU: 1500, Up: true,
		Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}
)

// sent is a reply that left a serverFixture.
type sent struct {
	to     wire.Destination
	packet []byte
	in     *netif.Interface
}

// serverFixture is a server without sockets: packets go in by put, are served by run, and come out on out.
type serverFixture struct {
	*Server
	*recorder
	table *fakeTable
	in    *receiver
	out   chan sent
	at    time.Time // of every packet
}

func newServerFixture(t testing.TB, change func(*Config)) *serverFixture {
	t.Helper()
	b := &serverFixture{recorder: newRecorder(), table: newFakeTable(), out: make(chan sent, 1000), at: time.Now()}
	cfg := Config{Interfaces: []string{"voice0"}, Now: time.Now, Log: logTo(t), Observer: b.observer(), Queue: 8}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, nil, b.table)
	if err != nil {
		t.Fatal(err)
	}
	s.process = b.table.process
	s.links.now.Store(&netif.Snapshot{
		ByIndex: map[int]*netif.Interface{7: voice0, 8: uplink}, ByName: map[string]*netif.Interface{"voice0": voice0, "uplink": uplink},
		Addrs: []netip.Addr{voice0.Addrs[0].Addr(), uplink.Addrs[0].Addr()},
	})
	s.routes = netif.NewRoutes(func(func() error) error { return errDisk })
	s.deliver = func(to wire.Destination, _ dhcp.MAC, packet []byte, in *netif.Interface) error {
		b.out <- sent{to, bytes.Clone(packet), in}
		return nil
	}
	b.Server, b.in = s, s.receiver(t.Context())
	return b
}

// run serves what is queued.
func (b *serverFixture) run() {
	for b.in.queue.used > 0 {
		b.in.serveQueued()
	}
}

// put receives a packet on the interface with that index, and reports whether it was not dropped.
func (b *serverFixture) put(ifindex int, dst string, payload []byte) bool {
	p := new(packet)
	p.n, p.ifindex, p.at = copy(p.buf[:], payload), ifindex, b.at
	p.src, p.dst = netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddr(dst)
	before := len(b.dropped)
	b.in.dispatch(p)
	return len(b.dropped) == before
}

// message returns a client's message.
func message(t testing.TB, mac byte, kind dhcpv4.MessageType, mods ...dhcpv4.Modifier) []byte {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithMessageType(kind), dhcpv4.WithHwAddr([]byte{0, 0x15, 0x65, 0, 0, mac}),
		dhcpv4.WithTransactionID(dhcpv4.TransactionID{1, 2, 3, mac})}, mods...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.ToBytes()
}

func ip(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

// TestWhichPacketsAreWanted: those of served links; those of relays and routed clients from any link.
func TestWhichPacketsAreWanted(t *testing.T) {
	discover := message(t, 1, dhcpv4.MessageTypeDiscover)
	renew := message(t, 1, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip("10.40.0.9")))
	for _, c := range []struct {
		name    string
		ifindex int
		dst     string
		packet  []byte
		want    bool
	}{
		{"broadcast on a served link", 7, "255.255.255.255", discover, true},
		{"broadcast on another link", 8, "255.255.255.255", discover, false},
		{"relayed on another link", 8, "192.0.2.1", message(t, 1, dhcpv4.MessageTypeDiscover, dhcpv4.WithGatewayIP(ip("10.40.0.1"))), true},
		{"renewal through a router", 8, "192.0.2.1", renew, true},
		{"renewal by broadcast on another link", 8, "255.255.255.255", renew, false},
		{"without ciaddr to our address on another link", 8, "192.0.2.1", discover, false},
		{"a packet too short to classify, on another link", 8, "192.0.2.1", []byte{1, 1, 6, 0}, true},
	} {
		b := newServerFixture(t, nil)
		if got := b.put(c.ifindex, c.dst, c.packet); got != c.want {
			t.Errorf("%s: wanted %v", c.name, got)
		}
		if c.want != (len(b.dropped) == 0) {
			t.Errorf("%s: %d drops counted", c.name, len(b.dropped))
		}
	}
}

func TestOwnDiscoverIsNotAnswered(t *testing.T) {
	b := newServerFixture(t, nil)
	own, err := discoverFrame(uplink.MAC, [4]byte{9, 9, 9, 9})
	if err != nil {
		t.Fatal(err)
	}
	f, ok := netif.ParseFrame(own)
	if !ok {
		t.Fatal("our own discover does not parse")
	}
	b.rogues.xids.Store([4]byte{9, 9, 9, 9}, true)
	if b.put(7, "255.255.255.255", f.Payload) {
		t.Error("the server's own DISCOVER, received on a second interface, is taken for a client's")
	}
	b.rogues.xids.Delete([4]byte{9, 9, 9, 9})
	if !b.put(7, "255.255.255.255", f.Payload) {
		t.Error("a DHCP client on this host is not served")
	}
}

// TestOneClientStaysInOrder sends many messages of a few clients.
func TestOneClientStaysInOrder(t *testing.T) {
	b := newServerFixture(t, func(c *Config) { c.Queue = 1000 })
	for n := range 50 {
		for mac := range byte(8) {
			xid := dhcpv4.WithTransactionID(dhcpv4.TransactionID{byte(n), 0, 0, mac})
			if !b.put(7, "255.255.255.255", message(t, mac, dhcpv4.MessageTypeRequest, xid)) {
				t.Fatal("dropped")
			}
		}
	}
	b.run()
	last := map[byte]int{}
	for _, s := range b.table.requests() {
		mac, n := s.req.XID[3], int(s.req.XID[0])
		if n != last[mac] {
			t.Fatalf("client %d: message %d when %d was due", mac, n, last[mac])
		}
		last[mac]++
	}
	if len(b.out) != 400 || last[3] != 50 {
		t.Errorf("%d replies, want 400", len(b.out))
	}
}

func TestFullQueueDropsAndCounts(t *testing.T) {
	b := newServerFixture(t, func(c *Config) { c.Queue = 3 })
	for range 5 {
		b.put(7, "255.255.255.255", message(t, 1, dhcpv4.MessageTypeRequest))
	}
	if len(b.dropped) != 2 || <-b.dropped != DropQueue {
		t.Errorf("%d drops of five packets at a queue of three", len(b.dropped))
	}
	b.run()
	if len(b.out) != 3 {
		t.Errorf("%d replies, want three", len(b.out))
	}
}

// TestKnownClientsAreServedFirst: a client with a lease record is served at once; the others wait, and are dropped first.
func TestKnownClientsAreServedFirst(t *testing.T) {
	b := newServerFixture(t, nil)
	b.table.given[dhcp.MAC{0, 0x15, 0x65, 0, 0, 200}] = netip.MustParseAddr("10.20.0.50")
	for mac := range byte(10) {
		b.put(7, "255.255.255.255", message(t, mac, dhcpv4.MessageTypeDiscover))
	}
	if len(b.dropped) != 2 || <-b.dropped != DropQueue || len(b.table.requests()) != 0 {
		t.Errorf("%d drops of ten packets at a queue of eight, %d decisions", len(b.dropped), len(b.table.requests()))
	}
	for i, packet := range [][]byte{
		message(t, 200, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip("10.20.0.50"))), // renewing
		message(t, 200, dhcpv4.MessageTypeInform, dhcpv4.WithClientIP(ip("10.20.0.50"))),
		message(t, 200, dhcpv4.MessageTypeDiscover),
	} {
		if b.put(7, "255.255.255.255", packet); len(b.table.requests()) != i+1 {
			t.Fatalf("packet %d of the known client waits", i)
		}
	}
	if b.put(7, "255.255.255.255", message(t, 200, dhcpv4.MessageTypeDiscover)) {
		t.Error("a repeated DISCOVER is served")
	}
	if b.put(7, "255.255.255.255", message(t, 201, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip("10.20.0.50")))) {
		t.Error("another client's claim does not wait")
	}
	b.run()
	if got := b.table.requests(); len(got) != 11 || got[3].req.MAC[5] != 0 || got[10].req.MAC[5] != 7 {
		t.Errorf("%d decisions", len(got))
	}
}

// TestKnownClientThatRepeatsItselfWaits: a flood in the name of a known client gains little.
func TestKnownClientThatRepeatsItselfWaits(t *testing.T) {
	b := newServerFixture(t, nil)
	b.table.given[dhcp.MAC{0, 0x15, 0x65, 0, 0, 200}] = netip.MustParseAddr("10.20.0.50")
	for range 3 {
		b.put(7, "255.255.255.255", message(t, 200, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip("10.20.0.50"))))
	}
	if got := len(b.table.requests()); got != 1 {
		t.Errorf("%d of three renewals are served at once", got)
	}
	if b.run(); len(b.table.requests()) != 3 {
		t.Errorf("%d of three renewals are served", len(b.table.requests()))
	}
}

// TestRelaysGiveNoPriority: any host can put a known client's MAC and one relay after the other into a packet.
func TestRelaysGiveNoPriority(t *testing.T) {
	b := newServerFixture(t, func(c *Config) { c.Queue = 1000 })
	b.table.given[dhcp.MAC{0, 0x15, 0x65, 0, 0, 200}] = netip.MustParseAddr("10.20.0.50")
	for n := range byte(100) {
		b.put(7, "10.20.0.2", message(t, 200, dhcpv4.MessageTypeRequest, dhcpv4.WithGatewayIP([]byte{10, 40, 0, n + 1})))
		b.put(7, "10.20.0.2", message(t, 200, dhcpv4.MessageType(100+n), dhcpv4.WithGatewayIP([]byte{10, 40, 0, n + 1})))
	}
	if got := len(b.table.requests()); got != 1 {
		t.Errorf("%d of 200 packets are served at once", got)
	}
	if b.run(); len(b.table.requests()) < 100 {
		t.Errorf("%d of 200 packets are served", len(b.table.requests()))
	}
}

func TestPanicCostsOnePacket(t *testing.T) {
	b := newServerFixture(t, nil)
	b.table.crash = true
	for range 2 {
		b.put(7, "255.255.255.255", message(t, 1, dhcpv4.MessageTypeRequest))
	}
	b.run()
	if len(b.out) != 1 || len(b.dropped) != 1 || <-b.dropped != DropPanic {
		t.Errorf("%d replies and %d drops, want one of each", len(b.out), len(b.dropped))
	}
}

// TestPanicAfterAProbeCostsOneAnswer: an observer that panics about a conflict, a declined address or another server does
// not end the daemon.
func TestPanicAfterAProbeCostsOneAnswer(t *testing.T) {
	b := newServerFixture(t, nil)
	o := &b.Server.cfg.Observer
	o.Decided = func(ev *dhcp.Event, _ time.Duration) {
		if ev.Verdict == dhcp.VerdictConflict {
			panic("observer: panic")
		}
	}
	o.OtherServer = func(Offer) { panic("observer: panic") }
	addr, client := netip.MustParseAddr("10.20.0.9"), dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}
	j := &job{runtime: b.runtime.Load(), req: &dhcp.Request{MAC: client}, link: &dhcp.Link{}, in: voice0, at: time.Now()}
	ev := func(v dhcp.Verdict) *dhcp.Event {
		return &dhcp.Event{Verdict: v, MAC: client, Addr: addr, Server: addr}
	}
	for name, call := range map[string]func(){
		"a probe":      func() { b.probe(t.Context(), j, &dhcp.Decision{Probe: addr, Event: *ev(dhcp.VerdictProbing)}) },
		"a decline":    func() { b.checkConflict(t.Context(), j, ev(dhcp.VerdictDeclined)) },
		"other server": func() { b.checkConflict(t.Context(), j, ev(dhcp.VerdictOtherServer)) },
	} {
		b.prober.running[addr] = []func(probeResult){}
		call()
		for _, done := range b.prober.running[addr] {
			done(probeResult{mac: dhcp.MAC{2}, inUse: true})
		}
		if len(b.dropped) != 1 || <-b.dropped != DropPanic {
			t.Errorf("%s: not counted as a panic", name)
		}
	}
}

// TestDiskErrorIsSilence: a full disk never leads to a NAK.
func TestDiskErrorIsSilence(t *testing.T) {
	b := newServerFixture(t, nil)
	b.table.fail = errDisk
	b.put(7, "255.255.255.255", message(t, 1, dhcpv4.MessageTypeRequest))
	b.run()
	ev := b.next(t, dhcp.VerdictInternalError)
	if len(b.out) != 0 || !strings.Contains(ev.Reason, "no space left on device") || ev.Reply != nil {
		t.Errorf("%d replies, reason %q, reply %v", len(b.out), ev.Reason, ev.Reply)
	}
	// It is decided once more without a write, and no more than once.
	decided := b.table.requests()
	if len(decided) != 2 || decided[0].link.NoWrite || !decided[1].link.NoWrite {
		t.Errorf("%d decisions: %+v", len(decided), decided)
	}
}

// refusing is a table whose disk fails, and whose decision without a write is a NAK.
type refusing struct{ *fakeTable }

func (r refusing) process(j *job, done func(*dhcp.Decision, error)) {
	r.fakeTable.process(j, func(d *dhcp.Decision, err error) {
		if j.link.NoWrite {
			d.Reply.Type, err = dhcp.MessageTypeNak, nil
		}
		done(d, err)
	})
}

// TestDiskErrorIsNeverANAK: the second decision, without a write, may be a NAK, which is not sent.
func TestDiskErrorIsNeverANAK(t *testing.T) {
	b := newServerFixture(t, nil)
	b.table.fail = errDisk
	b.Server.process = refusing{b.table}.process
	b.put(7, "255.255.255.255", message(t, 1, dhcpv4.MessageTypeRequest))
	b.run()
	if ev := b.next(t, dhcp.VerdictInternalError); len(b.out) != 0 || ev.Reply != nil || !strings.Contains(ev.Reason, "no space left on device") {
		t.Errorf("%d replies, reason %q, reply %v", len(b.out), ev.Reason, ev.Reply)
	}
}

func TestMalformedPacketIsReported(t *testing.T) {
	b := newServerFixture(t, nil)
	b.put(7, "255.255.255.255", []byte("GET / HTTP/1.1"))
	b.run()
	if ev := b.next(t, dhcp.VerdictMalformed); ev.Interface != "voice0" || !strings.HasPrefix(ev.Reason, "malformed packet") {
		t.Errorf("%+v", ev)
	}
}

// TestBusyProbesAreSkipped (C41): when too many probes run, clients get their address without one.
func TestBusyProbesAreSkipped(t *testing.T) {
	b := newServerFixture(t, nil)
	b.table.probe = true
	for i := range maxProbes {
		b.prober.running[netip.AddrFrom4([4]byte{10, 9, 9, byte(i)})] = nil
	}
	b.put(7, "255.255.255.255", message(t, 1, dhcpv4.MessageTypeDiscover))
	b.run()
	if got := b.table.requests(); len(got) != 1 || !got[0].link.NoProbe || len(b.out) != 1 {
		t.Errorf("%d requests, %d replies, no probe %v", len(got), len(b.out), got[0].link.NoProbe)
	}
}

func TestConfigProblemsAreReportedTogether(t *testing.T) {
	_, err := New(Config{Queue: -1, Interfaces: []string{""}}, nil, nil)
	for _, want := range []string{"no clock", "no logger", "a queue of -1 packets", "interface without a name", "no lease table"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

// FuzzReceive: no received packet causes a panic, and a reply goes only where it may.
func FuzzReceive(f *testing.F) {
	f.Add(message(f, 1, dhcpv4.MessageTypeDiscover), uint8(7))
	f.Add(message(f, 1, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip("10.20.0.9"))), uint8(8))
	f.Add(message(f, 1, dhcpv4.MessageTypeDiscover, dhcpv4.WithGatewayIP(ip("10.40.0.1"))), uint8(8))
	f.Add([]byte{1, 1, 6}, uint8(7))
	// One goroutine and one fixture for all, or coverage would differ from run to run.
	b := newServerFixture(f, nil)
	f.Fuzz(func(t *testing.T, packet []byte, ifindex uint8) {
		if ifindex = 7 + ifindex%2; len(packet) > packetSize {
			return
		}
		clear(b.table.given)
		b.table.seen = nil
		b.put(int(ifindex), "255.255.255.255", packet)
		b.run()
		for len(b.decided) > 0 {
			<-b.decided
		}
		for len(b.dropped) > 0 {
			if <-b.dropped == DropPanic {
				t.Fatal("panic")
			}
		}
		for len(b.out) > 0 {
			s := <-b.out
			relayed := [4]byte(packet[offGIAddr:]) != [4]byte{}
			if !relayed && ifindex != 7 {
				t.Errorf("answered on a link that is not served: %+v", s.to)
			}
			if s.in.Index != int(ifindex) || !s.to.Addr.IsValid() || len(s.packet) < 240 {
				t.Errorf("reply of %d bytes to %+v", len(s.packet), s.to)
			}
		}
	})
}
