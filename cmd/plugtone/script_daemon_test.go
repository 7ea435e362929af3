package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"plugtone/dhcp/netlab"
)

// daemonProcess is the daemon of a script.
type daemonProcess struct {
	work string
	ns   *netlab.Namespace // of host pbx
	wrap []string          // what it is started by

	cmd     *exec.Cmd  // nil: it does not run
	ended   chan error // what Wait returned
	hanging *exec.Cmd  // while its disk does not answer

	metrics *movedMetrics
	scraped map[string]string // its metrics at the last look
}

// serve [ARGS] starts the daemon on host pbx and waits until it sends READY=1, as systemd would. With "!" it must end by
// itself instead; its messages are then the command's output.
func (d *daemonProcess) serve(ts *testscript.TestScript, neg bool, args []string) error {
	return d.run(ts, neg, "plugtone", args)
}

func (d *daemonProcess) run(ts *testscript.TestScript, neg bool, program string, args []string) error {
	if d.cmd != nil {
		return errors.New("the daemon runs already")
	}
	notify := filepath.Join(d.work, "notify.sock")
	_ = os.Remove(notify)
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer sock.Close()
	log, err := os.OpenFile(filepath.Join(d.work, "daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	line := append(slices.Clone(d.wrap), append([]string{programPath(ts, program), "serve"}, args...)...)
	cmd := d.ns.Command(context.Background(), line[0], line[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(environ(ts), "NOTIFY_SOCKET="+notify)
	cmd.Stdout, cmd.Stderr = log, log
	if neg {
		cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ready := make(chan error, 1)
	go func() { ready <- awaitReady(sock) }()
	select {
	case err := <-ended:
		if err == nil {
			err = errors.New("exit status 0")
		}
		return fmt.Errorf("ended before it was ready: %w\n%s", err, ts.ReadFile("daemon.log"))
	case err := <-ready:
		if err != nil {
			return err
		}
	}
	d.cmd, d.ended = cmd, ended
	return nil
}

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
func (d *daemonProcess) terminate(_ *testscript.TestScript, _ bool, _ []string) error {
	return d.halt(syscall.SIGTERM)
}

// kill9 ends the daemon as a power cut would.
func (d *daemonProcess) kill9(_ *testscript.TestScript, _ bool, _ []string) error {
	return d.dieOf(syscall.SIGKILL)
}

// killWith SIGNAL ends the daemon by a signal after which the kernel may write a core; its limit on cores is that of the shell.
func (d *daemonProcess) killWith(_ *testscript.TestScript, _ bool, args []string) error {
	sig := unix.SignalNum("SIG" + args[0])
	if sig == 0 {
		return fmt.Errorf("no signal %q", args[0])
	}
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_CORE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}, nil); err != nil {
		return err
	}
	return d.dieOf(sig)
}

// dieOf ends the daemon by a signal that it does not handle.
func (d *daemonProcess) dieOf(sig syscall.Signal) error {
	var exit *exec.ExitError
	if err := d.halt(sig); !errors.As(err, &exit) {
		return fmt.Errorf("killed daemon ended with %v", err)
	}
	return nil
}

func (d *daemonProcess) halt(sig syscall.Signal) error {
	if d.cmd == nil {
		return errors.New("no daemon runs")
	}
	d.watch()
	d.scraped = nil
	if err := d.cmd.Process.Signal(sig); err != nil {
		return err
	}
	if sig == syscall.SIGKILL {
		_ = d.letDiskGo(syscall.SIGKILL) // strace keeps a dead process until its calls have waited
	}
	err := <-d.ended
	d.cmd = nil
	return err
}

// hangup sends the daemon SIGHUP.
func (d *daemonProcess) hangup(_ *testscript.TestScript, _ bool, _ []string) error {
	return d.cmd.Process.Signal(syscall.SIGHUP)
}

// small SIZE makes the daemon's next start see $WORK/data on a disk of that size, which only it sees.
func (d *daemonProcess) small(ts *testscript.TestScript, _ bool, args []string) error {
	d.wrap = []string{"unshare", "--mount", "--", "sh", "-ec",
		fmt.Sprintf(`mount -t tmpfs -o size=%s tmpfs "$0"; exec "$@"`, args[0]), filepath.Join(d.work, "data")}
	return os.MkdirAll(filepath.Join(d.work, "data"), 0o755)
}

// ondisk PROGRAM [ARGS] runs a program where the daemon's disk is to be seen.
func (d *daemonProcess) ondisk(ts *testscript.TestScript, _ bool, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{fmt.Sprintf("--mount=/proc/%d/ns/mnt", d.cmd.Process.Pid), "--"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env, cmd.Stdout, cmd.Stderr = environ(ts), ts.Stdout(), ts.Stderr()
	return cmd.Run()
}

// letDiskGo ends what hang-disk has begun, by a signal: at SIGTERM strace lets go of a daemon that runs.
func (d *daemonProcess) letDiskGo(sig syscall.Signal) error {
	if d.hanging == nil {
		return nil
	}
	err := d.hanging.Process.Signal(sig)
	_ = d.hanging.Wait()
	d.hanging = nil
	return err
}

// hangDisk on|off has every write and sync of the daemon wait, as those of a disk that does not answer, until off or
// kill9.
func (d *daemonProcess) hangDisk(_ *testscript.TestScript, _ bool, args []string) error {
	if len(args) != 1 || (args[0] == "on") == (d.hanging != nil) {
		return errors.New("usage: hang-disk on, and then hang-disk off")
	}
	if args[0] == "off" {
		return d.letDiskGo(syscall.SIGTERM)
	}
	const calls = "fsync,fdatasync,pwrite64,pwritev,pwritev2"
	d.hanging = exec.Command("strace", "-f", "-p", strconv.Itoa(d.cmd.Process.Pid), "-e", "trace="+calls, "-e", "inject="+calls+":delay_enter=600000000")
	d.hanging.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := d.hanging.StderrPipe()
	if err != nil {
		return err
	}
	if err := d.hanging.Start(); err != nil {
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

// end ends the daemon with its script.
func (d *daemonProcess) end() {
	_ = d.letDiskGo(syscall.SIGKILL)
	if d.cmd != nil {
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
}
