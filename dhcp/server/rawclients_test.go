package server

import (
	"net/netip"
	"testing"

	"plugtone/dhcp/netlab"
)

// rawClients are the clients of one host on the link; they send and read frames. A client has the last byte of its MAC as its number.
type rawClients struct {
	host     *netlab.Namespace
	tap      *tap   // on the host's interface
	seq      uint16 // of the last message
	repeated int    // messages that renewed has sent again
}

// message is a client's message, with padding in chaddr that must be returned.
func (c *rawClients) message(client byte, kind byte, mods ...func(*bootp)) *bootp {
	c.seq++
	m := &bootp{op: 1, htype: 1, hlen: 6, xid: [4]byte{client, kind, byte(c.seq >> 8), byte(c.seq)}, opts: []byte{53, 1, kind}}
	m.chaddr = [16]byte{0, 0x15, 0x65, 0, 1, client, 15: 7}
	for _, mod := range mods {
		mod(m)
	}
	m.opts = append(m.opts, 255)
	return m
}

// sendBroadcast sends as a client without an address does.
func (c *rawClients) sendBroadcast(m *bootp) {
	c.tap.send([6]byte(m.chaddr[:6]), broadcastHW, unspecified, limitedBroadcast, m.bytes())
}

// sendUnicast sends to the server's address, from an address that the client has.
func (c *rawClients) sendUnicast(m *bootp, from [4]byte) {
	c.tap.send([6]byte(m.chaddr[:6]), pbxMAC, netip.AddrPortFrom(netip.AddrFrom4(from), 68), netip.AddrPortFrom(netip.AddrFrom4(serverIP), 67), m.bytes())
}

// answer returns the next datagram of the server, which must be the answer to m and of that type.
func (c *rawClients) answer(t testing.TB, m *bootp, kind byte) received {
	t.Helper()
	got := c.tap.next()
	if got.bootp.xid != m.xid || got.bootp.kind() != kind || got.bootp.op != 2 {
		t.Fatalf("answered by type %d for %x, want type %d for %x", got.bootp.kind(), got.bootp.xid, kind, m.xid)
	}
	return got
}

// exchange broadcasts m and returns the reply, which must be of that type.
func (c *rawClients) exchange(t testing.TB, m *bootp, kind byte) received {
	t.Helper()
	c.sendBroadcast(m)
	return c.answer(t, m, kind)
}

// checkNoReply checks that a message, sent by send, has no answer: the next datagram is the NAK for a client that comes after it.
func (c *rawClients) checkNoReply(t *testing.T, send func()) {
	t.Helper()
	send()
	c.exchange(t, c.message(0, tRequest, addrOption(50, [4]byte{192, 168, 9, 9})), tNak)
}

// bind returns the address of the lease that a client gets.
func (c *rawClients) bind(t testing.TB, client byte, mods ...func(*bootp)) [4]byte {
	t.Helper()
	a := c.exchange(t, c.message(client, tDiscover, mods...), tOffer).bootp.yiaddr
	return c.exchange(t, c.message(client, tRequest, append(mods, addrOption(50, a), addrOption(54, serverIP))...), tAck).bootp.yiaddr
}

// renewed sends a renewal from addr until it is answered, and returns the answer.
func (c *rawClients) renewed(t *testing.T, m *bootp, addr [4]byte) received {
	t.Helper()
	for n := range repeats {
		c.repeated += min(n, 1)
		c.sendUnicast(m, addr)
		for {
			got, ok := c.tap.nextWithin(repeatAfter)
			if !ok {
				break
			}
			if got.bootp.xid == m.xid {
				return got
			}
		}
	}
	t.Fatalf("no answer to %d messages", repeats)
	return received{}
}

// own gives the clients' host an address, for which it then answers by ARP.
func (c *rawClients) own(t *testing.T, a [4]byte) {
	t.Helper()
	if err := c.host.AddAddr("eth0", netip.PrefixFrom(netip.AddrFrom4(a), 24)); err != nil {
		t.Fatal(err)
	}
}

func option(code byte, data ...byte) func(*bootp) {
	return func(m *bootp) { m.opts = append(append(m.opts, code, byte(len(data))), data...) }
}

func addrOption(code byte, a [4]byte) func(*bootp) { return option(code, a[:]...) }

func ciaddr(a [4]byte) func(*bootp) { return func(m *bootp) { m.ciaddr = a } }

func wantsBroadcast(m *bootp) { m.flags = 0x8000 }
