package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp/netlab"
)

const root = "../.."

// topLevel is everything that may be at the top of the repository.
var topLevel = []string{
	".ci", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "admin", "cmd", "daemon", "dhcp", "docs", "go.mod", "go.sum",
	"httpprov", "packaging", "provision", "store", "tftp",
}

func TestTopLevelIsClosed(t *testing.T) {
	out, err := exec.Command("git", "-C", root, "ls-files").Output()
	if err != nil {
		netlab.Missing(t, fmt.Errorf("no git checkout: %w", err))
	}
	for _, f := range strings.Fields(string(out)) {
		top, _, _ := strings.Cut(f, "/")
		if !slices.Contains(topLevel, top) {
			t.Errorf("%s is at the top level, where only %v may be", f, topLevel)
		}
	}
}

// mayImport lists for each package the packages of this module that it may import. Sub-packages count as their parent, so that a
// package and its parts may import each other. Imports of tests are not checked.
var mayImport = map[string][]string{
	"dhcp":      {},
	"provision": {"dhcp"},
	"store":     {"provision", "dhcp"},
	"admin":     {"provision", "dhcp"},
	"httpprov":  {"provision", "dhcp"},
	"tftp":      {"provision", "dhcp"},
	"daemon":    {"admin", "dhcp", "httpprov", "provision", "store", "tftp"},
	"packaging": {},
	"docs":      {},
	"cmd":       {"docs", "admin", "daemon", "dhcp", "provision", "store"},
}

func TestImportMap(t *testing.T) {
	for _, p := range goList(t) {
		from := topFolder(p.ImportPath)
		allowed, listed := mayImport[from]
		if !listed {
			t.Errorf("%s: %q is not in mayImport", p.ImportPath, from)
			continue
		}
		for _, imp := range p.Imports {
			if to := topFolder(imp); to != "" && to != from && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s: %s may import only %v", p.ImportPath, imp, from, allowed)
			}
			page := imp == "html/template" && strings.HasPrefix(p.ImportPath, "plugtone/admin/web/")
			if why := forbiddenImports[imp]; why != "" && from != "cmd" && !page {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, why)
			}
			for library, only := range map[string]string{"go.etcd.io/bbolt": "plugtone/store", "go.etcd.io/etcd": "plugtone/store/etcd"} {
				if strings.HasPrefix(imp, library) && !strings.HasPrefix(p.ImportPath+"/", only+"/") {
					t.Errorf("%s imports %s: nothing of it shows outside %s", p.ImportPath, imp, only)
				}
			}
		}
	}
}

var forbiddenImports = map[string]string{
	"html/template": "its escaping is for HTML; phone files have their own (provision/render)",
	"github.com/insomniacslk/dhcp/dhcpv4/server4": "its socket sets SO_REUSEPORT and starts a goroutine for each packet",
	"log": "log/slog, handed in",
}

// forbiddenCalls are selectors that code below cmd and daemon may not use, each with its reason.
var forbiddenCalls = map[string]string{
	"time.Now":                     "the clock comes in through the struct",
	"time.Since":                   "the clock comes in through the struct",
	"context.Background":           "the context comes from the caller",
	"context.TODO":                 "the context comes from the caller",
	"slog.Default":                 "the logger is handed in",
	"slog.SetDefault":              "the logger is handed in",
	"prometheus.DefaultRegisterer": "the registry is handed in",
	"prometheus.MustRegister":      "the registry is handed in",
	"promauto.New":                 "the registry is handed in",
	"http.DefaultServeMux":         "shared between everything in the process",
	"http.HandleFunc":              "registers on the shared mux",
	"http.DefaultClient":           "has no time limit",
}

func TestForbiddenCalls(t *testing.T) {
	eachSource(t, func(path string, f *ast.File) {
		top := topFolder("plugtone/" + path)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					return true
				}
				name := x.Name + "." + n.Sel.Name
				clock := strings.HasPrefix(name, "time.") || strings.HasPrefix(name, "context.")
				if clock && (top == "cmd" || top == "daemon" || strings.HasPrefix(path, "dhcp/netlab/")) { // a link of the lab delays real packets
					return true
				}
				if why := forbiddenCalls[name]; why != "" {
					t.Errorf("%s: %s: %s", path, name, why)
				}
			case *ast.FuncDecl:
				if n.Name.Name == "init" && n.Recv == nil {
					t.Errorf("%s: func init: what is needed is passed in", path)
				}
			}
			return true
		})
	})
}

// TestNoVendorInTheCode: vendors are data, so no string in code below cmd names one. A sentence for people may, with a capital letter.
// Struct tags (examples of the API's documentation) and packages of test fixtures may, too.
func TestNoVendorInTheCode(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(root, "provision/vendors/*/vendor.yaml"))
	if err != nil || len(dirs) < 25 {
		t.Fatalf("%d packs, %v", len(dirs), err)
	}
	var ids []string
	for _, d := range dirs {
		ids = append(ids, regexp.QuoteMeta(filepath.Base(filepath.Dir(d))))
	}
	named := regexp.MustCompile(`\b(` + strings.Join(ids, "|") + `|cisco|poly|aastra|ale)\b`)
	eachSource(t, func(path string, f *ast.File) {
		if strings.HasPrefix(path, "cmd/") || strings.HasSuffix(filepath.Dir(path), "test") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok {
				field.Tag = nil
			}
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && named.MatchString(lit.Value) {
				t.Errorf("%s: %s", path, lit.Value)
			}
			return true
		})
	})
}

func TestExportedNamesAreDocumented(t *testing.T) {
	eachSource(t, func(path string, f *ast.File) {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !obvious[d.Name.Name] {
					t.Errorf("%s: %s has no comment", path, d.Name.Name)
				}
			case *ast.GenDecl:
				if d.Tok == token.IMPORT {
					continue
				}
				for _, s := range d.Specs {
					if name, doc := specDoc(s); name != "" && d.Doc == nil && doc == nil {
						t.Errorf("%s: %s has no comment", path, name)
					}
				}
			}
		}
	})
}

// obvious methods implement an interface of the standard library, whose documentation is enough.
var obvious = map[string]bool{"Error": true, "String": true, "Unwrap": true, "Is": true, "Len": true, "Close": true, "Read": true, "Write": true,
	"MarshalText": true, "UnmarshalText": true, "MarshalJSON": true, "UnmarshalJSON": true, "ServeHTTP": true}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	x := d.Recv.List[0].Type
	if s, ok := x.(*ast.StarExpr); ok {
		x = s.X
	}
	id, ok := x.(*ast.Ident)
	return ok && id.IsExported()
}

func specDoc(s ast.Spec) (string, *ast.CommentGroup) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			return s.Name.Name, s.Doc
		}
	case *ast.ValueSpec:
		if s.Names[0].IsExported() {
			doc := s.Doc
			if doc == nil {
				doc = s.Comment
			}
			return s.Names[0].Name, doc
		}
	}
	return "", nil
}

// topFolder is the first folder of an import path of this module: "provision" for plugtone/provision/pack, "" for other modules.
func topFolder(imp string) string {
	rest, ok := strings.CutPrefix(imp, "plugtone/")
	if !ok {
		return ""
	}
	top, _, _ := strings.Cut(rest, "/")
	return top
}

type listed struct {
	ImportPath string
	Imports    []string
}

func goList(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// eachSource parses every Go file that is not a test.
func eachSource(t *testing.T, f func(path string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		file, err := parser.ParseFile(token.NewFileSet(), rel, src, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("%s: %w", rel, err)
		}
		f(filepath.ToSlash(rel), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
