package provision_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
	"plugtone/provision/trust"
)

func TestPhoneGetsItsFileFromItsLeasedAddress(t *testing.T) {
	h := newFixture(t)
	for _, name := range []string{"001565123456.cfg", "/001565123456.cfg", "//001565123456.CFG", `\001565123456.cfg`} {
		a := h.get(name, "10.20.1.7")
		contains(t, h.served(a), "device.label = Front Desk Phone", "account.1.password = s3cret&<>", "account.1.server = pbx.example.com:5060",
			"key.2.value = 1002", "key.2.label = Bob", "key.3.value = 1008", "security.admin = site-admin", "server.url = http://10.20.0.2/", "ntp1 = 10.20.0.1")
		if a.MAC != front || a.Vendor != "acme" || a.Model != "A4" || a.Kind != "device" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := h.send(provision.Request{Transport: fleet.TFTP, Name: "001565123456.cfg", From: netip.MustParseAddr("::ffff:10.20.1.7")}); a.Outcome != provision.Served {
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

// Known is set for a phone with a record that has proved itself. Servers at their limit prefer such phones.
func TestKnownIsSetForProvenPhonesWithARecord(t *testing.T) {
	h := newFixture(t)
	h.leases.Lease("10.20.1.9", mac("001565000003"), voice, noon)
	h.write("logo.png", "logo")
	for _, from := range []string{"10.20.1.7", "10.20.1.9", "10.20.1.200"} {
		a := h.get("logo.png", from)
		h.served(a)
		if want := from == "10.20.1.7"; a.Known != want {
			t.Errorf("from %s: %v", from, a.Known)
		}
	}
	site := *h.site
	site.Trust = []trust.Proof{trust.ProofOpen}
	h.site = &site
	if a := h.get("001565123456.cfg", "10.20.1.200"); a.Outcome != provision.Served || a.Known {
		t.Errorf("where all is open: %s, %v", a.Outcome, a.Known)
	}
}

// The refusal is the same for phones that have a record, are disabled, or are unknown.
func TestRefusalsOfKnownAndUnknownPhonesAreEqual(t *testing.T) {
	h := newFixture(t)
	disabled, unknown := mac("001565000002"), mac("001565000003")
	edit(t, h.records, func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: disabled, Vendor: "bolt", Model: "B1"})
	})
	h.leases.Lease("10.20.1.9", mac("001565000009"), voice, noon)  // another phone
	h.leases.Lease("10.20.1.10", mac("ac1122334455"), voice, noon) // a laptop
	expired := h.leases.Lease("10.20.1.11", front, voice, noon)    // the phone's own, long ago
	expired.Expires = noon.Add(-time.Hour)
	h.leases.Put(expired)
	for _, pattern := range []string{"%.cfg", "%-book.xml", "%-phone.cfg", "%.boot", "%-local.cfg", "sub/%.cfg"} {
		for _, from := range []string{"10.20.1.9", "10.20.1.10", "10.20.1.11", "10.20.1.200", "192.0.2.1", "10.30.0.5"} {
			for _, transport := range []fleet.Transport{fleet.TFTP, fleet.HTTP, fleet.HTTPS} {
				var first provision.Answer
				for i, m := range []dhcp.MAC{unknown, disabled, front} {
					name := strings.ReplaceAll(pattern, "%", m.Hex())
					a := h.send(provision.Request{Transport: transport, Name: name, From: netip.MustParseAddr(from), UserAgent: "curl/8"})
					if a.MAC != m && !m.IsZero() && strings.HasPrefix(pattern, "%") {
						t.Errorf("%s from %s: it is about %s", name, from, a.MAC)
					}
					if a.Outcome == provision.Served {
						t.Fatalf("%s is served to %s: %s", name, from, a.Reason)
					}
					if strings.Contains(strings.ReplaceAll(a.Reason, m.String(), ""), "device") && pattern == "%.cfg" {
						t.Errorf("%s from %s: the reason mentions a record: %s", name, from, a.Reason)
					}
					a.Reason, a.MAC, a.Name = "", dhcp.MAC{}, strings.ReplaceAll(a.Name, m.Hex(), "%")
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

// A request without proof takes the same work whether or not the phone that it names has a record: no record is read.
func TestRefusalReadsNoRecord(t *testing.T) {
	h := newFixture(t)
	h.leases.Lease("10.20.1.9", mac("001565000009"), voice, noon)
	for _, from := range []string{"192.0.2.1", "10.20.1.9"} {
		h.get("001565123456.cfg", from) // all that can be cached is cached now
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

func TestContradictionIsInTheReason(t *testing.T) {
	h := newFixture(t)
	h.leases.Lease("10.20.1.9", mac("001565000009"), voice, noon)
	if a := h.get("001565123456.cfg", "10.20.1.9"); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "10.20.1.9 is leased to 00:15:65:00:00:09, but the file is 00:15:65:12:34:56's") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	a := h.send(provision.Request{Transport: fleet.HTTP, Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7"), UserAgent: "Acme A4 1.2.3 00:15:65:00:00:09"})
	if a.Outcome != provision.Refused || !strings.Contains(a.Reason, "user agent has 00:15:65:00:00:09") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	a = h.send(provision.Request{Transport: fleet.HTTP, Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7"), UserAgent: "Acme A4 1.2.3 00:15:65:12:34:56"})
	if a.Outcome != provision.Served || a.Firmware != "1.2.3" {
		t.Errorf("%s: %s, firmware %q", a.Outcome, a.Reason, a.Firmware)
	}
}

func TestDisabledDeviceGetsNoAccounts(t *testing.T) {
	h := newFixture(t)
	edit(t, h.records, func(e fleet.Edit) error {
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

func TestUnknownPhoneWithALeaseFollowsThePolicy(t *testing.T) {
	h := newFixture(t)
	unknown := mac("001565000003")
	lease := h.leases.Lease("10.20.1.9", unknown, voice, noon)
	lease.VendorClass = "acme A1"
	h.leases.Put(lease)
	for _, policy := range []string{"", fleet.UnknownList, fleet.UnknownIgnore} {
		site := *h.site
		site.UnknownPhones = policy
		h.site = &site
		if a := h.get("001565000003.cfg", "10.20.1.9"); a.Outcome != provision.NotFound || a.Status != 404 {
			t.Errorf("%q: %s, %s", policy, a.Outcome, a.Reason)
		}
	}
	site := *h.site
	site.UnknownPhones = fleet.UnknownHold
	h.site = &site
	body := h.served(h.get("001565000003.cfg", "10.20.1.9"))
	contains(t, body, "device.assigned = 0", "account.1.enable = 0")
	if strings.Contains(body, "site-admin") {
		t.Errorf("an unknown phone gets the fleet's password:\n%s", body)
	}
	if a := h.get("001565000003.cfg", "10.20.1.200"); a.Outcome != provision.Refused {
		t.Errorf("without its lease: %s", a.Outcome)
	}
}

func TestCommonFilesNeedNoProofAndHaveNoSecret(t *testing.T) {
	h := newFixture(t)
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

// The name {mac}.cfg is acme's device file and bolt's common one. The OUI decides for a requester without proof, the record
// for one with proof.
func TestNameOfSeveralVendorsIsDecidedByRecordOrOUI(t *testing.T) {
	h := newFixture(t)
	if a := h.get("0004f2000001.cfg", "10.20.1.200"); a.Kind != "common" || a.Vendor != "bolt" {
		t.Errorf("bolt's OUI: %+v", a)
	} else {
		contains(t, h.served(a), "config.server = http://10.20.0.2/")
	}
	if a := h.get("001565000001.cfg", "10.20.1.200"); a.Outcome != provision.Refused || a.Vendor != "acme" {
		t.Errorf("acme's OUI: %s of %s", a.Outcome, a.Vendor)
	}
	if a := h.get("aabbccddeeff.cfg", "10.20.1.200"); a.Outcome != provision.Refused || a.Kind != "" {
		t.Errorf("an unlisted OUI: %s of kind %q", a.Outcome, a.Kind)
	}
	// A rebranded phone with another maker's OUI, but a record.
	odd := mac("aabbccddeef0")
	h.leases.Lease("10.20.1.20", odd, voice, noon)
	edit(t, h.records, func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: odd, Vendor: "bolt", Model: "B1", Enabled: true, Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}}})
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

func TestDeviceWithoutVendorGetsNoFile(t *testing.T) {
	h := newFixture(t)
	printer := mac("001565000077")
	h.leases.Lease("10.20.1.30", printer, voice, noon)
	edit(t, h.records, func(e fleet.Edit) error { return e.PutDevice(&fleet.Device{MAC: printer, Enabled: true}) })
	if a := h.get("001565000077.cfg", "10.20.1.30"); a.Outcome != provision.NotFound || !strings.Contains(a.Reason, "only its address is kept") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
}

func TestExpectedAndUnknownFilesAreNotFound(t *testing.T) {
	h := newFixture(t)
	for _, from := range []string{"10.20.1.7", "192.0.2.1"} {
		for _, name := range []string{"001565123456.boot", "001565123456-local.cfg"} {
			if a := h.get(name, from); a.Outcome != provision.Expected404 || a.Status != 404 {
				t.Errorf("%s from %s: %s, %s", name, from, a.Outcome, a.Reason)
			}
		}
	}
	if a := h.send(provision.Request{Transport: fleet.HTTP, Method: "PUT", Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7")}); a.Outcome != provision.NotFound {
		t.Errorf("an upload: %s", a.Outcome)
	}
	for _, name := range []string{"", "nothing.xyz", "../../etc/passwd", strings.Repeat("a", 10_000), "a\x00b", "\xff"} {
		if a := h.send(provision.Request{Transport: fleet.HTTP, Name: name, From: netip.MustParseAddr("10.20.1.7")}); a.Outcome != provision.NotFound || len(a.Name) > 100 || len(a.Reason) > 300 {
			t.Errorf("%.20q: %s, %.100s, %.100s", name, a.Outcome, a.Name, a.Reason)
		}
	}
}

func TestSubnetWithoutProvisioningRefusesFiles(t *testing.T) {
	h := newFixture(t)
	h.leases.Lease("10.30.0.7", front, "10.30.0.0/24", noon)
	if a := h.get("001565123456.cfg", "10.30.0.7"); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "phones: none") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
}

func TestInternalErrorsAreReportedAsSuch(t *testing.T) {
	h := newFixture(t)
	h.records.Break(true)
	for _, name := range []string{"001565123456.cfg", "001565ffffff.cfg", "common004.cfg"} {
		if a := h.get(name, "10.20.1.7"); a.Outcome != provision.InternalError || a.Status != 503 || !errors.Is(a.Err, provisiontest.ErrBroken) {
			t.Errorf("%s with a broken store: %s, %v", name, a.Outcome, a.Err)
		}
	}
	h.records.Break(false)
	edit(t, h.records, func(e fleet.Edit) error { return e.DeleteExtension("1001", "main") })
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.InternalError || !errors.Is(a.Err, fleet.ErrInternal) || a.Body != nil || a.ETag != "" {
		t.Errorf("a line without its extension: %s, %v", a.Outcome, a.Err)
	}
	edit(t, h.records, func(e fleet.Edit) error {
		return e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: "a\nb"})
	})
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.InternalError || !strings.Contains(a.Reason, "password") || strings.Contains(a.Reason, "a\nb") {
		t.Errorf("a password that the format can't carry: %s, %s", a.Outcome, a.Reason)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if a := h.Answer(ctx, provision.Request{Name: "x", From: netip.MustParseAddr("10.20.1.7")}); a.Outcome != provision.InternalError {
		t.Errorf("after the end: %s", a.Outcome)
	}
}

func TestExpiredLeaseIsNoProof(t *testing.T) {
	h := newFixture(t)
	h.now = noon.Add(24 * time.Hour)
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.Refused {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	h.leases.Put(dhcp.Lease{Addr: netip.MustParseAddr("10.20.1.7"), MAC: front, State: dhcp.LeaseReleased, Expires: h.now.Add(time.Hour)})
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.Refused {
		t.Errorf("released: %s", a.Reason)
	}
}
