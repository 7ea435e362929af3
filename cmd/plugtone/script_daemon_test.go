package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func awaitReady(sock *net.UnixConn) error {
	if err := sock.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
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

// terminate ends the daemon with SIGTERM and waits for exit status 0.
func (s *scriptEnv) terminate(_ *testscript.TestScript, _ bool, _ []string) error {
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

// killWith SIGNAL ends the daemon by a signal after which the kernel may write a core; its limit on cores is that of the shell.
func (s *scriptEnv) killWith(_ *testscript.TestScript, _ bool, args []string) error {
	sig := unix.SignalNum("SIG" + args[0])
	if sig == 0 {
		return fmt.Errorf("no signal %q", args[0])
	}
	if err := unix.Prlimit(s.daemon.Process.Pid, unix.RLIMIT_CORE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}, nil); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := s.halt(sig); !errors.As(err, &exit) {
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
	if sig == syscall.SIGKILL {
		_ = s.letDiskGo(syscall.SIGKILL) // strace keeps a dead process until its calls have waited
	}
	err := <-s.ended
	s.daemon = nil
	return err
}

// hangup sends the daemon SIGHUP.
func (s *scriptEnv) hangup(_ *testscript.TestScript, _ bool, _ []string) error {
	return s.daemon.Process.Signal(syscall.SIGHUP)
}

// letDiskGo ends what hang-disk has begun, by a signal: at SIGTERM strace lets go of a daemon that runs.
func (s *scriptEnv) letDiskGo(sig syscall.Signal) error {
	if s.hanging == nil {
		return nil
	}
	err := s.hanging.Process.Signal(sig)
	_ = s.hanging.Wait()
	s.hanging = nil
	return err
}

// hangDisk on|off has every write and sync of the daemon wait, as those of a disk that does not answer, until off or
// kill9.
func (s *scriptEnv) hangDisk(_ *testscript.TestScript, _ bool, args []string) error {
	if len(args) != 1 || (args[0] == "on") == (s.hanging != nil) {
		return errors.New("usage: hang-disk on, and then hang-disk off")
	}
	if args[0] == "off" {
		return s.letDiskGo(syscall.SIGTERM)
	}
	const calls = "fsync,fdatasync,pwrite64,pwritev,pwritev2"
	s.hanging = exec.Command("strace", "-f", "-p", strconv.Itoa(s.daemon.Process.Pid), "-e", "trace="+calls, "-e", "inject="+calls+":delay_enter=600000000")
	s.hanging.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.hanging.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.hanging.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "attached") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return nil
		}
	}
	return fmt.Errorf("strace: %w", cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
}
