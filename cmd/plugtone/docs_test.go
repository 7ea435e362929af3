package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/daemon/config"
)

// documents are the paths of all documents for people, below root.
func documents(t *testing.T) []string {
	t.Helper()
	out := []string{"README.md", "CHANGELOG.md"}
	for _, dir := range []string{"docs", "provision/vendors"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".md") {
				rel, _ := filepath.Rel(root, path)
				out = append(out, filepath.ToSlash(rel))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 15 {
		t.Fatalf("only %d documents found: %v", len(out), out)
	}
	return out
}

// block is a fenced block of a document: the words behind the fence, and its lines.
type block struct {
	info  string
	lines []string
}

func blocks(text string) []block {
	var out []block
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && !inside:
			out = append(out, block{info: info})
			inside = true
		case fence:
			inside = false
		case inside:
			out[len(out)-1].lines = append(out[len(out)-1].lines, line)
		}
	}
	return out
}

// commandLines are the plugtone commands in blocks, as arguments.
func commandLines(all []block) [][]string {
	var out [][]string
	for _, b := range all {
		for _, line := range b.lines {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			line = strings.TrimPrefix(line, "sudo ")
			if rest, ok := strings.CutPrefix(line, "plugtone "); ok {
				out = append(out, words(strings.ReplaceAll(rest, `"`, "'")))
			}
		}
	}
	return out
}

func TestEveryDocumentedCommandParses(t *testing.T) {
	lines := 0
	for _, doc := range documents(t) {
		for _, args := range commandLines(blocks(readRoot(t, doc))) {
			lines++
			cmd, rest, err := newProgram().Find(args)
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil && cmd.Args != nil && !slices.Contains(rest, "--help") {
				err = cmd.Args(cmd, cmd.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: plugtone %s: %v", doc, strings.Join(args, " "), err)
			}
		}
	}
	if lines < 30 {
		t.Errorf("only %d command lines found", lines)
	}
}

// TestRunnableBlocksRun runs every command of the blocks that are marked "sh run", for each document in a daemon of its own.
func TestRunnableBlocksRun(t *testing.T) {
	ran := 0
	for _, doc := range documents(t) {
		var runnable []block
		for _, b := range blocks(readRoot(t, doc)) {
			if b.info == "sh run" {
				runnable = append(runnable, b)
			}
		}
		lines := commandLines(runnable)
		if len(lines) == 0 {
			continue
		}
		ran += len(lines)
		t.Run(doc, func(t *testing.T) { runCommands(t, lines) })
	}
	if ran < 8 {
		t.Errorf("only %d runnable commands found", ran)
	}
}

func runCommands(t *testing.T, lines [][]string) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "plugtone")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "admin.sock")
	config := filepath.Join(dir, "plugtone.yaml")
	text := fmt.Sprintf("data_dir: %s/data\ndhcp: {mode: \"off\", subnets: [{subnet: 10.20.0.0/22, next_server: 10.20.0.2, pools: [10.20.1.0-10.20.1.99]}]}\n"+
		"tftp: {enabled: false}\nhttp: {enabled: false}\nadmin: {listen: [\"unix:%s\"]}\n", dir, socket)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	daemon := exec.CommandContext(ctx, program, "serve", "--config", config)
	var log bytes.Buffer
	daemon.Stderr = &log
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	daemon.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Wait()
		notify.Close()
	}()
	if err := awaitReady(notify); err != nil {
		cancel()
		t.Fatalf("%v; it printed: %s", errors.Join(err, <-ended), log.String())
	}
	defer func() {
		cancel()
		<-ended // killed by cancel
	}()
	for _, args := range lines {
		c := exec.CommandContext(ctx, program, args...)
		c.Env = append(os.Environ(), "PLUGTONE_ADMIN=unix:"+socket)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("plugtone %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestEveryRelativeLinkLeadsSomewhere follows links to files, folders and headings.
func TestEveryRelativeLinkLeadsSomewhere(t *testing.T) {
	links := 0
	for _, doc := range documents(t) {
		text := readRoot(t, doc)
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			file, heading, _ := strings.Cut(m[1], "#")
			target := doc
			if file != "" {
				target = filepath.Join(filepath.Dir(doc), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
				continue
			}
			if heading != "" && !slices.Contains(anchors(readRoot(t, target)), heading) {
				t.Errorf("%s links to %s: no such heading", doc, m[1])
			}
		}
	}
	if links < 40 {
		t.Errorf("only %d links found", links)
	}
}

// anchors are the names that headings get in a rendered document.
func anchors(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			name := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
			name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
			out = append(out, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return out
}

func TestEveryDocumentedPathExists(t *testing.T) {
	path := regexp.MustCompile("`((?:admin|cmd|daemon|dhcp|docs|httpprov|packaging|provision|store|tftp)/[A-Za-z0-9_./-]*)`")
	for _, doc := range documents(t) {
		if doc == "CHANGELOG.md" {
			continue
		}
		for _, m := range path.FindAllStringSubmatch(readRoot(t, doc), -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s: %v", doc, m[1], err)
			}
		}
	}
}

func TestEveryDocumentedTargetExists(t *testing.T) {
	makefile := readRoot(t, "Makefile")
	for _, doc := range documents(t) {
		for _, m := range regexp.MustCompile("(?m)(?:`|^|&& |sudo )make ([a-z-]+)").FindAllStringSubmatch(readRoot(t, doc), -1) {
			if !regexp.MustCompile("(?m)^" + m[1] + ":").MatchString(makefile) {
				t.Errorf("%s has make %s, which the Makefile does not have", doc, m[1])
			}
		}
	}
}

// TestEveryConfigurationKeyIsDocumented compares the headings of docs/configuration.md with the keys that the reader accepts.
func TestEveryConfigurationKeyIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^### `([a-z0-9_.\\[\\]]+)`").FindAllStringSubmatch(readRoot(t, "docs/configuration.md"), -1) {
		for _, part := range strings.Split(m[1], ".") {
			documented[strings.TrimSuffix(part, "[]")] = true
		}
		text := "null"
		for _, part := range slices.Backward(strings.Split(m[1], ".")) {
			name, list := strings.CutSuffix(part, "[]")
			if list {
				text = "[" + text + "]"
			}
			text = "{" + name + ": " + text + "}"
		}
		_, _, err := config.Parse("plugtone.yaml", []byte(text))
		if err != nil && regexp.MustCompile(`unknown|is not a key|no such key`).MatchString(err.Error()) {
			t.Errorf("docs/configuration.md describes %s, which the configuration does not have: %v", m[1], err)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "daemon/config/decode.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if _, ok := lit.Type.(*ast.MapType); !ok {
			return true
		}
		for _, e := range lit.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				if key, ok := pair.Key.(*ast.BasicLit); ok && key.Kind == token.STRING {
					keys++
					if name := strings.Trim(key.Value, `"`); !documented[name] {
						t.Errorf("docs/configuration.md does not describe the key %s", name)
					}
				}
			}
		}
		return true
	})
	if keys < 50 {
		t.Errorf("only %d keys found in daemon/config/decode.go", keys)
	}
}

