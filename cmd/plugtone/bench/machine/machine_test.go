package machine

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
	used, err := CPUTime(os.Getpid())
	for started := time.Now(); err == nil && used == 0 && time.Since(started) < time.Minute; { // the kernel counts whole ticks
		used, err = CPUTime(os.Getpid())
	}
	if err != nil || used <= 0 {
		t.Errorf("%v, %v", used, err)
	}
	if m, err := MemoryOf(os.Getpid()); err != nil || m.Own < 1000 || m.All < m.Own {
		t.Errorf("%+v, %v", m, err)
	}
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if used, err := CPUTime(gone.Process.Pid); err == nil {
		t.Errorf("a process that has ended used %v", used)
	}
}

// TestStatNameMayHaveBrackets: a name in brackets may hold brackets and blanks.
func TestStatNameMayHaveBrackets(t *testing.T) {
	parent, used, err := stat("77 (a) b (c) S 1 77 77 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 5 0 0")
	if parent != 1 || used != 2*time.Second || err != nil {
		t.Errorf("%d, %v, %v", parent, used, err)
	}
	if _, _, err := stat("77 (a) S 1"); err == nil {
		t.Error("too short a line is taken")
	}
}

func TestWorkplaceIsMadeAndRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	work, program, remove, err := Workplace(dir, "true")
	if err != nil || filepath.Dir(work) != dir || !filepath.IsAbs(program) {
		t.Fatalf("%s, %s, %v", work, program, err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, _, _, err := Workplace(dir, filepath.Join(dir, "missing")); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("a program that isn't there: %v", err)
	}
}
