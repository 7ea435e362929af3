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
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

const away = "192.0.2.1"

// request returns a request for a file over HTTPS from outside the subnets.
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
func (h *fixture) withCredentials() *trust.Credentials {
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

func (h *fixture) kinds() []trust.EventKind {
	h.eventsMu.Lock()
	defer h.eventsMu.Unlock()
	var out []trust.EventKind
	for _, a := range h.events {
		out = append(out, a.Kind)
	}
	return out
}

func TestRightPasswordIsProofForOneFileAndAddress(t *testing.T) {
	h := newFixture(t)
	c := h.withCredentials()
	name := "001565123456.cfg"
	r := request(name)
	first := h.send(r)
	if first.Outcome != provision.Refused || first.Status != 401 || !strings.HasPrefix(first.Challenge, "Digest ") {
		t.Fatalf("without credentials: %+v", first)
	}
	good := logIn(first, c.User, c.Password.Reveal(), "/"+name)
	r.Authorization = good
	a := h.send(r)
	h.served(a)
	if a.Proof != trust.ProofCredentials || a.MAC != front {
		t.Errorf("proof %s of %s", a.Proof, a.MAC)
	}
	r.Name = "001565123456-book.xml"
	if a := h.send(r); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "made for another file") {
		t.Errorf("a digest for another file: %s, %s", a.Outcome, a.Reason)
	}
	r.Name, r.From = name, netip.MustParseAddr("192.0.2.2")
	if a := h.send(r); a.Outcome != provision.Refused || !strings.Contains(a.Challenge, "stale=true") {
		t.Errorf("replayed from another address: %s, %s", a.Outcome, a.Challenge)
	}
	r.From = netip.MustParseAddr(away)
	r.Authorization = logIn(first, c.User, "wrong", "/"+name)
	if a := h.send(r); a.Outcome != provision.Refused || a.Status != 401 || !strings.Contains(a.Reason, "user or password are wrong") {
		t.Errorf("wrong password: %s, %s", a.Outcome, a.Reason)
	}
	r.Authorization, h.now = good, noon.Add(6*time.Minute)
	if a := h.send(r); a.Outcome != provision.Refused || !strings.Contains(a.Challenge, "stale=true") {
		t.Errorf("an old nonce: %s, %s", a.Outcome, a.Challenge)
	}
	h.site.Networks = []fleet.Network{{From: netip.MustParsePrefix("192.0.2.0/24"), Trust: []trust.Proof{trust.ProofCertificate}}}
	h.now, r.Authorization = noon, logIn(first, c.User, c.Password.Reveal(), "/"+name)
	if a := h.send(r); a.Outcome != provision.Refused || a.Status != 404 || a.Challenge != "" {
		t.Errorf("where credentials don't count: %s %d", a.Outcome, a.Status)
	}
}

func TestBasicIsAcceptedOverHTTPSOnly(t *testing.T) {
	h := newFixture(t)
	c := h.withCredentials()
	r := request("001565123456.cfg")
	r.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password.Reveal()))
	h.served(h.send(r))
	r.Transport = fleet.HTTP
	if a := h.send(r); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "over HTTPS only") {
		t.Errorf("over HTTP: %s, %s", a.Outcome, a.Reason)
	}
}

func TestCredentialsOfAnotherPhoneAreAContradiction(t *testing.T) {
	h := newFixture(t)
	c := h.withCredentials()
	r := request("001565000009.cfg")
	r.Authorization = logIn(h.send(r), c.User, c.Password.Reveal(), "/001565000009.cfg")
	if a := h.send(r); a.Outcome != provision.Refused || !slices.Contains(h.kinds(), trust.EventContradiction) {
		t.Errorf("%s: %s, alarms %v", a.Outcome, a.Reason, h.kinds())
	}
}

func TestOldPasswordCountsUntilTheNewOneIsUsed(t *testing.T) {
	h := newFixture(t)
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
		r.Authorization = logIn(h.send(r), front.Hex(), password.Reveal(), "/001565123456.cfg")
		if got := h.send(r).Outcome; got != want {
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
	// The phone may have fetched the new one with the old one: a third one in its place could lock the phone out.
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
	try("the old one before the record is updated", setting.Secret(old), provision.Refused)
	// A password before the previous one does not retire the previous one.
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

// A login from a leased address, where it is not required, shows that the phone has the new password.
func TestLoginFromALeasedAddressRetiresTheOldPassword(t *testing.T) {
	h := newFixture(t)
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
	if a := h.send(r); a.Outcome != provision.Served || len(h.used) != 0 {
		t.Errorf("the old one: %s %s, used %v", a.Outcome, a.Reason, h.used)
	}
	r.Authorization = basic(d.Credentials.Password.Reveal())
	if a := h.send(r); a.Outcome != provision.Served || !maps.Equal(h.used, map[dhcp.MAC]setting.Secret{front: d.Credentials.Password}) {
		t.Errorf("the new one: %s %s, used %v", a.Outcome, a.Reason, h.used)
	}
}

// A file has credentials when the phone can send them: Digest over HTTP, any over HTTPS; always with an external URL.
func TestFilesHaveCredentialsWhereThePhoneCanSendThem(t *testing.T) {
	h := newFixture(t)
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

// A write of a record never replaces its credentials; a new record may have its own.
func TestWritesKeepTheCredentials(t *testing.T) {
	h := newFixture(t)
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

// With any credentials, unknown, disabled and existing phones get the same answer, with as many reads of records.
func TestCredentialsDoNotRevealWhichPhonesExist(t *testing.T) {
	h := newFixture(t)
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
						r.Authorization = logIn(h.send(r), m.Hex(), "wrong", "/"+r.Name)
					}
					if strings.HasPrefix(header, "Basic") {
						r.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(m.Hex()+":wrong"))
					}
					before := h.records.Reads()
					a := h.send(r)
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

func TestAChallengeOfOneMemberIsAnsweredToAnother(t *testing.T) {
	h := newFixture(t)
	c := h.withCredentials()
	member := func(key string) *provision.Service {
		s, err := provision.New(provision.Config{
			Records: h.records, Leases: h.leases, Packs: func() *pack.Set { return h.packs }, Site: func() *fleet.Site { return h.site }, Now: func() time.Time { return h.now }, NonceKey: []byte(key),
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	r := request("001565123456.cfg")
	r.Time = h.now
	challenged := member("of the cluster").Answer(t.Context(), r)
	r.Authorization = logIn(challenged, c.User, string(c.Password), "/001565123456.cfg")
	for key, want := range map[string]provision.Outcome{"of the cluster": provision.Served, "of another cluster": provision.Refused} {
		if a := member(key).Answer(t.Context(), r); a.Outcome != want {
			t.Errorf("a member with the key %q: %s, want %s", key, a.Outcome, want)
		}
	}
}
