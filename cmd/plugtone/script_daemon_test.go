package main

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func awaitReady(sock *net.UnixConn) error {
	if err := sock.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for {
		n, err := sock.Read(buf)
		if err != nil {
			return fmt.Errorf("no READY=1 from the daemon: %w", err)
		}
		if strings.Contains(string(buf[:n]), "READY=1") {
			return nil
		}
	}
}

// stop ends the daemon with SIGTERM and waits for exit status 0.
func (s *scriptEnv) stop(_ *testscript.TestScript, _ bool, _ []string) error {
	return s.halt(syscall.SIGTERM)
}

// kill9 ends the daemon as a power cut would.
func (s *scriptEnv) kill9(_ *testscript.TestScript, _ bool, _ []string) error {
	var exit *exec.ExitError
	if err := s.halt(syscall.SIGKILL); !errors.As(err, &exit) {
		return fmt.Errorf("killed daemon ended with %v", err)
	}
	return nil
}

func (s *scriptEnv) halt(sig syscall.Signal) error {
	if s.daemon == nil {
		return errors.New("no daemon runs")
	}
	s.watch()
	s.scraped = nil
	if err := s.daemon.Process.Signal(sig); err != nil {
		return err
	}
	err := <-s.ended
	s.daemon = nil
	return err
}

// hangup sends the daemon SIGHUP.
func (s *scriptEnv) hangup(_ *testscript.TestScript, _ bool, _ []string) error {
	return s.daemon.Process.Signal(syscall.SIGHUP)
}
