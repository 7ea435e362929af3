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
		"export --where state=stale":                     "list the devices instead",
	} {
		if status, _, errs := s.run(line); status == 0 || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %s\nlacks %q", line, status, errs, want)
		}
	}
}
