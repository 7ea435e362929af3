package dhcp

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// C21, C22, C23: the order of options.
func TestOptionOrderC22(t *testing.T) {
	policy := Policy{Vendor: "x", Options: []Option{{Code: 66, Data: []byte("http://x/"), Force: true}, {Code: 160, Data: []byte("y")}, {Code: 43, Data: []byte("z"), Force: true}}}
	tests := []struct {
		name   string
		params func(*Request)
		want   []uint8
	}{
		{"client's order, mask before router", params(66, 3, 1, 6, 15), []uint8{53, 54, 66, 1, 3, 6, 15, 51, 58, 59, 43, 61}},
		{"snom: mask first anyway", params(1, 6, 3), []uint8{53, 54, 1, 6, 3, 51, 58, 59, 66, 43, 61}},
		{"mask never asked for", params(6, 3), []uint8{53, 54, 1, 6, 3, 51, 58, 59, 66, 43, 61}},
		{"C23 unknown, repeated and the server's own codes", params(200, 51, 6, 6, 53, 54, 58, 82, 61, 1, 0, 255), []uint8{53, 54, 6, 1, 51, 58, 59, 66, 43, 61}},
		{"C51 empty list", params(), []uint8{53, 54, 1, 51, 58, 59, 66, 43, 61}},
		{"no list: everything", func(*Request) {}, []uint8{53, 54, 1, 3, 6, 15, 66, 160, 43, 51, 58, 59, 61}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, config(voice()), nil, phones{policy})
			d := g.want(VerdictOffered, discoverOf(1, asPhone, tc.params, func(r *Request) { r.Client.ClientID = "id" }))
			if got := codes(d.Reply); !slices.Equal(got, tc.want) {
				t.Errorf("got  %v\nwant %v", got, tc.want)
			}
		})
	}
	t.Run("C23 all 254", func(t *testing.T) {
		var all []uint8
		for c := 1; c < 255; c++ {
			all = append(all, uint8(c))
		}
		g := newRig(t, config(voice()), nil, phones{policy})
		d := g.want(VerdictOffered, discoverOf(1, asPhone, params(all...)))
		seen := map[uint8]int{}
		for _, c := range codes(d.Reply) {
			if seen[c]++; seen[c] > 1 {
				t.Errorf("option %d twice", c)
			}
		}
	})
}

// C19, C21: what is copied from the request, and the lease time that Avaya wants in every OFFER.
func TestReplyHeaderC19(t *testing.T) {
	g := newRig(t, config(voice()), nil, nil)
	req := discoverOf(1, func(r *Request) { r.Flags, r.CHAddr[15], r.GIAddr, r.Hops = 0x8001, 7, ip("10.20.0.1"), 3 })
	r := g.want(VerdictOffered, req).Reply
	if r.XID != req.XID || r.Flags != req.Flags || r.CHAddr != req.CHAddr || r.GIAddr != req.GIAddr || r.CIAddr.IsValid() {
		t.Errorf("%+v", r)
	}
	if seconds(optionOf(r, 51)) != 3600 || netip.AddrFrom4([4]byte(optionOf(r, 54))) != ip("10.20.0.2") {
		t.Errorf("options %v", r.Options)
	}
	a := g.bind(2)
	g.now = g.now.Add(time.Minute)
	if r := g.want(VerdictAcked, renewOf(2, a)).Reply; r.CIAddr != a || r.YIAddr != a {
		t.Errorf("renewal answered with ciaddr %s, yiaddr %s", r.CIAddr, r.YIAddr)
	}
}

// C28: option 61 comes back as it was, opaque (C48), unless the vendor's phones can't bear it.
func TestClientIDEchoC28(t *testing.T) {
	id := "\xff\x00\x01\x02\x03duid"
	with := func(r *Request) { r.Client.ClientID = id; asPhone(r) }
	g := newRig(t, config(voice()), nil, phones{})
	if got := optionOf(g.want(VerdictOffered, discoverOf(1, with)).Reply, 61); string(got) != id {
		t.Errorf("echoed %q", got)
	}
	g = newRig(t, config(voice()), nil, phones{Policy{NoClientIDEcho: true}})
	if got := optionOf(g.want(VerdictOffered, discoverOf(1, with)).Reply, 61); got != nil {
		t.Errorf("echoed %q", got)
	}
}

