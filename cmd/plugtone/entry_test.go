package main

import (
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/provision/diagnosis"
	"plugtone/provision/timeline"
)

func TestEntriesFitTheirScreenAndKeepEveryWord(t *testing.T) {
	e := timeline.Entry{Time: time.Unix(1700000000, 0), Source: "dhcp", Event: "request", Verdict: "acked", Addr: netip.MustParseAddr("10.20.1.7"),
		Reason: strings.Repeat("word ", 60) + "end", Options: "1 3 66=http://10.20.0.2/ 250"}
	var wide, narrow strings.Builder
	for _, p := range []*entries{{screen: screen{Writer: &wide}}, {screen: screen{Writer: &narrow, width: 80}}} {
		if err := p.print(e); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(narrow.String()) {
		if len(line) > 81 {
			t.Errorf("a line of %d columns: %s", len(line)-1, line)
		}
	}
	if strings.Count(wide.String(), "\n") != 1 {
		t.Errorf("without a screen an entry is one line, not %q", wide.String())
	}
	for _, text := range []string{wide.String(), strings.Join(strings.Fields(narrow.String()), " ")} {
		if !strings.Contains(text, "1 subnet mask, 3 router, 66 tftp server name=http://10.20.0.2/, 250") || strings.Count(text, "word") != 60 {
			t.Errorf("words are missing: %s", text)
		}
	}
	if strings.Contains(wide.String(), "\x1b") {
		t.Error("colours without a terminal")
	}
}

func TestColumnsAndNoColorAreRespected(t *testing.T) {
	env := map[string]string{"COLUMNS": "90", "NO_COLOR": "1"}
	if s := newScreen(&strings.Builder{}, func(name string) string { return env[name] }); s.width != 90 || s.color {
		t.Errorf("%+v", s)
	}
}

func TestAssignmentsAreCutOutsideBrackets(t *testing.T) {
	for text, want := range map[string][2]string{
		"time_zone=Europe/Berlin":                    {"time_zone", "Europe/Berlin"},
		"fanvil/sip/line[@index=1]/SIPPort=5062":     {"fanvil/sip/line[@index=1]/SIPPort", "5062"},
		"yealink/phone_setting.backlight_time=":      {"yealink/phone_setting.backlight_time", ""},
		"snom/fkey[@idx=0][@context=active]=blf x=y": {"snom/fkey[@idx=0][@context=active]", "blf x=y"},
		"yealink/account.1.label=[open = not closed": {"yealink/account.1.label", "[open = not closed"},
		"yealink/broken[name=value":                  {"yealink/broken[name", "value"},
	} {
		if name, value, ok := cutAssignment(text); !ok || name != want[0] || value != want[1] {
			t.Errorf("%s: %q %q %v", text, name, value, ok)
		}
	}
	if _, _, ok := cutAssignment("none"); ok {
		t.Error("a text without = is no assignment")
	}
}

// All times of an output are in one zone: those in sentences of the daemon, which are UTC, as well.
func TestTimesInSentencesAreLocal(t *testing.T) {
	const east = "TZ=Etc/GMT-9" // nine hours ahead of UTC; a process reads it at its start
	if !slices.Contains(os.Environ(), east) {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		again.Env = append(os.Environ(), east)
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	text := "it fetched a.cfg at 2026-11-22T20:00:00Z; its digest is 2026-11-22T20:00:00.5Z"
	if got := localTimes(text); got != "it fetched a.cfg at 2026-11-23 05:00:00; its digest is 2026-11-22T20:00:00.5Z" {
		t.Error(got)
	}
	var out strings.Builder
	s := screen{Writer: &out}
	e := timeline.Entry{Time: time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC), Source: "http", Event: "get", Verdict: "refused", Reason: "the lease ran out at 2026-11-22T19:00:00Z"}
	if err := (&entries{screen: s}).print(e); err != nil {
		t.Fatal(err)
	}
	if err := printDiagnosis(s, []diagnosis.Finding{{Severity: diagnosis.OK, Text: text}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "00:00Z") || strings.Count(out.String(), "2026-11-23 05:00:00") != 2 || !strings.Contains(out.String(), "ran out at 2026-11-23 04:00:00") {
		t.Errorf("times in two zones: %s", out.String())
	}
}
