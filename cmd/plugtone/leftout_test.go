package main

import (
	"strings"
	"testing"

	"plugtone/provision/fleet"
)

// TestCommandsWarnOfWhatManyPhonesDoNotGet: one line for each vendor and member, before the change and after it.
func TestCommandsWarnOfWhatManyPhonesDoNotGet(t *testing.T) {
	s := newShell(t)
	s.office()
	s.stdin = "settings: {wallpaper: logo.png}\nkeys: [4=blf:1001]"
	s.ok("profile set desk -f -")
	s.Discover(fleet.Discovered{MAC: mac(t, "00:15:65:00:00:09"), Vendor: "acme", Model: "A4"})
	file := s.write("many.csv", "mac,model,profile\n001565000001,acme/A4,desk\n001565000002,acme/A1,desk\n001565000003,acme/A1,desk\n")
	const keys = "left out on 2 phones of acme: key (00:15:65:00:00:02: key 4=blf:1001 of profile desk: "
	const paper = "left out on 3 phones of acme: setting wallpaper (00:15:65:00:00:01: setting wallpaper of profile desk: no way is known to set it on A4"
	if out := s.ok("apply -f " + file + " --dry-run --summary"); strings.Count(out, "left out") != 2 || !strings.Contains(out, keys) || !strings.Contains(out, "\n"+paper) {
		t.Errorf("dry run:\n%s", out)
	}
	if _, _, errs := s.run("apply -f " + file); strings.Count(errs, "\n") != 2 || !strings.Contains(errs, "warning: "+keys) || !strings.Contains(errs, "warning: "+paper) {
		t.Errorf("apply:\n%s", errs)
	}
	if _, _, errs := s.run("apply -f " + file); errs != "" {
		t.Errorf("applied again:\n%s", errs)
	}
	for line, want := range map[string]string{
		"device set " + desk + " 001565000001 --profile desk":                 "warning: left out on " + desk + ": setting wallpaper of profile desk: ",
		"device copy 001565000002 001565000004":                               "warning: left out on 00:15:65:00:00:04: key 4=blf:1001 of profile desk: ",
		"discovered adopt 001565000009 --profile desk":                        "warning: left out: setting wallpaper of profile desk: ",
		"device keys fill 001565000001 --from 5 --blf 1002 --dry-run":         "",
		"device set --where model=A1 --set admin_password=x1 --message again": "",
	} {
		status, out, errs := s.run(line)
		if status != 0 || want == "" && strings.Contains(out+errs, "left out") || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %s%s\nlacks %q", line, status, out, errs, want)
		}
	}
	const again = "warning: left out: setting wallpaper of profile desk: "
	for _, x := range []struct{ line, want string }{{"device disable 001565000001", ""}, {"device enable 001565000001", again}, {"device enable 001565000001", ""}} {
		if status, _, errs := s.run(x.line); status != 0 || x.want == "" && errs != "" || !strings.HasPrefix(errs, x.want) {
			t.Errorf("%s: status %d, %s\nlacks %q", x.line, status, errs, x.want)
		}
	}
	s.stdin = "settings: {wallpaper: logo.png, session_timers: true}\nkeys: [4=blf:1001]"
	if _, _, errs := s.run("profile set desk -f -"); strings.Count(errs, "left out") != 1 || !strings.Contains(errs, "warning: left out on 6 phones of acme: setting session_timers (") {
		t.Errorf("profile: %s", errs)
	}
	s.stdin = "{}"
	s.ok("profile set bare -f -")
	s.ok("device set " + desk + " --profile bare --line 1001")
	const onLine = "warning: left out on " + desk + ": setting wallpaper of registrar main: "
	for _, x := range []struct{ line, want string }{
		{"registrar set main --set wallpaper=logo.png", onLine},
		{"registrar set main --sip-domain example.com", ""},
		{"registrar set main --set wallpaper=", ""},
		{"change undo LAST", onLine},
	} {
		last, _, _ := strings.Cut(strings.Split(s.ok("change list"), "\n")[1], " ")
		if status, _, errs := s.run(strings.Replace(x.line, "LAST", last, 1)); status != 0 || x.want == "" && strings.Contains(errs, "left out") || !strings.Contains(errs, x.want) {
			t.Errorf("%s: status %d, %s\nlacks %q", x.line, status, errs, x.want)
		}
	}
}
