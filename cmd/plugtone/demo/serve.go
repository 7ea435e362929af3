package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// timeout is how long a daemon may take to get ready or to end.
const timeout = 30 * time.Second

// serve starts the daemon on its host and waits until it is ready.
func (d *demo) serve(ctx context.Context) error {
	config := filepath.Join(d.dir, "plugtone.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, configuration, d.dir), 0o600); err != nil {
		return err
	}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(d.dir, "notify.sock"), Net: "unixgram"})
	if err != nil {
		return err
	}
	defer notify.Close()
	log, err := os.Create(filepath.Join(d.dir, "daemon.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	// The daemon ends by stop; the end of ctx would kill it before it has closed its store.
	d.daemon = d.server.Command(context.WithoutCancel(ctx), d.Self, "serve", "--config", config)
	d.daemon.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify.LocalAddr().String())
	d.daemon.Stdout, d.daemon.Stderr = log, log
	d.printf("a switch, a server at 10.20.0.2/22 and this configuration:\n\n%s", fmt.Sprintf(configuration, d.dir))
	if err := d.daemon.Start(); err != nil {
		return err
	}
	d.ended = make(chan error, 1)
	go func() { d.ended <- d.daemon.Wait() }()
	ready := make(chan error, 1)
	go func() { ready <- awaitReady(notify) }()
	select {
	case err = <-ready:
	case err = <-d.ended:
		err = errors.Join(errors.New("the daemon ended before it was ready"), err)
		d.ended <- nil
	}
	if err != nil {
		d.stop()
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w; its output:\n%s", err, text)
	}
	return nil
}

// awaitReady waits for READY=1, as systemd does.
func awaitReady(notify *net.UnixConn) error {
	if err := notify.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for {
		n, err := notify.Read(buf)
		if err != nil {
			return fmt.Errorf("the daemon is not ready after %v: %w", timeout, err)
		}
		if strings.Contains(string(buf[:n]), "READY=1") {
			return nil
		}
	}
}

// stop ends the daemon in order.
func (d *demo) stop() {
	// An error means that it is gone already.
	_ = d.daemon.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(timeout):
		_ = d.daemon.Process.Kill()
	}
}
