package engine_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/wire"
)

// C21, C22, C23: the order of options.
func TestOptionOrderC22(t *testing.T) {
	policy := dhcp.Policy{Vendor: "x", Options: []dhcp.Option{{Code: 66, Data: []byte("http://x/"), Force: true}, {Code: 160, Data: []byte("y")}, {Code: 43, Data: []byte("z"), Force: true}}}
	tests := []struct {
		name   string
		params func(*dhcp.Request)
		want   []uint8
	}{
		{"client's order, mask before router", dhcptest.Params(66, 3, 1, 6, 15), []uint8{53, 54, 66, 1, 3, 6, 15, 51, 58, 59, 43, 61}},
		{"snom: mask first anyway", dhcptest.Params(1, 6, 3), []uint8{53, 54, 1, 6, 3, 51, 58, 59, 66, 43, 61}},
		{"mask never requested", dhcptest.Params(6, 3), []uint8{53, 54, 1, 6, 3, 51, 58, 59, 66, 43, 61}},
		{"C23 unknown, repeated and the server's own codes", dhcptest.Params(200, 51, 6, 6, 53, 54, 58, 82, 61, 1, 0, 255), []uint8{53, 54, 6, 1, 51, 58, 59, 66, 43, 61}},
		{"C51 empty list", dhcptest.Params(), []uint8{53, 54, 1, 51, 58, 59, 66, 43, 61}},
		{"no list: everything", func(*dhcp.Request) {}, []uint8{53, 54, 1, 3, 6, 15, 66, 160, 43, 51, 58, 59, 61}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{Policy: policy})
			d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.AsPhone, tc.params, func(r *dhcp.Request) { r.Client.ClientID = "id" }))
			if got := dhcptest.Codes(d.Reply); !slices.Equal(got, tc.want) {
				t.Errorf("got  %v\nwant %v", got, tc.want)
			}
		})
	}
	t.Run("C23 all 254", func(t *testing.T) {
		var all []uint8
		for c := 1; c < 255; c++ {
			all = append(all, uint8(c))
		}
		g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{Policy: policy})
		d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.AsPhone, dhcptest.Params(all...)))
		seen := map[uint8]int{}
		for _, c := range dhcptest.Codes(d.Reply) {
			if seen[c]++; seen[c] > 1 {
				t.Errorf("option %d twice", c)
			}
		}
	})
}

// C19, C21: what is copied from the request, and the lease time that Avaya phones require in every OFFER.
func TestReplyHeaderC19(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	req := dhcptest.Discover(1, func(r *dhcp.Request) {
		r.Flags, r.CHAddr[15], r.GIAddr, r.Hops = 0x8001, 7, dhcptest.Addr("10.20.0.1"), 3
	})
	r := g.Want(dhcp.VerdictOffered, req).Reply
	if r.XID != req.XID || r.Flags != req.Flags || r.CHAddr != req.CHAddr || r.GIAddr != req.GIAddr || r.CIAddr.IsValid() {
		t.Errorf("%+v", r)
	}
	if dhcptest.Seconds(dhcptest.OptionOf(r, 51)) != 3600 || netip.AddrFrom4([4]byte(dhcptest.OptionOf(r, 54))) != dhcptest.Addr("10.20.0.2") {
		t.Errorf("options %v", r.Options)
	}
	a := g.Bind(2)
	g.Now = g.Now.Add(time.Minute)
	if r := g.Want(dhcp.VerdictAcked, dhcptest.Renew(2, a)).Reply; r.CIAddr != a || r.YIAddr != a {
		t.Errorf("renewal answered with ciaddr %s, yiaddr %s", r.CIAddr, r.YIAddr)
	}
}

// C28: option 61 comes back as it was, opaque (C48), unless the vendor's phones reject it.
func TestClientIDEchoC28(t *testing.T) {
	id := "\xff\x00\x01\x02\x03duid"
	with := func(r *dhcp.Request) { r.Client.ClientID = id; dhcptest.AsPhone(r) }
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{})
	if got := dhcptest.OptionOf(g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, with)).Reply, 61); string(got) != id {
		t.Errorf("echoed %q", got)
	}
	g = dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{Policy: dhcp.Policy{NoClientIDEcho: true}})
	if got := dhcptest.OptionOf(g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, with)).Reply, 61); got != nil {
		t.Errorf("echoed %q", got)
	}
}

