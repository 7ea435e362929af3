package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestArchitectureNamesWhatExists checks that each path in docs/architecture.md exists, and that a function named beside a file is in it.
func TestArchitectureNamesWhatExists(t *testing.T) {
	text := readRoot(t, "docs/architecture.md")
	paths := regexp.MustCompile("`((?:admin|cmd|daemon|dhcp|httpprov|packaging|provision|store|tftp)/[\\w./-]+)`").FindAllStringSubmatch(text, -1)
	if len(paths) < 100 {
		t.Fatalf("only %d paths", len(paths))
	}
	for _, m := range paths {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("docs/architecture.md: %v", err)
		}
	}
	placed := regexp.MustCompile("`(?:\\w+\\.)?(\\w+)` (?:and `\\w+` )?(?:in|of) `([\\w/]+\\.go)`").FindAllStringSubmatch(text, -1)
	if len(placed) < 30 {
		t.Fatalf("only %d functions", len(placed))
	}
	for _, m := range placed {
		if src, err := os.ReadFile(filepath.Join(root, m[2])); err == nil && !strings.Contains(string(src), m[1]+"(") && !strings.Contains(string(src), "type "+m[1]+" ") {
			t.Errorf("docs/architecture.md: %s has no %s", m[2], m[1])
		}
	}
}
