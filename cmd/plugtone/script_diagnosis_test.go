package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"

	"plugtone/daemon"
)

// later is by how much the clock of plugtone-later is ahead.
const later = 10 * time.Minute

// mainLater is plugtone with a daemon whose clock is ahead.
func mainLater() {
	root := newProgram()
	for _, c := range root.Commands() {
		if c.Name() == "serve" {
			root.RemoveCommand(c)
		}
	}
	root.AddCommand(serveWith(daemon.Options{Version: versionText(), CheckCommand: checkFileCommand(), Now: func() time.Time { return time.Now().Add(later) }}))
	os.Exit(execute(context.Background(), root, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// serve-later [ARGS] is serve with a daemon whose clock is ten minutes ahead.
func (d *daemonProcess) serveLater(ts *testscript.TestScript, neg bool, args []string) error {
	return d.run(ts, neg, "plugtone-later", args)
}

var timeOfDay = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

// compareDiagnosis: diagnosis MAC FILE compares the whole diagnosis that trace prints with FILE, in which TIME replaces each time. It waits
// until they are equal.
func compareDiagnosis(ts *testscript.TestScript, neg bool, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: diagnosis MAC FILE")
	}
	want := diagnosisLines(ts.ReadFile(args[1]))
	return poll(neg, func() error {
		cmd := exec.Command(programPath(ts, "plugtone"), "trace", args[0])
		cmd.Dir, cmd.Env = ts.MkAbs("."), environ(ts)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		entries, got, _ := strings.Cut(string(out), "\ndiagnosis:\n")
		if diff := cmp.Diff(want, diagnosisLines(timeOfDay.ReplaceAllString(got, "TIME"))); diff != "" {
			return fmt.Errorf("diagnosis (-want +got):\n%s\nof\n%s", diff, entries)
		}
		return nil
	})
}

// diagnosisLines returns the lines of a diagnosis without the spaces that align them.
func diagnosisLines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 {
			out = append(out, strings.Join(words, " "))
		}
	}
	return out
}

// docs/troubleshooting.md has a row for each script about a diagnosis, and quotes nothing that no script compares.
func TestTroubleshootingHasTheDiagnosisOfEachScript(t *testing.T) {
	_, rows, _ := strings.Cut(readRoot(t, "docs/troubleshooting.md"), "\n## By diagnosis\n")
	rows, _, _ = strings.Cut(rows, "\n## ")
	scripts, err := filepath.Glob("testdata/script/diag_*.txtar")
	if err != nil || len(scripts) < 12 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	var expected strings.Builder
	for _, path := range scripts {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		quoted := false
		for _, f := range a.Files {
			if !strings.HasSuffix(f.Name, ".txt") {
				continue
			}
			expected.Write(f.Data)
			for _, line := range diagnosisLines(string(f.Data)) {
				if _, text, ok := strings.Cut(line, ": "); ok && strings.Contains(rows, "`"+text+"`") {
					quoted = true
				}
			}
		}
		if !quoted {
			t.Errorf("no row for the diagnosis of %s", path)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| [^|`]+ \\| `([^`]+)` \\|").FindAllStringSubmatch(rows, -1) {
		if !strings.Contains(expected.String(), ": "+m[1]+"\n") {
			t.Errorf("no script has the diagnosis %q", m[1])
		}
	}
}
