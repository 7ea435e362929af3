package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// privateNames are names that the code once had for things that the field has words for, by the folder whose code had them. Some are
// ordinary words, which other packages use in their ordinary sense.
var privateNames = map[string]string{
	"dhcp": "Ask book place worn fresh barren strangers kept onDisk View settle adopt steady unhold plan meet strays takeable fits sure rested " +
		"Reach Elsewhere Moved Adviser Advice lane spare patrol lookAround ring bell hear way towards asker rush Foreign inquire question",
	"dhcp/server": "rest",
	"tftp httpprov": "front side hear say stay toil oust crowd ErrCrowded ErrAnew begun letGo depart known refusal ends meter stretch " +
		"Patience over",
	"provision": "inquiry settle Named Most made Shelf shelved freeze lucky thawed guesses bond Flaw Said Renders epoch renew atHand KeptWindow " +
		"WindowKeeper decoy desk seat cue telling shapes Prove Try Trial trying passing sized widen unlined memory Touched answerbook",
	"store":  "side Settle Left turned layOut happened seen grumble poke openSound stamps",
	"daemon": "plan placed room census surroundings relocate farewell keepers keeper lint tryout Within",
	"admin":  "conforms deaf tidy plainly gone what",
	"":       "house House town resident letter orderly somebody nobody anew whoever",
}

// privateWords make a reader stop: code that asks, knows or tells, and phrases that few use.
var privateWords = regexp.MustCompile(`(?i)\b(asks|hears|knows|tells|somebody|nobody|anybody|whoever|anew|in vain|at hand|grumbles?|faults? of ours)\b`)

// sectionsOfGoldens are headers of the packs' goldens, a format that other people's packs have too.
var sectionsOfGoldens = regexp.MustCompile(`^-- asks --$`)

// TestTextsHavePlainWords: no comment, text of the program, document, script or pack has one of privateWords.
func TestTextsHavePlainWords(t *testing.T) {
	check := func(path, text string) {
		for line := range strings.Lines(text) {
			if word := privateWords.FindString(line); word != "" && !sectionsOfGoldens.MatchString(strings.TrimSpace(line)) {
				t.Errorf("%s: %q in: %s", path, word, line)
			}
		}
	}
	walkTree(t, func(path string) error {
		if path == "CHANGELOG.md" || filepath.Base(path) == "glossary_test.go" {
			return nil
		}
		switch filepath.Ext(path) {
		case ".md", ".tmpl", ".html", ".yaml", ".txtar", ".txt", ".service", ".conf", ".json", ".sh":
			check(path, readRoot(t, path))
		case ".go":
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, group := range file.Comments {
				check(path, group.Text())
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && text.Value != `"asks"` {
					check(path, text.Value)
				}
				return true
			})
		}
		return nil
	})
}

// TestPrivateNamesDoNotReturn: no identifier and no file has one of privateNames.
func TestPrivateNamesDoNotReturn(t *testing.T) {
	walkTree(t, func(path string) error {
		if filepath.Ext(path) != ".go" {
			return nil
		}
		bad := namesOf(path)
		if name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".go"), "_test"); bad[name] {
			t.Errorf("%s: a private name", path)
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, id := range declared(file) {
			if bad[id.Name] {
				t.Errorf("%s declares %s", path, id.Name)
			}
		}
		return nil
	})
}

// walkTree calls visit with each file of the source tree, hidden folders apart.
func walkTree(t *testing.T, visit func(path string) error) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && len(path) > 1 && e.Name()[0] == '.':
			return fs.SkipDir
		case e.IsDir():
			return nil
		}
		return visit(path)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// namesOf returns the private names that a file must not have.
func namesOf(path string) map[string]bool {
	bad := map[string]bool{}
	for folders, names := range privateNames {
		for _, folder := range append(strings.Fields(folders), folders) {
			if strings.HasPrefix(path, folder+"/") || folder == "" {
				for _, name := range strings.Fields(names) {
					bad[name] = true
				}
			}
		}
	}
	return bad
}

// declared returns the identifiers that a file declares.
func declared(file *ast.File) (ids []*ast.Ident) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			ids = append(ids, n.Name)
		case *ast.TypeSpec:
			ids = append(ids, n.Name)
		case *ast.ValueSpec:
			ids = append(ids, n.Names...)
		case *ast.Field:
			ids = append(ids, n.Names...)
		case *ast.AssignStmt:
			for _, x := range n.Lhs {
				if id, ok := x.(*ast.Ident); ok && n.Tok == token.DEFINE {
					ids = append(ids, id)
				}
			}
		case *ast.RangeStmt:
			for _, x := range []ast.Expr{n.Key, n.Value} {
				if id, ok := x.(*ast.Ident); ok && n.Tok == token.DEFINE {
					ids = append(ids, id)
				}
			}
		}
		return true
	})
	return ids
}
