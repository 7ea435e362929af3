package provision_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

func guess(i int) string { return fmt.Sprintf("001565%06x.cfg", 0x400000+i) }

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// guess sends r for the files of n phones.
func (h *fixture) guess(r provision.Request, n int) {
	h.t.Helper()
	for i := range n {
		r.Name = guess(i)
		h.send(r)
	}
}

// fleet makes n phones that all have the same password.
func (h *fixture) fleet(n int, password setting.Secret) []dhcp.MAC {
	h.t.Helper()
	macs := make([]dhcp.MAC, n)
	edit(h.t, h.records, func(e fleet.Edit) error {
		for i := range macs {
			macs[i] = dhcp.MAC{0x00, 0x15, 0x65, 0x50, byte(i >> 8), byte(i)}
			if err := e.PutDevice(&fleet.Device{MAC: macs[i], Vendor: "acme", Model: "A4", Enabled: true,
				Credentials: &trust.Credentials{User: macs[i].Hex(), Password: password}}); err != nil {
				return err
			}
		}
		return nil
	})
	return macs
}

func TestGuesserOutsideTheSubnetsIsRefusedEverything(t *testing.T) {
	for _, known := range []bool{false, true} {
		h := newFixture(t)
		macs := h.fleet(40, "the-same-for-all")
		r := request("")
		for i := range 40 {
			r.Name, r.Authorization = guess(i), basic("x", "y")
			if known {
				r.Name = macs[i].Hex() + ".cfg"
			}
			if a := h.send(r); a.Silent != (i > 20) && (i < 14 || i > 20) {
				t.Fatalf("known %t, request %d: %s", known, i, a.Reason)
			}
		}
		if got := h.kinds(); !slices.Equal(got, []trust.EventKind{trust.EventShutOut}) {
			t.Errorf("alarms %v", got)
		}
		// From that address no file is served without a proof.
		for _, name := range []string{"common004.cfg", guess(1), "x/y.png", "001565123456-local.cfg", "001565123456.boot"} {
			r.Name = name
			if a := h.send(r); !a.Silent || a.Body != nil || a.Status == 0 {
				t.Errorf("%s: %+v", name, a)
			}
			over := r
			over.Transport, over.Authorization = fleet.HTTP, ""
			if a := h.send(over); a.Outcome == provision.Served || a.Status != 401 || a.Body != nil {
				t.Errorf("%s without a password: %+v", name, a)
			}
		}
		h.served(h.get("common004.cfg", "192.0.2.2"))
		h.now = noon.Add(11 * time.Minute)
		r.Name, r.Authorization = "common004.cfg", ""
		h.served(h.send(r))
	}
}

