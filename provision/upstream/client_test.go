package upstream_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/sealedfile"
	"plugtone/provision/upstream"
	"plugtone/store/seal"
)

var (
	phone = dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}
	noon  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// fixture is a client with a clock of its own and a folder that outlives it.
type fixture struct {
	*upstream.Client
	t        *testing.T
	dir      string
	settings upstream.Settings
	cipher   sealedfile.Cipher

	mu      sync.Mutex
	now     time.Time
	counted map[upstream.Outcome]int
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, dir: t.TempDir(), now: noon, settings: upstream.Settings{Timeout: time.Minute, MaxSize: 1000}, counted: map[upstream.Outcome]int{}}
	f.restart()
	return f
}

// restart makes a new client with the same folder.
func (f *fixture) restart() {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { root.Close() })
	f.Client = upstream.New(upstream.Config{
		Settings: func() *upstream.Settings { return &f.settings }, Dir: root, Cipher: f.cipher, Log: slog.New(slog.DiscardHandler),
		Counted: func(_ string, o upstream.Outcome) { f.mu.Lock(); f.counted[o]++; f.mu.Unlock() },
		Now:     func() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.now },
	})
}

func (f *fixture) pass(d time.Duration) { f.mu.Lock(); f.now = f.now.Add(d); f.mu.Unlock() }

func (f *fixture) count(o upstream.Outcome) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counted[o]
}

// get requests the phone's file of PBXs.
func (f *fixture) get(urls ...string) upstream.Answer {
	return f.Fetch(f.t.Context(), upstream.Request{MAC: phone, Name: "001565000001.cfg", From: netip.MustParseAddr("10.20.1.7"), UserAgent: "Yealink SIP-T46U",
		Upstream: fleet.Upstream{URLs: urls, User: "provision", Password: "s3cret"}})
}

// pbx serves with a handler below /app/.
func pbx(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/app/"
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// down returns the URL of a PBX that is not there.
func down(t *testing.T) string {
	s := httptest.NewServer(says(""))
	s.Close()
	return s.URL + "/app/"
}

// want checks an answer.
func want(t *testing.T, a upstream.Answer, o upstream.Outcome, body, trouble string) {
	t.Helper()
	if a.Outcome != o || string(a.Body) != body || !strings.Contains(a.Trouble, trouble) || trouble == "" && a.Trouble != "" {
		t.Errorf("answer %s %q, trouble %q; want %s %q, trouble %q", a.Outcome, a.Body, a.Trouble, o, body, trouble)
	}
}

func TestPhoneIsNamedToThePBX(t *testing.T) {
	f := newFixture(t)
	var got *http.Request
	url := pbx(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, "config")
	})
	a := f.get(url)
	want(t, a, upstream.Answered, "config", "")
	if a.MediaType != "text/plain; charset=utf-8" || a.Digest == "" || !a.Time.Equal(noon) {
		t.Errorf("%+v", a)
	}
	if got.URL.Path != "/app/001565000001.cfg" || got.Header.Get("X-Forwarded-For") != "10.20.1.7" || got.Header.Get("Forwarded") != "for=10.20.1.7" || got.UserAgent() != "Yealink SIP-T46U" {
		t.Errorf("%s %v", got.URL, got.Header)
	}
}

func TestNextPBXAnswersForOneThatDoesNot(t *testing.T) {
	f := newFixture(t)
	second := pbx(t, says("second"))
	for _, tt := range []struct {
		name, first, trouble string
		outcome              upstream.Outcome
	}{
		{"down", down(t), "is unreachable", upstream.Unreachable},
		{"500", pbx(t, status(500)), "answers 500", upstream.Failed},
		{"503", pbx(t, status(503)), "answers 503", upstream.Failed},
		{"429", pbx(t, status(429)), "answers 429", upstream.Failed},
		{"large", pbx(t, says(strings.Repeat("x", 1001))), "more than the 1000 bytes", upstream.TooLarge},
		{"large without a length", pbx(t, func(w http.ResponseWriter, _ *http.Request) {
			for range 10 {
				fmt.Fprint(w, strings.Repeat("x", 500))
				w.(http.Flusher).Flush()
			}
		}), "more than the 1000 bytes", upstream.TooLarge},
		{"cut off", pbx(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half")
		}), "ended its answer early", upstream.Unreachable},
		{"gzip", pbx(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "x")
		}), "was not requested", upstream.Failed},
	} {
		before := f.count(tt.outcome)
		a := f.get(tt.first, second)
		want(t, a, upstream.Answered, "second", tt.trouble)
		if f.count(tt.outcome) != before+1 {
			t.Errorf("%s: counted %v", tt.name, f.counted)
		}
	}
}

