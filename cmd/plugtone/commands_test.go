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
	*admintest.House
	t     *testing.T
	sock  string
	stdin string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{House: admintest.New(t), t: t, sock: filepath.Join(t.TempDir(), "admin.sock")}
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
	// Each line is run in this order. out and errs are patterns: "" wants nothing there, "." anything.
	for _, c := range []struct {
		line      string
		status    int
		out, errs string
	}{
		{"registrar list", 0, `(?m)^NAME +HOST +PORT .*\nmain +pbx.example.com +5060 +udp +- +- +1h$`, ""},
		{"registrar set main --transport tls --port 0 --register-expires 30m", 0, `registrar main changed: pbx.example.com:5061 tls`, ""},
		{"registrar show main", 0, `(?m)^register expires +30m$`, ""},
		{"registrar set x", 1, "", `host: is needed`},
		{"registrar set 'a b' --host h", 1, "", `name "a b": allowed are letters`},
		{"registrar show nope", 1, "", `(?s)registrar nope: not found\nhint: plugtone registrar list shows`},
		{"registrar rm main", 1, "", `(?s)registrar main is in use by extension 1001, extension 1002.*hint: --force`},
		{"registrar", 0, `Available Commands`, ""},
		{"registrar lst", 2, "", `has no command "lst"; near: list`},
		{"registrar set", 2, "", `(?s)nothing was named, usage: plugtone registrar set NAME \[flags\].*hint: plugtone registrar set --help`},
		{"registrar set main --prot 5", 2, "", `unknown flag: --prot; near: --port`},
		{"registrar set main --port x", 2, "", `--port "x" is no whole number`},
		{"registrar set main x", 2, "", `2 arguments were given, usage: plugtone registrar set NAME`},
		{"registrar list x", 2, "", `"x" is too much, usage: plugtone registrar list`},
		{"registrar --help", 0, `Usage:\n  plugtone registrar \[command\]\n\n`, ""},
		{"nonsense --help", 2, "", `plugtone has no command "nonsense"`},
		{"device nonsense -h", 2, "", `plugtone device has no command "nonsense"`},
		{"device --help", 0, `Available Commands`, ""},
		{"device list --help", 0, `plugtone device list`, ""},
		{"help --help", 0, `Help provides help`, ""},
		{"completion --help", 0, `autocompletion`, ""},
		{"completion bash --help", 0, `autocompletion`, ""},
		{"nonsense", 2, "", `plugtone has no command "nonsense"`},
		{"extension list --search desk", 0, `(?m)^NUMBER .*\n1001 +main +Front Desk +1001 +-$`, ""},
		{"extension show 1001", 0, `display name +Front Desk`, ""},
		{"extension show 1001 --reveal", 0, `password +s3cret`, ""},
		{"extension set 1003", 0, `extension 1003@main created`, `has no password yet`},
		{"extension set 1003 --password a --password-file b", 2, "", `both give a password`},
		{"extension set 1003 --registrar nope", 1, "", `registrar "nope": no such registrar`},
		{"extension set 1003@main --registrar other", 2, "", `contradict`},
		{"extension rm 1003", 0, `extension 1003 removed`, ""},
		{"extension rm 1001", 1, "", `in use by device ` + desk},
		{"device add 001565123456", 1, "", `(?s)exists already.*hint: plugtone device set`},
		{"device add 00:15:65:12:34", 2, "", `none of 001565123456, 00:15:65:12:34:56`},
		{"device add 0015.6500.0001 --model acme/A9", 1, "", `model "A9": is none of acme, `},
		{"device add 0015.6500.0001 --model A9", 1, "", `model "A9": is not known, nearest are acme/A`},
		{"device add 0015.6500.0001 --vendor acmee", 1, "", `vendor "acmee": is not known, nearest are acme`},
		{"device set " + desk + " --set acmee/x=1", 1, "", `vendor_settings.acmee "acmee": is not known`},
		{"device add 0015.6500.0001 --model acme/A1 --line 9999", 1, "", `lines\[0\].extension "9999": no such extension`},
		{"device add 0015.6500.0001 --model acme/A1 --key 2=blfx:1", 2, "", `blfx`},
		{"device add 0015.6500.0001 --model acme/A1 --key 2=blf:1,lable=Bob", 2, "", `"lable=" is neither label= nor line=; near: label`},
		{"device add 0015.6500.0001 --model acme/A1 --key 5=blf:1", 1, "", `keys\[0\]`},
		{"device add 0015.6500.0001 --set time_zon=x", 2, "", `time_zone`},
		{"device add 0015.6500.0001 --line 1002", 0, `device 00:15:65:00:00:01 created \(acme\)`, `took vendor acme: `},
		{"device add 02:00:00:00:00:77 --label Printer --reserve-ip 10.20.0.60", 0, `device 02:00:00:00:00:77 created\n`, `nothing is known`},
		{"device set " + desk, 2, "", `nothing to change`},
		{"device set 00-15-65-12-34-56 --key 3=park:701 --key 2= --set language=de --set acme/sip.x=1", 0, `changed \(acme/A4\)`, ""},
		{"device show " + desk, 0, `(?s)device +` + desk + `\nlabel +Front Desk Phone\nmodel +acme/A4\nstate +never_fetched\naddress +10.20.1.7.*line 1 +1001@main\nkey 3 +park:701\nsettings +language = de\nacme +sip.x = 1\n`, ""},
		{"device set " + desk + " --set language= --set acme/sip.x= --label '' --line 1002 --line 1001", 0, `.`, ""},
		{"device list --vendor acme", 0, `(?m)^MAC .*\n00:15:65:00:00:01 +acme +- +1002 +never_seen +- *\n` + desk + ` +acme +A4 +1002,1001 +never_fetched +10.20.1.7$`, ""},
		{"device list --vendor acmee", 1, "", `vendor "acmee": is not known, nearest are acme`},
		{"device list --state in_sync", 0, `^MAC[^\n]*\n$`, ""},
		{"device list --state odd", 2, "", `--state "odd" is none of never_seen, never_fetched`},
		{"leases --state odd", 2, "", `--state "odd" is none of active, released`},
		{"device set " + desk + " --key 45=", 0, `^device ` + desk + ` unchanged: it is so already\n$`, `^key 45: nothing to remove\n$`},
		{"device set " + desk + " --key 45= --label Desk", 0, `changed`, `key 45: nothing to remove`},
		{"device set " + desk + " --label Desk", 0, `unchanged`, ""},
		{"device set " + desk + " --label ''", 0, `changed`, ""},
		{"device disable " + desk, 0, `disabled`, ""},
		{"device show " + desk, 0, `state +disabled`, ""},
		{"device enable " + desk, 0, `enabled`, ""},
		{"device files " + desk, 0, `(?m)^NAME +KIND +OUTCOME .*\n001565123456.boot +none +expected +- +-`, ""},
		{"device files " + desk + " 001565123456.cfg", 0, `\*\*\*`, `secrets are masked`},
		{"device files " + desk + " 001565123456.cfg --reveal", 0, `s3cret`, ""},
		{"device files " + desk + " 001565123456.boot", 0, "", `001565123456.boot: .`},
		{"device files " + desk + " nosuchname", 1, "", `nosuchname`},
		{"device files " + desk + " --reveal", 2, "", `needs the NAME`},
		{"device diff " + desk, 0, `001565123456.cfg +never_fetched`, ""},
		{"device history " + desk, 0, `(?m)^\d+ +20.* +local:\S+ +change device`, ""},
		{"device rollback " + desk, 2, "", `--to REVISION is needed`},
		{"device rollback " + desk + " --to 99", 1, "", `no revision 99`},
		{"device rollback " + desk + " --to 4", 0, `as it was at revision 4`, ""},
		{"device show " + desk, 0, `key 2 +blf:1002,label=Bob`, ""},
		{"profile set reception", 2, "", `-f FILE is needed`},
		{"profile set reception -f " + profile, 0, `profile reception created`, ""},
		{"profile set reception -f /nowhere", 1, "", `/nowhere: no such file`},
		{"profile show reception", 0, `(?s)key 3 +park:701\nkey 4 +blf:1002\nsettings +language = de`, ""},
		{"profile list", 0, `reception +- +2 +1`, ""},
		{"profile rm reception", 0, `removed`, ""},
		{"discovered list", 0, `(?m)^MAC .*\n00:15:65:00:00:09 +acme +A1 +- .* recognised by option60 "acme A1"$`, ""},
		{"discovered adopt 00:15:65:00:00:09 --line 1002", 0, `device 00:15:65:00:00:09 created \(acme/A1\)`, ""},
		{"discovered list", 0, `^MAC[^\n]*\n$`, ""},
		{"discovered forget 00:15:65:00:00:09", 1, "", `not found`},
		{"leases", 0, `(?m)^IP .*\n10.20.1.7 +` + desk + ` +active +yes +acme +.* phone\\x1b\[2J$`, ""},
		{"leases --subnet 10.30.0.0/24", 0, `^IP[^\n]*\n$`, ""},
		{"leases --subnet x", 1, "", `subnet "x"`},
		{"trace " + desk, 0, `(?s)dhcp +request +acked +10.20.1.7 +options 1 subnet mask, 3 router, 51 ip addresses lease time; \(and 2 times more\)\n.*tftp +get +served +10.20.1.7 +001565123456.cfg; 812 bytes\n\ndiagnosis:\n  `, ""},
		{"trace 00:15:65:77:77:77", 0, `.`, `nothing was heard of 00:15:65:77:77:77`},
		{"trace nonsense", 2, "", `MAC address "nonsense"`},
		{"explain " + desk, 0, `(?s)phone +` + desk + `\nrecord +yes\n.*lease +10.20.1.7 active`, ""},
		{"explain 001565123456.cfg --ip 10.20.1.99", 0, `answer +refused`, ""},
		{"explain 001565123456.cfg", 2, "", `--ip ADDR`},
		{"explain 001565123456.cfg --ip x", 1, "", `ip "x": is no IPv4 address`},
		{"status", 0, `(?s)^version +test\nrunning +since 20.*ready +yes\n.*SUBNET +INTERFACE .*\n10.20.0.0/22 +voice0 +provision +763 +\d`, ""},
		{"status --json", 0, `(?s)"version": "test".*"subnets": \[.*"addresses": 763`, ""},
		{"device set 02:00:00:00:00:77 --reserve-ip 10.99.0.60", 0, `changed`, `no subnet here has 10.99.0.60: it is kept, and nobody is given it`},
		{"vendor list", 0, `(?m)^VENDOR +NAME +MODELS +ALIASES\nacme +Acme Phones +2 +acmecorp$`, ""},
		{"vendor show acme", 0, `(?s)vendor +acme\n.*A4 +4 +line 6`, ""},
		{"vendor show acme/A1", 0, `(?s)^model +acme/A1\nlines +\d.*key types +line.*settings +\w`, ""},
		{"vendor show acme/a1 --json", 0, `"model": "A1"`, ""},
		{"vendor show acme/A9", 1, "", `model "A9" is none of acme; near: A`},
		{"vendor show nope", 1, "", `nope`},
		{"token add ci --role root", 2, "", `none of admin, operator, viewer`},
		{"token add ci --role viewer", 0, `^plugtone_\S{43}\n$`, `shown this once`},
		{"token list", 0, `(?m)^ci +viewer +2026`, ""},
		{"token rm ci", 0, `revoked`, ""},
		{"backup -", 0, `^a whole backup$`, ""},
		{"device rm " + desk, 0, `removed`, ""},
		{"device show " + desk, 1, "", `not found`},
	} {
		status, out, errs := s.run(c.line)
		if status != c.status || !matches(c.out, out) || !matches(c.errs, errs) {
			t.Errorf("plugtone %s: status %d, want %d\nstdout:\n%s\nwant %s\nstderr:\n%s\nwant %s", c.line, status, c.status, out, c.out, errs, c.errs)
		}
	}
}

// matches tells whether text has the pattern in it; "" wants no text at all.
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

func TestPasswordFile(t *testing.T) {
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

// TestJSON runs every command that prints data with --json: it must be one JSON value and nothing else.
func TestJSON(t *testing.T) {
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

func TestBackupFile(t *testing.T) {
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

func TestNoDaemon(t *testing.T) {
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

// TestTraceFollow follows a phone: what is in the timeline already and what happens are each shown once.
func TestTraceFollow(t *testing.T) {
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

// watcher tells when each of the wanted texts has been written.
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

// TestHelp holds every command to a text that says what it does, and every one with flags of its own to an example.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s says nothing of itself", c.CommandPath())
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
				m := members{c: sub, doc: map[string]any{}}
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
