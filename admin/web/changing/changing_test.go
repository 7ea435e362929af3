package changing_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"plugtone/admin/client"
	"plugtone/admin/web/webtest"
	"plugtone/dhcp"
	"plugtone/provision/notify"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// office is an office with jobs that the test drives.
func office(t *testing.T) (*webtest.Site, *webtest.Jobs) {
	t.Helper()
	s := webtest.New(t)
	j := &webtest.Jobs{}
	s.Config.Jobs = j
	s.Config.API.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	s.Restart(t)
	return s, j
}

// draft is the address of a draft for some phones of the office.
func draft(action string, phones ...int) string {
	q := url.Values{"action": {action}}
	for _, i := range phones {
		q.Add("mac", webtest.Phone(i).String())
	}
	return "/change/new?" + q.Encode()
}

func TestAProfileIsChangedInWavesAndUndone(t *testing.T) {
	s, jobs := office(t)
	b := s.As(t, "operator")
	b.Open("/phones?where=profile%3Ddesk")
	b.WaitText("#phones", "Ben Wagner")
	b.Click("thead [data-all]")
	b.Click(".selection button[value=profile]")
	b.WaitText("h1", "Profile of 29 phones")
	b.Check("profile-empty")
	b.Choose("#f-profile", "warehouse")
	b.Click("button[value=preview]")
	b.WaitText("#preview", "10 phones get other files")
	b.Type("#f-message", "Warehouse keys for the desks")
	b.Click("input[value=waves]")
	b.Check("profile")
	b.Click(".diff-group summary")
	b.Wait(".diff-group .diff")
	b.Check("profile-diff")
	b.Click(".draft-side .primary")
	b.WaitText("h1", "Change 29 devices")
	b.WaitText(".notes", "was made")
	b.WaitText(".job", "0 of 10 phones")
	jobs.Set(func(j *notify.Job) {
		j.Phones[0].Outcome, j.Phones[0].Detail = notify.Fetched, "fetched after 8 s"
		j.Phones[1].Outcome, j.Phones[1].Detail = notify.Silent, "no answer to 4 attempts"
		j.Phones[2].Outcome = notify.Waiting
	})
	b.WaitText(".job", "2 of 10 phones") // by itself
	jobs.Set(func(j *notify.Job) { j.State = notify.Done })
	b.WaitText(".job .state", "Done")
	b.Wait(`#job-progress[hx-sse\:close="end"]:not([hx-sse\:connect])`) // no further connection is made
	b.Check("change")
	b.Click("a.button[href$=undo]")
	b.WaitText("h1", "Undo change")
	b.WaitText(".previewed", "get other files")
	b.Check("undo")
	b.Click(".draft-side .primary")
	b.WaitText(".notes", "was made")
	b.WaitText(".by", "undoes change")
	if d := device(t, s, 2); d.Profile != "desk" {
		t.Errorf("after the undo: %q", d.Profile)
	}
}