func TestNotFoundIsAnAnswer(t *testing.T) {
	f := newFixture(t)
	code := 200
	var second atomic.Bool
	first := pbx(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); fmt.Fprint(w, "config") })
	other := pbx(t, func(http.ResponseWriter, *http.Request) { second.Store(true) })
	want(t, f.get(first, other), upstream.Answered, "config", "")
	for _, code = range []int{404, 403, 410} {
		want(t, f.get(first, other), upstream.NotFound, "", "")
	}
	if second.Load() {
		t.Error("the second PBX was requested")
	}
	code = 503
	if a := f.get(first); a.Outcome != upstream.Failed {
		t.Errorf("what the PBX no longer has was sent: %+v", a)
	}
}

// TestLastAnswerIsSentWhileThePBXIsDown, also after a restart, and until the PBX has another one.
func TestLastAnswerIsSentWhileThePBXIsDown(t *testing.T) {
	f := newFixture(t)
	text, code := "old", 200
	url := pbx(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); fmt.Fprint(w, text) })
	want(t, f.get(url), upstream.Answered, "old", "")
	f.pass(time.Hour)
	want(t, f.get(url), upstream.Answered, "old", "")
	code = 500
	f.pass(time.Hour)
	a := f.get(url)
	want(t, a, upstream.Last, "old", "answers 500")
	if !a.Time.Equal(noon.Add(time.Hour)) {
		t.Errorf("of %s, want the time of the last answer, %s", a.Time, noon.Add(time.Hour))
	}
	if s, ok := f.State(url); !ok || s.Trouble == "" || !s.Since.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("state %+v", s)
	}
	f.restart()
	want(t, f.get(url), upstream.Last, "old", "answers 500")
	if a := f.Fetch(f.t.Context(), upstream.Request{MAC: dhcp.MAC{0, 0x15, 0x65, 0, 0, 2}, Name: "001565000001.cfg", Upstream: fleet.Upstream{URLs: []string{url}}}); a.Outcome != upstream.Failed {
		t.Errorf("another phone got %+v", a)
	}
	if a := f.get(down(t)); a.Outcome != upstream.Failed {
		t.Errorf("the answer of a PBX that the phone has no more was sent: %+v", a)
	}
	text, code = "new", 200
	want(t, f.get(url), upstream.Answered, "new", "")
	if s, _ := f.State(url); s.Trouble != "" {
		t.Errorf("state %+v", s)
	}
	if f.count(upstream.Last) != 2 {
		t.Errorf("counted %v", f.counted)
	}
}

func TestRedirectsStayOnTheHostAndTheFile(t *testing.T) {
	f := newFixture(t)
	other := pbx(t, says("stolen"))
	var to string
	url := pbx(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/app/"):
			http.Redirect(w, r, to, http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/loop/"):
			http.Redirect(w, r, "/loop/001565000001.cfg", http.StatusFound)
		default:
			fmt.Fprint(w, "config of "+r.URL.Path)
		}
	})
	for _, tt := range []struct{ to, body, trouble string }{
		{"/tenant/001565000001.cfg", "config of /tenant/001565000001.cfg", ""},
		{"/login.php?path=001565000001.cfg", "", "redirects to another file"},
		{other + "001565000001.cfg", "", "redirects to another server"},
		{"file:///etc/001565000001.cfg", "", "redirects to another server"},
		{"/loop/001565000001.cfg", "", "redirects more than 3 times"},
	} {
		to = tt.to
		a := f.get(url)
		if tt.trouble == "" {
			want(t, a, upstream.Answered, tt.body, "")
			f.pass(time.Second)
			os.RemoveAll(filepath.Join(f.dir, phone.Hex()))
			continue
		}
		want(t, a, upstream.Failed, "", tt.trouble)
	}
}