// C29: option 82 comes back verbatim, and is believed only from relays and trusted switches.
func TestRelayInfoC29(t *testing.T) {
	with := func(r *Request) { r.RelayInfo, r.Client.CircuitID, r.Client.RemoteID = "\x01\x01a", "a", "b" }
	for _, tc := range []struct {
		name    string
		trust   bool
		relay   string
		circuit string
	}{{"untrusted switch", false, "", ""}, {"trusted switch", true, "", "a"}, {"relay", false, "10.20.0.1", "a"}} {
		t.Run(tc.name, func(t *testing.T) {
			s := voice()
			s.TrustOption82 = tc.trust
			g := newRig(t, config(s), nil, nil)
			gi := func(r *Request) {
				if tc.relay != "" {
					r.GIAddr = ip(tc.relay)
				}
			}
			d := g.want(VerdictOffered, discoverOf(1, with, gi))
			if d.Reply.RelayInfo != "\x01\x01a" || d.Event.Client.CircuitID != tc.circuit {
				t.Errorf("echo %q, circuit %q", d.Reply.RelayInfo, d.Event.Client.CircuitID)
			}
			d = g.want(VerdictAcked, selectingOf(1, d.Reply.YIAddr, with, gi))
			if l := d.Changes[0].Lease; l.CircuitID != tc.circuit {
				t.Errorf("lease keeps circuit %q", l.CircuitID)
			}
		})
	}
}

// C31: texts end without NUL, or with one where the vendor needs it; the plan's own option stays as it is.
func TestNULTerminateC31(t *testing.T) {
	text := []byte("http://x/")
	policy := Policy{Options: []Option{{Code: 66, Data: text}, {Code: 43, Data: []byte("raw")}}}
	g := newRig(t, config(voice()), nil, phones{policy})
	if got := optionOf(g.do(discoverOf(1, asPhone, params(66))).Reply, 66); string(got) != "http://x/" {
		t.Errorf("66 is %q", got)
	}
	policy.NULTerminate = true
	g = newRig(t, config(voice()), nil, phones{policy})
	r := g.do(discoverOf(1, asPhone, params(66, 43, 15))).Reply
	if string(optionOf(r, 66)) != "http://x/\x00" || string(optionOf(r, 43)) != "raw" || string(optionOf(r, 15)) != "voice.example.net\x00" {
		t.Errorf("options %v", r.Options)
	}
	if string(optionOf(g.do(discoverOf(2, params(15))).Reply, 15)) != "voice.example.net" {
		t.Error("another client gets the NUL too")
	}
}

// C32: 66 and siaddr name the same server; a vendor's 66 beats the plain URL; ordinary networks say nothing of it.
func TestProvisioningServerC32(t *testing.T) {
	s := voice()
	s.NextServer = ip("10.20.0.5")
	g := newRig(t, config(s), nil, phones{})
	r := g.do(discoverOf(1, params(66))).Reply
	if r.SIAddr != ip("10.20.0.5") || string(optionOf(r, 66)) != "http://10.20.0.5/" {
		t.Errorf("siaddr %s, 66 %q", r.SIAddr, optionOf(r, 66))
	}
	s.ProvisioningURL = "https://pbx.example.net/p"
	g = newRig(t, config(s), nil, phones{})
	if got := optionOf(g.do(discoverOf(1, params(66))).Reply, 66); string(got) != "https://pbx.example.net/p/" {
		t.Errorf("66 is %q", got)
	}
	for _, kind := range []string{PhonesNone, PhonesMove} {
		s.Phones, s.VoiceVLAN = kind, 20
		g = newRig(t, config(s), nil, phones{})
		if r := g.do(discoverOf(1, asPhone, params(66))).Reply; r.SIAddr.IsValid() || optionOf(r, 66) != nil {
			t.Errorf("phones %s: siaddr %s, 66 %q", kind, r.SIAddr, optionOf(r, 66))
		}
	}
}

// C33: what the vendor pack encodes is sent as it is; the codes that the server answers for itself can't be overridden.
func TestAdviceOptionsC33(t *testing.T) {
	policy := Policy{Options: []Option{{Code: 43, Data: []byte{2, 1, 'a', 255}}, {Code: 51, Data: []byte{0, 0, 0, 1}, Force: true}, {Code: 6, Data: []byte{9, 9, 9, 9}}}}
	g := newRig(t, config(voice()), nil, phones{policy})
	r := g.do(discoverOf(1, asPhone, params(43, 6, 51))).Reply
	if string(optionOf(r, 43)) != "\x02\x01a\xff" || string(optionOf(r, 6)) != "\x09\x09\x09\x09" || seconds(optionOf(r, 51)) != int(defaultLease.Seconds()) {
		t.Errorf("options %v", r.Options)
	}
}

