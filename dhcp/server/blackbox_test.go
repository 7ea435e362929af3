package server

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
)

// Message types of RFC 2132, 9.6.
const (
	tDiscover = 1 + iota
	tOffer
	tRequest
	tDecline
	tAck
	tNak
	tRelease
	tInform
	tLeaseQuery = 10 // RFC 4388
)

var (
	broadcastHW      = [6]byte{255, 255, 255, 255, 255, 255}
	pbxMAC           = [6]byte{2, 0, 0, 0, 0, 2}
	unspecified      = netip.MustParseAddrPort("0.0.0.0:68")
	limitedBroadcast = netip.MustParseAddrPort("255.255.255.255:67")
	serverIP         = [4]byte{10, 20, 0, 2}
)

// wireFixture is a switch with a server, seen only by what it sends, and the phone's end of the cable.
type wireFixture struct {
	*network
	phone    *netlab.Namespace
	w        *tap
	relay    *net.UDPConn // a relay at 10.20.0.5, 10.40.0.1 and 10.41.0.1
	seq      uint16
	repeated int // messages that renewed has sent again
	*recorder
}

// newWireFixture serves 10.20.0.0/24 on the link, and 10.40.0.0/24 (two addresses) and 10.41.0.0/24 behind the relay.
func newWireFixture(t testing.TB, programs ...string) *wireFixture {
	t.Helper()
	f := &wireFixture{network: newNetwork(t, programs...)}
	f.phone = f.host("phone", "eth0", "02:00:00:00:00:03")
	f.w = f.wire(f.phone, "eth0")
	relay := f.host("relay", "up0", "02:00:00:00:00:05", "10.20.0.5/24", "10.40.0.1/24", "10.41.0.1/24")
	for _, net := range []string{"10.40.0.0/24", "10.41.0.0/24"} {
		f.ok(f.pbx.AddRoute(netip.MustParsePrefix(net), netip.MustParseAddr("10.20.0.5")))
	}
	f.relay = f.udp(relay, "0.0.0.0:67")
	voice := subnet("10.20.0.0/24", "voice0", "10.20.0.50", "10.20.0.249")
	voice.Routers, voice.DNSServers = []netip.Addr{netip.MustParseAddr("10.20.0.1")}, []netip.Addr{netip.MustParseAddr("10.20.0.1")}
	for _, code := range []uint8{224, 225, 226} {
		voice.Options = append(voice.Options, dhcp.Option{Code: code, Data: bytes.Repeat([]byte{code}, 200)})
	}
	far := subnet("10.40.0.0/24", "", "10.40.0.100", "10.40.0.101")
	farther := subnet("10.41.0.0/24", "", "10.41.0.100", "10.41.0.199")
	farther.Relays = []netip.Addr{netip.MustParseAddr("10.20.0.5"), netip.MustParseAddr("10.40.0.1"), netip.MustParseAddr("10.41.0.1")}
	f.recorder, _ = f.serveReal(dhcp.Config{Authoritative: true, Subnets: []dhcp.Subnet{voice, far, farther}}, "voice0")
	return f
}

// message is a client's message, with padding in chaddr that must be returned.
func (f *wireFixture) message(client byte, kind byte, mods ...func(*bootp)) *bootp {
	f.seq++
	m := &bootp{op: 1, htype: 1, hlen: 6, xid: [4]byte{client, kind, byte(f.seq >> 8), byte(f.seq)}, opts: []byte{53, 1, kind}}
	m.chaddr = [16]byte{0, 0x15, 0x65, 0, 1, client, 15: 7}
	for _, mod := range mods {
		mod(m)
	}
	m.opts = append(m.opts, 255)
	return m
}

func option(code byte, data ...byte) func(*bootp) {
	return func(m *bootp) { m.opts = append(append(m.opts, code, byte(len(data))), data...) }
}

func addrOption(code byte, a [4]byte) func(*bootp) { return option(code, a[:]...) }

