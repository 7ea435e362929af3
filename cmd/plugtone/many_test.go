package main

import (
	"strings"
	"testing"
)

func TestManyDevicesAreChangedInOneChange(t *testing.T) {
	s := newShell(t)
	s.office()
	s.ok("device add 001565123457 --model acme/A4 --tag pilot")
	s.ok("device add 001565123458 --model acme/A1 --tag pilot")
	if out := s.ok("device list --where tag=pilot,model=A4"); !strings.Contains(out, "00:15:65:12:34:57") || strings.Contains(out, "34:58") || strings.Contains(out, desk) {
		t.Errorf("selected:\n%s", out)
	}
	if out := s.ok("device set --where tag=pilot --location Berlin --set language=de --dry-run --summary"); !strings.Contains(out, "2 records (2 changed)") {
		t.Errorf("dry run: %s", out)
	}
	if out := s.ok("device set --where tag=pilot --location Berlin --message move"); !strings.Contains(out, "0 new, 2 changed, 0 the same; that is change") {
		t.Errorf("set: %s", out)
	}
	if out := s.ok("device set 001565123457 001565123458 --location Berlin"); !strings.Contains(out, "0 changed, 2 the same") {
		t.Errorf("set again: %s", out)
	}
	if out := s.ok("device set 001565123456 001565123457 --key 2= --key 3=park:701"); !strings.Contains(out, "2 changed") {
		t.Errorf("keys: %s", out)
	}
	s.stdin = "001565123457\n\n00-15-65-12-34-58\n"
	if out := s.ok("device disable --stdin"); !strings.Contains(out, "2 changed") {
		t.Errorf("disable: %s", out)
	}
	if out := s.ok("device list --where state=disabled"); strings.Count(out, "\n") != 3 {
		t.Errorf("disabled:\n%s", out)
	}
	if out := s.ok("export --format csv --where tag=pilot"); strings.Count(out, "\n") != 3 || !strings.Contains(out, "Berlin") {
		t.Errorf("export:\n%s", out)
	}
	if status, out, errs := s.run("device enable --where tag=nosuch"); status != 0 || errs != "no device is selected\n" || !strings.Contains(out, "0 changed") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	if out := s.ok("device rm --where tag=pilot"); !strings.Contains(out, "2 removed") {
		t.Errorf("rm: %s", out)
	}
	if out := s.ok("device list"); strings.Contains(out, "34:57") || !strings.Contains(out, desk) {
		t.Errorf("left:\n%s", out)
	}
	for line, want := range map[string]string{
		"device set --location x":                        "MAC is missing",
		"device disable":                                 "MAC is missing",
		"device rm " + desk + " --where tag=x":           "not by more than one",
		"device set " + desk + " nonsense --label x":     `MAC address "nonsense"`,
		"device set " + desk + " 001565999999 --label x": "no such device",
		"device list --where vendr=x":                    "near: vendor",
	} {
		if status, _, errs := s.run(line); status == 0 || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %s\nlacks %q", line, status, errs, want)
		}
	}
}

