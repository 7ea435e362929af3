package main

import (
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

func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
