package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAllProblemsOfAProfileAreNamedAtOnce has problems that the command finds and others that the daemon finds.
func TestAllProblemsOfAProfileAreNamedAtOnce(t *testing.T) {
	s := newShell(t)
	s.office()
	file := filepath.Join(t.TempDir(), "p.yaml")
	text := "parent: nowhere\nkeys: ['2=blfx:1', '3=park:701', 'x=blf:1', {slot: 4, type: nope}, '3=blf:1']\nsettings: {languag: de}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := s.run("profile set p -f " + file)
	if status != 1 || out != "" {
		t.Errorf("status %d, %s", status, out)
	}
	for _, want := range []string{file + ":1:1: ", file + ":2:8: ", "blfx", "slot \"x\"", file + ":3:", "languag"} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	want := []string{`1:1: parent "nowhere": `, `2:8: key "2=blfx:1": `, `2:34: key "x=blf:1": `, `2:55: keys[3].type "nope": `, `2:68: keys[4].slot "3": area line has this slot already in keys[1]`, `3:12: settings.languag: `}
	lines := strings.Split(strings.TrimSpace(errs), "\n")[1:]
	if !slices.EqualFunc(lines, want, func(line, w string) bool { return strings.HasPrefix(line, file+":"+w) }) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if status, _, _ := s.run("profile show p"); status == 0 {
		t.Error("the profile was created")
	}
}
