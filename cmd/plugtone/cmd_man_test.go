package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestManualPagesSayWhatHelpDoes: all lines of a description are on its manual page, those that are indented as they are.
func TestManualPagesSayWhatHelpDoes(t *testing.T) {
	descriptions := map[string]string{}
	var note func(c *cobra.Command)
	note = func(c *cobra.Command) {
		descriptions[strings.ReplaceAll(c.CommandPath(), " ", "-")] = c.Long
		for _, sub := range c.Commands() {
			note(sub)
		}
	}
	note(newProgram())
	dir := t.TempDir()
	program := newProgram()
	program.SetArgs([]string{"man", dir})
	if err := program.Execute(); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for name, text := range descriptions {
		page, err := os.ReadFile(filepath.Join(dir, "man1", name+".1"))
		if os.IsNotExist(err) || text == "" {
			continue // a hidden command
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(plain(string(page)), "\n")
		block := ""
		for _, part := range strings.Split(string(page), ".EX\n")[1:] {
			code, _, _ := strings.Cut(part, ".EE")
			block += plain(code)
		}
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			if indented, ok := strings.CutPrefix(line, "  "); ok {
				if !strings.Contains("\n"+block, "\n"+indented+"\n") {
					t.Errorf("%s: no block has the line %q", name, indented)
				}
			} else if !slices.Contains(lines, line) {
				t.Errorf("%s: no line %q", name, line)
			}
			shown++
		}
	}
	if shown < 100 {
		t.Errorf("only %d lines", shown)
	}
}

// plain returns what a page's source prints.
func plain(roff string) string {
	return strings.NewReplacer(`\-`, "-", `\&`, "", `\(dq`, `"`, `\\`, `\`, `\e`, `\`).Replace(roff)
}
