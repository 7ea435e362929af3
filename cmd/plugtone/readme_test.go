package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeCommandsExist holds the README to the program: every command line in it parses.
func TestReadmeCommandsExist(t *testing.T) {
	text := readRoot(t, "README.md")
	lines := 0
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		line = strings.TrimPrefix(line, "sudo ")
		if !strings.HasPrefix(line, "plugtone ") {
			continue
		}
		args := words(strings.ReplaceAll(strings.TrimPrefix(line, "plugtone "), `"`, "'"))
		cmd, rest, err := newRoot(serveCommand(), checkCommand(), demoCommand(), simulateCommand(), versionCommand()).Find(args)
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil && cmd.Args != nil {
			err = cmd.Args(cmd, cmd.Flags().Args())
		}
		if err != nil {
			t.Errorf("README: %s: %v", line, err)
		}
		lines++
	}
	if lines < 5 {
		t.Errorf("README: only %d command lines found", lines)
	}
}

// TestReadmePathsExist holds the README to the tree: every file and folder of ours that it names is there.
func TestReadmePathsExist(t *testing.T) {
	text := readRoot(t, "README.md")
	seen := 0
	for _, m := range regexp.MustCompile("`((?:admin|cmd|daemon|dhcp|httpprov|packaging|provision|store|tftp)(?:/[A-Za-z0-9_./-]*)?)`|\\]\\(([^):#]+)\\)").FindAllStringSubmatch(text, -1) {
		path := m[1] + m[2]
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Errorf("README names %s: %v", path, err)
		}
		seen++
	}
	if seen < 8 {
		t.Errorf("README: only %d paths found", seen)
	}
}

// TestReadmeTargetsExist holds the README to the Makefile.
func TestReadmeTargetsExist(t *testing.T) {
	makefile := readRoot(t, "Makefile")
	for _, m := range regexp.MustCompile("(?m)(?:`|^|&& |sudo )make ([a-z-]+)").FindAllStringSubmatch(readRoot(t, "README.md"), -1) {
		if !regexp.MustCompile("(?m)^" + m[1] + ":").MatchString(makefile) {
			t.Errorf("README says make %s, which the Makefile does not have", m[1])
		}
	}
}

// TestDeviationsAgree holds the README's list of where our DHCP deviates to that of the package comment: the same ones, in the
// same order, known by a word that no other has.
func TestDeviationsAgree(t *testing.T) {
	list := func(text, from, to, bullet string) []string {
		_, text, found := strings.Cut(text, from)
		text, _, ended := strings.Cut(text, to)
		if !found || !ended {
			t.Fatalf("no list between %q and %q", from, to)
		}
		return strings.Split(text, bullet)[1:]
	}
	comment := list(readRoot(t, "dhcp/dhcp.go"), "# Deliberate deviations", "package dhcp", "\n//   - ")
	readme := list(readRoot(t, "README.md"), "## Where our DHCP deviates", "\n## ", "\n- ")
	known := []string{"is its MAC", "know nothing of", "authoritative", "subnet mask", "(?i)not sent back", "neither option 50", "RELEASE", "DECLINEs", "quarantine|rests",
		"offered without a probe", "RFC 3011", "borrow", "ciaddr in a DISCOVER", "100 ms", "LEASEQUERY", "0 or\\s+(// )?255", "T1", "(?i)a tenth", "disk refuses"}
	for name, got := range map[string][]string{"dhcp/dhcp.go": comment, "README.md": readme} {
		if len(got) != len(known) {
			t.Errorf("%s lists %d deviations, this test knows %d", name, len(got), len(known))
			continue
		}
		for i, word := range known {
			if !regexp.MustCompile(word).MatchString(got[i]) {
				t.Errorf("%s: deviation %d says nothing of %q: %s", name, i+1, word, got[i])
			}
		}
	}
}

// TestEveryRuleHasATest: the rules of DHCP have numbers, C01 to C52, and tests name them.
func TestEveryRuleHasATest(t *testing.T) {
	named := map[string]bool{}
	number := regexp.MustCompile(`C\d\d\b`)
	err := filepath.WalkDir(filepath.Join(root, "dhcp"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, c := range number.FindAllString(string(data), -1) {
			named[c] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 52; n++ {
		if c := fmt.Sprintf("C%02d", n); !named[c] {
			t.Errorf("no test names %s", c)
		}
	}
}

func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
