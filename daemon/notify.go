package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"plugtone/dhcp/leasetable"
)

// notifyTimeout bounds a notification: a service manager that does not read must not stop a reload.
const notifyTimeout = time.Second

// serviceManager is systemd, or nothing where the daemon was started by hand.
type serviceManager struct {
	send     func(state string) (bool, error)
	interval func() (time.Duration, error) // of its watchdog
	log      *slog.Logger
}

// notify sends a state to the service manager. Without one it does nothing.
func (m *serviceManager) notify(state string) {
	if _, err := m.send(state); err != nil {
		m.log.Warn("service manager not notified", "state", state, "err", err)
	}
}

// systemdNotify reports whether a service manager listens, and sends it the state (sd_notify(3)).
func systemdNotify(state string) (bool, error) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return false, nil
	}
	return true, sendState(socket, state, notifyTimeout)
}

func sendState(socket, state string, timeout time.Duration) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

// watchdog notifies the service manager twice in each interval, as long as check returns: it takes the locks of the lease table and of the
// store. A disk that hangs holds none of them and is no reason to stop: a restart would not help, leases in memory are still served from,
// and /readyz reports it.
func (m *serviceManager) watchdog(ctx context.Context, ready, check func()) error {
	ready()
	every, err := m.interval()
	if err != nil || every == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if responds(check, every/4) {
				m.notify(systemd.SdNotifyWatchdog)
			} else {
				m.log.Error("lease table or store do not answer; the service manager will restart the daemon")
			}
		}
	}
}

// respond returns a function that returns when lease table and store have: each takes its locks.
func respond(leases interface{ Stats() []leasetable.Stats }, records interface{ Health() error }) func() {
	return func() {
		leases.Stats()
		_ = records.Health() // /readyz reports it
	}
}

// stopping notifies the service manager when ctx ends, that the stop is intended.
func (m *serviceManager) stopping(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	m.notify(systemd.SdNotifyStopping)
	return nil
}

// responds reports whether check returns in time: a daemon whose lease table or store is stuck answers no phone, even when all else runs.
func responds(check func(), within time.Duration) bool {
	done := make(chan struct{})
	go func() {
		check()
		close(done)
	}()
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	select {
	case <-done:
		return true
	case <-timeout.C:
		return false
	}
}

func systemdWatchdog() (time.Duration, error) { return systemd.SdWatchdogEnabled(false) }

// monotonic returns the time that must be sent with RELOADING=1 (sd_notify(3)).
func monotonic() string {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return ""
	}
	return fmt.Sprintf("MONOTONIC_USEC=%d", ts.Nano()/1000)
}
