package dhcp

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// because decides and checks the verdict and a part of its reason: operators read it in the timeline.
func (g *rig) because(v Verdict, reason string, r *Request) Decision {
	g.t.Helper()
	d := g.want(v, r)
	if !strings.Contains(d.Event.Reason, reason) {
		g.t.Errorf("%s of %s: %q, want %q in it", r.Type, r.MAC, d.Event.Reason, reason)
	}
	if d.Reply != nil && d.Reply.Type == MessageTypeNak && string(optionOf(d.Reply, 56)) != d.Event.Reason {
		g.t.Errorf("NAK says %q", optionOf(d.Reply, 56))
	}
	return d
}

// Every refusal has a reason, and it is the right one.
func TestReasonsOfRefusals(t *testing.T) {
	g := newRig(t, config(voice()), fakeReservations{mac(9): ip("10.20.0.107")}, phones{})
	a := g.bind(1)
	g.because(VerdictNak, "not of subnet 10.20.0.0/24", initRebootOf(2, ip("10.21.0.5")))
	g.because(VerdictNak, "is reserved", initRebootOf(2, ip("10.20.0.107")))
	g.because(VerdictNak, "in no pool", initRebootOf(2, ip("10.20.0.50")))
	g.because(VerdictNak, "leased to another", initRebootOf(2, a))
	g.because(VerdictNak, "its lease is "+a.String(), initRebootOf(1, ip("10.20.0.108")))
	offered := g.want(VerdictOffered, discoverOf(3)).Reply.YIAddr
	g.because(VerdictNak, "offered to another", initRebootOf(2, offered))
	g.because(VerdictDeclined, "another host uses the address: duplicate", request(3, MessageTypeDecline, func(r *Request) { r.Requested, r.Message = offered, "duplicate" }))
	g.because(VerdictNak, "in use by an unknown host", initRebootOf(2, offered))
	b := g.bind(4)
	if d := g.because(VerdictDeclined, "another host uses the address", request(4, MessageTypeDecline, func(r *Request) { r.Requested = b })); strings.HasSuffix(d.Event.Reason, ": ") {
		t.Errorf("%q", d.Event.Reason)
	}
	for n := 10; n < 15; n++ {
		g.bind(n)
	}
	g.bind(9) // takes its reservation
	g.because(VerdictNak, "kept for phones", initRebootOf(2, ip("10.20.0.109")))
	g.because(VerdictIgnored, "names no address", request(1, MessageTypeDecline))
	g.because(VerdictIgnored, "not its own", request(2, MessageTypeDecline, func(r *Request) { r.Requested = a }))
	g.because(VerdictIgnored, "names no address", request(1, MessageTypeRelease))
	g.because(VerdictIgnored, "not its own", request(2, MessageTypeRelease, func(r *Request) { r.CIAddr = a }))
	g.now = g.now.Add(time.Minute)
	g.because(VerdictAcked, "remembered its lease", initRebootOf(1, a))
	g.now = g.now.Add(time.Minute)
	if d := g.because(VerdictAcked, "rebound", renewOf(1, a)); strings.Contains(d.Event.Reason, "no lease") {
		t.Errorf("%q", d.Event.Reason)
	}
	g.now = g.now.Add(48 * time.Hour)
	g.because(VerdictAcked, "remembered an address that is free", initRebootOf(20, ip("10.20.0.106")))
	g.because(VerdictAcked, "rebound, though we knew of no lease", renewOf(21, ip("10.20.0.105")))
}