// C34: T1 < T2 < lease, moved down by at most an eighth, the same for a MAC each time, different between MACs.
func TestRenewalTimesC34(t *testing.T) {
	seen := map[uint32]bool{}
	for n := range 1000 {
		for _, secs := range []uint32{60, 120, 3600, 691200, 4000000000} {
			t1, t2 := renewalTimes(secs, mac(n))
			if !(t1 < t2 && t2 < secs) || t1 > secs/2 || t1 < secs/2-secs/16-1 {
				t.Fatalf("lease %d: T1 %d, T2 %d", secs, t1, t2)
			}
			if again, _ := renewalTimes(secs, mac(n)); again != t1 {
				t.Fatal("not the same again")
			}
			if secs == 691200 {
				seen[t1] = true
			}
		}
	}
	if len(seen) < 400 {
		t.Errorf("only %d different T1 for 1000 phones", len(seen))
	}
	g := newRig(t, config(voice()), nil, nil)
	r := &Reply{}
	x := new(exchange)
	begin(x, g.engine, start, discoverOf(1), &g.link, g.view)
	x.subnet, x.serverID = &g.engine.subnets[0], ip("10.20.0.2")
	if x.fill(r, infinite); optionOf(r, 58) != nil || optionOf(r, 59) != nil {
		t.Error("T1 or T2 beside an infinite lease")
	}
}

// C35: who gets which time, and what becomes of a wish. What the client is told is on disk.
func TestLeaseTimeC35(t *testing.T) {
	s := voice()
	s.LeaseTime, s.OtherLeaseTime = 8*24*time.Hour, 2*time.Hour
	ask := func(secs uint32) func(*Request) { return func(r *Request) { r.LeaseTime = secs } }
	none := func(*Request) {}
	for _, tc := range []struct {
		name   string
		phones string
		as     func(*Request)
		asked  uint32
		want   int
	}{
		{"phone", PhonesProvision, asPhone, 0, 691200},
		{"other", PhonesProvision, none, 0, 7200},
		{"wish for less", PhonesProvision, none, 600, 600},
		{"wish for too little", PhonesProvision, none, 1, 60},
		{"wish for more", PhonesProvision, none, 86400, 7200},
		{"wish for ever", PhonesProvision, none, infinite, 7200},
		{"phone on its way to the voice VLAN", PhonesMove, asPhone, 0, 120},
		{"other there", PhonesMove, none, 0, 7200},
		{"phone in an ordinary network", PhonesNone, asPhone, 0, 7200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.Phones, s.VoiceVLAN = tc.phones, 20
			g := newRig(t, config(s), nil, phones{})
			o := g.want(VerdictOffered, discoverOf(1, tc.as, ask(tc.asked)))
			a := g.want(VerdictAcked, selectingOf(1, o.Reply.YIAddr, tc.as, ask(tc.asked)))
			offered, acked := seconds(optionOf(o.Reply, 51)), seconds(optionOf(a.Reply, 51))
			if offered != tc.want || acked != tc.want {
				t.Errorf("offered %d, acknowledged %d, want %d", offered, acked, tc.want)
			}
			if l := a.Changes[0].Lease; l.Expires.Sub(g.now) < time.Duration(acked)*time.Second {
				t.Errorf("on disk until %s, told %d s", l.Expires, acked)
			}
		})
	}
}

// C39: boot ROM and firmware differ in option 61 and get the same address (metal3, baremetal-operator 1199).
func TestClientIDDoesNotMatterC39(t *testing.T) {
	g := newRig(t, config(voice()), nil, nil)
	id := func(s string) func(*Request) { return func(r *Request) { r.Client.ClientID = s } }
	a := g.bind(1, id("\x01rom"))
	if b := g.bind(1, id("firmware")); a != b {
		t.Errorf("%s, then %s", a, b)
	}
	if s := g.view.Stats()[0]; s.Active != 1 {
		t.Errorf("%d leases", s.Active)
	}
}
