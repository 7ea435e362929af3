package daemon

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
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
