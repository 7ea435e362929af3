package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"plugtone/dhcp/leasetable"
)

func TestNotificationGivesUpOnAServiceManagerThatDoesNotRead(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := sendState(socket, "READY=1", time.Minute); err != nil {
		t.Fatal(err)
	}
	for range 10_000 { // net.unix.max_dgram_qlen is 10 by default
		if err = sendState(socket, "WATCHDOG=1", time.Millisecond); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a deadline error", err)
	}
	buf := make([]byte, 100)
	if n, err := l.Read(buf); err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("received %q, %v", buf[:n], err)
	}
}

func TestNoServiceManagerIsNoError(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if sent, err := systemdNotify("READY=1"); sent || err != nil {
		t.Errorf("got %v, %v", sent, err)
	}
}

// A service manager that does not read holds up neither the host watcher nor the certificates.
func TestReloadHoldsNoLockWhileItNotifies(t *testing.T) {
	r := start(t, testConfig)
	entered, release := make(chan struct{}), make(chan struct{})
	block := func(state string) {
		if state != systemd.SdNotifyWatchdog {
			entered <- struct{}{}
			<-release
		}
	}
	r.states.before.Store(&block)
	done := make(chan error)
	go func() { done <- r.Reload(t.Context(), false) }()
	for range 2 { // before and after
		<-entered
		hostWatcher{r.Daemon}.refreshNextServer()
		hostWatcher{r.Daemon}.reloadCertificates()
		release <- struct{}{}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.stop()
	<-entered // STOPPING
	release <- struct{}{}
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// hanging is a lease table and a store that wait while they are stuck.
type hanging struct {
	leases, records atomic.Bool
	goOn            chan struct{}
}

func (h *hanging) Stats() []leasetable.Stats {
	if h.leases.Load() {
		<-h.goOn
	}
	return nil
}

// Health returns an error: that of a disk that hangs is no reason to end the daemon.
func (h *hanging) Health() error {
	if h.records.Load() {
		<-h.goOn
	}
	return errors.New("a write hangs")
}

// The watchdog is fed while lease table and store answer, and not while one of them is stuck.
func TestWatchdogIsFedOnlyWhileTheStoreAnswers(t *testing.T) {
	for name, stuck := range map[string]func(*hanging){
		"lease table": func(h *hanging) { h.leases.Store(true) },
		"store":       func(h *hanging) { h.records.Store(true) },
	} {
		synctest.Test(t, func(t *testing.T) {
			log, h := &logBuffer{}, &hanging{goOn: make(chan struct{})}
			fed := 0
			m := serviceManager{send: func(string) (bool, error) { fed++; return true, nil }, interval: func() (time.Duration, error) { return 30 * time.Second, nil }, log: slog.New(slog.NewTextHandler(log, nil))}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- m.watchdog(ctx, func() {}, respond(h, h)) }()
			time.Sleep(time.Minute + time.Second)
			synctest.Wait()
			if fed != 4 {
				t.Errorf("fed %d times in a minute, want 4", fed)
			}
			stuck(h)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if fed != 4 || !strings.Contains(log.String(), "do not answer") {
				t.Errorf("fed %d times while the %s was stuck; %s", fed-4, name, log)
			}
			close(h.goOn)
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