// A client that takes our offer, and doesn't say which, means what it was offered, else what it has.
func TestSelectingWithoutAddress(t *testing.T) {
	g := newRig(t, config(voice()), nil, nil)
	nameless := func(n int) *Request {
		return request(n, MessageTypeRequest, func(r *Request) { r.ServerID = ip("10.20.0.2") })
	}
	g.want(VerdictSilent, nameless(1))
	offered := g.want(VerdictOffered, discoverOf(1)).Reply.YIAddr
	if d := g.want(VerdictAcked, nameless(1)); d.Reply.YIAddr != offered {
		t.Errorf("offered %s, acknowledged %s", offered, d.Reply.YIAddr)
	}
	g.now = g.now.Add(time.Minute)
	if d := g.want(VerdictAcked, nameless(1)); d.Reply.YIAddr != offered {
		t.Errorf("has %s, acknowledged %s", offered, d.Reply.YIAddr)
	}
	g.now = g.now.Add(2 * time.Hour)
	g.want(VerdictSilent, nameless(1)) // it has ended
}

// C07: only a lease that is in force, and that it may still have.
func TestRequestWithoutAddressAfterTheLeaseC07(t *testing.T) {
	res := fakeReservations{}
	g := newRig(t, config(voice()), res, nil)
	a := g.bind(1)
	res[mac(2)] = a
	g.want(VerdictSilent, request(1, MessageTypeRequest))
	delete(res, mac(2))
	g.now = g.now.Add(2 * time.Hour)
	g.want(VerdictSilent, request(1, MessageTypeRequest))
}

// C04: a lease that has ended binds nobody to it; and who is not authoritative still knows whose addresses were his own.
func TestInitRebootAfterTheLeaseC04(t *testing.T) {
	g := newRig(t, config(voice()), nil, nil)
	a, b := g.bind(1), g.bind(2)
	g.now = g.now.Add(2 * time.Hour)
	g.want(VerdictAcked, initRebootOf(1, ip("10.20.0.108")))
	g.engine.cfg.Authoritative = false
	g.want(VerdictSilent, initRebootOf(3, a))
	g.want(VerdictAcked, initRebootOf(2, b))
}

// When a phone was bound first outlives its renewals and its absence, and so does the port that only its relay knows.
func TestFirstSeenAndPortAreKept(t *testing.T) {
	g := newRig(t, config(relayed()), nil, phones{})
	g.link.LocalAddr = ip("192.0.2.2")
	relay := func(port string) func(*Request) {
		return func(r *Request) {
			asPhone(r)
			r.GIAddr, r.Client.CircuitID, r.Client.RemoteID = ip("10.30.0.1"), port, "sw1"
		}
	}
	bind := func(n int, port string) (netip.Addr, bool) {
		t.Helper()
		a := g.want(VerdictOffered, discoverOf(n, relay(port))).Reply.YIAddr
		d := g.want(VerdictAcked, request(n, MessageTypeRequest, relay(port), func(r *Request) { r.Requested, r.ServerID = a, ip("192.0.2.2") }))
		return a, d.Event.NewLease
	}
	a, neverLeased := bind(1, "gi7")
	if !neverLeased {
		t.Error("the first lease is not new")
	}
	check := func(what, port string) {
		t.Helper()
		if l, _ := g.view.At(a); !l.FirstSeen.Equal(start) || l.CircuitID != port || l.RemoteID != "sw1" {
			t.Errorf("after %s: first seen %s, port %q of %q", what, l.FirstSeen, l.CircuitID, l.RemoteID)
		}
	}
	g.now = g.now.Add(time.Hour)
	g.link.Source, g.link.Dest = netip.AddrPortFrom(a, 68), ip("192.0.2.2")
	if d := g.want(VerdictAcked, renewOf(1, a, asPhone)); d.Event.NewLease {
		t.Error("a renewal is a new lease")
	}
	check("a renewal past the relay", "gi7")
	g.now = g.now.Add(60 * 24 * time.Hour)
	again, neverLeased := bind(1, "gi8")
	if neverLeased || again != a {
		t.Errorf("back at %s, had %s; new: %v", again, a, neverLeased)
	}
	check("two months", "gi8")
	if other, _ := bind(2, "gi9"); other == a {
		t.Fatal("one address for two")
	} else if l, _ := g.view.At(other); !l.FirstSeen.Equal(g.now) {
		t.Errorf("the second phone was first seen %s", l.FirstSeen)
	}
}
