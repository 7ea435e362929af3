package server

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/netif"
	"plugtone/dhcp/netlab"
)

// TestSubInterfaceHasClientsOfItsOwn: a link on top of another, as the voice VLAN is on a trunk, has clients of its own; the link below is
// not served. The frame to a client without an address leaves by the upper one. Where the kernel has no VLANs the links
// are macvlans, and tags are not tested.
func TestSubInterfaceHasClientsOfItsOwn(t *testing.T) {
	for name, args := range map[string][]string{"broadcast": {"-B"}, "unicast": nil} {
		t.Run(name, func(t *testing.T) {
			s, d := newNetwork(t, "udhcpc"), newFakeTable()
			kind, err := s.pbx.SubLink("voice0", "voice0.20", 20, netip.MustParsePrefix("10.70.0.2/24"))
			s.ok(err)
			t.Log("the kernel made a", kind)
			j := s.serve(d, func(c *Config) { c.Interfaces = []string{"voice0.20"} })
			phone := s.host("phone", "cable0", "")
			_, err = phone.SubLink("cable0", "eth0", 20)
			s.ok(err)
			if got := s.udhcpc(phone, args...).next("bound"); got != "10.70.0.100 10.70.0.2" {
				t.Errorf("bound to %q", got)
			}
			j.next(t, dhcp.VerdictAcked)
			if l := d.requests()[0].link; l.Interface != "voice0.20" || l.Addrs[0].Addr().String() != "10.70.0.2" {
				t.Errorf("the DISCOVER came with %+v", l)
			}
			if len(j.fallback) > 0 {
				t.Errorf("sent by broadcast: %v", <-j.fallback)
			}
		})
	}
}

// TestAddressThatChanges: the server's own address goes, another comes; the next client is answered from that.
func TestAddressThatChanges(t *testing.T) {
	s := newNetwork(t, "udhcpc")
	cfg := dhcp.Config{Authoritative: true, Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109")}}
	j, _ := s.serveReal(cfg, "voice0")
	for i, own := range []string{"10.20.0.2/24", "10.20.0.3/24"} {
		if i > 0 {
			s.ok(s.pbx.DelAddr("voice0", netip.MustParsePrefix("10.20.0.2/24"))) // the kernel takes secondary ones with it
			s.ok(s.pbx.AddAddr("voice0", netip.MustParsePrefix(own)))
		}
		s.until("the server has "+own, func() bool { // the kernel reports it
			return slices.Contains(s.server.links.snapshot().ByName["voice0"].Addrs, netip.MustParsePrefix(own))
		})
		want := strings.TrimSuffix(own, "/24")
		c := s.udhcpc(s.host("phone"+want[len(want)-1:], "eth0", ""))
		if got := c.next("bound"); !strings.HasSuffix(got, " "+want) {
			t.Errorf("bound to %q, want server %s", got, want)
		}
		if ev := j.next(t, dhcp.VerdictAcked); ev.Reply.From.String() != want || ev.Reply.SIAddr.String() != want {
			t.Errorf("answered from %s, siaddr %s", ev.Reply.From, ev.Reply.SIAddr)
		}
	}
}

// TestLinkDownAndUp: after a link was down, packets of clients and of other servers are received again.
func TestLinkDownAndUp(t *testing.T) {
	s, d := newNetwork(t, "udhcpc"), newFakeTable()
	j := s.serve(d, nil)
	s.ok(s.pbx.Down("voice0"))
	s.ok(s.pbx.Up("voice0"))
	if got := s.udhcpc(s.host("phone", "eth0", "")).next("bound"); got != "10.20.0.100 10.20.0.2" {
		t.Errorf("bound to %q", got)
	}
	rogue := s.host("rogue", "lan0", "02:00:00:00:00:66", "10.20.0.66/24")
	s.serveOn(rogue, newFakeTable(), func(c *Config) { c.Interfaces = []string{"lan0"} })
	for n := 0; n < 20 && len(j.others) == 0; n++ { // the link is followed again a moment after it is up
		s.udhcpc(s.host(fmt.Sprint("other", n), "eth0", ""), "-B").next("bound")
	}
	if o := receive(t, j.others); o.Server.String() != "10.20.0.66" {
		t.Errorf("seen: %+v", o)
	}
}

// TestFramesOfOtherVLANs: frames with the tag of a VLAN that has no sub-interface here belong to other networks, though the
// kernel shows them to packet sockets without their tag: a server there is no rogue here.
func TestFramesOfOtherVLANs(t *testing.T) {
	s := newNetwork(t)
	j := s.serve(newFakeTable(), nil)
	rogue := s.host("rogue", "lan0", "02:00:00:00:00:66", "10.20.0.66/24")
	port := s.link(rogue, "lan0")
	raw, err := netif.NewFrameSender(rogue.Do)
	s.ok(err)
	defer raw.Close()
	offer := netif.Frame{Src: netif.Endpoint{MAC: port.MAC, Addr: netip.MustParseAddr("10.30.0.66"), Port: 67},
		Dst: netif.Endpoint{MAC: netif.BroadcastMAC, Addr: netif.BroadcastAddr, Port: 68}, Payload: offerOf("10.30.0.66")}
	foreign := tagged(offer.Append(nil), 30)
	offer.Payload = offerOf("10.20.0.66")
	s.until("an offer is reported", func() bool { // the link is followed a moment after the server is ready
		s.ok(raw.Send(port.Index, foreign))
		s.ok(raw.Send(port.Index, offer.Append(nil)))
		return len(j.others) > 0
	})
	if o := receive(t, j.others); o.Server.String() != "10.20.0.66" {
		t.Errorf("%s, in another VLAN, is reported", o.Server)
	}
}

// link returns an interface of a namespace.
func (s *network) link(ns *netlab.Namespace, name string) *netif.Interface {
	s.t.Helper()
	var link *netif.Interface
	s.ok(ns.Do(func() (err error) {
		link, err = netif.InterfaceByName(name)
		return err
	}))
	return link
}

// offerOf is the least that can be taken for a server's OFFER, from the figures of RFC 2131.
func offerOf(server string) []byte {
	p := make([]byte, 240, 300)
	p[0], p[1], p[2] = 2, 1, 6
	copy(p[236:], []byte{99, 130, 83, 99})
	p = append(p, 53, 1, 2, 54, 4)
	p = append(p, ip(server)...)
	return append(p, 255)
}

// tagged puts a VLAN's tag into a frame (IEEE 802.1Q).
func tagged(frame []byte, vlan uint16) []byte {
	b := append([]byte{}, frame[:12]...)
	b = binary.BigEndian.AppendUint16(b, 0x8100)
	b = binary.BigEndian.AppendUint16(b, vlan)
	return append(b, frame[12:]...)
}
