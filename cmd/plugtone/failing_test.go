package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"plugtone/provision/fleet"
)

// httpWords are words of HTTP and of the argument parser, which mean nothing to an operator.
var httpWords = regexp.MustCompile(`\b(GET|PUT|POST|PATCH|DELETE|body|query|path|Authorization|Bearer|Unprocessable|Forbidden|Unauthorized|Bad Request|Internal Server Error|[45]\d\d)\b|arg\(s\)|HTTP/|HTTP status`)

// leaves returns all commands that need a daemon and do something.
func leaves(c *cobra.Command) (out []*cobra.Command) {
	for _, sub := range c.Commands() {
		switch {
		case sub.HasSubCommands():
			out = append(out, leaves(sub)...)
		case sub.Name() != "help" && sub.Parent().Name() != "completion" && !strings.HasPrefix(sub.Name(), "__"):
			out = append(out, sub)
		}
	}
	return out
}

// wrong are arguments that are written correctly and name nothing.
func wrong(c *cobra.Command) (args []string) {
	for _, name := range argumentNames(c) {
		switch strings.Trim(name, "[].") {
		case "MAC", "NEWMAC", "OLD", "NEW":
			args = append(args, "00:15:65:99:99:99")
		case "FILE":
			args = append(args, "/nowhere/file")
		case "ID":
			args = append(args, "9999")
		default:
			args = append(args, "nope")
		}
	}
	return args
}

// TestFailingCommandsNameNoHTTP runs every command without its arguments, with too many, and with ones that name nothing: on a daemon that
// works, on one whose store is broken, with a role that is too low, without a token, and where another program listens.
func TestFailingCommandsNameNoHTTP(t *testing.T) {
	s := newShell(t)
	s.office()
	sum := sha256.Sum256([]byte("viewer"))
	if err := s.PutToken("test", fleet.Token{Name: "viewer", Role: "viewer", Hash: hex.EncodeToString(sum[:])}); err != nil {
		t.Fatal(err)
	}
	daemon := httptest.NewServer(s.Server(t).Handler())
	t.Cleanup(daemon.Close)
	foreign := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(foreign.Close)
	failed := 0
	run := func(where, line string) {
		t.Helper()
		status, _, errs := s.run(line)
		if status != statusDone {
			failed++
		}
		if word := httpWords.FindString(errs); word != "" && status != statusDone {
			t.Errorf("%s: plugtone %s: %q in\n%s", where, line, word, errs)
		}
	}
	for _, c := range leaves(newRoot()) {
		name := strings.TrimPrefix(c.CommandPath(), "plugtone ")
		named := name + " " + strings.Join(wrong(c), " ")
		if names := argumentNames(c); len(names) > 0 && !strings.HasPrefix(names[0], "[") {
			if status, _, errs := s.run(name); status != statusUsage || !strings.Contains(errs, "is missing") && !strings.Contains(errs, "needed") && !strings.Contains(errs, "--where") {
				t.Errorf("plugtone %s: status %d, %s", name, status, errs)
			}
		}
		run("arguments", name)
		run("arguments", named+" x y z")
		run("names", named)
		run("another program", named+" --admin "+foreign.URL)
		run("no token", named+" --admin "+daemon.URL)
		run("role", named+" --token viewer --admin "+daemon.URL)
	}
	s.Break(true)
	for _, c := range leaves(newRoot()) {
		name := strings.TrimPrefix(c.CommandPath(), "plugtone ")
		run("broken store", name+" "+strings.Join(wrong(c), " "))
	}
	if failed < 200 {
		t.Errorf("only %d commands failed", failed)
	}
}
