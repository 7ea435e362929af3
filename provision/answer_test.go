package provision_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/pack"
	"plugtone/provision/provisiontest"
	"plugtone/provision/setting"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// house is a Service with everything around it.
type house struct {
	*provision.Service
	t       testing.TB
	records *provisiontest.Records
	leases  *provisiontest.Leases
	packs   *pack.Set
	site    *provision.Site
	fetches []provision.Fetch
	now     time.Time
	files   string
}

const voice = "10.20.0.0/22"

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, records: office(t), leases: &provisiontest.Leases{}, packs: provisiontest.Packs(t), now: noon, files: t.TempDir()}
	h.site = &provision.Site{
		Subnets: []provision.Subnet{
			{Prefix: netip.MustParsePrefix("10.30.0.0/24"), Phones: provision.PhonesNone},
			{Prefix: netip.MustParsePrefix(voice), NextServer: netip.MustParseAddr("10.20.0.2"), NTPServers: []netip.Addr{netip.MustParseAddr("10.20.0.1")},
				Settings: setting.Values{"language": "de"}},
			{Prefix: netip.MustParsePrefix("10.40.0.0/24"), NextServer: netip.MustParseAddr("10.40.0.2")},
		},
		TimeZone: "Europe/Berlin",
		Settings: setting.Values{"admin_password": setting.Secret("site-admin"), "language": "en"},
	}
	root, err := os.OpenRoot(h.files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	h.Service, err = provision.New(provision.Config{
		Records: h.records, Leases: h.leases, Files: root,
		Packs:   func() *pack.Set { return h.packs },
		Site:    func() *provision.Site { return h.site },
		Fetches: func(provision.MAC) ([]provision.Fetch, error) { return h.fetches, nil },
		Now:     func() time.Time { return h.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	h.leases.Lease("10.20.1.7", front, voice, noon)
	return h
}

// get asks as a phone does.
func (h *house) get(name, from string) provision.Answer {
	h.t.Helper()
	return h.ask(provision.Request{Transport: provision.HTTP, Method: "GET", Name: name, From: netip.MustParseAddr(from)})
}

func (h *house) ask(r provision.Request) provision.Answer {
	h.t.Helper()
	r.Time = h.now
	a := h.Answer(context.Background(), r)
	if a.Reason == "" || a.Outcome == "" || a.Name == "" && r.Name != "" {
		h.t.Errorf("%s from %s: an answer without a reason, an outcome or a name: %+v", r.Name, r.From, a)
	}
	if (a.Outcome == provision.Served) != (a.Status == 0) || (a.Outcome == provision.Fault) != (a.Err != nil) {
		h.t.Errorf("%s from %s: outcome %s with status %d and error %v", r.Name, r.From, a.Outcome, a.Status, a.Err)
	}
	if a.Content != nil {
		h.t.Cleanup(func() { _ = a.Content.Close() })
	}
	return a
}

// served is the body of an answer that must be served.
func (h *house) served(a provision.Answer) string {
	h.t.Helper()
	if a.Outcome != provision.Served {
		h.t.Fatalf("%s is %s: %s (%v)", a.Name, a.Outcome, a.Reason, a.Err)
	}
	if a.Content != nil {
		b, err := io.ReadAll(a.Content)
		if err != nil {
			h.t.Fatal(err)
		}
		return string(b)
	}
	if a.Size != int64(len(a.Body)) || len(a.Digest) != 64 || a.ETag != `"`+a.Digest[:32]+`"` || a.MediaType == "" {
		h.t.Errorf("%s: size %d of %d, digest %s, etag %s, type %s", a.Name, a.Size, len(a.Body), a.Digest, a.ETag, a.MediaType)
	}
	return string(a.Body)
}

func contains(t testing.TB, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func (h *house) write(name, body string) {
	h.t.Helper()
	path := filepath.Join(h.files, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(body), 0o644)); err != nil {
		h.t.Fatal(err)
	}
}

func TestOwnFileOverItsLease(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"001565123456.cfg", "/001565123456.cfg", "//001565123456.CFG", `\001565123456.cfg`} {
		a := h.get(name, "10.20.1.7")
		contains(t, h.served(a), "device.label = Front Desk Phone", "account.1.password = s3cret&<>", "account.1.server = pbx.example.com:5060",
			"key.2.value = 1002", "key.2.label = Bob", "key.3.value = 1008", "security.admin = site-admin", "server.url = http://10.20.0.2/", "ntp1 = 10.20.0.1")
		if a.MAC != front || a.Vendor != "acme" || a.Model != "A4" || a.Kind != "device" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := h.ask(provision.Request{Transport: provision.TFTP, Name: "001565123456.cfg", From: netip.MustParseAddr("::ffff:10.20.1.7")}); a.Outcome != provision.Served {
		t.Errorf("from a mapped address: %s", a.Reason)
	}
	// Its second MAC is as good as its first, in the name and in the lease.
	h.leases.Lease("10.20.1.8", mac("001565123457"), voice, noon)
	for _, name := range []string{"001565123456.cfg", "001565123457.cfg"} {
		if a := h.get(name, "10.20.1.8"); a.Outcome != provision.Served || a.MAC != front {
			t.Errorf("%s by its other MAC: %s, %s", name, a.Reason, a.MAC)
		}
	}
}

// The requester learns the same of phones that exist, are disabled, or were never heard of.
func TestRefusalsAreAlike(t *testing.T) {
	h := newHouse(t)
	disabled, unknown := mac("001565000002"), mac("001565000003")
	edit(t, h.records, func(e provision.Edit) error {
		return e.PutDevice(&provision.Device{MAC: disabled, Vendor: "bolt", Model: "B1"})
	})
	h.leases.Lease("10.20.1.9", mac("001565000009"), voice, noon)  // another phone
	h.leases.Lease("10.20.1.10", mac("ac1122334455"), voice, noon) // a laptop
	expired := h.leases.Lease("10.20.1.11", front, voice, noon)    // the phone's own, long ago
	expired.Expires = noon.Add(-time.Hour)
	h.leases.Put(expired)
	for _, pattern := range []string{"%.cfg", "%-book.xml", "%-phone.cfg", "%.boot", "%-local.cfg", "sub/%.cfg"} {
		for _, from := range []string{"10.20.1.9", "10.20.1.10", "10.20.1.11", "10.20.1.200", "192.0.2.1", "10.30.0.5"} {
			for _, transport := range []provision.Transport{provision.TFTP, provision.HTTP, provision.HTTPS} {
				var first provision.Answer
				for i, m := range []provision.MAC{unknown, disabled, front} {
					name := strings.ReplaceAll(pattern, "%", m.Hex())
					a := h.ask(provision.Request{Transport: transport, Name: name, From: netip.MustParseAddr(from), UserAgent: "curl/8"})
					if a.MAC != m && !m.IsZero() && strings.HasPrefix(pattern, "%") {
						t.Errorf("%s from %s: it is about %s", name, from, a.MAC)
					}
					if a.Outcome == provision.Served {
						t.Fatalf("%s is served to %s: %s", name, from, a.Reason)
					}
					if strings.Contains(strings.ReplaceAll(a.Reason, m.String(), ""), "device") && pattern == "%.cfg" {
						t.Errorf("%s from %s: the reason speaks of a record: %s", name, from, a.Reason)
					}
					a.Reason, a.MAC, a.Name = "", provision.MAC{}, strings.ReplaceAll(a.Name, m.Hex(), "%")
					if i == 0 {
						first = a
					} else if !sameAnswer(a, first) {
						t.Errorf("%s from %s over %s: %+v, but for an unknown phone %+v", name, from, transport, a, first)
					}
				}
			}
		}
	}
}

func sameAnswer(a, b provision.Answer) bool {
	return a.Outcome == b.Outcome && a.Vendor == b.Vendor && a.Model == b.Model && a.Firmware == b.Firmware && a.Kind == b.Kind && a.Name == b.Name &&
		string(a.Body) == string(b.Body) && a.Content == nil && b.Content == nil && a.Size == b.Size && a.MediaType == b.MediaType && a.ETag == b.ETag &&
		a.Digest == b.Digest && a.Status == b.Status && a.Err == nil && b.Err == nil
}

// A requester without proof costs the same whether the phone it names exists: its record is not even read.
func TestRefusalReadsNoRecord(t *testing.T) {
	h := newHouse(t)
	h.leases.Lease("10.20.1.9", mac("001565000009"), voice, noon)
	for _, from := range []string{"192.0.2.1", "10.20.1.9"} {
		h.get("001565123456.cfg", from) // whatever is cached is cached now
		count := func(name string) int {
			before := h.records.Views()
			h.get(name, from)
			return h.records.Views() - before
		}
		if known, unknown := count("001565123456.cfg"), count("001565ffffff.cfg"); known != unknown {
			t.Errorf("from %s: %d reads for a phone that exists, %d for one that does not", from, known, unknown)
		}
	}
}

func TestContradictionIsSaid(t *testing.T) {
	h := newHouse(t)
	h.leases.Lease("10.20.1.9", mac("001565000009"), voice, noon)
	if a := h.get("001565123456.cfg", "10.20.1.9"); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "10.20.1.9 is leased to 00:15:65:00:00:09, but the file is 00:15:65:12:34:56's") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	a := h.ask(provision.Request{Transport: provision.HTTP, Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7"), UserAgent: "Acme A4 1.2.3 00:15:65:00:00:09"})
	if a.Outcome != provision.Refused || !strings.Contains(a.Reason, "user agent says 00:15:65:00:00:09") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	a = h.ask(provision.Request{Transport: provision.HTTP, Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7"), UserAgent: "Acme A4 1.2.3 00:15:65:12:34:56"})
	if a.Outcome != provision.Served || a.Firmware != "1.2.3" {
		t.Errorf("%s: %s, firmware %q", a.Outcome, a.Reason, a.Firmware)
	}
}

func TestDisabledDeviceIsCleared(t *testing.T) {
	h := newHouse(t)
	edit(t, h.records, func(e provision.Edit) error {
		d, err := e.Device(front)
		if err != nil {
			return err
		}
		d.Enabled = false
		return e.PutDevice(d)
	})
	body := h.served(h.get("001565123456.cfg", "10.20.1.7"))
	contains(t, body, "device.enabled = 0", "account.1.enable = 0", "key.2.value =")
	if strings.Contains(body, "s3cret") || strings.Contains(body, "1002") {
		t.Errorf("a disabled device gets its accounts:\n%s", body)
	}
}

func TestUnknownPhoneWithLease(t *testing.T) {
	h := newHouse(t)
	unknown := mac("001565000003")
	lease := h.leases.Lease("10.20.1.9", unknown, voice, noon)
	lease.VendorClass = "acme A1"
	h.leases.Put(lease)
	for _, policy := range []string{"", provision.UnknownList, provision.UnknownIgnore} {
		site := *h.site
		site.UnknownPhones = policy
		h.site = &site
		if a := h.get("001565000003.cfg", "10.20.1.9"); a.Outcome != provision.NotFound || a.Status != 404 {
			t.Errorf("%q: %s, %s", policy, a.Outcome, a.Reason)
		}
	}
	site := *h.site
	site.UnknownPhones = provision.UnknownHold
	h.site = &site
	body := h.served(h.get("001565000003.cfg", "10.20.1.9"))
	contains(t, body, "device.assigned = 0", "account.1.enable = 0")
	if strings.Contains(body, "site-admin") {
		t.Errorf("a phone that nobody knows gets the fleet's password:\n%s", body)
	}
	if a := h.get("001565000003.cfg", "10.20.1.200"); a.Outcome != provision.Refused {
		t.Errorf("without its lease: %s", a.Outcome)
	}
}

func TestCommonFiles(t *testing.T) {
	h := newHouse(t)
	for _, from := range []string{"10.20.1.7", "10.20.1.200"} {
		a := h.get("common004.cfg", from)
		body := h.served(a)
		contains(t, body, "common.server = http://10.20.0.2/", "common.language = de", "common.model = A4")
		if strings.Contains(body, "site-admin") {
			t.Errorf("a common file has a secret:\n%s", body)
		}
	}
	a := h.get("common001.cfg", "10.20.1.7")
	h.served(a)
	contains(t, a.Reason, "it is the file of A1, but the device's model is A4")
	if a.MAC != front {
		t.Errorf("a name without a MAC belongs to the lease's holder, not to %s", a.MAC)
	}
	contains(t, h.served(h.get("common004.cfg", "10.40.0.9")), "http://10.40.0.2/", "common.language = en")
}

// The name {mac}.cfg is acme's device file and bolt's common one. The OUI decides for who has no proof, the record for
// who has.
func TestSeveralVendorsClaimOneName(t *testing.T) {
	h := newHouse(t)
	if a := h.get("0004f2000001.cfg", "10.20.1.200"); a.Kind != "common" || a.Vendor != "bolt" {
		t.Errorf("bolt's OUI: %+v", a)
	} else {
		contains(t, h.served(a), "config.server = http://10.20.0.2/")
	}
	if a := h.get("001565000001.cfg", "10.20.1.200"); a.Outcome != provision.Refused || a.Vendor != "acme" {
		t.Errorf("acme's OUI: %s of %s", a.Outcome, a.Vendor)
	}
	if a := h.get("aabbccddeeff.cfg", "10.20.1.200"); a.Outcome != provision.Refused || a.Kind != "" {
		t.Errorf("nobody's OUI: %s of kind %q", a.Outcome, a.Kind)
	}
	// A rebranded phone with another maker's OUI, but a record.
	odd := mac("aabbccddeef0")
	h.leases.Lease("10.20.1.20", odd, voice, noon)
	edit(t, h.records, func(e provision.Edit) error {
		return e.PutDevice(&provision.Device{MAC: odd, Vendor: "bolt", Model: "B1", Enabled: true, Lines: []provision.Line{{Position: 1, Extension: "1001", Registrar: "main"}}})
	})
	contains(t, h.served(h.get("aabbccddeef0.cfg", "10.20.1.20")), "config.server")
	contains(t, h.served(h.get("aabbccddeef0-phone.cfg", "10.20.1.20")), "reg.1.auth.password = s3cret&<>")
	if a := h.get("aabbccddeef0-book.xml", "10.20.1.20"); a.Outcome != provision.NotFound || !strings.Contains(a.Reason, "the device's vendor is bolt") {
		t.Errorf("another vendor's file: %s, %s", a.Outcome, a.Reason)
	}
	if a := h.get("common004.cfg", "10.20.1.20"); a.Outcome != provision.Served {
		t.Errorf("another vendor's common file: %s", a.Reason)
	}
}

func TestDeviceWithoutVendor(t *testing.T) {
	h := newHouse(t)
	printer := mac("001565000077")
	h.leases.Lease("10.20.1.30", printer, voice, noon)
	edit(t, h.records, func(e provision.Edit) error { return e.PutDevice(&provision.Device{MAC: printer, Enabled: true}) })
	if a := h.get("001565000077.cfg", "10.20.1.30"); a.Outcome != provision.NotFound || !strings.Contains(a.Reason, "only its address is kept") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
}

func TestAskedInVain(t *testing.T) {
	h := newHouse(t)
	for _, from := range []string{"10.20.1.7", "192.0.2.1"} {
		for _, name := range []string{"001565123456.boot", "001565123456-local.cfg"} {
			if a := h.get(name, from); a.Outcome != provision.Expected404 || a.Status != 404 {
				t.Errorf("%s from %s: %s, %s", name, from, a.Outcome, a.Reason)
			}
		}
	}
	if a := h.ask(provision.Request{Transport: provision.HTTP, Method: "PUT", Name: "001565123456-local.cfg", From: netip.MustParseAddr("10.20.1.7")}); a.Outcome != provision.NotFound {
		t.Errorf("an upload: %s", a.Outcome)
	}
	for _, name := range []string{"", "nothing.xyz", "../../etc/passwd", strings.Repeat("a", 10_000), "a\x00b", "\xff"} {
		if a := h.ask(provision.Request{Transport: provision.HTTP, Name: name, From: netip.MustParseAddr("10.20.1.7")}); a.Outcome != provision.NotFound || len(a.Name) > 100 || len(a.Reason) > 300 {
			t.Errorf("%.20q: %s, %.100s, %.100s", name, a.Outcome, a.Name, a.Reason)
		}
	}
}

func TestNoProvisioningInOrdinarySubnets(t *testing.T) {
	h := newHouse(t)
	h.leases.Lease("10.30.0.7", front, "10.30.0.0/24", noon)
	if a := h.get("001565123456.cfg", "10.30.0.7"); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "phones: none") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
}

func TestStaticFiles(t *testing.T) {
	h := newHouse(t)
	h.write("logo.png", "plain")
	h.write("acme/logo.png", "acme's")
	h.write("acme/ring.wav", "ring")
	h.write("old/001565123456.cfg", "an old secret")
	h.write("001565123456.cfg", "an old secret")
	h.write("x.rom", "firmware")
	if err := os.Symlink("/etc/passwd", filepath.Join(h.files, "escape")); err != nil {
		t.Fatal(err)
	}
	if a := h.get("logo.png", "10.20.1.7"); h.served(a) != "acme's" || a.Kind != "static" || a.MediaType != "image/png" || a.ETag == "" {
		t.Errorf("for an acme phone: %+v", a)
	}
	if got := h.served(h.get("logo.png", "192.0.2.1")); got != "plain" {
		t.Errorf("for anybody: %q", got)
	}
	if got := h.served(h.get("acme/ring.wav", "192.0.2.1")); got != "ring" {
		t.Errorf("by its path: %q", got)
	}
	for _, name := range []string{"old/001565123456.cfg", "escape", "acme", "logo.png/x", strings.Repeat("a", 250)} {
		if a := h.get(name, "10.20.1.7"); a.Outcome != provision.NotFound {
			t.Errorf("%.20s: %s, %s", name, a.Outcome, a.Reason)
		}
	}
	if a := h.get("001565123456.cfg", "192.0.2.1"); a.Outcome != provision.Refused {
		t.Errorf("a device file in the folder: %s", a.Outcome)
	}
	first := h.get("logo.png", "192.0.2.1").ETag
	if again := h.get("logo.png", "192.0.2.1").ETag; again != first {
		t.Errorf("the same file has the ETags %s and %s", first, again)
	}
	h.write("logo.png", "longer than before")
	if again := h.get("logo.png", "192.0.2.1").ETag; again == first {
		t.Error("a changed file keeps its ETag")
	}
}

func TestFirmwareOnlyWhenNamed(t *testing.T) {
	h := newHouse(t)
	h.write("x.rom", "firmware")
	for _, from := range []string{"10.20.1.7", "192.0.2.1"} {
		for _, name := range []string{"x.rom", "old/x.rom"} {
			if a := h.get(name, from); a.Outcome != provision.NotFound || a.Kind != "firmware" {
				t.Errorf("%s from %s: %s, %s", name, from, a.Outcome, a.Reason)
			}
		}
	}
	edit(t, h.records, func(e provision.Edit) error {
		d, err := e.Device(front)
		if err == nil {
			d.Settings = setting.Values{"firmware": []string{"x.rom"}}
			err = e.PutDevice(d)
		}
		return err
	})
	if got := h.served(h.get("x.rom", "10.20.1.7")); got != "firmware" {
		t.Errorf("named: %q", got)
	}
	if a := h.get("x.rom", "10.20.1.200"); a.Outcome != provision.NotFound {
		t.Errorf("named, without proof: %s", a.Outcome)
	}
}

func TestFaultsAreFaults(t *testing.T) {
	h := newHouse(t)
	h.records.Break(true)
	for _, name := range []string{"001565123456.cfg", "001565ffffff.cfg", "common004.cfg"} {
		if a := h.get(name, "10.20.1.7"); a.Outcome != provision.Fault || a.Status != 503 || !errors.Is(a.Err, provisiontest.ErrBroken) {
			t.Errorf("%s with a broken store: %s, %v", name, a.Outcome, a.Err)
		}
	}
	h.records.Break(false)
	edit(t, h.records, func(e provision.Edit) error { return e.DeleteExtension("1001", "main") })
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.Fault || !errors.Is(a.Err, provision.ErrFault) || a.Body != nil || a.ETag != "" {
		t.Errorf("a line without its extension: %s, %v", a.Outcome, a.Err)
	}
	edit(t, h.records, func(e provision.Edit) error {
		return e.PutExtension(&provision.Extension{Number: "1001", Registrar: "main", Password: "a\nb"})
	})
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.Fault || !strings.Contains(a.Reason, "password") || strings.Contains(a.Reason, "a\nb") {
		t.Errorf("a password that the format can't carry: %s, %s", a.Outcome, a.Reason)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if a := h.Answer(ctx, provision.Request{Name: "x", From: netip.MustParseAddr("10.20.1.7")}); a.Outcome != provision.Fault {
		t.Errorf("after the end: %s", a.Outcome)
	}
}

func TestSameBytesUntilSomethingChanges(t *testing.T) {
	h := newHouse(t)
	get := func() string { h.t.Helper(); a := h.get("001565123456.cfg", "10.20.1.7"); h.served(a); return a.ETag }
	first := get()
	h.now = h.now.Add(3 * time.Hour)
	if get() != first {
		t.Error("time alone changes the file")
	}
	last := first
	changes := map[string]func(){
		"password": func() {
			edit(t, h.records, func(e provision.Edit) error {
				return e.PutExtension(&provision.Extension{Number: "1001", Registrar: "main", Password: "new"})
			})
		},
		"profile": func() {
			edit(t, h.records, func(e provision.Edit) error {
				return e.PutProfile(&provision.Profile{Name: "base", Settings: setting.Values{"srtp": "required"}})
			})
		},
		"registrar": func() {
			edit(t, h.records, func(e provision.Edit) error {
				return e.PutRegistrar(&provision.Registrar{Name: "main", Host: "new.example.com", Port: 5060, Transport: "udp"})
			})
		},
		"site": func() {
			site := *h.site
			site.ExternalURL = "https://phones.example.com/p"
			h.site = &site
		},
	}
	for name, change := range changes {
		change()
		if now := get(); now == last {
			t.Errorf("a change of the %s does not show", name)
		} else {
			last = now
		}
	}
	contains(t, h.served(h.get("001565123456.cfg", "10.20.1.7")), "server.url = https://phones.example.com/p/", "account.1.password = new", "pbx.example.com"[0:0]+"new.example.com")
	h.packs = provisiontest.Packs(t)
	if get() != last {
		t.Error("the same packs, loaded again, give other bytes")
	}
}

func TestAnswersAtOnce(t *testing.T) {
	h := newHouse(t)
	want := h.get("001565123456.cfg", "10.20.1.7").Digest
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got := h.Answer(context.Background(), provision.Request{Time: noon, Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7")}).Digest; got != want {
					t.Errorf("digest %s, want %s", got, want)
				}
				edit(t, h.records, func(e provision.Edit) error { return e.PutProfile(&provision.Profile{Name: "other"}) })
			}
		})
	}
	wg.Wait()
}

func TestExpiredLeaseIsNoProof(t *testing.T) {
	h := newHouse(t)
	h.now = noon.Add(24 * time.Hour)
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.Refused {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	h.leases.Put(dhcp.Lease{Addr: netip.MustParseAddr("10.20.1.7"), MAC: front, State: dhcp.LeaseReleased, Expires: h.now.Add(time.Hour)})
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.Refused {
		t.Errorf("released: %s", a.Reason)
	}
}
