package engine_test

import (
	"net/netip"
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/wire"
)

// The send rule of RFC 2131, 4.1: C11 to C17.
func TestRepliesGoToTheDestinationOfRFC2131(t *testing.T) {
	yi, routed := dhcptest.Addr("10.20.0.100"), dhcptest.Addr("10.40.0.9")
	bcast := func(r *dhcp.Request) { r.Flags = 0x8000 }
	relay := func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr("10.30.0.1") }
	ci := func(a netip.Addr) func(*dhcp.Request) { return func(r *dhcp.Request) { r.CIAddr = a } }
	tests := []struct {
		name      string
		opts      []func(*dhcp.Request)
		reply     dhcp.Reply
		src, dst  string
		addr      string
		raw, bcst bool
	}{
		{"C11 offer through a relay", []func(*dhcp.Request){relay, bcast}, dhcp.Reply{Type: dhcp.MessageTypeOffer, YIAddr: yi}, "10.30.0.1:67", "10.20.0.2", "10.30.0.1:67", false, false},
		{"C11 ack of a renewal through a relay", []func(*dhcp.Request){relay, ci(yi)}, dhcp.Reply{Type: dhcp.MessageTypeAck, YIAddr: yi, CIAddr: yi}, "10.30.0.1:67", "10.20.0.2", "10.30.0.1:67", false, false},
		{"C11 nak through a relay", []func(*dhcp.Request){relay}, dhcp.Reply{Type: dhcp.MessageTypeNak}, "10.30.0.1:67", "10.20.0.2", "10.30.0.1:67", false, false},
		{"C11 relay's own port (RFC 8357)", []func(*dhcp.Request){relay, func(r *dhcp.Request) { r.RelayPort = true }}, dhcp.Reply{Type: dhcp.MessageTypeOffer, YIAddr: yi}, "10.30.0.1:6767", "10.20.0.2", "10.30.0.1:6767", false, false},
		{"C11 another port without 82.19", []func(*dhcp.Request){relay}, dhcp.Reply{Type: dhcp.MessageTypeOffer, YIAddr: yi}, "10.30.0.1:6767", "10.20.0.2", "10.30.0.1:67", false, false},
		{"C12 nak", nil, dhcp.Reply{Type: dhcp.MessageTypeNak}, "0.0.0.0:68", "255.255.255.255", "255.255.255.255:68", false, true},
		{"C12 KeaNakWithCiaddr: nak of a renewal on the link", []func(*dhcp.Request){ci(yi)}, dhcp.Reply{Type: dhcp.MessageTypeNak}, "10.20.0.100:68", "10.20.0.2", "255.255.255.255:68", false, true},
		{"C12 nak of a routed renewal", []func(*dhcp.Request){ci(routed)}, dhcp.Reply{Type: dhcp.MessageTypeNak}, "10.40.0.9:68", "10.20.0.2", "10.40.0.9:68", false, false},
		{"C12 nak of a rebinding from another network", []func(*dhcp.Request){ci(routed)}, dhcp.Reply{Type: dhcp.MessageTypeNak}, "10.40.0.9:68", "255.255.255.255", "255.255.255.255:68", false, true},
		{"C13 ack of a renewal", []func(*dhcp.Request){ci(yi)}, dhcp.Reply{Type: dhcp.MessageTypeAck, YIAddr: yi, CIAddr: yi}, "10.20.0.100:1068", "10.20.0.2", "10.20.0.100:68", false, false},
		{"C13 broadcast flag does not matter then", []func(*dhcp.Request){ci(yi), bcast}, dhcp.Reply{Type: dhcp.MessageTypeAck, YIAddr: yi, CIAddr: yi}, "10.20.0.100:68", "255.255.255.255", "10.20.0.100:68", false, false},
		{"C14 broadcast flag (router7, Kea 2211)", []func(*dhcp.Request){bcast}, dhcp.Reply{Type: dhcp.MessageTypeOffer, YIAddr: yi}, "0.0.0.0:68", "255.255.255.255", "255.255.255.255:68", false, true},
		{"C15 no broadcast flag", nil, dhcp.Reply{Type: dhcp.MessageTypeOffer, YIAddr: yi}, "0.0.0.0:68", "255.255.255.255", "10.20.0.100:68", true, false},
		{"C16 stale source address", nil, dhcp.Reply{Type: dhcp.MessageTypeOffer, YIAddr: yi}, "192.168.1.9:68", "255.255.255.255", "10.20.0.100:68", true, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
			g.Link.Source, g.Link.Dest = netip.MustParseAddrPort(tc.src), dhcptest.Addr(tc.dst)
			tc.reply.From = dhcptest.Addr("10.20.0.2")
			d := wire.ReplyDestination(dhcptest.Message(1, dhcp.MessageTypeRequest, tc.opts...), &tc.reply, &g.Link)
			if d.Addr.String() != tc.addr || d.Raw != tc.raw || d.Broadcast != tc.bcst || d.From != dhcptest.Addr("10.20.0.2") {
				t.Errorf("%+v", d)
			}
			if d.Raw && d.MAC != dhcptest.ClientMAC(1) || d.Broadcast && d.MAC != (dhcp.MAC{255, 255, 255, 255, 255, 255}) {
				t.Errorf("frame goes to %s", d.MAC)
			}
		})
	}
}

