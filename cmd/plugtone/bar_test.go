package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/dhcp/netlab"
)

// terminal returns a pseudo-terminal of this width, and a function that returns what was written to it.
func terminal(t *testing.T, columns int) (slave *os.File, written func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		netlab.Missing(t, fmt.Errorf("no pseudo-terminals: %w", err))
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: 24})
	}
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return slave, func() string {
		if err := slave.Close(); err != nil {
			t.Error(err)
		}
		b, _ := io.ReadAll(master) // ends with EIO when the terminal is closed
		return string(b)
	}
}

// TestTheBarFitsItsTerminal shows progress on terminals of several widths: each line fits, the last one is removed.
func TestTheBarFitsItsTerminal(t *testing.T) {
	for columns, want := range map[int]string{
		120: "[" + strings.Repeat("#", 20) + strings.Repeat(" ", 30) + "] 40000 of 100000, about 6 s left",
		48:  "[#####        ] 40000 of 100000, about 6 s left",
		30:  "40000 of 100000, about 6 s lef",
		10:  "40000 of ",
	} {
		tty, written := terminal(t, columns)
		now := time.Unix(0, 0)
		b := newBar(tty, func() time.Time { return now })
		b.show(0, 100_000)
		now = now.Add(4 * time.Second)
		b.show(40_000, 100_000)
		now = now.Add(500 * time.Second)
		b.show(50_000, 100_000)
		b.show(100_001, 100_000)
		b.end()
		lines := strings.Split(written(), "\r")
		if len(lines) != 6 || lines[5] != "\x1b[K" {
			t.Fatalf("%d columns: %q", columns, lines)
		}
		for i, line := range lines {
			line = strings.TrimSuffix(line, "\x1b[K")
			if len(line) >= columns || strings.ContainsAny(line, "\n\x1b") {
				t.Errorf("%d columns: a line of %d: %q", columns, len(line), line)
			}
			if i == 2 && !strings.HasPrefix(want, line) || i == 2 && len(line) < min(len(want), columns-1) {
				t.Errorf("%d columns: %q, want %q", columns, line, want)
			}
		}
		if columns == 120 && (!strings.HasSuffix(lines[3], "50000 of 100000, about 8 min left\x1b[K") || !strings.HasSuffix(lines[4], "] 100000 of 100000\x1b[K")) {
			t.Errorf("%q", lines)
		}
	}
}

// TestTheBarIsOnTerminalsOnly shows progress in a pipe and in memory: nothing is written.
func TestTheBarIsOnTerminalsOnly(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var memory bytes.Buffer
	for _, out := range []io.Writer{w, &memory} {
		b := newBar(out, time.Now)
		b.show(1, 2)
		b.end()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if piped, err := io.ReadAll(r); err != nil || len(piped)+memory.Len() != 0 {
		t.Errorf("%q, %q, %v", piped, memory.String(), err)
	}
}
