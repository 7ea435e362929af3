package pbxroute_test

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fake is a PBX that speaks a protocol of lines. answer gets one block of a client, without its last empty line, and returns what is sent back.
type fake struct {
	addr     string
	greeting string
	answer   func(block string) string

	mu     sync.Mutex
	blocks []string // what clients sent
}

// start serves until the test ends.
func (f *fake) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f.addr = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	if _, err := conn.Write([]byte(f.greeting)); err != nil {
		return
	}
	var block []string
	for in := bufio.NewScanner(conn); in.Scan(); {
		line := in.Text()
		if line != "" {
			block = append(block, line)
			continue
		}
		text := strings.Join(block, "\n")
		block = nil
		if text == "" {
			continue
		}
		f.mu.Lock()
		f.blocks = append(f.blocks, text)
		f.mu.Unlock()
		if _, err := conn.Write([]byte(f.answer(text))); err != nil {
			return
		}
	}
}

// sent returns the blocks that begin with a text.
func (f *fake) sent(prefix string) (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.blocks {
		if strings.HasPrefix(b, prefix) {
			out = append(out, b)
		}
	}
	return out
}

// passwordFile returns a file with a password.
func passwordFile(t *testing.T, password string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(name, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// lines splits a block.
func lines(block string) []string { return strings.Split(block, "\n") }

// has reports whether a block has all lines.
func has(block string, want ...string) bool {
	have := lines(block)
	return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(have, w) })
}
