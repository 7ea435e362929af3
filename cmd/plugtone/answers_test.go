package main

import (
	"encoding/json"
	"strings"
	"testing"

	"plugtone/provision/fleet"
)

// TestRemovalsAsJSON checks that each removal prints an object that names what was removed.
func TestRemovalsAsJSON(t *testing.T) {
	s := newShell(t)
	s.office()
	s.Discover(fleet.Discovered{MAC: mac(t, "00:15:65:00:00:09"), Vendor: "acme"})
	s.stdin = "settings: {language: de}"
	s.ok("profile set reception -f -")
	s.ok("token add ci --role viewer")
	for _, c := range []struct{ line, kind, name, change string }{
		{"device rm 0015.6512.3456", "device", desk, "removed"},
		{"extension rm 1001", "extension", "1001", "removed"},
		{"profile rm reception", "profile", "reception", "removed"},
		{"registrar rm main --force", "registrar", "main", "removed"},
		{"token rm ci", "token", "ci", "revoked"},
		{"discovered forget 001565000009", "discovered", "00:15:65:00:00:09", "forgotten"},
	} {
		var got removal
		out := s.ok(c.line + " --json")
		if err := json.Unmarshal([]byte(out), &got); err != nil || got != (removal{c.kind, c.name, c.change}) {
			t.Errorf("%s: %s %v", c.line, out, err)
		}
	}
}

// TestMessagesShortenLongValues passes 10 kB as each value: messages must shorten it.
func TestMessagesShortenLongValues(t *testing.T) {
	s := newShell(t)
	s.office()
	word, text := strings.Repeat("x", 10_000), "'"+strings.Repeat("x y", 3500)+"'"
	for _, line := range []string{"device set " + desk + " --label ", "device set " + desk + " --model ", "device set " + desk + " --line @", "device set " + desk + " --key 2=",
		"device set " + desk + " --set time_zone=", "device set " + desk + " --set ", "device show ", "device list --state ", "device list --vendor ",
		"registrar set y --host ", "registrar set main --port ", "registrar show ", "extension show ", "extension set 1001@", "extension set 1001 --display-name ",
		"explain ", "leases --subnet ", "token add x --role ", "vendor show ", "nonsense", "profile set x -f ", "--"} {
		for _, value := range []string{word, text} {
			status, out, errs := s.run(line + value)
			if status == 0 && line != "device set "+desk+" --line @" || out != "" || len(errs) > 2500 {
				t.Errorf("%s%.10s: status %d, %d bytes\n%.300s\n%.900s", line, value, status, len(errs), out, errs)
			}
		}
	}
}

func TestHelpSaysAn(t *testing.T) {
	s := &shell{t: t}
	if out := s.ok("extension --help"); !strings.Contains(out, "Remove an extension that") {
		t.Errorf("help of extension:\n%s", out)
	}
}
