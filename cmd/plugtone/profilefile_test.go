package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAllProblemsOfAProfileAreNamedAtOnce has problems that the command finds and others that the daemon finds.
func TestAllProblemsOfAProfileAreNamedAtOnce(t *testing.T) {
	s := newShell(t)
	s.office()
	file := filepath.Join(t.TempDir(), "p.yaml")
	text := "parent: nowhere\nkeys: ['2=blfx:1', '3=park:701', 'x=blf:1']\nsettings: {languag: de}\n"
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
	if status, _, _ := s.run("profile show p"); status == 0 {
		t.Error("the profile was created")
	}
}