func ciaddr(a [4]byte) func(*bootp) { return func(m *bootp) { m.ciaddr = a } }

func wantsBroadcast(m *bootp) { m.flags = 0x8000 }

// sendBroadcast sends as a client without an address does.
func (f *wireFixture) sendBroadcast(m *bootp) {
	f.w.send([6]byte(m.chaddr[:6]), broadcastHW, unspecified, limitedBroadcast, m.bytes())
}

// sendUnicast sends to the server's address, from an address that the client has.
func (f *wireFixture) sendUnicast(m *bootp, from [4]byte) {
	f.w.send([6]byte(m.chaddr[:6]), pbxMAC, netip.AddrPortFrom(netip.AddrFrom4(from), 68), netip.AddrPortFrom(netip.AddrFrom4(serverIP), 67), m.bytes())
}

// answer returns the next datagram of the server, which must be the answer to m and of that type.
func (f *wireFixture) answer(t testing.TB, m *bootp, kind byte) received {
	t.Helper()
	c := f.w.next()
	if c.bootp.xid != m.xid || c.bootp.kind() != kind || c.bootp.op != 2 {
		t.Fatalf("answered by type %d for %x, want type %d for %x", c.bootp.kind(), c.bootp.xid, kind, m.xid)
	}
	return c
}

// exchange broadcasts m and returns the reply, which must be of that type.
func (f *wireFixture) exchange(t testing.TB, m *bootp, kind byte) received {
	t.Helper()
	f.sendBroadcast(m)
	return f.answer(t, m, kind)
}

// checkNoReply checks that a message, sent by send, has no answer: the next datagram is the NAK for a client that comes after it.
func (f *wireFixture) checkNoReply(t *testing.T, send func()) {
	t.Helper()
	send()
	f.exchange(t, f.message(0, tRequest, addrOption(50, [4]byte{192, 168, 9, 9})), tNak)
}

// bind returns the address of the lease that a client gets.
func (f *wireFixture) bind(t testing.TB, client byte, mods ...func(*bootp)) [4]byte {
	t.Helper()
	a := f.exchange(t, f.message(client, tDiscover, mods...), tOffer).bootp.yiaddr
	return f.exchange(t, f.message(client, tRequest, append(mods, addrOption(50, a), addrOption(54, serverIP))...), tAck).bootp.yiaddr
}

// TestPacketsFollowTheRules checks the rules that show in the packets of a server.
func TestPacketsFollowTheRules(t *testing.T) {
	f := newWireFixture(t)
	for _, check := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"C14 C16 broadcast", f.broadcast}, {"C15 C19 C21 C27 unicast, header, what is always there", f.unicast}, {"C22 C23 order", f.order},
		{"C01 another server", f.otherServer}, {"C02 C12 C20 NAK", f.nak}, {"C03 no offer before", f.noOffer}, {"C04 INIT-REBOOT", f.initReboot},
		{"C05 C13 renewal", f.renewal}, {"C06 C12 renewal of what is another's", f.wrongRenewal}, {"C07 no address", f.noAddress}, {"C08 RFC 1541", f.oldClient},
		{"C09 C18 C51 malformed", f.malformed}, {"C10 DISCOVER with a server", f.discoverWithServer}, {"C17 INFORM", f.inform}, {"C24 C25 size", f.size},
		{"C25 C26 C28 overload, parts, echo", f.overload}, {"C34 C35 times", f.times}, {"C38 C39 the same offer", f.sameOffer}, {"C45 DECLINE", f.decline},
		{"C46 RELEASE", f.release}, {"C47 C48 C50 C52 not served", f.notServed}, {"C49 again", f.again}, {"C11 C29 C30 relays", f.relays}, {"C11 C17 relayed NAK and INFORM", f.relayedNAK},
		{"C30 RFC 5107", f.override}, {"C42 C43 nothing free", f.exhausted},
	} {
		if !t.Run(check.name, check.run) {
			return // the next check would read the answers to this one
		}
	}
}
