package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"plugtone/admin/admintest"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// shell runs commands against an admin API on a socket of its own.
type shell struct {
	*admintest.Fixture
	t     *testing.T
	sock  string
	stdin string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{Fixture: admintest.New(t), t: t, sock: filepath.Join(t.TempDir(), "admin.sock")}
	s.Serve(t, nil, "unix:"+s.sock)
	t.Setenv("PLUGTONE_ADMIN", "unix:"+s.sock)
	t.Setenv("PLUGTONE_TOKEN", "")
	return s
}

// run runs one command line; words are separated by blanks, '...' keeps blanks.
func (s *shell) run(line string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = execute(context.Background(), newRoot(), words(line), strings.NewReader(s.stdin), &out, &errs)
	return status, out.String(), errs.String()
}

func words(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1) {
		out = append(out, strings.Trim(m, "'"))
	}
	return out
}

// ok runs a command that must succeed and returns its standard output.
func (s *shell) ok(line string) string {
	s.t.Helper()
	status, out, errs := s.run(line)
	if status != 0 {
		s.t.Fatalf("plugtone %s: status %d\n%s%s", line, status, out, errs)
	}
	return out
}

const desk = "00:15:65:12:34:56"

func (s *shell) office() {
	s.t.Helper()
	s.ok("registrar set main --host pbx.example.com")
	s.ok("extension set 1001 --display-name 'Front Desk' --password s3cret")
	s.ok("extension set 1002 --password 0ther")
	s.ok("device add " + desk + " --model acme/A4 --label 'Front Desk Phone' --line 1001 --key 2=blf:1002,label=Bob")
}

