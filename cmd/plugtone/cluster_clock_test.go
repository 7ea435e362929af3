package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"plugtone/daemon"
	"plugtone/dhcp/netlab"
)

// clockVariable names a file with the seconds by which the wall clock of plugtone-stepped is set. No namespace has a wall clock of its own.
const clockVariable = "PLUGTONE_TEST_CLOCK"

// versionVariable has the version of plugtone-stepped.
const versionVariable = "PLUGTONE_TEST_VERSION"

// mainStepped is plugtone with a daemon whose wall clock can be set while it runs.
func mainStepped() {
	var offset atomic.Int64
	path := os.Getenv(clockVariable)
	read := func() {
		text, _ := os.ReadFile(path) // without it the clock is not set
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			offset.Store(n)
		}
	}
	read()
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			read()
		}
	}()
	root := newProgram()
	for _, c := range root.Commands() {
		if c.Name() == "serve" {
			root.RemoveCommand(c)
		}
	}
	root.AddCommand(serveWith(daemon.Options{Version: cmp.Or(os.Getenv(versionVariable), versionText()), CheckCommand: checkFileCommand(), Now: func() time.Time { return stepped(time.Now(), offset.Load()) }}))
	os.Exit(execute(context.Background(), root, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// stepped returns t as a wall clock shows it that is ahead by this many seconds. Its monotonic time stays, which Time.Add would move, too.
func stepped(t time.Time, seconds int64) time.Time {
	const nanosecondBits = 30 // below the seconds, in the first word of a Time that has a monotonic time
	*(*uint64)(unsafe.Pointer(&t)) += uint64(seconds << nanosecondBits)
	return t
}

func TestSteppedClockHasItsMonotonicTime(t *testing.T) {
	now := time.Now()
	for _, seconds := range []int64{0, 1, 7200, -7200} {
		then := stepped(now, seconds)
		if d := then.Sub(now); d != 0 {
			t.Errorf("%d s: the monotonic time moves by %s", seconds, d)
		}
		if d := then.Round(0).Sub(now.Round(0)); d != time.Duration(seconds)*time.Second {
			t.Errorf("%d s: the wall clock moves by %s", seconds, d)
		}
	}
}

// clock is the file by which the clock of a member is set.
func (h *labHost) clock() string { return filepath.Join(h.lab.dir, h.name+".clock") }

// setClock sets the wall clock of a member, at once and for its next starts.
func (h *labHost) setClock(ahead time.Duration) {
	path := h.clock()
	h.lab.check(os.WriteFile(path+".new", strconv.AppendInt(nil, int64(ahead/time.Second), 10), 0o600))
	h.lab.check(os.Rename(path+".new", path))
}

// mount puts the data of a member on a small disk.
func (h *labHost) mount() {
	h.lab.check(os.MkdirAll(h.disk, 0o700))
	err := unix.Mount("plugtone", h.disk, "tmpfs", 0, "size=64m")
	if errors.Is(err, unix.EPERM) {
		netlab.Missing(h.lab.t, errors.New("a tmpfs can only be mounted by root"))
	}
	h.lab.check(err)
	h.lab.t.Cleanup(func() { _ = unix.Unmount(h.disk, unix.MNT_DETACH) })
}

// fill writes to the disk of a member until it takes no more.
func (h *labHost) fill() {
	f, err := os.OpenFile(filepath.Join(h.disk, "ballast"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	h.lab.check(err)
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		h.lab.t.Fatal(err)
	}
}

// relieve makes room on the disk of a member.
func (h *labHost) relieve() {
	if h.disk != "" {
		_ = os.Remove(filepath.Join(h.disk, "ballast")) // there may be none
	}
}