// C17: an INFORM is answered at ciaddr, else where it came from, else through its relay as a broadcast. It gets no address, no
// times, and changes nothing; also from an address that we don't manage.
func TestInformIsAnsweredWithoutLeaseC17(t *testing.T) {
	tests := []struct {
		name, src string
		opts      []func(*dhcp.Request)
		addr      string
	}{
		{"ciaddr", "10.20.0.77:68", []func(*dhcp.Request){func(r *dhcp.Request) { r.CIAddr = dhcptest.Addr("10.20.0.77") }}, "10.20.0.77:68"},
		{"no ciaddr", "10.20.0.77:68", nil, "10.20.0.77:68"},
		{"foreign address", "192.168.7.7:68", []func(*dhcp.Request){func(r *dhcp.Request) { r.CIAddr = dhcptest.Addr("192.168.7.7") }}, "192.168.7.7:68"},
		{"routed, in no subnet of ours", "172.16.7.7:68", []func(*dhcp.Request){func(r *dhcp.Request) { r.CIAddr = dhcptest.Addr("172.16.7.7") }}, "172.16.7.7:68"},
		{"relayed", "10.20.0.1:67", []func(*dhcp.Request){func(r *dhcp.Request) { r.CIAddr, r.GIAddr = dhcptest.Addr("10.20.0.77"), dhcptest.Addr("10.20.0.1") }}, "10.20.0.77:68"},
		{"relayed from a network that isn't ours", "172.16.0.1:67", []func(*dhcp.Request){func(r *dhcp.Request) { r.CIAddr, r.GIAddr = dhcptest.Addr("172.16.7.7"), dhcptest.Addr("172.16.0.1") }}, "172.16.7.7:68"},
		{"relayed without ciaddr from there", "172.16.0.1:67", []func(*dhcp.Request){func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr("172.16.0.1") }}, "172.16.0.1:67"},
		{"relayed without ciaddr", "10.30.0.1:67", []func(*dhcp.Request){func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr("10.20.0.1") }}, "10.20.0.1:67"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
			g.Link.Source = netip.MustParseAddrPort(tc.src)
			req := dhcptest.Message(1, dhcp.MessageTypeInform, append(tc.opts, dhcptest.Params(1, 3, 51, 58, 66))...)
			d := g.Want(dhcp.VerdictInformed, req)
			r := d.Reply
			if r.Type != dhcp.MessageTypeAck || r.YIAddr.IsValid() || r.CIAddr != req.CIAddr || len(d.Changes) > 0 {
				t.Errorf("%+v", d)
			}
			for _, code := range []uint8{51, 58, 59} {
				if dhcptest.OptionOf(r, code) != nil {
					t.Errorf("option %d in the answer", code)
				}
			}
			if string(dhcptest.OptionOf(r, 66)) != "http://10.20.0.2/" {
				t.Errorf("options %v", dhcptest.Codes(r))
			}
			if to := wire.ReplyDestination(req, r, &g.Link); to.Addr.String() != tc.addr {
				t.Errorf("sent to %s", to.Addr)
			}
			if relay := req.GIAddr.IsValid() && !req.CIAddr.IsValid(); relay != (r.Flags&0x8000 != 0) {
				t.Errorf("flags %x", r.Flags)
			}
		})
	}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Want(dhcp.VerdictIgnored, dhcptest.Message(1, dhcp.MessageTypeInform)) // from 0.0.0.0 without ciaddr: no address to answer at
}

// Mode inform needs no subnets, and answers nothing else.
func TestModeInformAnswersOnlyINFORM(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcp.Config{Mode: dhcp.ModeInform}, nil, nil)
	g.Link.Source = netip.MustParseAddrPort("10.20.0.77:68")
	d := g.Want(dhcp.VerdictInformed, dhcptest.Message(1, dhcp.MessageTypeInform, dhcptest.Params(66)))
	if string(dhcptest.OptionOf(d.Reply, 66)) != "http://10.20.0.2/" || dhcptest.OptionOf(d.Reply, 1) != nil {
		t.Errorf("options %v", dhcptest.Codes(d.Reply))
	}
	g.Link.Source, g.Link.LocalAddr = netip.MustParseAddrPort("172.16.0.1:67"), dhcptest.Addr("10.20.0.2")
	relay := func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr("172.16.0.1") }
	d = g.Want(dhcp.VerdictInformed, dhcptest.Message(1, dhcp.MessageTypeInform, relay, dhcptest.Params(66), func(r *dhcp.Request) { r.CIAddr = dhcptest.Addr("172.16.7.7") }))
	if string(dhcptest.OptionOf(d.Reply, 66)) != "http://10.20.0.2/" {
		t.Errorf("relayed: options %v", dhcptest.Codes(d.Reply))
	}
	for _, r := range []*dhcp.Request{dhcptest.Discover(1), dhcptest.Discover(1, relay), dhcptest.InitReboot(1, dhcptest.Addr("10.20.0.9")), dhcptest.Renew(1, dhcptest.Addr("10.20.0.77")), dhcptest.Message(1, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = dhcptest.Addr("10.20.0.77") })} {
		g.Want(dhcp.VerdictIgnored, r)
	}
	off := dhcptest.NewFixture(t, dhcp.Config{Mode: dhcp.ModeOff, Subnets: []dhcp.Subnet{dhcptest.Voice()}}, nil, nil)
	off.Want(dhcp.VerdictIgnored, dhcptest.Discover(1))
}