// Where credentials are no proof, no challenge is sent: a proof comes with the request or not at all.
func TestGuesserIsRefusedEverythingWhereCredentialsAreNoProof(t *testing.T) {
	h := newFixture(t)
	h.site.Networks = []fleet.Network{{From: netip.MustParsePrefix("192.0.2.0/24"), Trust: []trust.Proof{trust.ProofCertificate}}}
	h.guess(request(""), 20)
	for _, name := range []string{"common004.cfg", guess(1)} {
		if a := h.send(request(name)); !a.Silent || a.Challenge != "" || a.Body != nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestGuesserOnAServedSubnetIsDelayed(t *testing.T) {
	h := newFixture(t)
	h.leases.Lease("10.20.1.9", mac("001565000009"), voice, noon)
	for _, over := range []fleet.Transport{fleet.HTTP, fleet.TFTP} {
		for i := range 40 {
			r := provision.Request{Transport: over, Method: "GET", Name: guess(i), From: netip.MustParseAddr("10.20.1.9")}
			limited := i > 20
			if a := h.send(r); (i < 14 || limited) && ((a.Delay > 0) != limited || a.Silent != (limited && over == fleet.TFTP)) {
				t.Errorf("%s, request %d: delay %v, silent %t", over, i, a.Delay, a.Silent)
			}
		}
	}
	if a := h.get("common004.cfg", "10.20.1.9"); a.Outcome != provision.Served || a.Delay != 0 {
		t.Errorf("a common file: %s %v", a.Outcome, a.Delay)
	}
	if a := h.get("001565000009.cfg", "10.20.1.9"); a.Delay != 0 || a.Outcome == provision.Refused {
		t.Errorf("its own: %s %v", a.Outcome, a.Delay)
	}
	if !slices.Contains(h.kinds(), trust.EventSlowed) || slices.Contains(h.kinds(), trust.EventShutOut) {
		t.Errorf("alarms %v", h.kinds())
	}
}

// Guessing is reported: in an event (log and metrics), in the timelines of the phones whose files were requested, and by explain.
func TestGuessingIsReported(t *testing.T) {
	h := newFixture(t)
	h.leases.Lease("10.20.1.9", mac("001565000009"), voice, noon)
	for _, place := range []struct {
		from   string
		over   fleet.Transport
		kind   trust.EventKind
		mac    dhcp.MAC
		reason string
	}{
		{"10.20.1.9", fleet.HTTP, trust.EventSlowed, mac("001565000009"), "slowed until 2026-11-22T12:10:00Z"},
		{away, fleet.HTTP, trust.EventShutOut, dhcp.MAC{}, "unless it logs in it is shut out until 2026-11-22T12:10:00Z"},
		{"192.0.2.2", fleet.TFTP, trust.EventShutOut, dhcp.MAC{}, "is shut out until 2026-11-22T12:10:00Z"},
	} {
		h.events = nil
		r := provision.Request{Transport: place.over, Method: "GET", From: netip.MustParseAddr(place.from)}
		if place.over == fleet.HTTP {
			r.Authorization = basic("x", "y")
			r.Transport = fleet.HTTPS
		}
		h.guess(r, 20)
		if i := slices.IndexFunc(h.events, func(a trust.Event) bool { return a.Kind == place.kind }); i < 0 || h.events[i].MAC != place.mac || h.events[i].Addr != r.From ||
			!strings.Contains(h.events[i].Reason, "the files of more than 16 phones without a proof") {
			t.Errorf("%s: alarms %+v", place.from, h.events)
		}
		r.Name, r.Authorization = guess(3), ""
		if a := h.send(r); a.MAC.IsZero() || !strings.Contains(a.Reason, place.reason) {
			t.Errorf("%s: the timeline of %s gets %q", place.from, a.MAC, a.Reason)
		}
		want := place.reason
		if place.over == fleet.TFTP {
			want = "over tftp it is limited until 2026-11-22T12:10:00Z"
		}
		before := len(h.events)
		x, err := h.Explain(context.Background(), provision.Question{Path: guess(1), From: r.From})
		if err != nil || !strings.Contains(x.Answer.Reason, want) || len(h.events) != before {
			t.Errorf("%s: explain: %+v, %v", place.from, x.Answer, err)
		}
	}
}

// A phone that proves itself is served without delay from an address that is limited, with the same files as before.
func TestPhoneWithProofIsServedFromALimitedAddress(t *testing.T) {
	prefix := netip.MustParsePrefix("192.0.2.0/24")
	for _, proof := range []trust.Proof{trust.ProofLease, trust.ProofCredentials, trust.ProofCertificate, trust.ProofNeighbor, trust.ProofAddress, trust.ProofEnroll} {
		h := newFixture(t)
		c := h.withCredentials()
		h.site.Networks = []fleet.Network{{From: prefix, Trust: []trust.Proof{proof}}}
		r := request("001565123456.cfg")
		switch proof {
		case trust.ProofLease:
			r.From = netip.MustParseAddr("10.20.1.7")
		case trust.ProofCertificate:
			r.Certificate = &provision.Certificate{Vendor: "acme", MAC: front}
		case trust.ProofNeighbor:
			h.neighbors = map[netip.Addr]dhcp.MAC{r.From: front}
		case trust.ProofAddress:
			edit(t, h.records, func(e fleet.Edit) error {
				d, err := e.Device(front)
				if err == nil {
					d.ReservedIP = r.From
					err = e.PutDevice(d)
				}
				return err
			})
		case trust.ProofEnroll:
			if _, err := h.Enroll(front, netip.Prefix{}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		guesser := r
		guesser.Certificate, guesser.Authorization = nil, basic("x", "y")
		h.guess(guesser, 40)
		if !slices.Contains(h.kinds(), trust.EventShutOut) && !slices.Contains(h.kinds(), trust.EventSlowed) {
			t.Fatalf("%s: no requester is limited: %v", proof, h.kinds())
		}
		for _, name := range []string{"common004.cfg", "001565123456.cfg", "001565123456-book.xml"} {
			r.Name = name
			if proof == trust.ProofCredentials {
				r.Authorization = ""
				first := h.send(r)
				if first.Status != 401 || first.Silent {
					t.Fatalf("%s: no challenge: %+v", name, first)
				}
				r.Authorization = logIn(first, c.User, c.Password.Reveal(), "/"+name)
			}
			if proof == trust.ProofEnroll && name == "common004.cfg" {
				continue // it names no phone, so it is unknown that a phone of the window requests it
			}
			if a := h.send(r); a.Outcome != provision.Served || a.Proof != proof || a.Delay != 0 || a.Silent {
				t.Errorf("%s by %s: %s, %s, delay %v", name, proof, a.Outcome, a.Reason, a.Delay)
			}
		}
	}
}

func TestExpectedNotFoundIsNoGuess(t *testing.T) {
	h := newFixture(t)
	for _, over := range []fleet.Transport{fleet.TFTP, fleet.HTTP, fleet.HTTPS} {
		for i := range 60 {
			r := request("")
			r.Transport = over
			for _, name := range []string{strings.ReplaceAll(guess(i), ".cfg", ".boot"), strings.ReplaceAll(guess(i), ".cfg", "-local.cfg"),
				"001565123456.cfg" /* one phone, again and again */, fmt.Sprintf("nothing%d.txt", i)} {
				r.Name = name
				h.send(r)
			}
		}
		h.now = h.now.Add(5 * time.Minute)
		r := request("common004.cfg")
		r.Transport = over
		if a := h.send(r); a.Outcome != provision.Served || len(h.events) != 0 {
			t.Errorf("limited over %s for what doesn't count: %s, %v", over, a.Reason, h.events)
		}
	}
}

// The source of a datagram can be forged. So requests over TFTP never limit an address over HTTP, and no number of them evicts the
// count of an address that connected.
func TestForgedDatagramsNeverLimitHTTP(t *testing.T) {
	h := newFixture(t)
	r := request("")
	r.Transport = fleet.TFTP
	h.guess(r, 60)
	r.Name = "common004.cfg"
	if a := h.send(r); !a.Silent {
		t.Error("TFTP is not limited")
	}
	h.served(h.get("common004.cfg", away))

	guesser := request("")
	guesser.From, guesser.Authorization = netip.MustParseAddr("192.0.2.66"), basic("x", "y")
	h.guess(guesser, 20)
	for i := range 10000 {
		r.Name, r.From = guess(i), netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		h.send(r)
	}
	guesser.Name = guess(1)
	if a := h.send(guesser); !a.Silent {
		t.Error("a flood of forged datagrams ends the limit of a guesser")
	}
}

// A whole site behind one address reboots: each phone is challenged, then proves itself. A few never can. Some answer the
// challenge of the last time first, and some send a password in clear before they are challenged.
func TestRebootOfASiteBehindOneAddressIsNoGuessing(t *testing.T) {
	h := newFixture(t)
	const phones, password = 400, "the-same-for-all"
	macs := h.fleet(phones, password)
	answers := make([]provision.Answer, phones)
	for round := range 3 {
		for i, m := range macs {
			h.served(h.send(request("common004.cfg")))
			r := request(m.Hex() + ".cfg")
			r.Transport = fleet.HTTP
			switch {
			case i%3 == 1 && round > 0:
				r.Authorization = logIn(answers[i], m.Hex(), password, "/"+r.Name)
			case i%3 == 2:
				r.Authorization = basic(m.Hex(), password)
			}
			answers[i] = h.send(r)
		}
		for i, m := range macs {
			h.now = h.now.Add(100 * time.Millisecond)
			r := request(m.Hex() + ".cfg")
			secret := password
			if i%20 == 7 {
				secret = "forgotten"
			}
			r.Authorization = logIn(answers[i], m.Hex(), secret, "/"+r.Name)
			if a := h.send(r); (a.Outcome == provision.Served) != (i%20 != 7) {
				t.Fatalf("round %d, phone %d: %s, %s", round, i, a.Outcome, a.Reason)
			}
		}
		h.now = h.now.Add(5 * time.Minute)
	}
	h.served(h.send(request("common004.cfg")))
	if len(h.events) != 0 {
		t.Errorf("alarms %v", h.events)
	}
}

// A host guesses from the address of a whole site. Its phones go on, also those that first answer an old challenge, send a
// password in clear, or begin with a file that needs no proof.
func TestPhonesAreServedBesideAGuesserAtTheirAddress(t *testing.T) {
	h := newFixture(t)
	const password = "the-same-for-all"
	macs := h.fleet(30, password)
	old := h.send(request(macs[0].Hex() + ".cfg"))
	h.now = noon.Add(6 * time.Minute)
	guesser := request("")
	guesser.Authorization = basic("x", "y")
	h.guess(guesser, 40)
	if !slices.Contains(h.kinds(), trust.EventShutOut) {
		t.Fatalf("alarms %v", h.kinds())
	}
	for i, m := range macs {
		for _, name := range []string{"common004.cfg", m.Hex() + ".cfg"} {
			r := request(name)
			r.Transport = fleet.HTTP
			switch i % 3 {
			case 0:
				r.Authorization = logIn(old, m.Hex(), password, "/"+name)
			case 1:
				r.Authorization = basic(m.Hex(), password)
			}
			first := h.send(r)
			if first.Status != 401 || first.Silent {
				t.Fatalf("phone %d is not challenged for %s: %s", i, name, first.Reason)
			}
			r.Authorization = logIn(first, m.Hex(), password, "/"+name)
			h.served(h.send(r))
		}
	}
}

// A requester that only collects challenges, for more phones than any site has, is detected at once, and not only after the time that phones have to
// answer.
func TestBurstOfChallengesIsGuessing(t *testing.T) {
	h := newFixture(t)
	h.guess(request(""), 1200)
	if got := h.kinds(); !slices.Equal(got, []trust.EventKind{trust.EventShutOut}) {
		t.Errorf("alarms %v", got)
	}
}

// Passwords that are tried on a file that needs no proof count, too.
func TestPasswordsTriedOnCommonFilesCount(t *testing.T) {
	for _, name := range []string{"common004.cfg", "001565123456.boot", "001565123456.cfg", "none.png"} {
		h := newFixture(t)
		macs := h.fleet(40, "the-same-for-all")
		r := request(name)
		for _, m := range macs {
			r.Authorization = basic(m.Hex(), "wrong")
			h.send(r)
		}
		if got := h.kinds(); !slices.Contains(got, trust.EventShutOut) {
			t.Errorf("%s: alarms %v", name, got)
		}
	}
}
