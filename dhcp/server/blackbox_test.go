package server

import (
	"bytes"
	"net/netip"
	"testing"

	"plugtone/dhcp"
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

// wireFixture is a switch with a server, seen only by what it sends, and the clients' end of the cable.
type wireFixture struct {
	*network
	*recorder
	clients *rawClients
	relay   udpRelay // at 10.20.0.5, 10.40.0.1 and 10.41.0.1
}

// newWireFixture serves 10.20.0.0/24 on the link, and 10.40.0.0/24 (two addresses) and 10.41.0.0/24 behind the relay.
func newWireFixture(t testing.TB, programs ...string) *wireFixture {
	t.Helper()
	f := &wireFixture{network: newNetwork(t, programs...)}
	phone := f.host("phone", "eth0", "02:00:00:00:00:03")
	f.clients = &rawClients{host: phone, tap: f.wire(phone, "eth0")}
	relay := f.host("relay", "up0", "02:00:00:00:00:05", "10.20.0.5/24", "10.40.0.1/24", "10.41.0.1/24")
	for _, net := range []string{"10.40.0.0/24", "10.41.0.0/24"} {
		f.ok(f.pbx.AddRoute(netip.MustParsePrefix(net), netip.MustParseAddr("10.20.0.5")))
	}
	f.relay = udpRelay{f.udp(relay, "0.0.0.0:67")}
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

// TestPacketsFollowTheRules checks the rules that show in the packets of a server.
func TestPacketsFollowTheRules(t *testing.T) {
	f := newWireFixture(t)
	replies, leases, relays := replyRules{f.clients}, leaseRules{f.clients}, relayRules{f.clients, f.relay, f.network}
	for _, check := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"C14 C16 broadcast", replies.broadcast}, {"C15 C19 C21 C27 unicast, header, what is always there", replies.unicast}, {"C22 C23 order", replies.order},
		{"C01 another server", leases.otherServer}, {"C02 C12 C20 NAK", leases.nak}, {"C03 no offer before", leases.noOffer}, {"C04 INIT-REBOOT", leases.initReboot},
		{"C05 C13 renewal", leases.renewal}, {"C06 C12 renewal of what is another's", leases.wrongRenewal}, {"C07 no address", leases.noAddress}, {"C08 RFC 1541", leases.oldClient},
		{"C09 C18 C51 malformed", replies.malformed}, {"C10 DISCOVER with a server", replies.discoverWithServer}, {"C17 INFORM", replies.inform}, {"C24 C25 size", replies.size},
		{"C25 C26 C28 overload, parts, echo", replies.overload}, {"C34 C35 times", replies.times}, {"C38 C39 the same offer", leases.sameOffer}, {"C45 DECLINE", leases.decline},
		{"C46 RELEASE", leases.release}, {"C47 C48 C50 C52 not served", replies.notServed}, {"C49 again", leases.again}, {"C11 C29 C30 relays", relays.options}, {"C11 C17 relayed NAK and INFORM", relays.relayedNAK},
		{"C30 RFC 5107", relays.override}, {"C42 C43 nothing free", relays.exhausted},
	} {
		if !t.Run(check.name, check.run) {
			return // the next check would read the answers to this one
		}
	}
}
