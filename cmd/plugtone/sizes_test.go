package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Sizes that keep files, functions, types and packages readable. They are limits, not goals: split where a reader expects the seam.
const (
	maxFileLines     = 400
	maxFunctionLines = 60
	maxMethods       = 25
	maxPackageLines  = 2500 // without tests
	maxSubjectWords  = 5    // of a package, in docs/architecture.md
)

// sizedPackages are exempt from maxPackageLines, with the reason.
var sizedPackages = map[string]string{"cmd/plugtone": "one file for each command"}

func TestSizes(t *testing.T) {
	lines := map[string]int{}
	methods := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		n := bytes.Count(src, []byte("\n"))
		if n > maxFileLines {
			t.Errorf("%s has %d lines; %d are the most", rel, n, maxFileLines)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, rel, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.Dir(rel)
		if !strings.HasSuffix(rel, "_test.go") {
			lines[dir] += n
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines; %d are the most", rel, f.Name.Name, n, maxFunctionLines)
			}
			if f.Recv != nil {
				methods[dir+"."+receiver(f.Recv.List[0].Type)]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, n := range lines {
		if n > maxPackageLines && sizedPackages[dir] == "" {
			t.Errorf("package %s has %d lines without tests; %d are the most", dir, n, maxPackageLines)
		}
	}
	checkPackageTable(t, lines)
	for name, n := range methods {
		if n > maxMethods {
			t.Errorf("type %s has %d methods; %d are the most", name, n, maxMethods)
		}
	}
}

// checkPackageTable compares the table of packages in docs/architecture.md with the tree: every package, its lines within a quarter, and its
// subject in five words.
func checkPackageTable(t *testing.T, lines map[string]int) {
	t.Helper()
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9/-]+)` \\| (\\d+) \\| (.+) \\|$").FindAllStringSubmatch(readRoot(t, "docs/architecture.md"), -1) {
		listed[m[1]] = true
		said, err := strconv.Atoi(m[2])
		if n := lines[m[1]]; err != nil || n == 0 || max(said, n)-min(said, n) > n/4+10 {
			t.Errorf("docs/architecture.md: package %s is listed with %d lines, and has %d", m[1], said, n)
		}
		if n := len(strings.Fields(m[3])); n > maxSubjectWords {
			t.Errorf("docs/architecture.md: the subject of package %s has %d words; %d are the most", m[1], n, maxSubjectWords)
		}
	}
	for dir, n := range lines {
		if n > 0 && !listed[dir] {
			t.Errorf("docs/architecture.md does not list package %s", dir)
		}
	}
}

// receiver is the type of a method's receiver, without pointer and type parameters.
func receiver(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.IndexListExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return "?"
}
