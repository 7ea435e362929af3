package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestProcessAccountingCountsChildren: the kernel's figures can be read for this very process, its children counted with it.
func TestProcessAccountingCountsChildren(t *testing.T) {
	used, err := cpuTime(os.Getpid())
	for started := time.Now(); err == nil && used == 0 && time.Since(started) < time.Minute; { // the kernel counts whole ticks
		used, err = cpuTime(os.Getpid())
	}
	if err != nil || used <= 0 {
		t.Errorf("%v, %v", used, err)
	}
	if m, err := memoryOf(os.Getpid()); err != nil || m.own < 1000 || m.all < m.own {
		t.Errorf("%+v, %v", m, err)
	}
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if used, err := cpuTime(gone.Process.Pid); err == nil {
		t.Errorf("a process that has ended used %v", used)
	}
}

func TestWorkplaceIsMadeAndRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	work, program, remove, err := workplace(dir, "true")
	if err != nil || filepath.Dir(work) != dir || !filepath.IsAbs(program) {
		t.Fatalf("%s, %s, %v", work, program, err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, _, _, err := workplace(dir, filepath.Join(dir, "missing")); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("a program that isn't there: %v", err)
	}
}
