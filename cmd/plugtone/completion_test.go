package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"plugtone/admin/admintest"
	"plugtone/provision/fleet"
)

// TestValuesAreCompletedFromTheDaemon runs what a shell runs to complete a command line.
func TestValuesAreCompletedFromTheDaemon(t *testing.T) {
	s := newShell(t)
	s.office()
	s.ok("device set " + desk + " --label Desk")
	s.stdin = "settings: {language: de}"
	s.ok("profile set reception -f -")
	s.Discover(fleet.Discovered{MAC: mac(t, "00:15:65:00:00:09"), Vendor: "acme", Model: "A1", LastSeen: admintest.Noon})
	for line, want := range map[string]string{
		"device show ''":                   desk + "\tDesk A4",
		"device show 0015":                 "001565123456\tDesk A4",
		"device swap " + desk + " ''":      desk,
		"device keys fill 001565000001 ''": desk,
		"device replace " + desk + " ''":   "00:15:65:00:00:09\tacme A1",
		"discovered adopt ''":              "00:15:65:00:00:09",
		"device add x --model ''":          "acme/A4",
		"device list --vendor ''":          "acme\t",
		"device list --state ''":           "stale",
		"device list --sort ''":            "last_fetch",
		"device keys fill x --sort ''":     "number",
		"device add x --line ''":           "1001\tFront Desk",
		"device add x --set ''":            "language=",
		"device add x --profile ''":        "reception",
		"registrar show ''":                "main\tpbx.example.com",
		"extension show ''":                "1002",
		"vendor show ''":                   "bolt\t",
		"leases --subnet ''":               "10.20.0.0/22\tvoice0",

		"device list --where ''":                "profile=",
		"device list --where state=stale,":      "state=stale,label=",
		"device list --where 'tag!=x,vendor='":  "tag!=x,vendor=acme\t1",
		"export --where 'label=\"a,b\",model='": "label=\"a,b\",model=acme/A4\t1",
	} {
		_, out, _ := s.run("__complete " + line)
		if !strings.Contains("\n"+out, "\n"+want) {
			t.Errorf("%s: no %q in\n%s", line, want, out)
		}
	}
	var out bytes.Buffer
	execute(t.Context(), newProgram(), []string{"__complete", "serve", "--interface", ""}, strings.NewReader(""), &out, io.Discard)
	if !strings.HasPrefix(out.String(), "voice0\t") {
		t.Errorf("interfaces: %s", out.String())
	}
	if _, out, _ := s.run("__complete device show x ''"); !strings.HasPrefix(out, ":") {
		t.Errorf("a second argument is completed: %s", out)
	}
}

func TestWithoutADaemonNothingIsCompleted(t *testing.T) {
	s := newShell(t)
	_, out, _ := s.run("__complete device show --admin unix:/nonexistent ''")
	if !strings.HasPrefix(out, ":") {
		t.Errorf("completed: %s", out)
	}
}
