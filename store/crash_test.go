package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/leases"
)

// child is what this binary does when a test starts it: the daemon that is killed, or the one that has the files.
func child(part, dir string) {
	if part == "restore" {
		restoreAndDie(dir)
		return
	}
	if work, ok := powerPrograms()[part]; ok {
		if err := work(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	s, err := Open(Config{Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	if part == "hold" {
		fmt.Println("held")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	// The leases of one round may be there without its edit, which comes after them.
	for n := int(s.Revision()); ; n++ {
		changes := []dhcp.Change{{Lease: lease(3 * n)}, {Lease: lease(3*n + 1)}, {Lease: lease(3*n + 2)}}
		err := errors.Join(s.WriteLeases(changes), s.Edit("child", "put", func(e fleet.Edit) error {
			return errors.Join(e.PutDevice(&fleet.Device{MAC: mac(n + 1), ReservedIP: addr(n + 1)}),
				e.PutExtension(&fleet.Extension{Number: strconv.Itoa(n), Registrar: "main"}))
		}))
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(n) // the acknowledgement
	}
}

func startChild(t *testing.T, part, dir string) (*exec.Cmd, *bufio.Scanner, io.Closer) {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childVar+"="+part)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	return cmd, bufio.NewScanner(out), in
}

// TestAcknowledgedWritesSurviveAKill kills a process in the middle of its writes, again and again on the same files: what it acknowledged is there,
// what it did not is there whole or not at all.
func TestAcknowledgedWritesSurviveAKill(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for round := range 6 {
		cmd, out, _ := startChild(t, "write", h.cfg.Dir)
		acked := -1
		lines := 0
		for ; lines < 15+7*round && out.Scan(); lines++ {
			n, err := strconv.Atoi(out.Text())
			if err != nil {
				t.Fatalf("round %d: child printed %q", round, out.Text())
			}
			acked = n
		}
		if lines != 15+7*round {
			t.Fatalf("round %d: the child ended after %d acknowledgements", round, lines)
		}
		must(t, cmd.Process.Signal(syscall.SIGKILL))
		for out.Scan() { // acknowledged before the kill reached it
			if n, err := strconv.Atoi(out.Text()); err == nil {
				acked = n
			}
		}
		_ = cmd.Wait()

		s, err := Open(h.cfg)
		must(t, err)
		leases := leasesOf(t, s)
		for i := range 3 * (acked + 1) {
			if got, ok := leases[addr(i)]; !ok || got != lease(i) {
				t.Fatalf("round %d: lease %d of %d acknowledged: %+v", round, i, 3*(acked+1), got)
			}
		}
		if len(leases)%3 != 0 {
			t.Errorf("round %d: %d leases: a transaction is there in part", round, len(leases))
		}
		devices := h.devices(s)
		must(t, s.View(func(f fleet.View) error {
			for n := range devices {
				d, err1 := f.Device(mac(n + 1))
				_, err2 := f.Extension(strconv.Itoa(n), "main")
				if err := errors.Join(err1, err2); err != nil || d.Revision != uint64(n+1) {
					t.Fatalf("round %d: device %d: %+v, %v", round, n, d, err)
				}
			}
			return nil
		}))
		if devices <= acked || s.Revision() != uint64(devices) || len(s.Notices()) != 0 {
			t.Errorf("round %d: %d devices, %d acknowledged, revision %d, notices %q", round, devices, acked+1, s.Revision(), s.Notices())
		}
		must(t, s.Close())
	}
}

func TestFilesInUseAreReported(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	cmd, out, in := startChild(t, "hold", h.cfg.Dir)
	if !out.Scan() || out.Text() != "held" {
		t.Fatalf("child printed %q", out.Text())
	}
	must(t, os.Truncate(h.path(leases.FileName), 100)) // looks damaged, but it isn't ours to judge
	_, err := Open(h.cfg)
	holder := fmt.Sprintf("process %d (", cmd.Process.Pid)
	if err == nil || !strings.Contains(err.Error(), h.cfg.Dir+" is in use by "+holder) || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v, want it logged once and with a hint", err)
	}
	if _, err := Restore(strings.NewReader(""), h.restoreConfig()); err == nil {
		t.Error("restored over files in use")
	}
	if aside, _ := os.ReadDir(h.cfg.Dir); len(aside) != 5 {
		t.Errorf("something was moved: %v", aside)
	}
	must(t, cmd.Process.Signal(syscall.SIGKILL)) // its lease file is cut short: it can't close it
	in.Close()
	_ = cmd.Wait()
}