func TestCommands(t *testing.T) {
	s := newShell(t)
	s.office()
	s.Discover(fleet.Discovered{MAC: mac(t, "00:15:65:00:00:09"), Vendor: "acme", Model: "A1", Reason: "recognised by option60 \"acme A1\"", LastSeen: admintest.Noon})
	s.PutLease("10.20.1.7", mac(t, desk))
	s.Happened(timeline.Entry{Time: admintest.Noon, MAC: mac(t, desk), Source: "dhcp", Event: "request", Verdict: "acked", Addr: netip.MustParseAddr("10.20.1.7"), Options: "1 3 51", Repeat: 2})
	s.Happened(timeline.Entry{Time: admintest.Noon.Add(time.Second), MAC: mac(t, desk), Source: "tftp", Event: "get", Verdict: "served", Kind: "device",
		File: "001565123456.cfg", Bytes: 812, Addr: netip.MustParseAddr("10.20.1.7")})
	profile := filepath.Join(t.TempDir(), "reception.yaml")
	if err := os.WriteFile(profile, []byte("settings: {language: de}\nkeys: ['3=park:701', {slot: 4, type: blf, value: '1002'}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range commandLineCases(profile) {
		status, out, errs := s.run(c.line)
		if status != c.status || !matches(c.out, out) || !matches(c.errs, errs) {
			t.Errorf("plugtone %s: status %d, want %d\nstdout:\n%s\nwant %s\nstderr:\n%s\nwant %s", c.line, status, c.status, out, c.out, errs, c.errs)
		}
		if word := httpWords.FindString(errs); word != "" && status != statusDone {
			t.Errorf("plugtone %s: %q in %s", c.line, word, errs)
		}
	}
}

// matches reports whether text has the pattern in it; "" matches only no text.
func matches(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	return regexp.MustCompile(pattern).MatchString(text)
}

func mac(t *testing.T, s string) dhcp.MAC {
	t.Helper()
	m, err := dhcp.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPasswordsAreReadFromAFileOrStandardInput(t *testing.T) {
	s := newShell(t)
	s.ok("registrar set main --host pbx")
	s.stdin = "from stdin\n"
	s.ok("extension set 1001 --password-file -")
	if out := s.ok("extension show 1001 --reveal"); !strings.Contains(out, "password   from stdin\n") {
		t.Errorf("shown is\n%s", out)
	}
	file := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(file, []byte("from file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok("extension set 1001 --password-file " + file)
	if out := s.ok("extension show 1001 --reveal"); !strings.Contains(out, "password   from file\n") {
		t.Errorf("shown is\n%s", out)
	}
	s.stdin = ""
	if status, _, errs := s.run("extension set 1001 --password-file -"); status != 1 || !strings.Contains(errs, "empty") {
		t.Errorf("an empty password: %d %s", status, errs)
	}
}

// TestEveryListIsOneJSONValue runs every command that prints data with --json: it must be one JSON value and nothing else.
func TestEveryListIsOneJSONValue(t *testing.T) {
	s := newShell(t)
	s.office()
	s.Discover(fleet.Discovered{MAC: mac(t, "00:15:65:00:00:09"), Vendor: "acme"})
	for _, line := range []string{"registrar list", "registrar show main", "registrar set main --port 5070", "extension list", "extension show 1001",
		"extension set 1001 --voicemail 99", "device list", "device show " + desk, "device set " + desk + " --label x", "device files " + desk,
		"device diff " + desk, "device history " + desk, "device disable " + desk, "profile list", "discovered list",
		"discovered adopt 00:15:65:00:00:09", "leases", "trace " + desk, "explain " + desk, "vendor list", "vendor show acme", "token list",
		"token add x --role viewer", "token rm x", "backup " + filepath.Join(t.TempDir(), "b.tar")} {
		out := s.ok(line + " --json")
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Errorf("plugtone %s --json: %v in\n%s", line, err, out)
		}
	}
}

func TestBackupIsWrittenToAFileOfItsOwn(t *testing.T) {
	s := newShell(t)
	file := filepath.Join(t.TempDir(), "b.tar")
	s.ok("backup " + file)
	b, err := os.ReadFile(file)
	if err != nil || string(b) != "a whole backup" {
		t.Errorf("%q %v", b, err)
	}
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	if status, _, errs := s.run("backup " + file); status != 1 || !strings.Contains(errs, "exists already") {
		t.Errorf("over another backup: %d %s", status, errs)
	}
	s.Break(true)
	other := file + "2"
	if status, _, errs := s.run("backup " + other); status != 1 || !strings.Contains(errs, admintest.ErrBroken.Error()) {
		t.Errorf("from a broken store: %d %s", status, errs)
	}
	if left, err := filepath.Glob(other + "*"); err != nil || len(left) > 0 {
		t.Errorf("a failed backup leaves %v %v", left, err)
	}
}

func TestCommandsWithoutADaemonSaySo(t *testing.T) {
	s := &shell{t: t}
	t.Setenv("PLUGTONE_ADMIN", "unix:"+filepath.Join(t.TempDir(), "none.sock"))
	t.Setenv("PLUGTONE_TOKEN", "")
	status, out, errs := s.run("device list")
	if status != 1 || out != "" || !matches(`(?s)^plugtone: no daemon answers at unix:.*none.sock.*\nhint: is the daemon running\?.*plugtone serve`, errs) {
		t.Errorf("%d %q %q", status, out, errs)
	}
	if status, _, errs := s.run("device list --admin 8067"); status != 2 || !strings.Contains(errs, "unix:PATH") {
		t.Errorf("an address that is none: %d %s", status, errs)
	}
	if status, _, errs := s.run("device list --admin http://192.0.2.1:8067 --token x"); status != 2 || !strings.Contains(errs, "in clear") {
		t.Errorf("a token in clear: %d %s", status, errs)
	}
}

// TestTraceFollowsAPhoneWithoutRepeating follows a phone: what is in the timeline already and what happens are each shown once.
func TestTraceFollowsAPhoneWithoutRepeating(t *testing.T) {
	s := newShell(t)
	e := timeline.Entry{Time: admintest.Noon, MAC: mac(t, desk), Source: "dhcp", Event: "discover", Verdict: "offered"}
	s.Happened(e)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &watcher{want: []string{"offered", "acked"}, seen: make(chan string)}
	status := make(chan int)
	var errs bytes.Buffer
	go func() {
		status <- execute(ctx, newRoot(), []string{"trace", desk, "--follow"}, strings.NewReader(""), out, &errs)
	}()
	<-out.seen
	e2 := e
	e2.Event, e2.Verdict = "request", "acked"
	s.Feed.Publish(e, e2) // e is in the timeline already
	<-out.seen
	cancel()
	if got := <-status; got != 0 {
		t.Errorf("status %d: %s", got, errs.String())
	}
	if n := strings.Count(out.text.String(), "offered"); n != 1 {
		t.Errorf("the first entry was shown %d times:\n%s", n, out.text.String())
	}
}

// watcher closes a channel when each of the wanted texts has been written.
type watcher struct {
	text strings.Builder
	want []string
	seen chan string
}

func (w *watcher) Write(b []byte) (int, error) {
	w.text.Write(b)
	for len(w.want) > 0 && strings.Contains(w.text.String(), w.want[0]) {
		next := w.want[0]
		w.want = w.want[1:]
		w.seen <- next
	}
	return len(b), nil
}

// TestEveryCommandHasADescriptionAndAnExample checks that every command has a description, and every one with flags of its own an example.
func TestEveryCommandHasADescriptionAndAnExample(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no description", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
	s := &shell{t: t}
	if out := s.ok("device add --help"); !strings.Contains(out, "Examples:") || !strings.Contains(out, "blf") {
		t.Errorf("help of device add:\n%s", out)
	}
}

// TestExamples holds every example in a help text to what the commands take.
func TestExamples(t *testing.T) {
	n := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			line = strings.ReplaceAll(line, `"`, "'")
			line = strings.TrimSpace(line)
			if before, after, found := strings.Cut(line, " | "); found && strings.HasPrefix(after, "plugtone ") && !strings.HasPrefix(before, "plugtone ") {
				line = after
			}
			line, found := strings.CutPrefix(line, "plugtone ")
			if !found || strings.Contains(line, "$(") || strings.Contains(line, "curl") {
				continue
			}
			line, _, _ = strings.Cut(line, " | ")
			line, _, _ = strings.Cut(line, "  #")
			line, _, _ = strings.Cut(line, " <<")
			sub, args, err := newRoot().Find(words(line))
			if err == nil {
				err = sub.ParseFlags(args)
			}
			if err == nil && sub.Args != nil {
				err = sub.Args(sub, sub.Flags().Args())
			}
			if err == nil && sub.Flags().Lookup("set") != nil {
				m := patchFields{c: sub, doc: map[string]any{}}
				set, _ := sub.Flags().GetStringArray("set")
				err = m.settings(set)
			}
			if err == nil && sub.Flags().Lookup("key") != nil {
				keys, _ := sub.Flags().GetStringArray("key")
				_, err = parseKeys(keys)
			}
			if err != nil {
				t.Errorf("%s: example %q: %v", c.CommandPath(), strings.TrimSpace(line), err)
			}
			n++
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
	if n < 20 {
		t.Errorf("only %d examples were found", n)
	}
}
