package provision_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/timeline"
)

func TestNewNamesAllThatIsMissing(t *testing.T) {
	_, err := provision.New(provision.Config{})
	for _, what := range []string{"records", "packs", "site", "clock"} {
		if err == nil || !strings.Contains(err.Error(), "no "+what) {
			t.Errorf("%v does not name the missing %s", err, what)
		}
	}
}

func adviceSite(h *fixture) dhcp.Site {
	return dhcp.Site{Subnet: netip.MustParsePrefix(voice), Phones: dhcp.PhonesProvision, NextServer: netip.MustParseAddr("10.20.0.2"), ProvisioningURL: "http://10.20.0.2/", VoiceVLAN: 20}
}

func options(a dhcp.Policy) string {
	var out []string
	for _, o := range a.Options {
		text := string(o.Data)
		if o.Force {
			text += "!"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestPolicyOfAClient(t *testing.T) {
	h := newFixture(t)
	disguised, printer := mac("001565000071"), mac("001565000072")
	edit(t, h.records, func(e fleet.Edit) error {
		return errors.Join(e.PutDevice(&fleet.Device{MAC: disguised, Vendor: "bolt", Model: "B1", Enabled: true}), e.PutDevice(&fleet.Device{MAC: printer, Enabled: true}))
	})
	tests := []struct {
		name            string
		c               dhcp.Client
		change          func(*dhcp.Site)
		vendor, model   string
		phone, recorded bool
		options         string
		reason          string
	}{
		{"recorded", dhcp.Client{MAC: front, VendorClass: "acme"}, nil, "acme", "A4", true, true, "http://10.20.0.2/! 20", "recorded as acme A4; recognised as acme"},
		{"recorded, by its other MAC", dhcp.Client{MAC: mac("001565123457")}, nil, "acme", "A4", true, true, "http://10.20.0.2/! 20", "recorded as acme A4"},
		{"recorded, identifies itself as another model", dhcp.Client{MAC: front, VendorClass: "acme A1"}, nil, "acme", "A4", true, true, "http://10.20.0.2/! 20", "but it identifies itself as A1"},
		{"record against packet", dhcp.Client{MAC: disguised, VendorClass: "acme A1"}, nil, "bolt", "B1", true, true, "http://10.20.0.2", "recorded as bolt B1, but recognised as acme"},
		{"recorded without vendor", dhcp.Client{MAC: printer}, nil, "", "", true, true, "", "only its address is kept"},
		{"recognised", dhcp.Client{MAC: mac("aabbccddee01"), VendorClass: "acme A1"}, nil, "acme", "A1", true, false, "http://10.20.0.2/! 20", "recognised as acme"},
		{"evidence at odds", dhcp.Client{MAC: mac("aabbccddee03"), VendorClass: "acme", Hostname: "bolt-1"}, nil, "acme", "", true, false, "http://10.20.0.2/! 20", `but hostname "bolt-1" means bolt`},
		{"laptop", dhcp.Client{MAC: mac("aabbccddee02"), VendorClass: "MSFT 5.0"}, nil, "", "", false, false, "", "not recognised"},
		{"ordinary subnet", dhcp.Client{MAC: front, VendorClass: "acme"}, func(s *dhcp.Site) { s.Phones = dhcp.PhonesNone }, "acme", "A4", true, true, "", "recorded"},
		{"to be moved", dhcp.Client{MAC: front, VendorClass: "acme"}, func(s *dhcp.Site) { s.Phones = dhcp.PhonesMove }, "acme", "A4", true, true, "20", "recorded"},
		{"no voice VLAN", dhcp.Client{MAC: front}, func(s *dhcp.Site) { s.VoiceVLAN = 0 }, "acme", "A4", true, true, "http://10.20.0.2/!", "recorded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			site := adviceSite(h)
			if tt.change != nil {
				tt.change(&site)
			}
			a := h.PolicyFor(tt.c, site)
			if want := strings.HasPrefix(tt.name, "record against"); (a.Recognised == "acme") != want || a.Recognised != "" && !want {
				t.Errorf("recognised as %q against its record", a.Recognised)
			}
			if a.Vendor != tt.vendor || a.Model != tt.model || a.Phone != tt.phone || a.Recorded != tt.recorded || options(a) != tt.options || !strings.Contains(a.Reason, tt.reason) {
				t.Errorf("advice %+v with options %q", a, options(a))
			}
		})
	}
}

func TestPolicyWithABrokenStoreHasNoOptions(t *testing.T) {
	h := newFixture(t)
	h.records.Break(true)
	a := h.PolicyFor(dhcp.Client{MAC: front, VendorClass: "acme"}, adviceSite(h))
	if a.Vendor != "acme" || a.Recorded || options(a) == "" || !strings.Contains(a.Reason, "could not be read") {
		t.Errorf("a broken store leaves options in the policy: %+v", a)
	}
}

func TestPreviewOfFilesMatchesTheAnswers(t *testing.T) {
	h := newFixture(t)
	got, err := h.Files(context.Background(), front, netip.Prefix{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range got {
		lines = append(lines, f.Name+" "+f.Kind+" "+f.Outcome)
	}
	want := []string{"001565123456.boot none expected", "common004.cfg common served", "001565123456.cfg device served", "001565123456-book.xml private served", "001565123456-local.cfg upload expected"}
	if !slices.Equal(lines, want) {
		t.Errorf("files\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	live := h.get("001565123456.cfg", "10.20.1.7")
	if got[2].Digest != live.Digest || got[2].Size != live.Size {
		t.Errorf("the preview is not the real answer: %+v, %+v", got[2], live)
	}
	other, err := h.Files(context.Background(), front, netip.MustParsePrefix("10.40.0.0/24"))
	if err != nil || other[2].Digest == live.Digest {
		t.Errorf("another subnet gives the same bytes: %v", err)
	}
	if _, err := h.Files(context.Background(), mac("001565ffffff"), netip.Prefix{}); !errors.Is(err, fleet.ErrNotFound) {
		t.Errorf("an unknown phone: %v", err)
	}
	var bad fleet.ValidationError
	if _, err := h.Files(context.Background(), front, netip.MustParsePrefix("10.99.0.0/24")); !errors.As(err, &bad) || bad[0].Field != "subnet" {
		t.Errorf("an unknown subnet: %v", err)
	}
}

func TestFileMasksSecrets(t *testing.T) {
	h := newFixture(t)
	edit(t, h.records, func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err == nil {
			d.VendorSettings = map[string]map[string]string{"acme": {"wifi.password": "wlan-key", "lcd.contrast": "5"}}
			err = e.PutDevice(d)
		}
		return err
	})
	ctx := context.Background()
	clear, err := h.File(ctx, front, "001565123456.cfg", netip.Prefix{}, true)
	if err != nil || clear.Masked {
		t.Fatalf("%+v, %v", clear, err)
	}
	contains(t, string(clear.Body), "s3cret&<>", "site-admin", "wlan-key", "lcd.contrast = 5")
	hidden, err := h.File(ctx, front, "001565123456.cfg", netip.Prefix{}, false)
	if err != nil || !hidden.Masked || hidden.Digest != clear.Digest || hidden.Size != clear.Size {
		t.Fatalf("masked file: %+v, %v", hidden, err)
	}
	contains(t, string(hidden.Body), "account.1.password = ***", "security.admin = ***", "wifi.password = ***", "lcd.contrast = ***", "account.1.user = 1001")
	for _, secret := range []string{"s3cret", "site-admin", "wlan-key"} {
		if strings.Contains(string(hidden.Body), secret) {
			t.Errorf("the masked file shows %s", secret)
		}
	}
	if live := h.get("001565123456.cfg", "10.20.1.7"); string(live.Body) != string(clear.Body) {
		t.Error("masking changed what the phone gets, or reveal is not what it gets")
	}
	common, err := h.File(ctx, front, "common004.cfg", netip.Prefix{}, false)
	if err != nil || common.Masked {
		t.Errorf("a file without secrets counts as masked: %v", err)
	}
	vain, err := h.File(ctx, front, "001565123456.boot", netip.Prefix{}, false)
	if err != nil || vain.Body != nil || vain.Reason == "" || vain.Outcome != "expected" {
		t.Errorf("an expected 404: %+v, %v", vain, err)
	}
	if _, err := h.File(ctx, front, "nothing.xyz", netip.Prefix{}, false); !errors.Is(err, fleet.ErrNotFound) {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestStatusFollowsTheLastFetch(t *testing.T) {
	h := newFixture(t)
	ctx := context.Background()
	state := func() devicestatus.Status {
		t.Helper()
		st, err := h.Status(ctx, front)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if st := state(); st.State != "never_fetched" || st.IP != netip.MustParseAddr("10.20.1.7") || !st.LastSeen.Equal(noon) {
		t.Errorf("with a lease: %+v", st)
	}
	a := h.get("001565123456.cfg", "10.20.1.7")
	b := h.get("common004.cfg", "10.20.1.7")
	at := noon.Add(time.Minute)
	h.fetches = []fleet.Fetch{
		{MAC: front, File: "001565123456.cfg", Kind: "device", Digest: a.Digest, Time: at, From: netip.MustParseAddr("10.20.1.7"), Firmware: "1.2.3"},
		{MAC: front, File: "common004.cfg", Kind: "common", Digest: b.Digest, Time: noon, From: netip.MustParseAddr("10.20.1.7")},
	}
	if st := state(); st.State != "in_sync" || !st.LastFetch.Equal(at) || !st.LastSeen.Equal(at) || st.Firmware != "1.2.3" {
		t.Errorf("after its fetch: %+v", st)
	}
	h.fetches[1].Digest = strings.Repeat("0", 64)
	if st := state(); st.State != "stale" {
		t.Errorf("with an old common file: %+v", st)
	}
	h.fetches[1].Digest = b.Digest
	edit(t, h.records, func(e fleet.Edit) error {
		return e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: "new"})
	})
	if st := state(); st.State != "stale" {
		t.Errorf("after a new password: %+v", st)
	}
	edit(t, h.records, func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err == nil {
			d.Enabled = false
			err = e.PutDevice(d)
		}
		return err
	})
	if st := state(); st.State != "disabled" {
		t.Errorf("disabled: %+v", st)
	}
	h.fetches = nil
	if st, err := h.StatusOf(ctx, &fleet.Device{MAC: mac("001565000099"), Enabled: true}); err != nil || st.State != "never_seen" {
		t.Errorf("never seen: %+v, %v", st, err)
	}
	if _, err := h.Status(ctx, mac("001565000099")); !errors.Is(err, fleet.ErrNotFound) {
		t.Errorf("no record: %v", err)
	}
}

func TestStatusIsRefusedWhenThePhoneWasServedNothing(t *testing.T) {
	h := newFixture(t)
	entries := []timeline.Entry{}
	s, err := provision.New(provision.Config{
		Records: h.records, Leases: h.leases, Packs: func() *pack.Set { return h.packs }, Site: func() *fleet.Site { return h.site }, Now: func() time.Time { return h.now },
		Fetches:  func(dhcp.MAC) ([]fleet.Fetch, error) { return h.fetches, nil },
		Timeline: func(dhcp.MAC, int) ([]timeline.Entry, error) { return entries, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		verdicts []string
		from     string
		want     string
	}{
		{nil, "10.20.1.7", "never_fetched"},
		{[]string{"refused"}, "10.20.1.7", "refused"},
		{[]string{"refused", "not_found"}, "10.20.1.7", "refused"},
		{[]string{"refused", "served"}, "10.20.1.7", "never_fetched"},
		{[]string{"refused"}, "192.0.2.66", "never_fetched"}, // another host: the phone has a lease on 10.20.1.7
	} {
		entries = entries[:0]
		for i, v := range tt.verdicts {
			entries = append(entries, timeline.Entry{Time: noon.Add(time.Duration(i) * time.Second), Source: "http", Verdict: v, Addr: netip.MustParseAddr(tt.from)})
		}
		if st, err := s.Status(context.Background(), front); err != nil || st.State != tt.want {
			t.Errorf("%v: %s, %v; want %s", tt.verdicts, st.State, err, tt.want)
		}
	}
}

func TestExplainNamesTheSourceOfEachSetting(t *testing.T) {
	h := newFixture(t)
	x, err := h.Explain(context.Background(), provision.Question{MAC: front})
	if err != nil {
		t.Fatal(err)
	}
	if !x.Recorded || !x.Enabled || x.Vendor != "acme" || x.Subnet != netip.MustParsePrefix(voice) || x.SubnetBy != "lease" || x.URL != "http://10.20.0.2/" ||
		x.Trust != "lease, credentials, certificate" || len(x.Files) != 5 || len(x.Options) != 1 || x.Options[0].Value != `"http://10.20.0.2/"` {
		t.Errorf("%+v", x)
	}
	from := map[string]string{}
	for _, o := range x.Settings {
		from[o.Name] = o.From
	}
	want := map[string]string{"language": "subnet 10.20.0.0/22", "srtp": "profile base", "voice_vlan": "profile reception", "time_zone": "default", "ntp_servers": "default", "admin_password": "provisioning.settings"}
	for name, place := range want {
		if from[name] != place {
			t.Errorf("%s comes from %q, want %q", name, from[name], place)
		}
	}
	b, err := json.Marshal(x)
	if err != nil || strings.Contains(string(b), "site-admin") || strings.Contains(string(b), "s3cret") {
		t.Errorf("the explanation shows a secret: %s, %v", b, err)
	}
	y, err := h.Explain(context.Background(), provision.Question{MAC: mac("0004f2000001")})
	if err != nil || y.Recorded || y.Vendor != "bolt" || y.SubnetBy != "first provisioning subnet" {
		t.Errorf("a phone without a record: %+v, %v", y, err)
	}
}

func TestExplainGivesTheAnswerOfARequest(t *testing.T) {
	h := newFixture(t)
	explain := func(path, from string) provision.Explanation {
		t.Helper()
		x, err := h.Explain(context.Background(), provision.Question{Path: path, From: netip.MustParseAddr(from)})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	if x := explain("/001565123456.cfg", "10.20.1.7"); x.Answer.Outcome != provision.Served || x.Answer.Digest == "" || !x.Recorded {
		t.Errorf("%+v", x.Answer)
	}
	if x := explain("/001565123456.cfg", "192.0.2.1"); x.Answer.Outcome != provision.Refused || !strings.Contains(x.Answer.Reason, "192.0.2.1 is not leased by us") || !x.Recorded {
		t.Errorf("%+v", x.Answer)
	}
}

func BenchmarkAnswer(b *testing.B) {
	h := newFixture(b)
	r := provision.Request{Time: noon, Transport: fleet.HTTP, Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7"), UserAgent: "Acme A4 1.2.3 00:15:65:12:34:56"}
	for b.Loop() {
		if a := h.Answer(b.Context(), r); a.Outcome != provision.Served {
			b.Fatal(a.Reason)
		}
	}
}
