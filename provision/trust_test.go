package provision_test

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

const away = "192.0.2.1"

// request asks for a file over HTTPS from elsewhere.
func request(name string) provision.Request {
	return provision.Request{Transport: fleet.HTTPS, Method: "GET", Name: name, From: netip.MustParseAddr(away)}
}

// logIn answers the challenge of a as a phone does.
func logIn(a provision.Answer, user, password, uri string) string {
	_, nonce, _ := strings.Cut(a.Challenge, `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	md := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	response := md(md(user+":plugtone:"+password) + ":" + nonce + ":00000001:abc:auth:" + md("GET:"+uri))
	return fmt.Sprintf(`Digest username="%s", realm="plugtone", nonce="%s", uri="%s", qop=auth, nc=00000001, cnonce="abc", response="%s"`, user, nonce, uri, response)
}

// withCredentials gives the front phone and returns its credentials.
func (h *house) withCredentials() *trust.Credentials {
	h.t.Helper()
	var c *trust.Credentials
	edit(h.t, h.records, func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err != nil {
			return err
		}
		d.Credentials = trust.NewCredentials(front)
		c = d.Credentials
		return e.PutDevice(d)
	})
	return c
}

func (h *house) kinds() []trust.EventKind {
	h.telling.Lock()
	defer h.telling.Unlock()
	var out []trust.EventKind
	for _, a := range h.told {
		out = append(out, a.Kind)
	}
	return out
}

func TestLogIn(t *testing.T) {
	h := newHouse(t)
	c := h.withCredentials()
	name := "001565123456.cfg"
	r := request(name)
	first := h.ask(r)
	if first.Outcome != provision.Refused || first.Status != 401 || !strings.HasPrefix(first.Challenge, "Digest ") {
		t.Fatalf("without credentials: %+v", first)
	}
	good := logIn(first, c.User, c.Password.Reveal(), "/"+name)
	r.Authorization = good
	a := h.ask(r)
	h.served(a)
	if a.Proof != trust.ProofCredentials || a.MAC != front {
		t.Errorf("proof %s of %s", a.Proof, a.MAC)
	}
	r.Name = "001565123456-book.xml"
	if a := h.ask(r); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "made for another file") {
		t.Errorf("a digest for another file: %s, %s", a.Outcome, a.Reason)
	}
	r.Name, r.From = name, netip.MustParseAddr("192.0.2.2")
	if a := h.ask(r); a.Outcome != provision.Refused || !strings.Contains(a.Challenge, "stale=true") {
		t.Errorf("replayed from elsewhere: %s, %s", a.Outcome, a.Challenge)
	}
	r.From = netip.MustParseAddr(away)
	r.Authorization = logIn(first, c.User, "wrong", "/"+name)
	if a := h.ask(r); a.Outcome != provision.Refused || a.Status != 401 || !strings.Contains(a.Reason, "user or password are wrong") {
		t.Errorf("wrong password: %s, %s", a.Outcome, a.Reason)
	}
	r.Authorization, h.now = good, noon.Add(6*time.Minute)
	if a := h.ask(r); a.Outcome != provision.Refused || !strings.Contains(a.Challenge, "stale=true") {
		t.Errorf("an old nonce: %s, %s", a.Outcome, a.Challenge)
	}
	h.site.Networks = []fleet.Network{{From: netip.MustParsePrefix("192.0.2.0/24"), Trust: []trust.Proof{trust.ProofCertificate}}}
	h.now, r.Authorization = noon, logIn(first, c.User, c.Password.Reveal(), "/"+name)
	if a := h.ask(r); a.Outcome != provision.Refused || a.Status != 404 || a.Challenge != "" {
		t.Errorf("where credentials don't count: %s %d", a.Outcome, a.Status)
	}
}

func TestBasicInClear(t *testing.T) {
	h := newHouse(t)
	c := h.withCredentials()
	r := request("001565123456.cfg")
	r.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password.Reveal()))
	h.served(h.ask(r))
	r.Transport = fleet.HTTP
	if a := h.ask(r); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "over HTTPS only") {
		t.Errorf("over HTTP: %s, %s", a.Outcome, a.Reason)
	}
}

func TestOthersCredentialsAreAContradiction(t *testing.T) {
	h := newHouse(t)
	c := h.withCredentials()
	r := request("001565000009.cfg")
	r.Authorization = logIn(h.ask(r), c.User, c.Password.Reveal(), "/001565000009.cfg")
	if a := h.ask(r); a.Outcome != provision.Refused || !slices.Contains(h.kinds(), trust.EventContradiction) {
		t.Errorf("%s: %s, alarms %v", a.Outcome, a.Reason, h.kinds())
	}
}

func TestRotation(t *testing.T) {
	h := newHouse(t)
	old := h.withCredentials().Password.Reveal()
	rotate := func(force bool) trust.Credentials {
		t.Helper()
		d, err := fleet.RotateCredentials(h.records, "test", front, force, noon)
		if err != nil {
			t.Fatal(err)
		}
		return *d.Credentials
	}
	try := func(what string, password setting.Secret, want provision.Outcome) {
		t.Helper()
		r := request("001565123456.cfg")
		r.Authorization = logIn(h.ask(r), front.Hex(), password.Reveal(), "/001565123456.cfg")
		if got := h.ask(r).Outcome; got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	retire := func(used map[dhcp.MAC]setting.Secret) {
		t.Helper()
		if err := fleet.RetirePasswords(h.records, "test", used); err != nil {
			t.Fatal(err)
		}
	}
	first := rotate(false)
	if first.Previous.Reveal() != old {
		t.Fatalf("the previous one is %s", first.Previous.Reveal())
	}
	// The phone may have fetched the new one with the old one: to put a third in its place could leave it with none.
	if _, err := fleet.RotateCredentials(h.records, "test", front, false, noon); !errors.Is(err, fleet.ErrPending) {
		t.Errorf("again before it was used: %v", err)
	}
	try("the old one", setting.Secret(old), provision.Served)
	if len(h.used) != 0 {
		t.Errorf("used %v", h.used)
	}
	second := rotate(true)
	if second.Previous.Reveal() != old || second.Password == first.Password {
		t.Errorf("by force: previous %s", second.Previous.Reveal())
	}
	try("one that was replaced by force", first.Password, provision.Refused)
	try("the new one", second.Password, provision.Served)
	if !maps.Equal(h.used, map[dhcp.MAC]setting.Secret{front: second.Password}) {
		t.Errorf("used %v", h.used)
	}
	try("the old one before the record knows", setting.Secret(old), provision.Refused)
	// What was used of an older password ends nobody's time.
	retire(map[dhcp.MAC]setting.Secret{front: first.Password, mac("001565000077"): first.Password})
	if _, err := fleet.RotateCredentials(h.records, "test", front, false, noon); !errors.Is(err, fleet.ErrPending) {
		t.Errorf("retired by a password that counts no more: %v", err)
	}
	retire(h.used)
	try("the old one afterwards", setting.Secret(old), provision.Refused)
	try("the new one afterwards", second.Password, provision.Served)
	third := rotate(false)
	try("the one that was used last", second.Password, provision.Served)
	try("the third", third.Password, provision.Served)
}

// A phone on a leased address that logs in all the same has shown that it has the new password.
func TestRotationBesideALease(t *testing.T) {
	h := newHouse(t)
	h.withCredentials()
	d, err := fleet.RotateCredentials(h.records, "test", front, false, noon)
	if err != nil {
		t.Fatal(err)
	}
	r := request("001565123456.cfg")
	r.From, r.Transport = netip.MustParseAddr("10.20.1.7"), fleet.HTTPS
	basic := func(password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(front.Hex()+":"+password))
	}
	r.Authorization = basic(d.Credentials.Previous.Reveal())
	if a := h.ask(r); a.Outcome != provision.Served || len(h.used) != 0 {
		t.Errorf("the old one: %s %s, used %v", a.Outcome, a.Reason, h.used)
	}
	r.Authorization = basic(d.Credentials.Password.Reveal())
	if a := h.ask(r); a.Outcome != provision.Served || !maps.Equal(h.used, map[dhcp.MAC]setting.Secret{front: d.Credentials.Password}) {
		t.Errorf("the new one: %s %s, used %v", a.Outcome, a.Reason, h.used)
	}
}

// A phone gets its credentials where it can send them: Digest over HTTP, any over HTTPS, and always with an external URL.
func TestCredentialsGoIntoPhonesThatCanSendThem(t *testing.T) {
	h := newHouse(t)
	c := h.withCredentials()
	for _, tt := range []struct {
		internal, external string
		want               bool
	}{{"", "", true}, {"https://10.20.0.2/", "", true}, {"tftp://10.20.0.2/", "", false}, {"tftp://10.20.0.2/", "https://phones.example.com/", true}} {
		site := *h.site
		site.Subnets = slices.Clone(site.Subnets)
		for i := range site.Subnets {
			site.Subnets[i].ProvisioningURL = tt.internal
		}
		site.ExternalURL = tt.external
		h.site = &site
		body := h.served(h.get("001565123456.cfg", "10.20.1.7"))
		if got := strings.Contains(body, "server.user = 001565123456\n") && strings.Contains(body, "server.password = "+c.Password.Reveal()); got != tt.want {
			t.Errorf("%+v: they are there: %t", tt, got)
		}
	}
	f, err := h.File(context.Background(), front, "001565123456.cfg", netip.Prefix{}, false)
	if err != nil || !strings.Contains(string(f.Body), "server.password = ***") {
		t.Errorf("the preview shows the password: %v", err)
	}
	if body := h.served(h.get("common004.cfg", "10.20.1.7")); strings.Contains(body, c.Password.Reveal()) {
		t.Error("a common file holds the password")
	}
}

// What a record write brings along never replaces credentials; a new record may bring its own.
func TestCredentialsStayThroughWrites(t *testing.T) {
	h := newHouse(t)
	c := h.withCredentials()
	d := &fleet.Device{MAC: front, Vendor: "acme", Model: "A4", Credentials: &trust.Credentials{User: "x", Password: "chosen-by-hand"}}
	if err := checkDevice(t, h.records, d); err != nil || d.Credentials.Password != c.Password {
		t.Errorf("%v, %v", d.Credentials, err)
	}
	d = &fleet.Device{MAC: mac("001565000044"), Vendor: "acme", Credentials: &trust.Credentials{Password: "from-a-backup-2345"}}
	if err := checkDevice(t, h.records, d); err != nil || d.Credentials.Password != "from-a-backup-2345" || d.Credentials.User != "001565000044" {
		t.Errorf("%v, %v", d.Credentials, err)
	}
	d.Credentials = &trust.Credentials{Password: "short"}
	if err := checkDevice(t, h.records, d); err == nil || !slices.Contains(fields(err), "credentials.password") {
		t.Errorf("a short password: %v", err)
	}
	edit(t, h.records, func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: mac("001565000045"), Vendor: "acme", Label: "=cmd"})
	})
	if n, err := fleet.FillCredentials(h.records, "test"); n != 1 || err != nil {
		t.Errorf("%d filled, %v", n, err)
	}
	var b strings.Builder
	if err := h.records.View(func(f fleet.View) error { return fleet.WriteCredentials(&b, f, "https://x/") }); err != nil {
		t.Fatal(err)
	}
	contains(t, b.String(), "mac,vendor,model,label,url,user,password\n", "00:15:65:12:34:56,acme,A4,Front Desk Phone,https://x/,001565123456,"+c.Password.Reveal(), ",'=cmd,")
}

// Whatever comes along, an unknown, a disabled and an existing phone can't be told apart: not by the answer, and not by
// how often records are read for it.
func TestCredentialsTellNothing(t *testing.T) {
	h := newHouse(t)
	h.withCredentials()
	disabled, unknown := mac("001565000002"), mac("001565000003")
	edit(t, h.records, func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: disabled, Vendor: "acme", Model: "A4", Credentials: trust.NewCredentials(disabled)})
	})
	for _, header := range []string{"", "Basic " + base64.StdEncoding.EncodeToString([]byte("%:wrong")), "digest", "Bearer x", "Digest nonsense"} {
		for _, transport := range []fleet.Transport{fleet.HTTP, fleet.HTTPS, fleet.TFTP} {
			for _, pattern := range []string{"%.cfg", "%-book.xml", "%-local.cfg", "%.boot", "x/%.cfg"} {
				var first provision.Answer
				reads := -1
				for i, m := range []dhcp.MAC{unknown, disabled, front} {
					r := request(strings.ReplaceAll(pattern, "%", m.Hex()))
					r.Transport = transport
					r.Authorization = strings.ReplaceAll(header, "%", m.Hex())
					if header == "digest" {
						r.Authorization = logIn(h.ask(r), m.Hex(), "wrong", "/"+r.Name)
					}
					if strings.HasPrefix(header, "Basic") {
						r.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(m.Hex()+":wrong"))
					}
					before := h.records.Reads()
					a := h.ask(r)
					n := h.records.Reads() - before
					a.Reason, a.MAC, a.Name = strings.NewReplacer(m.String(), "%", m.Hex(), "%").Replace(a.Reason), dhcp.MAC{}, strings.ReplaceAll(a.Name, m.Hex(), "%")
					if i == 0 {
						first, reads = a, n
						continue
					}
					if !sameAnswer(a, first) || a.Challenge != first.Challenge || a.Reason != first.Reason || a.Silent != first.Silent || a.Delay != first.Delay {
						t.Errorf("%q over %s for %s: %+v, but for an unknown phone %+v", header, transport, r.Name, a, first)
					}
					if n != reads {
						t.Errorf("%q over %s for %s: %d reads, but for an unknown phone %d", header, transport, r.Name, n, reads)
					}
				}
			}
		}
	}
}

func TestCertificate(t *testing.T) {
	h := newHouse(t)
	r := request("001565123456.cfg")
	r.Certificate = &provision.Certificate{Vendor: "acme", MAC: front}
	if a := h.ask(r); a.Outcome != provision.Served || a.Proof != trust.ProofCertificate {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	r.Certificate = &provision.Certificate{Vendor: "bolt", MAC: front}
	if a := h.ask(r); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "one of bolt, but the device is one of acme") {
		t.Errorf("another vendor's: %s, %s", a.Outcome, a.Reason)
	}
	r.Certificate = &provision.Certificate{Vendor: "bolt", Also: []string{"acme"}, MAC: front}
	h.served(h.ask(r))
	r.Certificate = &provision.Certificate{Vendor: "acme", MAC: mac("001565000009")}
	if a := h.ask(r); a.Outcome != provision.Refused || !slices.Contains(h.kinds(), trust.EventContradiction) {
		t.Errorf("another phone's: %s, %s", a.Outcome, a.Reason)
	}
	h.site.Trust = []trust.Proof{trust.ProofLease}
	r.Certificate = &provision.Certificate{Vendor: "acme", MAC: front}
	if a := h.ask(r); a.Outcome != provision.Refused {
		t.Errorf("where certificates don't count: %s", a.Outcome)
	}
}

func TestNeighbor(t *testing.T) {
	h := newHouse(t)
	h.beside = map[netip.Addr]dhcp.MAC{netip.MustParseAddr(away): mac("001565123457"), netip.MustParseAddr("10.20.1.7"): mac("001565000009")}
	r := request("001565123456.cfg")
	if a := h.ask(r); a.Outcome != provision.Refused {
		t.Errorf("where it does not count: %s", a.Outcome)
	}
	h.site.Trust = []trust.Proof{trust.ProofLease, trust.ProofNeighbor}
	if a := h.ask(r); a.Outcome != provision.Served || a.Proof != trust.ProofNeighbor || a.MAC != front {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "but the neighbour table has 00:15:65:00:00:09") {
		t.Errorf("against the lease: %s, %s", a.Outcome, a.Reason)
	}
}

func TestEnroll(t *testing.T) {
	h := newHouse(t)
	r := request("001565123456.cfg")
	if _, err := h.Enroll(mac("001565123457"), netip.MustParsePrefix("192.0.2.0/28"), 30*time.Minute); err != nil {
		t.Fatal(err)
	}
	if a := h.ask(r); a.Outcome != provision.Served || a.Proof != trust.ProofEnroll {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	other := r
	other.From = netip.MustParseAddr("192.0.2.99")
	if a := h.ask(other); a.Outcome != provision.Refused {
		t.Errorf("from elsewhere: %s", a.Outcome)
	}
	if w := h.Windows(); len(w) != 1 || w[0].MAC != front {
		t.Errorf("windows %v", w)
	}
	h.now = noon.Add(31 * time.Minute)
	if a := h.ask(r); a.Outcome != provision.Refused || len(h.Windows()) != 0 {
		t.Errorf("afterwards: %s", a.Outcome)
	}
	if _, err := h.Enroll(dhcp.MAC{}, netip.Prefix{}, time.Hour); err != nil {
		t.Fatal(err)
	}
	h.served(h.ask(other))
	if _, err := h.Enroll(dhcp.MAC{}, netip.Prefix{}, 0); err != nil || len(h.Windows()) != 0 {
		t.Errorf("closed: %v %v", h.Windows(), err)
	}
	if _, err := h.Enroll(mac("001565ffffff"), netip.Prefix{}, time.Hour); err == nil {
		t.Error("a phone without a record can be enrolled")
	}
	if _, err := h.Enroll(front, netip.Prefix{}, 48*time.Hour); err == nil {
		t.Error("a window of two days")
	}
}

func TestSwitchPort(t *testing.T) {
	h := newHouse(t)
	plug := func(port string) {
		l := h.leases.Lease("10.20.1.7", front, voice, noon)
		l.CircuitID, l.RemoteID = port, "sw1"
		h.leases.Put(l)
		h.served(h.get("001565123456.cfg", "10.20.1.7"))
	}
	plug("gi1/0/3")
	plug("gi1/0/3")
	if len(h.told) != 0 {
		t.Errorf("alarms %v", h.told)
	}
	plug("gi1/0/7")
	if !slices.Equal(h.kinds(), []trust.EventKind{trust.EventPortChanged}) || !strings.Contains(h.told[0].Reason, `"sw1 gi1/0/7" now; before it was behind "sw1 gi1/0/3"`) {
		t.Errorf("alarms %v", h.told)
	}
	// After a restart the last fetch tells.
	h = newHouse(t)
	h.fetches = []fleet.Fetch{{MAC: front, Time: noon, Port: "sw1 gi1/0/3"}}
	plug("gi1/0/9")
	if !slices.Equal(h.kinds(), []trust.EventKind{trust.EventPortChanged}) {
		t.Errorf("after a restart: alarms %v", h.told)
	}
}

// A storm of requests for files that nobody has rendered yet renders each once.
func TestStormRendersOnce(t *testing.T) {
	h := newHouse(t)
	bodies := map[*byte]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			<-start
			a := h.Answer(context.Background(), provision.Request{Time: noon, Transport: fleet.HTTP, Method: "GET", Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7")})
			mu.Lock()
			defer mu.Unlock()
			bodies[&a.Body[0]] = true
		})
	}
	close(start)
	wg.Wait()
	if len(bodies) != 1 {
		t.Errorf("rendered %d times", len(bodies))
	}
}

// bind makes a phone's first lease, as the table does.
func (h *house) bind(i int) (dhcp.MAC, string) {
	m := dhcp.MAC{0x00, 0x15, 0x65, 0x20, byte(i >> 8), byte(i)}
	addr := netip.AddrFrom4([4]byte{10, 20, byte(i >> 8 & 3), byte(i)}).String()
	now := h.now.Truncate(time.Second)
	l := dhcp.Lease{Addr: netip.MustParseAddr(addr), MAC: m, Subnet: netip.MustParsePrefix(voice), State: dhcp.LeaseActive, FirstSeen: now, Starts: now, Expires: now.Add(24 * time.Hour)}
	h.leases.Put(l)
	h.Bound(l)
	return m, addr
}

func (h *house) provenBy(m dhcp.MAC, addr string) bool {
	return h.get(m.Hex()+".cfg", addr).Proof == trust.ProofLease
}

// The walk: somebody on the link takes leases for MAC after MAC, as fast as DHCP goes, and fetches each one's file.
func TestWalk(t *testing.T) {
	h := newHouse(t)
	h.site.NewPhones = &trust.NewPhones{Burst: 20, PerMinute: 6}
	h.leases.Lease("10.20.1.7", front, voice, noon.Add(-time.Hour))
	type phone struct {
		mac  dhcp.MAC
		addr string
	}
	var walked []phone
	proven := 0
	for i := range 744 { // at 300 a second, each fetched at once
		h.now = noon.Add(time.Duration(i) * time.Second / 300)
		m, addr := h.bind(i + 512)
		walked = append(walked, phone{m, addr})
		if h.provenBy(m, addr) {
			proven++
		}
	}
	if proven != 20 {
		t.Errorf("%d of 744 were proven, want the burst of 20", proven)
	}
	if got := h.kinds(); !slices.Equal(got, []trust.EventKind{trust.EventFrozen}) {
		t.Errorf("alarms %v", got)
	}
	if f := h.Freeze(); !f.Frozen || f.Waiting < 720 || f.Until.IsZero() || !strings.Contains(f.String(), "device enroll --all") {
		t.Errorf("%+v: %s", f, f)
	}
	if !h.provenBy(front, "10.20.1.7") {
		t.Error("an old phone is in the way of the freeze")
	}
	if a := h.get(walked[743].mac.Hex()+".cfg", walked[743].addr); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "more new phones came than provisioning.new_phones allows") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	// Those that were lucky go on, and time lets in as many as it may: never more.
	count := func() (n int) {
		for _, p := range walked {
			if h.provenBy(p.mac, p.addr) {
				n++
			}
		}
		return n
	}
	if n := count(); n != 20 {
		t.Errorf("%d are proven, want those that were", n)
	}
	h.now = h.now.Add(10 * time.Minute)
	if n := count(); n > 20+60 || n < 20 {
		t.Errorf("after ten minutes %d are proven", n)
	}
	h.now = h.now.Add(3 * time.Hour)
	if n := count(); n != 744 || h.Freeze().Frozen || !slices.Contains(h.kinds(), trust.EventThawed) {
		t.Errorf("after three hours %d are proven, alarms %v", n, h.kinds())
	}
}

// A building full of phones that were here before comes back after a power cut.
func TestBootStormDoesNotFreeze(t *testing.T) {
	h := newHouse(t)
	h.site.NewPhones = &trust.NewPhones{Burst: 20, PerMinute: 6}
	h.now = noon.Add(24 * time.Hour)
	for i := range 700 {
		m := dhcp.MAC{0x00, 0x15, 0x65, 0x30, byte(i >> 8), byte(i)}
		addr := netip.AddrFrom4([4]byte{10, 20, byte(i >> 8 & 3), byte(i)}).String()
		l := h.leases.Lease(addr, m, voice, h.now)
		l.FirstSeen = noon
		h.leases.Put(l)
		h.Bound(l)
		if !h.provenBy(m, addr) {
			t.Fatalf("phone %d is not proven", i)
		}
	}
	// One of them moves to another of our subnets: it is no new phone there.
	h.now = h.now.Add(time.Second)
	for range 40 {
		h.bind(901)
	}
	if h.Freeze().Frozen {
		t.Error("one phone that asks again and again froze the others")
	}
}

func TestEnrollAllLiftsTheFreeze(t *testing.T) {
	h := newHouse(t)
	h.site.NewPhones = &trust.NewPhones{Burst: 2, PerMinute: 0}
	var last dhcp.MAC
	var addr string
	for i := range 5 {
		last, addr = h.bind(i + 300)
	}
	if h.provenBy(last, addr) || !h.Freeze().Until.IsZero() {
		t.Fatalf("not frozen: %+v", h.Freeze())
	}
	if _, err := h.Enroll(dhcp.MAC{}, netip.MustParsePrefix("198.51.100.0/24"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if !h.provenBy(last, addr) || h.Freeze().Frozen || !slices.Contains(h.kinds(), trust.EventThawed) {
		t.Errorf("still frozen: %+v, %v", h.Freeze(), h.kinds())
	}
}

func TestRestartDoesNotEndAFreeze(t *testing.T) {
	h := newHouse(t)
	h.site.NewPhones = &trust.NewPhones{Burst: 20, PerMinute: 6}
	var all []dhcp.Lease
	for i := range 200 {
		m := dhcp.MAC{0x00, 0x15, 0x65, 0x30, 0, byte(i)}
		l := h.leases.Lease(netip.AddrFrom4([4]byte{10, 20, 2, byte(i)}).String(), m, voice, noon.Add(time.Duration(i)*time.Second))
		all = append(all, l)
	}
	h.now = noon.Add(5 * time.Minute)
	h.Replay(all)
	if f := h.Freeze(); !f.Frozen || f.Waiting != 200-20-30 {
		t.Errorf("%+v", f)
	}
	if !h.provenBy(all[0].MAC, all[0].Addr.String()) || h.provenBy(all[199].MAC, all[199].Addr.String()) {
		t.Error("the first waits, or the last doesn't")
	}
}