func TestLastAnswersAreForTheOwnerOnly(t *testing.T) {
	f := newFixture(t)
	url := pbx(t, says("password=s3cret"))
	f.get(url)
	files, err := filepath.Glob(filepath.Join(f.dir, "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	for path, mode := range map[string]os.FileMode{files[0]: 0o600, filepath.Dir(files[0]): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, want %v (%v)", path, info.Mode(), mode, err)
		}
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], b[:len(b)-1], 0o600); err != nil { // damage
		t.Fatal(err)
	}
	if a, ok := f.Last(phone, "001565000001.cfg", fleet.Upstream{URLs: []string{url}}); ok {
		t.Errorf("damaged bytes are sent: %q", a.Body)
	}
}

func TestTidyKeepsPhonesThatPBXsRenderFor(t *testing.T) {
	f := newFixture(t)
	up := fleet.Upstream{URLs: []string{pbx(t, says("config"))}}
	other := dhcp.MAC{0, 0x15, 0x65, 0, 0, 2}
	for _, mac := range []dhcp.MAC{phone, other} {
		for i := range 40 {
			f.pass(time.Second)
			f.Fetch(f.t.Context(), upstream.Request{MAC: mac, Name: fmt.Sprintf("file%d.cfg", i), Upstream: up})
		}
	}
	if err := f.Tidy(func(mac dhcp.MAC) bool { return mac == phone }); err != nil {
		t.Fatal(err)
	}
	last := func(mac dhcp.MAC, i int) bool { _, ok := f.Last(mac, fmt.Sprintf("file%d.cfg", i), up); return ok }
	if !last(phone, 39) || !last(phone, 8) || last(phone, 7) {
		t.Error("a phone has its last 32 answers")
	}
	if last(other, 39) {
		t.Error("a phone without a record keeps its answers")
	}
}

// ring is the cipher of the store, without its errors.
type ring struct{ *seal.Ring }

func (r ring) Seal(plain, where []byte) ([]byte, error) { return r.Ring.Seal(plain, where), nil }

// Answers that an earlier version stored in clear are encrypted, and so are new ones; both are sent while no PBX answers.
func TestLastAnswersAreEncrypted(t *testing.T) {
	f := newFixture(t)
	url := pbx(t, says("password = pl4nted"))
	want(t, f.get(url), upstream.Answered, "password = pl4nted", "")
	stored, err := filepath.Glob(filepath.Join(f.dir, "*", "*"))
	if err != nil || len(stored) != 1 {
		t.Fatal(stored, err)
	}
	inClear := func() bool {
		b, err := os.ReadFile(stored[0])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(b), "pl4nted") || strings.Contains(string(b), "001565000001.cfg")
	}
	if !inClear() {
		t.Fatal("the test needs an answer in clear")
	}
	f.cipher = ring{seal.New()}
	f.restart()
	n, err := f.Seal(t.Context())
	if n != 1 || err != nil || inClear() {
		t.Errorf("%d were encrypted, %v; in clear: %v", n, err, inClear())
	}
	old := f.Fetch(t.Context(), upstream.Request{MAC: phone, Name: "001565000001.cfg", Upstream: fleet.Upstream{URLs: []string{down(t), url}}})
	want(t, old, upstream.Answered, "password = pl4nted", "is unreachable")
	if inClear() {
		t.Error("a new answer is stored in clear")
	}
	f.restart()
	f.pass(time.Hour)
	if err := os.Remove(stored[0]); err != nil {
		t.Fatal(err)
	}
	want(t, f.get(url), upstream.Answered, "password = pl4nted", "")
	if inClear() {
		t.Error("a new answer is stored in clear")
	}
}