func TestReadmeFitsOnOneScreenAndAHalf(t *testing.T) {
	if n := strings.Count(readRoot(t, "README.md"), "\n"); n > 120 {
		t.Errorf("README.md has %d lines; 120 are the most, more goes to docs/", n)
	}
}

// TestDeviationsAgree compares the list of deviations in docs/dhcp.md with that of the package comment: the same ones in the
// same order, recognised by a word that no other has.
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
	document := list(readRoot(t, "docs/dhcp.md")+"\n## ", "## Deviations", "\n## ", "\n- ")
	known := []string{"is its MAC", "know nothing of|no lease is known", "authoritative", "subnet mask", "(?i)not sent back", "neither option 50", "RELEASE", "DECLINEs",
		"quarantine|rests", "offered without a probe", "RFC 3011", "borrow", "ciaddr in a DISCOVER", "100 ms", "LEASEQUERY", "0 or\\s+(// )?255", "T1", "(?i)a tenth", "disk", "RFC 3074"}
	for name, got := range map[string][]string{"dhcp/dhcp.go": comment, "docs/dhcp.md": document} {
		if len(got) != len(known) {
			t.Errorf("%s lists %d deviations, this test expects %d", name, len(got), len(known))
			continue
		}
		for i, word := range known {
			if !regexp.MustCompile(word).MatchString(got[i]) {
				t.Errorf("%s: deviation %d does not mention %q: %s", name, i+1, word, got[i])
			}
		}
	}
}

// TestEveryRuleHasATest: every numbered rule of docs/rules is named by a test.
func TestEveryRuleHasATest(t *testing.T) {
	for doc, dir := range map[string]string{"docs/rules/dhcp.md": "dhcp", "docs/rules/tftp.md": "tftp"} {
		named := map[string]bool{}
		number := regexp.MustCompile(`[CF]\d\d`)
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
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
		rules := regexp.MustCompile(`(?m)^\| ([CF]\d\d) \|`).FindAllStringSubmatch(readRoot(t, doc), -1)
		for _, m := range rules {
			if !named[m[1]] {
				t.Errorf("%s: no test names %s", doc, m[1])
			}
		}
		if want := map[string]int{"dhcp": 61, "tftp": 23}[dir]; len(rules) != want {
			t.Errorf("%s has %d rules, want %d", doc, len(rules), want)
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
