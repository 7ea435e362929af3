package provision_test

import (
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

const fleetPassword setting.Secret = "the-same-for-all"

func addrOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 20, byte(i >> 8), byte(i)}) }

// bindFleet gives phones their leases of a day, the first at 10.20.0.0.
func (h *fixture) bindFleet(macs []dhcp.MAC) {
	for i, m := range macs {
		l := h.leases.Lease(addrOf(i).String(), m, voice, h.now)
		l.Phone = true
		h.leases.Put(l)
		h.Trust().Bound(l)
	}
}

// own requests a phone's file from its leased address, and logs in when it is challenged.
func (h *fixture) own(i int, m dhcp.MAC) provision.Answer {
	r := provision.Request{Transport: fleet.HTTP, Method: "GET", Name: m.Hex() + ".cfg", From: addrOf(i)}
	a := h.send(r)
	if a.Status == 401 {
		r.Authorization = logIn(a, m.Hex(), fleetPassword.Reveal(), "/"+r.Name)
		a = h.send(r)
	}
	return a
}

// usedCredentials is a fleet that is bound and has used its credentials a day before now.
func (h *fixture) usedCredentials(n int) []dhcp.MAC {
	h.t.Helper()
	macs := h.fleet(n, fleetPassword)
	h.now = noon.Add(-24 * time.Hour)
	h.bindFleet(macs)
	for range 2 { // the first boot gives them the credentials, the second uses them
		for i, m := range macs {
			h.served(h.own(i, m))
		}
		h.now = h.now.Add(time.Hour)
	}
	for i, m := range macs {
		if a := h.own(i, m); a.Proof != trust.ProofCredentials || a.OwnProof.IsZero() {
			h.t.Fatalf("%s proves itself by %q: %s", m, a.Proof, a.Reason)
		}
	}
	h.now, h.events = noon.Add(-13*time.Hour), nil
	return macs
}

// A host takes lease after lease with the MACs of phones that have used their credentials, and requests their files in
// every way that it can.
func TestHostWithBorrowedLeasesGetsFilesOfAtMostFivePhones(t *testing.T) {
	h := newFixture(t)
	macs := h.usedCredentials(120)
	h.bindFleet(macs)
	got := map[dhcp.MAC]bool{}
	for range 3 {
		for i, m := range macs {
			h.now = h.now.Add(5 * time.Millisecond)
			for _, r := range []provision.Request{
				{Transport: fleet.HTTP, Name: m.Hex() + ".cfg"},
				{Transport: fleet.HTTP, Name: strings.ToUpper(m.Hex()) + ".cfg"},
				{Transport: fleet.TFTP, Name: m.Hex() + ".cfg"},
				{Transport: fleet.HTTPS, Name: m.Hex() + ".cfg", Authorization: basic(m.Hex(), "wrong")},
				{Transport: fleet.TFTP, Name: m.Hex() + "-book.xml"},
			} {
				r.Method, r.From = "GET", addrOf(i)
				if a := h.send(r); a.Outcome == provision.Served {
					got[m] = true
				}
			}
		}
	}
	if len(got) != 5 {
		t.Errorf("files of %d phones were served, want those of 5", len(got))
	}
	if n := count(h.kinds(), trust.EventManyPhones); n != 1 {
		t.Errorf("%d events about many phones", n)
	}
	if n := count(h.kinds(), trust.EventStepUp); n < 5 {
		t.Errorf("%d events about phones without their credentials", n)
	}
	// The phones themselves are served all the while.
	for i, m := range macs {
		h.served(h.own(i, m))
	}
}

func count(kinds []trust.EventKind, kind trust.EventKind) (n int) {
	for _, k := range kinds {
		if k == kind {
			n++
		}
	}
	return n
}

func TestPowerCutOfPhonesWithCredentialsIsServed(t *testing.T) {
	h := newFixture(t)
	macs := h.usedCredentials(1000)
	h.bindFleet(macs)
	for i, m := range macs {
		h.now = h.now.Add(time.Millisecond)
		if a := h.own(i, m); a.Outcome != provision.Served || a.Proof != trust.ProofCredentials || a.Delay != 0 {
			t.Fatalf("phone %d: %s, %s", i, a.Outcome, a.Reason)
		}
	}
	if got := h.kinds(); !slices.Equal(got, []trust.EventKind{trust.EventManyPhones}) {
		t.Errorf("events %v", got)
	}
}

func TestFirstBootNeedsNoCredentials(t *testing.T) {
	h := newFixture(t)
	macs := h.fleet(40, fleetPassword)
	h.bindFleet(macs)
	for i, m := range macs {
		for _, name := range []string{".boot", ".cfg", "-book.xml", ".cfg"} {
			if a := h.get(m.Hex()+name, addrOf(i).String()); a.Outcome == provision.Refused {
				t.Fatalf("%s: %s", a.Name, a.Reason)
			}
		}
	}
}

