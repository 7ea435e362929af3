package netlab

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// entered marks the second run of the same program, so that it does not start itself again where the kernel refuses.
const entered = "PLUGTONE_NETLAB_ENTERED"

// Entered reports whether this is the second run that Enter started.
func Entered() bool { return os.Getenv(entered) != "" }

// Enter makes it possible to create namespaces, where the kernel allows it. As root it does nothing and returns ran
// false. Else it runs the same program with the same arguments once more, as root of a user namespace with a network of
// its own, waits for it and returns ran true with its exit status, with which the caller should exit. Where that is
// refused, too, ran is false, and the errors of Available and New have the reason. Call it first in main or TestMain:
//
//	if status, ran := netlab.Enter(); ran {
//		os.Exit(status)
//	}
//
// Files are passed on: the second run has them as file descriptors 3, 4 and so on.
func Enter(files ...*os.File) (status int, ran bool) {
	if Entered() || Available() == nil {
		return 0, false
	}
	self, err := os.Executable()
	if err != nil {
		return 0, false
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), entered+"=1")
	cmd.ExtraFiles = files
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
		// A process group of its own: a Ctrl-C reaches it once, through this process.
		Setpgid: true,
	}
	// Pdeathsig follows the thread that starts the child, so that thread must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, false
	}
	return wait(cmd, signals), true
}

// wait forwards signals until the child ends, and returns its status as a shell would.
func wait(cmd *exec.Cmd, signals <-chan os.Signal) int {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			// An error means that the child has ended, which the next iteration finds.
			_ = cmd.Process.Signal(s)
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				return cmd.ProcessState.ExitCode()
			}
			if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
				return 128 + int(ws.Signal())
			}
			return exit.ExitCode()
		}
	}
}

// TB is the part of testing.TB that Require needs; testing itself stays out of the program.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
	Errorf(format string, args ...any)
}

// Require returns a lab, which is closed when the test ends. Where namespaces or one of the programs are not available
// the test is skipped; with PLUGTONE_REQUIRE_E2E=1 it fails. A program may be followed by the Debian package that has it
// ("udhcpc" or "dhclient=isc-dhcp-client").
func Require(t TB, programs ...string) *Lab {
	t.Helper()
	lab, err := New()
	if err == nil {
		err = checkInstalled(programs)
	}
	if err != nil {
		Missing(t, err)
		return nil
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return lab
}
