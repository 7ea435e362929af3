package provision_test

import (
	"context"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/provision"
	"plugtone/provision/diagnosis"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
)

// put uploads as a phone does and returns the answer as an observer sees it.
func (h *fixture) put(name, from, body string) provision.Answer {
	h.t.Helper()
	a := h.send(provision.Request{Transport: fleet.HTTP, Method: "PUT", Name: name, From: netip.MustParseAddr(from), Size: int64(len(body))})
	if a.Upload == nil {
		return a
	}
	_, err := io.Copy(a.Upload, strings.NewReader(body))
	_ = a.Receive(err)
	return a
}

const overrides = "001565123456-local.cfg"

func TestUploadIsServedToItsDeviceAlone(t *testing.T) {
	h := newFixture(t)
	if a := h.get(overrides, "10.20.1.7"); a.Outcome != provision.Expected404 {
		t.Errorf("before anything was uploaded: %s, %s", a.Outcome, a.Reason)
	}
	if a := h.put("/001565123456-Local.cfg", "10.20.1.7", "one"); a.Outcome != provision.Received || a.MAC != front || a.Kind != "upload" || a.Size != 3 {
		t.Errorf("%+v", a)
	}
	for _, name := range []string{overrides, "//" + overrides} {
		if got := h.served(h.get(name, "10.20.1.7")); got != "one" {
			t.Errorf("%s: given back %q", name, got)
		}
	}
	if a := h.get(overrides, "192.0.2.1"); a.Outcome != provision.Expected404 || a.Content != nil {
		t.Errorf("served without proof: %s", a.Outcome)
	}
	c, err := h.File(context.Background(), front, overrides, netip.Prefix{}, false)
	if err != nil || !c.Masked || c.Content != nil || string(c.Body) != "***\n" || c.Size != 3 {
		t.Errorf("a viewer sees %+v, %v", c, err)
	}
	if c, err = h.File(context.Background(), front, overrides, netip.Prefix{}, true); err != nil || c.Content == nil || c.Masked {
		t.Fatalf("an admin sees %+v, %v", c, err)
	}
	_ = c.Content.Close()
}

func TestUploadsOutsideTheRulesAreRejected(t *testing.T) {
	h := newFixture(t)
	unrecorded, disabled := mac("001565000088"), mac("001565000089")
	edit(t, h.records, func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: disabled, Vendor: "acme", Model: "A4"})
	})
	h.leases.Lease("10.20.1.88", unrecorded, voice, noon)
	h.leases.Lease("10.20.1.89", disabled, voice, noon)
	for _, tt := range []struct {
		name, file, from, body string
		outcome                provision.Outcome
		status                 int
	}{
		{"a configuration", "001565123456.cfg", "10.20.1.7", "x", provision.NotFound, 405},
		{"an unknown name", "logo.png", "10.20.1.7", "x", provision.NotFound, 405},
		{"a path", "../" + overrides, "10.20.1.7", "x", provision.NotFound, 404},
		{"too large", overrides, "10.20.1.7", strings.Repeat("x", 256<<10+1), provision.Rejected, 413},
		{"no proof", overrides, "192.0.2.1", "x", provision.Refused, 401},
		{"no proof, of an unknown phone", "001565999999-local.cfg", "192.0.2.1", "x", provision.Refused, 401},
		{"another's", overrides, "10.20.1.88", "x", provision.Refused, 401},
		{"no record", "001565000088-local.cfg", "10.20.1.88", "x", provision.NotFound, 405},
		{"disabled", "001565000089-local.cfg", "10.20.1.89", "x", provision.NotFound, 405},
	} {
		if a := h.put(tt.file, tt.from, tt.body); a.Outcome != tt.outcome || a.Status != tt.status {
			t.Errorf("%s: %s %d, %s", tt.name, a.Outcome, a.Status, a.Reason)
		}
	}
	h.site.Trust = []trust.Proof{trust.ProofOpen}
	if a := h.put(overrides, "192.0.2.1", "x"); a.Outcome != provision.Refused {
		t.Errorf("where everything is open: %s", a.Outcome)
	}
	if left, _ := filepath.Glob(filepath.Join(h.uploads, "*", "*")); len(left) != 0 {
		t.Errorf("something was written: %v", left)
	}
}

func TestRejectedUploadIsNotReportedAsRefusal(t *testing.T) {
	h := newFixture(t)
	a := h.put(overrides, "10.20.1.7", strings.Repeat("x", 300<<10))
	found := diagnosis.Diagnose([]timeline.Entry{{Time: noon, MAC: front, Source: "http", Event: "put", Verdict: string(a.Outcome), Reason: a.Reason}},
		diagnosis.Facts{Now: noon.Add(time.Minute), MAC: front, Recorded: true, Enabled: true})
	for _, f := range found {
		if strings.Contains(f.Text, "refused") {
			t.Errorf("the diagnosis is %q", f.Text)
		}
	}
}
