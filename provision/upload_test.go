package provision_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
)

// put uploads as a phone does and returns the answer as an observer sees it.
func (h *house) put(name, from, body string) provision.Answer {
	h.t.Helper()
	a := h.ask(provision.Request{Transport: fleet.HTTP, Method: "PUT", Name: name, From: netip.MustParseAddr(from), Size: int64(len(body))})
	if a.Upload == nil {
		return a
	}
	_, err := io.Copy(a.Upload, strings.NewReader(body))
	_ = a.Receive(err)
	return a
}

const overrides = "001565123456-local.cfg"

func TestUploadByTheDeviceItself(t *testing.T) {
	h := newHouse(t)
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
		t.Errorf("given to anybody: %s", a.Outcome)
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

func TestUploadsThatAreNotTaken(t *testing.T) {
	h := newHouse(t)
	stranger, disabled := mac("001565000088"), mac("001565000089")
	edit(t, h.records, func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: disabled, Vendor: "acme", Model: "A4"})
	})
	h.leases.Lease("10.20.1.88", stranger, voice, noon)
	h.leases.Lease("10.20.1.89", disabled, voice, noon)
	for _, tt := range []struct {
		name, file, from, body string
		outcome                provision.Outcome
		status                 int
	}{
		{"a configuration", "001565123456.cfg", "10.20.1.7", "x", provision.NotFound, 405},
		{"a name of nobody", "logo.png", "10.20.1.7", "x", provision.NotFound, 405},
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

func TestRejectedUploadIsNoRefusal(t *testing.T) {
	h := newHouse(t)
	a := h.put(overrides, "10.20.1.7", strings.Repeat("x", 300<<10))
	found := timeline.Diagnose([]timeline.Entry{{Time: noon, MAC: front, Source: "http", Event: "put", Verdict: string(a.Outcome), Reason: a.Reason}},
		timeline.Facts{Now: noon.Add(time.Minute), MAC: front, Recorded: true, Enabled: true})
	for _, f := range found {
		if strings.Contains(f.Text, "refused") {
			t.Errorf("the diagnosis says %q", f.Text)
		}
	}
}

func shelf(t *testing.T) (*provision.Shelf, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return provision.NewShelf(root), filepath.Join(dir, front.Hex())
}

func keep(t *testing.T, s *provision.Shelf, name, body string) error {
	t.Helper()
	u, err := s.Begin(front, name, 8<<20)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(u, body); err != nil {
		t.Fatal(err)
	}
	return u.Commit()
}

func TestShelfKeepsTheLastVersions(t *testing.T) {
	s, dir := shelf(t)
	for _, body := range []string{"1", "2", "2", "3", "4", "5", "6", "7", "7"} {
		if err := keep(t, s, "a.log", body); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, name := range []string{"a.log", "a.log~1", "a.log~2", "a.log~3", "a.log~4"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		got = append(got, string(b))
	}
	all, _ := os.ReadDir(dir)
	if strings.Join(got, " ") != "7 6 5 4 3" || len(all) != 5 {
		t.Errorf("kept %v in %d files", got, len(all))
	}
}

func TestShelfIsBounded(t *testing.T) {
	s, dir := shelf(t)
	big := strings.Repeat("x", 5<<20)
	for i := range 6 {
		if err := keep(t, s, "a.log", big+string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	var total int64
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 16<<20 || len(entries) != 3 {
		t.Errorf("%d bytes in %d files", total, len(entries))
	}
	if err := errors.Join(keep(t, s, "b.log", big), keep(t, s, "c.log", big)); err != nil {
		t.Errorf("older versions don't make room: %v", err)
	}
	if err := keep(t, s, "d.log", big); !errors.Is(err, provision.ErrUploadRoom) {
		t.Errorf("a fourth file of 5 MiB: %v", err)
	}
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = keep(t, s, "now-"+strings.Repeat("n", i+1), "x")
	}
	if entries, _ := os.ReadDir(dir); !errors.Is(err, provision.ErrUploadRoom) || len(entries) != 64 {
		t.Errorf("%d files, then %v", len(entries), err)
	}
}

func TestShelfWritesWholeFilesOrNone(t *testing.T) {
	s, dir := shelf(t)
	if err := keep(t, s, "a.log", "before"); err != nil {
		t.Fatal(err)
	}
	u, err := s.Begin(front, "a.log", 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(u, "12345"); !errors.Is(err, provision.ErrTooLarge) {
		t.Errorf("beyond its size: %v", err)
	}
	if err := u.Commit(); !errors.Is(err, provision.ErrTooLarge) {
		t.Errorf("commit of what is too large: %v", err)
	}
	var open []*provision.Upload
	for range 4 {
		u, err := s.Begin(front, "b.log", 4)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, u)
	}
	if _, err := s.Begin(front, "b.log", 4); !errors.Is(err, fleet.ErrInternal) {
		t.Errorf("a fifth at once: %v", err)
	}
	for _, u := range open {
		u.Abort()
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a.log")); string(b) != "before" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".coming-99"), []byte("half"), 0o600); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	if err := keep(t, s, "b.log", "x"); err != nil {
		t.Fatal(err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 2 {
		t.Errorf("left behind: %v", all)
	}
}

func TestShelfNames(t *testing.T) {
	s, dir := shelf(t)
	for _, name := range []string{"", ".hidden", "..", strings.Repeat("n", 201), strings.Repeat("/", 67)} {
		if u, err := s.Begin(front, name, 9); err == nil {
			u.Abort()
			t.Errorf("%q was taken", name)
		}
	}
	for _, name := range []string{"a/../../b", "x~1", "ü.log"} {
		if err := keep(t, s, name, name); err != nil {
			t.Fatal(err)
		}
		f, _, err := s.Open(front, strings.ToUpper(name))
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(f); string(b) != name {
			t.Errorf("%q holds %q", name, b)
		}
		_ = f.Close()
	}
	if all, _ := os.ReadDir(dir); len(all) != 3 {
		t.Errorf("%v", all)
	}
	if _, _, err := s.Open(dhcp.MAC{2}, "x~1"); err == nil {
		t.Error("another phone's file was opened")
	}
}
