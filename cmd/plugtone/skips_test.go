package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestNothingIsSkippedOrSleepsWithoutAReason: tests skip by netlab.Missing alone, which fails them with PLUGTONE_REQUIRE_E2E=1, and a sleep outside
// testing/synctest has its reason on its line or on the one before.
func TestNothingIsSkippedOrSleepsWithoutAReason(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		commented := map[int]bool{}
		for _, c := range f.Comments {
			commented[files.Position(c.End()).Line] = true
		}
		bubbles := false
		for _, i := range f.Imports {
			bubbles = bubbles || i.Path.Value == `"testing/synctest"`
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, _ := s.X.(*ast.Ident)
			line := files.Position(call.Pos()).Line
			switch s.Sel.Name {
			case "Skip", "Skipf", "SkipNow":
				if !strings.Contains(path, "dhcp/netlab/") {
					t.Errorf("%s:%d: %s: use netlab.Missing, so that nothing is skipped where all must run", path, line, s.Sel.Name)
				}
			case "Sleep":
				if strings.HasSuffix(path, "_test.go") && x != nil && x.Name == "time" && !bubbles && !commented[line] && !commented[line-1] {
					t.Errorf("%s:%d: a sleep outside testing/synctest needs its reason", path, line)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestScriptsRunToTheirEnd: testscript's own commands stop and skip end a script as passed, and what follows them is never run.
func TestScriptsRunToTheirEnd(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(scripts) < 50 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, path := range scripts {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(archive.Comment)) {
			words := strings.Fields(line)
			for len(words) > 0 && (words[0] == "!" || strings.HasPrefix(words[0], "[")) {
				words = words[1:]
			}
			if len(words) > 0 && (words[0] == "stop" || words[0] == "skip") {
				t.Errorf("%s: %q ends the script: the daemon is ended by terminate", path, strings.TrimSpace(line))
			}
		}
	}
}