// A phone over TFTP can't send credentials. It keeps the lease as its proof.
func TestPhoneOverTFTPKeepsTheLeaseProof(t *testing.T) {
	h := newFixture(t)
	site := *h.site
	site.Subnets = slices.Clone(site.Subnets)
	for i := range site.Subnets {
		site.Subnets[i].ProvisioningURL = "tftp://10.20.0.2/"
	}
	h.site = &site
	h.fetches = []fleet.Fetch{{MAC: front, File: "001565123456.cfg", Time: noon, OwnProof: noon.Add(-time.Hour)}}
	for range 40 {
		h.now = h.now.Add(time.Minute)
		h.served(h.send(provision.Request{Transport: fleet.TFTP, Method: "GET", Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7")}))
	}
	if len(h.events) != 0 {
		t.Errorf("events %v", h.events)
	}
}

// What is stored with the fetches is enough to require credentials after a restart, unless the record is newer.
func TestStepUpSurvivesARestart(t *testing.T) {
	for _, tt := range []struct {
		proved time.Time
		want   provision.Outcome
	}{{noon.Add(-time.Hour), provision.Refused}, {time.Unix(1, 0), provision.Served}, {time.Time{}, provision.Served}} {
		h := newFixture(t)
		h.withCredentials()
		h.fetches = []fleet.Fetch{{MAC: front, File: "001565123456.cfg", Time: noon, OwnProof: tt.proved}}
		a := h.get("001565123456.cfg", "10.20.1.7")
		if a.Outcome != tt.want || (a.Challenge != "") != (tt.want == provision.Refused) {
			t.Errorf("proved at %s: %s, %s", tt.proved, a.Outcome, a.Reason)
		}
		if tt.want == provision.Refused {
			a = h.get("001565123456.cfg", "10.20.1.7")
			h.served(a)
			if !strings.Contains(a.Reason, "counts as factory-reset; 4 more may in subnet 10.20.0.0/22") || !a.OwnProof.Equal(tt.proved) {
				t.Errorf("without an answer: %s, own proof %s", a.Reason, a.OwnProof)
			}
		}
	}
}

// A phone's upload may contain secrets. Once the phone has used its credentials, its upload is served only with them.
func TestUploadNeedsTheCredentialsThatThePhoneHasUsed(t *testing.T) {
	h := newFixture(t)
	c := h.withCredentials()
	h.site.Resets = &trust.Resets{}
	h.put(overrides, "10.20.1.7", "dial = 0")
	h.fetches = []fleet.Fetch{{MAC: front, File: "001565123456.cfg", Time: noon, OwnProof: noon.Add(-time.Hour)}}
	r := provision.Request{Transport: fleet.HTTP, Method: "GET", Name: overrides, From: netip.MustParseAddr("10.20.1.7")}
	a := h.send(r)
	if a.Outcome != provision.Refused || a.Challenge == "" {
		t.Fatalf("%s: %s", a.Outcome, a.Reason)
	}
	r.Authorization = logIn(a, c.User, c.Password.Reveal(), "/"+overrides)
	h.served(h.send(r))
}

func TestEnrollServesAPhoneBeyondTheBudget(t *testing.T) {
	h := newFixture(t)
	h.site.Resets = &trust.Resets{}
	h.fetches = []fleet.Fetch{{MAC: front, File: "001565123456.cfg", Time: noon, OwnProof: noon.Add(-time.Hour)}}
	for range 3 {
		a := h.get("001565123456.cfg", "10.20.1.7")
		if a.Outcome != provision.Refused {
			t.Fatalf("%s: %s", a.Outcome, a.Reason)
		}
	}
	if a := h.get("001565123456.cfg", "10.20.1.7"); !strings.Contains(a.Reason, "plugtone device enroll 00:15:65:12:34:56 serves it now") || a.MAC != front {
		t.Errorf("the reason does not name the command that helps: %s", a.Reason)
	}
	if _, err := h.Enroll(front, netip.Prefix{}, time.Hour); err != nil {
		t.Fatal(err)
	}
	h.served(h.get("001565123456.cfg", "10.20.1.7"))
}

func TestPinnedPortRefusesAnotherUntilEnrolled(t *testing.T) {
	h := newFixture(t)
	for i := range h.site.Subnets {
		h.site.Subnets[i].PinPort = true
	}
	behind := func(port string) provision.Answer {
		l, _ := h.leases.LeaseAt(netip.MustParseAddr("10.20.1.7"))
		l.CircuitID = port
		h.leases.Put(l)
		return h.get("001565123456.cfg", "10.20.1.7")
	}
	h.served(behind("port 7"))
	h.events = nil
	for range 3 {
		a := behind("port 9")
		if a.Outcome != provision.Refused || !strings.Contains(a.Reason, `it is behind switch port "port 9" and before it was behind "port 7" (pin_port)`) {
			t.Fatalf("%s: %s", a.Outcome, a.Reason)
		}
	}
	if got := h.kinds(); !slices.Equal(got, []trust.EventKind{trust.EventPortChanged}) {
		t.Errorf("events %v", got)
	}
	h.served(behind("port 7"))
	if _, err := h.Enroll(front, netip.Prefix{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	h.served(behind("port 9"))
	h.now = h.now.Add(time.Hour)
	h.served(behind("port 9"))
	if a := behind("port 7"); a.Outcome != provision.Refused {
		t.Errorf("the old port after the new one was enrolled: %s", a.Outcome)
	}
}

func TestPhoneWithLeasesInTwoSubnetsIsRefusedAtBoth(t *testing.T) {
	h := newFixture(t)
	c := h.withCredentials()
	old, _ := h.leases.LeaseAt(netip.MustParseAddr("10.20.1.7"))
	old.Phone = true
	h.leases.Put(old)
	h.Trust().Bound(old)
	h.now = h.now.Add(time.Hour)
	second := h.leases.Lease("10.40.0.7", front, "10.40.0.0/24", h.now)
	second.Phone = true
	h.leases.Put(second)
	h.Trust().Bound(second)
	for _, from := range []string{"10.20.1.7", "10.40.0.7"} {
		a := h.get("001565123456.cfg", from)
		if a.Outcome != provision.Refused || !strings.Contains(a.Reason, "neither is proof until the older lease has ended") {
			t.Errorf("%s: %s, %s", from, a.Outcome, a.Reason)
		}
		r := provision.Request{Transport: fleet.HTTP, Method: "GET", Name: "001565123456.cfg", From: netip.MustParseAddr(from)}
		r.Authorization = logIn(a, c.User, c.Password.Reveal(), "/001565123456.cfg")
		h.served(h.send(r))
	}
	if n := count(h.kinds(), trust.EventSecondLease); n != 1 {
		t.Errorf("events %v", h.kinds())
	}
	second.State = dhcp.LeaseReleased
	h.leases.Put(second)
	r := provision.Request{Transport: fleet.HTTP, Method: "GET", Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7")}
	if a := h.send(r); strings.Contains(a.Reason, "neither") {
		t.Errorf("after the second lease has ended: %s", a.Reason)
	}
}

// A phone with an outdated password is served by its lease, and its wrong password is no guessing. A host that has borrowed the lease
// of a phone which uses its credentials is delayed like any other.
func TestWrongPasswordsFromALeaseAreNoGuessingUnlessCredentialsAreUsed(t *testing.T) {
	for _, used := range []bool{false, true} {
		h := newFixture(t)
		h.withCredentials()
		h.site.Resets = &trust.Resets{}
		if used {
			h.fetches = []fleet.Fetch{{MAC: front, File: "001565123456.cfg", Time: noon, OwnProof: noon.Add(-time.Hour)}}
		}
		r := request("001565123456.cfg")
		r.From, r.Authorization = netip.MustParseAddr("10.20.1.7"), basic(front.Hex(), "an old one")
		for i := range 40 {
			if a := h.send(r); (a.Outcome == provision.Refused) != used || (a.Delay > 0) != (used && i >= 10) {
				t.Fatalf("used %t, try %d: %s, delay %s", used, i, a.Outcome, a.Delay)
			}
		}
		if got := count(h.kinds(), trust.EventPassword) > 0; got != used {
			t.Errorf("used %t: events %v", used, h.kinds())
		}
	}
}

// Requests with wrong passwords for one phone are delayed. The phone with the right one is not, wherever it comes from.
func TestWrongPasswordsDelayOnlyRefusals(t *testing.T) {
	for _, phone := range []dhcp.MAC{front, mac("001565000099")} {
		h := newFixture(t)
		c := h.withCredentials()
		name := phone.Hex() + ".cfg"
		r := request(name)
		for i := range 2000 {
			r.Authorization = basic(phone.Hex(), "wrong")
			if a := h.send(r); a.Outcome != provision.Refused || (a.Delay > 0) != (i >= 10) {
				t.Fatalf("%s, try %d: %s, delay %s", phone, i, a.Outcome, a.Delay)
			}
		}
		if got := h.kinds(); !slices.Equal(got, []trust.EventKind{trust.EventPassword}) || h.events[0].MAC != phone {
			t.Errorf("%s: events %+v", phone, h.events)
		}
		if phone == front {
			r.Authorization = basic(c.User, c.Password.Reveal())
			if a := h.send(r); a.Outcome != provision.Served || a.Delay != 0 {
				t.Errorf("the right password: %s, delay %s", a.Outcome, a.Delay)
			}
		}
	}
}