func TestManyDevicesAreEnrolledFilledAndListed(t *testing.T) {
	s := newShell(t)
	s.office()
	s.ok("device add 001565123457 --model acme/A4 --tag pilot")
	s.ok("device add 001565123458 --model acme/A4 --tag pilot")
	if out := s.ok("device enroll --where tag=pilot --for 30m --from 198.51.100.0/24"); strings.Count(out, "need no proof from 198.51.100.0/24") != 2 || strings.Contains(out, desk) {
		t.Errorf("enrolled:\n%s", out)
	}
	s.stdin = "001565123457\n00-15-65-12-34-57\n001565123456\n"
	if out := s.ok("device enroll --stdin --for 30m"); strings.Count(out, "need no proof") != 2 || !strings.Contains(out, desk) {
		t.Errorf("enrolled:\n%s", out)
	}
	if out := s.ok("device files --where tag=pilot"); !strings.Contains(out, "001565123457.cfg") || !strings.Contains(out, "00:15:65:12:34:58  001565123458.cfg") || strings.Contains(out, desk) {
		t.Errorf("files:\n%s", out)
	}
	if out := s.ok("device files 001565123456 001565123457"); !strings.Contains(out, "001565123456.cfg") || !strings.Contains(out, "001565123457.cfg") {
		t.Errorf("files:\n%s", out)
	}
	s.stdin = "001565123458\n"
	if out := s.ok("device files --stdin --json"); !strings.HasPrefix(out, "[") || !strings.Contains(out, "001565123458.cfg") {
		t.Errorf("files:\n%s", out)
	}
	if out := s.ok("device keys fill --where tag=pilot --from 3 --blf 1001-1002 --dry-run --summary"); !strings.Contains(out, "2 records (2 changed)") {
		t.Errorf("dry run: %s", out)
	}
	if out := s.ok("device keys fill --where tag=pilot --from 3 --blf 1001-1002"); !strings.Contains(out, "keys of 2 devices filled") {
		t.Errorf("filled: %s", out)
	}
	if out := s.ok("device show 001565123458"); !strings.Contains(out, "blf:1002") {
		t.Errorf("a phone:\n%s", out)
	}
	s.stdin = "001565123457\n001565123458\n"
	if out := s.ok("device keys fill --stdin --from 3 --blf 1001-1002"); !strings.Contains(out, "unchanged") {
		t.Errorf("filled again: %s", out)
	}
	for line, want := range map[string]string{
		"device enroll " + desk + " --where tag=x --for 30m": "not by more than one",
		"device files": "MAC is missing",
		"device files --where tag=pilot --reveal":               "--reveal needs the NAME",
		"device files " + desk + " 001565123456.cfg --stdin":    "not by more than one",
		"device files " + desk + " 001565123457 x.cfg":          `MAC address "x.cfg"`,
		"device files --where labl=x":                           "near: label",
		"device files " + desk + " 001565999999":                "device 00:15:65:99:99:99: ",
		"device keys fill --blf 1001":                           "MAC is missing",
		"device keys fill --where labl=x --blf 1001":            "near: label",
		"device keys fill " + desk + " --where tag=x --blf 100": "not by more than one",
	} {
		if status, _, errs := s.run(line); status == 0 || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %s\nlacks %q", line, status, errs, want)
		}
	}
}

// TestNamedDevicesAreListedAndExported names devices by MAC and on standard input.
func TestNamedDevicesAreListedAndExported(t *testing.T) {
	s := newShell(t)
	s.office()
	s.ok("device add 001565123457 --model acme/A4 --tag pilot")
	s.ok("device add 001565123458 --model acme/A4 --tag pilot")
	s.stdin = "001565123458\n001565123457\n"
	for _, line := range []string{"device list 001565123458 001565123457", "device list --stdin", "device list --where tag=pilot", "export 001565123457 001565123458", "export --stdin",
		"export --stdin --format csv", "export --where tag=pilot", "export --where tag=pilot,state!=in_sync"} {
		out := s.ok(line)
		if !strings.Contains(out, "00:15:65:12:34:57") || !strings.Contains(out, "00:15:65:12:34:58") || strings.Contains(out, desk) || strings.Contains(out, "pbx.example.com") {
			t.Errorf("%s:\n%s", line, out)
		}
	}
	for line, want := range map[string]string{
		"device list 001565999999":               "device 00:15:65:99:99:99: not found",
		"device list " + desk + " --where tag=x": "not by more than one",
		"device list " + desk + " --state stale": "leave the other flags out",
		"device list x":                          `MAC address "x"`,
		"export 001565999999":                    "device 00:15:65:99:99:99: not found",
		"export " + desk + " --where tag=x":      "not by more than one",
	} {
		if status, _, errs := s.run(line); status == 0 || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %s\nlacks %q", line, status, errs, want)
		}
	}
}
