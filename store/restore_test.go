package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"plugtone/store/leases"
)

// restoreAndDie restores a backup and kills its process before a step.
func restoreAndDie(dir string) {
	b, err := os.Open(os.Getenv("PLUGTONE_BACKUP"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	last, _ := strconv.Atoi(os.Getenv("PLUGTONE_STEP"))
	n := 0
	_, err = restore(b, RestoreConfig{Dir: dir, Now: startOfTime, Log: slog.New(slog.DiscardHandler)}, func(string) {
		if n == last {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		n++
	})
	fmt.Println("done", err)
}

// TestAKilledRestoreLeavesTheOldFilesOrTheBackup kills a restore before each of its steps. The next start has what was there before, or the
// backup, and nothing between.
func TestAKilledRestoreLeavesTheOldFilesOrTheBackup(t *testing.T) {
	t.Parallel()
	backup := filepath.Join(t.TempDir(), "b.tar")
	must(t, os.WriteFile(backup, backupOf(t), 0o600))
	before, after := 0, 0
	for step := range 40 {
		h := fullFixture(t)
		cmd := exec.Command(os.Args[0], h.cfg.Dir)
		cmd.Env = append(os.Environ(), childVar+"=restore", "PLUGTONE_BACKUP="+backup, fmt.Sprint("PLUGTONE_STEP=", step))
		out, err := cmd.CombinedOutput()
		s := h.open()
		devices, known := h.devices(s), len(leasesOf(t, s))
		switch {
		case devices == 201 && known == 2:
			before++
		case devices == 1 && known == 1:
			after++
			if !s.has(leases.FileName, Restored) {
				t.Errorf("step %d: damage %+v", step, s.Damage())
			}
		default:
			t.Errorf("step %d: %d devices, %d leases", step, devices, known)
		}
		if slices.ContainsFunc(s.Damage(), func(d Damage) bool { return d.Kind != Restored }) {
			t.Errorf("step %d: damage %+v", step, s.Damage())
		}
		if left, _ := filepath.Glob(h.path(preparedName)); len(left) != 0 {
			t.Errorf("step %d: %v is left", step, left)
		}
		must(t, s.Close())
		if err == nil {
			if !strings.HasPrefix(string(out), "done <nil>") {
				t.Errorf("%s", out)
			}
			if before < 1 || after < 5 {
				t.Errorf("%d kills left what was there, %d the backup", before, after)
			}
			return
		}
	}
	t.Error("it never ends")
}

// A restore that was interrupted is finished before the next one begins.
func TestAnInterruptedRestoreIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	backup := backupOf(t)
	func() {
		defer func() { _ = recover() }()
		_, _ = restore(bytes.NewReader(backup), h.restoreConfig(), func(step string) {
			if strings.HasPrefix(step, "move") {
				panic(step)
			}
		})
	}()
	h.now = h.now.Add(1e9)
	h.restore(backup)
	if s := h.open(); h.devices(s) != 1 || len(leasesOf(t, s)) != 1 {
		t.Errorf("%d devices", h.devices(s))
	}
}
