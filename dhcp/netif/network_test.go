package netif

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
)

func TestMain(m *testing.M) {
	if status, ran := netlab.Enter(); ran {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// network is two hosts on one cable: pbx with voice0 at 10.20.0.2/24, and phone with eth0 at 10.20.0.9/24.
type network struct {
	t          *testing.T
	lab        *netlab.Lab
	pbx, phone *netlab.Namespace
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, lab: netlab.Require(t)}
	n.pbx, n.phone = n.namespace("pbx"), n.namespace("phone")
	n.ok(n.lab.Link(netlab.Port{Namespace: n.pbx, Name: "voice0", MAC: "02:00:00:00:00:02", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.2/24")}},
		netlab.Port{Namespace: n.phone, Name: "eth0", MAC: "02:00:00:00:00:09", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.9/24")}}))
	return n
}

func (n *network) ok(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *network) namespace(name string) *netlab.Namespace {
	n.t.Helper()
	ns, err := n.lab.Namespace(name)
	n.ok(err)
	return ns
}

func (n *network) list(ns *netlab.Namespace) *Snapshot {
	n.t.Helper()
	var now *Snapshot
	n.ok(ns.Do(func() error {
		l, err := NewLister()
		if err != nil {
			return err
		}
		defer l.Close()
		now, err = l.List()
		return err
	}))
	return now
}

func (n *network) sender(ns *netlab.Namespace) *FrameSender {
	n.t.Helper()
	s, err := NewFrameSender(ns.Do)
	n.ok(err)
	return s
}

// TestOneSocketForEachLink: frames of each interface leave by a socket of its own, which ends with the interface.
func TestOneSocketForEachLink(t *testing.T) {
	n := newNetwork(t)
	n.ok(n.lab.Link(netlab.Port{Namespace: n.pbx, Name: "voice1"}, netlab.Port{Namespace: n.namespace("other"), Name: "eth0"}))
	raw, now := n.sender(n.pbx), n.list(n.pbx)
	a, b := now.ByName["voice0"].Index, now.ByName["voice1"].Index
	for range 2 {
		for _, index := range []int{a, b} {
			n.ok(raw.Send(index, Frame{Src: Endpoint{Addr: BroadcastAddr}, Dst: Endpoint{Addr: BroadcastAddr}}.Append(nil)))
		}
	}
	if len(raw.socks) != 2 || raw.socks[a] == raw.socks[b] {
		t.Errorf("sockets %v", raw.socks)
	}
	n.ok(n.pbx.Remove("voice1"))
	raw.Retain(n.list(n.pbx))
	if _, there := raw.socks[b]; there || len(raw.socks) != 1 {
		t.Errorf("sockets %v after the link is gone", raw.socks)
	}
	n.ok(raw.Close())
	if err := raw.Send(a, make([]byte, etherLen)); err != unix.ENODEV {
		t.Errorf("after the end: %v", err)
	}
}

// TestARPReplyOfAnotherVLANIsNoConflict: the kernel shows packet sockets the frames of a VLAN without a sub-interface here,
// without their tag. A host there has nothing to do with this link.
func TestARPReplyOfAnotherVLANIsNoConflict(t *testing.T) {
	n := newNetwork(t)
	raw, index := n.sender(n.phone), n.list(n.phone).ByName["eth0"].Index
	defer raw.Close()
	var arp *ARP
	link := n.list(n.pbx).ByName["voice0"]
	n.ok(n.pbx.Do(func() (err error) {
		arp, err = OpenARP(link)
		return err
	}))
	defer arp.Close()
	replies := make(chan dhcp.MAC, 2)
	arp.mu.Lock()
	arp.waiting = map[netip.Addr]chan dhcp.MAC{netip.MustParseAddr("10.20.0.130"): replies, netip.MustParseAddr("10.20.0.120"): replies}
	arp.mu.Unlock()
	n.ok(raw.Send(index, tagged(arpReplyFrame(dhcp.MAC{2, 0, 0, 0, 0, 0x30}, arp.mac, "10.20.0.130"), 30)))
	n.ok(raw.Send(index, arpReplyFrame(dhcp.MAC{2, 0, 0, 0, 0, 0x20}, arp.mac, "10.20.0.120")))
	select {
	case mac := <-replies:
		if mac[5] != 0x20 {
			t.Errorf("%s, in another VLAN, answers for an address", mac)
		}
	case <-time.After(20 * time.Second):
		t.Error("no reply in 20 s")
	}
}

// TestFramesOfThisLinkAlone: a socket for frames receives IPv4 for this host, also with a tag that is only a priority; neither what leaves, nor other
// protocols, nor what is for other hosts or VLANs.
func TestFramesOfThisLinkAlone(t *testing.T) {
	n := newNetwork(t)
	raw, own := n.sender(n.phone), n.sender(n.pbx)
	defer raw.Close()
	defer own.Close()
	link, index := n.list(n.pbx).ByName["voice0"], n.list(n.phone).ByName["eth0"].Index
	var sock *PacketSocket
	n.ok(n.pbx.Do(func() (err error) {
		sock, err = OpenFrames(link.Index, append(SkipOtherHost(1), bpf.RetConstant{Val: 2048}, bpf.RetConstant{Val: 0}))
		return err
	}))
	defer sock.Close()
	n.ok(sock.SetReadDeadline(time.Now().Add(20 * time.Second)))
	frame := func(to dhcp.MAC, text string) []byte {
		end := Endpoint{MAC: to, Addr: netip.MustParseAddr("10.20.0.9"), Port: 67}
		return Frame{Src: end, Dst: end, Payload: []byte(text)}.Append(nil)
	}
	n.ok(own.Send(link.Index, frame(BroadcastMAC, "it leaves")))
	n.ok(raw.Send(index, arpReplyFrame(dhcp.MAC{2}, link.MAC, "10.20.0.9")))
	n.ok(raw.Send(index, frame(dhcp.MAC{2, 0, 0, 0, 0, 0x66}, "for another host")))
	n.ok(raw.Send(index, tagged(frame(link.MAC, "of a VLAN"), 30)))
	buf := make([]byte, 2048)
	for text, b := range map[string][]byte{"broadcast": frame(BroadcastMAC, "broadcast"), "priority": tagged(frame(link.MAC, "priority"), 5<<13)} {
		n.ok(raw.Send(index, b))
		size, err := sock.Read(buf)
		if f, _ := ParseFrame(buf[:size]); err != nil || string(f.Payload) != text {
			t.Errorf("%q instead of %q: %x (%v)", f.Payload, text, buf[:size], err)
		}
	}
}

// arpReplyFrame returns the frame of an ARP reply: mac has addr (RFC 826).
func arpReplyFrame(mac, to dhcp.MAC, addr string) []byte {
	b := append(append(append([]byte{}, to[:]...), mac[:]...), 8, 6)
	b = append(b, 0, 1, 8, 0, 6, 4, 0, 2)
	b = append(append(b, mac[:]...), netip.MustParseAddr(addr).AsSlice()...)
	return append(append(b, to[:]...), 0, 0, 0, 0)
}

// tagged puts a VLAN's tag into a frame (IEEE 802.1Q).
func tagged(frame []byte, vlan uint16) []byte {
	b := append([]byte{}, frame[:12]...)
	b = binary.BigEndian.AppendUint16(b, 0x8100)
	b = binary.BigEndian.AppendUint16(b, vlan)
	return append(b, frame[12:]...)
}

// TestProbeEndsWithinHalfASecond (C41): with no reply, or with one for another address, it ends after 450 ms and three
// requests; with a reply it ends at once, and the first reply counts.
func TestProbeEndsWithinHalfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w probeWait
		addr, sent, began := netip.MustParseAddr("10.20.0.9"), 0, time.Now()
		_, used, err := w.repeat(t.Context(), addr, func() error { sent++; w.replied(addr.Next(), dhcp.MAC{3}); return nil })
		if took := time.Since(began); used || err != nil || sent != 3 || took != 450*time.Millisecond {
			t.Errorf("in use %v, %d requests in %s (%v)", used, sent, took, err)
		}
		began = time.Now()
		mac, used, err := w.repeat(t.Context(), addr, func() error { w.replied(addr, dhcp.MAC{2}); w.replied(addr, dhcp.MAC{4}); return nil })
		if took := time.Since(began); !used || mac != (dhcp.MAC{2}) || err != nil || took != 0 {
			t.Errorf("%s in use %v after %s (%v)", mac, used, took, err)
		}
	})
}

func TestPortOwnerReadsTheThreadsNamespace(t *testing.T) {
	n := newNetwork(t)
	n.ok(n.pbx.Do(func() error {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 67})
		if err != nil {
			return err
		}
		defer conn.Close()
		if pid, _, ok := PortOwner("udp", 67); !ok || pid != os.Getpid() {
			t.Errorf("process %d, found %v", pid, ok)
		}
		return nil
	}))
}
