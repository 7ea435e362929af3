package events

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"plugtone/dhcp/netlab"
	"plugtone/provision/timeline"
)

// TestEventsThatWaitOnAFullDiskAreBoundedAndWrittenLater: what waits is bounded, the oldest goes, and what waits is written when there is room again.
func TestEventsThatWaitOnAFullDiskAreBoundedAndWrittenLater(t *testing.T) {
	h := newFixture(t)
	dir := filepath.Dir(h.path)
	err := unix.Mount("plugtone", dir, "tmpfs", 0, "size=24m")
	if errors.Is(err, syscall.EPERM) {
		netlab.Missing(t, errors.New("a tmpfs can only be mounted by root"))
	}
	must(t, err)
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 20<<20), 0o600))
	var log bytes.Buffer
	h.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := h.open()
	for n := range queueMax + 10 {
		h.recorded[mac(n)] = true
		s.AppendTimeline(timeline.Entry{Time: h.now, MAC: mac(n), Source: "dhcp", Verdict: "acked"})
	}
	if err := s.Flush(); err == nil {
		t.Fatal("they fit")
	}
	s.flushAndLog(false)
	s.flushAndLog(false)
	if n := strings.Count(log.String(), "timelines are not kept"); n != 1 || !strings.Contains(log.String(), "dropped=8192") {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	if first, err := s.Timeline(mac(0), 10); err != nil || len(first) != 0 {
		t.Errorf("the oldest entry: %v, %v", first, err)
	}
	if last, err := s.Timeline(mac(queueMax+9), 10); err != nil || len(last) != 1 {
		t.Errorf("the newest entry: %v, %v", last, err)
	}
	must(t, os.Remove(ballast)) // room again
	must(t, s.Flush())
	s = h.open()
	if last, err := s.Timeline(mac(queueMax+9), 10); err != nil || len(last) != 1 {
		t.Errorf("the newest entry after opening again: %v, %v", last, err)
	}
}