// device reads a phone of the office.
func device(t *testing.T, s *webtest.Site, i int) client.Device {
	t.Helper()
	d, _, err := s.API.Devices().Get(t.Context(), webtest.Phone(i).String(), false)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEveryActionIsMadeByClicks(t *testing.T) {
	s, _ := office(t)
	b := s.As(t, "operator")
	for _, c := range []struct {
		action string
		fill   func()
		done   func() bool
	}{
		{"settings", func() { b.Type("#f-setting-0", "language"); b.Type("#f-value-0", "fr") }, func() bool {
			return device(t, s, 0).Settings["language"] == "fr" && device(t, s, 1).Settings["language"] == "fr"
		}},
		{"lines", func() { b.Type("#f-extensions", "1040-1041") }, func() bool {
			return device(t, s, 0).Lines[0].Extension == "1040" && device(t, s, 1).Lines[0].Extension == "1041"
		}},
		{"tags", func() { b.Type("#f-add", "loud, vip"); b.Type("#f-remove", "pilot") }, func() bool { return strings.Join(device(t, s, 0).Tags, " ") == "loud vip" }},
		{"firmware", func() { b.Type("#f-firmware", "T46U-108.86.0.90.rom") }, func() bool { return device(t, s, 0).Settings["firmware"] != nil }},
		{"keys", func() { b.Type("#f-keys", "1005-1007"); b.Type("#f-from", "5") }, func() bool { return len(device(t, s, 0).Keys) == 3 }},
		{"disable", nil, func() bool { return !device(t, s, 0).Enabled }},
		{"enable", nil, func() bool { return device(t, s, 0).Enabled }},
		{"delete", nil, func() bool {
			_, _, err := s.API.Devices().Get(t.Context(), webtest.Phone(0).String(), false)
			return client.IsNotFound(err)
		}},
	} {
		b.Open(draft(c.action, 0, 1))
		if c.fill != nil {
			b.Wait(".draft-main button.primary")
			c.fill()
			b.Click("button[value=preview]")
		}
		b.Wait(".previewed-head")
		b.Check(c.action)
		b.Click(".draft-side .primary")
		b.WaitFor(`location.pathname.startsWith("/changes/")`)
		b.WaitText(".notes", "was made")
		if !c.done() {
			t.Errorf("%s: %+v", c.action, device(t, s, 0))
		}
	}
}

func TestPhonesAreResyncedEnrolledAndExported(t *testing.T) {
	s, jobs := office(t)
	b := s.As(t, "operator")
	b.Open(draft("resync", 0, 1, 2, 3, 4))
	b.WaitText(".previewed-head", "4 phones are notified")
	b.Type("#f-message", "after the move")
	b.Check("resync")
	b.Click(".draft-side .primary")
	b.WaitText("h1", "after the move")
	jobs.Set(func(j *notify.Job) {
		for i, o := range notify.Outcomes() {
			if i < len(j.Phones) {
				j.Phones[i].Outcome = o
			}
		}
	})
	b.WaitText(".progress", "5 of 5 phones")
	b.Check("job")
	b.Click(`.chip[href*="challenged"]`)
	b.WaitFor(`document.querySelectorAll(".job tbody tr").length == 1`)
	b.Click("button.danger")
	b.WaitText(".banner", "stopped by token:operator")

	b.Open(draft("enroll", 7))
	b.Type("#f-for", "2h")
	b.Click(".draft-side .primary")
	b.WaitText(".problem", "name the phone's network")
	b.Type("#f-from_network", "10.20.0.0/22")
	b.Check("enroll")
	b.Click(".draft-side .primary")
	b.WaitText(".notes", "may fetch without a proof")
	if windows, err := s.API.Windows(t.Context()); err != nil || len(windows) != 1 {
		t.Errorf("windows %v, %v", windows, err)
	}

	b.Open(draft("export", 7, 8))
	b.Check("export")
	csrf := b.Eval(`document.querySelector("[name=csrf]").value`)
	text := post(t, s, b, "/change/apply", url.Values{"csrf": {csrf}, "action": {"export"}, "format": {"csv"}, "mac": {webtest.Phone(7).String(), webtest.Phone(8).String()}})
	if strings.Count(text, "\n") != 3 || !strings.HasPrefix(text, "mac,") {
		t.Errorf("exported %q", text)
	}
}

func TestAChangeWhoseRecordsChangedSinceIsUndoneByForceOnly(t *testing.T) {
	s, _ := office(t)
	ctx := t.Context()
	out, err := s.API.ChangeDevices(ctx, client.ManyDevices{MACs: []dhcp.MAC{webtest.Phone(0), webtest.Phone(1)}, Set: map[string]any{"notes": "first"}})
	if err == nil {
		_, err = s.API.Devices().Patch(ctx, webtest.Phone(1).String(), map[string]any{"notes": "later"}, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	b := s.As(t, "operator")
	b.Open(fmt.Sprintf("/changes/%d/undo", out.Change))
	b.WaitText(".note.warn", webtest.Phone(1).String())
	b.Check("since")
	if b.Count(".draft-side .primary") != 0 {
		t.Error("it can be undone without force")
	}
	b.Click("a[href$='force=on']")
	b.Wait(".draft-side .primary")
	b.Click(".draft-side .primary")
	b.WaitText(".notes", "was made")
	if d := device(t, s, 1); d.Notes != "" {
		t.Errorf("notes %q", d.Notes)
	}
}

func TestWhatIsWrongIsSaidAtTheField(t *testing.T) {
	s, _ := office(t)
	b := s.As(t, "operator")
	for _, c := range []struct {
		action, field, text, css, want string
	}{
		{"lines", "#f-extensions", "1001", ".problem", "1 extension for 2 phones"},
		{"lines", "#f-extensions", "9001-9002", ".note.error", "9001"},
		{"settings", "#f-setting-0", "langage", ".problem", "language"},
		{"keys", "#f-keys", "1001", ".problem", "is missing"},
	} {
		b.Open(draft(c.action, 0, 1))
		b.Type(c.field, c.text)
		b.Click("button[value=preview]")
		b.WaitText(c.css, c.want)
		if b.Count(".draft-side .primary") != 0 {
			t.Errorf("%s: it can be applied", c.action)
		}
	}
	b.Check("wrong")
	b.Open("/change/new?action=profile")
	b.WaitText("main", "no phones are selected")
	b.Open("/changes/999")
	b.WaitText("main", "Not found")
	b.Open("/jobs/999")
	b.WaitText("main", "Not found")
}

func TestWhatWasNotPreviewedIsNotApplied(t *testing.T) {
	s, _ := office(t)
	b := s.Plain(t, "operator")
	b.Open(draft("tags", 0) + "&add=one&step=preview")
	b.Sees("1 record changes")
	b.Send("/change/apply", url.Values{"add": {"two"}})
	b.Sees("Something changed since the preview")
	if d := device(t, s, 0); strings.Contains(strings.Join(d.Tags, " "), "two") {
		t.Error("it was applied")
	}
	b.Send("/change/apply", url.Values{"fetch": {"later"}})
	b.Sees("was made")
	if d := device(t, s, 0); !strings.Contains(strings.Join(d.Tags, " "), "two") {
		t.Errorf("tags %v", d.Tags)
	}
	b.Follow("Undo")
	b.Send(strings.TrimSuffix(b.Path(), "?"), nil)
	b.Sees("undoes change")
}

func TestViewersChangeNothing(t *testing.T) {
	s, jobs := office(t)
	out, err := s.API.ChangeDevices(t.Context(), client.ManyDevices{MACs: []dhcp.MAC{webtest.Phone(0)}, Set: map[string]any{"notes": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jobs.Start("token:operator", "", []dhcp.MAC{webtest.Phone(0)}, notify.Options{}); err != nil {
		t.Fatal(err)
	}
	for role, buttons := range map[string]int{"viewer": 0, "operator": 1, "admin": 1} {
		b := s.As(t, role)
		b.Open(fmt.Sprintf("/changes/%d", out.Change))
		b.WaitText(".members", "notes")
		if n := b.Count("a[href$=undo]"); n != buttons {
			t.Errorf("%s: %d ways to undo", role, n)
		}
		b.Open("/jobs/1")
		b.Wait(".job")
		if n := b.Count("button.danger"); n != buttons {
			t.Errorf("%s: %d ways to stop", role, n)
		}
		if role != "viewer" {
			continue
		}
		for _, path := range []string{draft("profile", 0) + "&step=preview", draft("delete", 0), draft("resync", 0), fmt.Sprintf("/changes/%d/undo", out.Change)} {
			b.Open(path)
			b.WaitText("main", "Not allowed")
		}
	}
}

// post sends a form with the tab's cookies, and returns the answer.
func post(t *testing.T, s *webtest.Site, b *webtest.Tab, path string, form url.Values) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Cookie", b.Cookies())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