// C29: option 82 comes back verbatim, and is used only from relays and trusted switches.
func TestRelayInfoC29(t *testing.T) {
	with := func(r *dhcp.Request) { r.RelayInfo, r.Client.CircuitID, r.Client.RemoteID = "\x01\x01a", "a", "b" }
	for _, tc := range []struct {
		name    string
		trust   bool
		relay   string
		circuit string
	}{{"untrusted switch", false, "", ""}, {"trusted switch", true, "", "a"}, {"relay", false, "10.20.0.1", "a"}} {
		t.Run(tc.name, func(t *testing.T) {
			s := dhcptest.Voice()
			s.TrustOption82 = tc.trust
			g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, nil)
			gi := func(r *dhcp.Request) {
				if tc.relay != "" {
					r.GIAddr = dhcptest.Addr(tc.relay)
				}
			}
			d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, with, gi))
			if d.Reply.RelayInfo != "\x01\x01a" || d.Event.Client.CircuitID != tc.circuit {
				t.Errorf("echo %q, circuit %q", d.Reply.RelayInfo, d.Event.Client.CircuitID)
			}
			d = g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, d.Reply.YIAddr, with, gi))
			if l := d.Changes[0].Lease; l.CircuitID != tc.circuit {
				t.Errorf("lease has circuit %q", l.CircuitID)
			}
		})
	}
}

// C31: texts end without NUL, or with one where the vendor needs it; the subnet's own option stays as it is.
func TestTextsEndWithNULOnlyWhereVendorNeedsItC31(t *testing.T) {
	text := []byte("http://x/")
	policy := dhcp.Policy{Options: []dhcp.Option{{Code: 66, Data: text}, {Code: 43, Data: []byte("raw")}}}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{Policy: policy})
	if got := dhcptest.OptionOf(g.Do(dhcptest.Discover(1, dhcptest.AsPhone, dhcptest.Params(66))).Reply, 66); string(got) != "http://x/" {
		t.Errorf("66 is %q", got)
	}
	policy.NULTerminate = true
	g = dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{Policy: policy})
	r := g.Do(dhcptest.Discover(1, dhcptest.AsPhone, dhcptest.Params(66, 43, 15))).Reply
	if string(dhcptest.OptionOf(r, 66)) != "http://x/\x00" || string(dhcptest.OptionOf(r, 43)) != "raw" || string(dhcptest.OptionOf(r, 15)) != "voice.example.net\x00" {
		t.Errorf("options %v", r.Options)
	}
	if string(dhcptest.OptionOf(g.Do(dhcptest.Discover(2, dhcptest.Params(15))).Reply, 15)) != "voice.example.net" {
		t.Error("another client gets the NUL too")
	}
}

// C32: 66 and siaddr name the same server; a vendor's 66 beats the plain URL; ordinary networks send none of them.
func TestProvisioningServerC32(t *testing.T) {
	s := dhcptest.Voice()
	s.NextServer = dhcptest.Addr("10.20.0.5")
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, dhcptest.Phones{})
	r := g.Do(dhcptest.Discover(1, dhcptest.Params(66))).Reply
	if r.SIAddr != dhcptest.Addr("10.20.0.5") || string(dhcptest.OptionOf(r, 66)) != "http://10.20.0.5/" {
		t.Errorf("siaddr %s, 66 %q", r.SIAddr, dhcptest.OptionOf(r, 66))
	}
	s.ProvisioningURL = "https://pbx.example.net/p"
	g = dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, dhcptest.Phones{})
	if got := dhcptest.OptionOf(g.Do(dhcptest.Discover(1, dhcptest.Params(66))).Reply, 66); string(got) != "https://pbx.example.net/p/" {
		t.Errorf("66 is %q", got)
	}
	for _, kind := range []string{dhcp.PhonesNone, dhcp.PhonesMove} {
		s.Phones, s.VoiceVLAN = kind, 20
		g = dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, dhcptest.Phones{})
		if r := g.Do(dhcptest.Discover(1, dhcptest.AsPhone, dhcptest.Params(66))).Reply; r.SIAddr.IsValid() || dhcptest.OptionOf(r, 66) != nil {
			t.Errorf("phones %s: siaddr %s, 66 %q", kind, r.SIAddr, dhcptest.OptionOf(r, 66))
		}
	}
}

// C33: what the vendor pack encodes is sent as it is; the codes that the server sets itself cannot be overridden.
func TestPolicyOptionsC33(t *testing.T) {
	policy := dhcp.Policy{Options: []dhcp.Option{{Code: 43, Data: []byte{2, 1, 'a', 255}}, {Code: 51, Data: []byte{0, 0, 0, 1}, Force: true}, {Code: 6, Data: []byte{9, 9, 9, 9}}}}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{Policy: policy})
	r := g.Do(dhcptest.Discover(1, dhcptest.AsPhone, dhcptest.Params(43, 6, 51))).Reply
	if string(dhcptest.OptionOf(r, 43)) != "\x02\x01a\xff" || string(dhcptest.OptionOf(r, 6)) != "\x09\x09\x09\x09" || dhcptest.Seconds(dhcptest.OptionOf(r, 51)) != int(dhcptest.DefaultLease.Seconds()) {
		t.Errorf("options %v", r.Options)
	}
}

// C35: the lease time of each kind of client, with and without a requested time. The time sent is the time on disk.
func TestLeaseTimeC35(t *testing.T) {
	s := dhcptest.Voice()
	s.LeaseTime, s.OtherLeaseTime = 8*24*time.Hour, 2*time.Hour
	leaseTime := func(secs uint32) func(*dhcp.Request) { return func(r *dhcp.Request) { r.LeaseTime = secs } }
	none := func(*dhcp.Request) {}
	for _, tc := range []struct {
		name      string
		phones    string
		as        func(*dhcp.Request)
		requested uint32
		want      int
	}{
		{"phone", dhcp.PhonesProvision, dhcptest.AsPhone, 0, 691200},
		{"other", dhcp.PhonesProvision, none, 0, 7200},
		{"wish for less", dhcp.PhonesProvision, none, 600, 600},
		{"wish for too little", dhcp.PhonesProvision, none, 1, 60},
		{"wish for more", dhcp.PhonesProvision, none, 86400, 7200},
		{"wish for ever", dhcp.PhonesProvision, none, dhcp.InfiniteLease, 7200},
		{"phone on its way to the voice VLAN", dhcp.PhonesMove, dhcptest.AsPhone, 0, 120},
		{"other there", dhcp.PhonesMove, none, 0, 7200},
		{"phone in an ordinary network", dhcp.PhonesNone, dhcptest.AsPhone, 0, 7200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.Phones, s.VoiceVLAN = tc.phones, 20
			g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, dhcptest.Phones{})
			o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, tc.as, leaseTime(tc.requested)))
			a := g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, o.Reply.YIAddr, tc.as, leaseTime(tc.requested)))
			offered, acked := dhcptest.Seconds(dhcptest.OptionOf(o.Reply, 51)), dhcptest.Seconds(dhcptest.OptionOf(a.Reply, 51))
			if offered != tc.want || acked != tc.want {
				t.Errorf("offered %d, acknowledged %d, want %d", offered, acked, tc.want)
			}
			if l := a.Changes[0].Lease; l.Expires.Sub(g.Now) < time.Duration(acked)*time.Second {
				t.Errorf("on disk until %s, sent %d s", l.Expires, acked)
			}
		})
	}
}

// C39: boot ROM and firmware differ in option 61 and get the same address (metal3, baremetal-operator 1199).
func TestClientIDDoesNotMatterC39(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	id := func(s string) func(*dhcp.Request) { return func(r *dhcp.Request) { r.Client.ClientID = s } }
	a := g.Bind(1, id("\x01rom"))
	if b := g.Bind(1, id("firmware")); a != b {
		t.Errorf("%s, then %s", a, b)
	}
	if s := g.Leases().Stats()[0]; s.Active != 1 {
		t.Errorf("%d leases", s.Active)
	}
}

// C29: an empty option 82 is none, and isn't sent back.
func TestEmptyRelayInfoC29(t *testing.T) {
	req, err := wire.Decode(dhcptest.Packet(dhcp.MessageTypeDiscover, 82, 0, 255))
	if err != nil || req.RelayInfo != "" {
		t.Fatalf("%+v %v", req, err)
	}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	p, _ := wire.Encode(g.Want(dhcp.VerdictOffered, req).Reply, nil, 1500)
	if got := dhcptest.OptionOrder(p); slices.Contains(got, 82) {
		t.Errorf("sent back: %v", got)
	}
}

// C48: an authentication (RFC 3118) is neither evaluated nor sent back, even when it is requested.
func TestAuthenticationIsNotSentBackC48(t *testing.T) {
	req, err := wire.Decode(dhcptest.Packet(dhcp.MessageTypeDiscover, 90, 3, 1, 2, 3, 55, 2, 1, 90, 255))
	if err != nil {
		t.Fatal(err)
	}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	p, _ := wire.Encode(g.Want(dhcp.VerdictOffered, req).Reply, nil, 1500)
	if got := dhcptest.OptionOrder(p); slices.Contains(got, 90) {
		t.Errorf("sent back: %v", got)
	}
}
