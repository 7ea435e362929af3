package netif

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// PortOwner returns the process that has a local port open. network is "udp" or "tcp" (where only listeners count), with
// or without a 4 or 6. ok reports whether a socket is bound to it; pid is 0 when the owner is not visible to this user.
func PortOwner(network string, port int) (pid int, name string, ok bool) {
	proto := strings.TrimRight(network, "46")
	inodes := map[string]bool{}
	for _, table := range []string{proto, proto + "6"} {
		// thread-self, because a thread may be in another network namespace than its process. A missing table (no
		// IPv6) lists no sockets.
		if f, err := os.Open("/proc/thread-self/net/" + table); err == nil {
			socketsOn(f, port, proto == "tcp", inodes)
			f.Close()
		}
	}
	if len(inodes) == 0 {
		return 0, "", false
	}
	pid, name = socketOwner(inodes)
	return pid, name, true
}

// socketsOn collects the inodes of sockets that are bound to port, from a table in the form of /proc/net/udp.
func socketsOn(table fs.File, port int, listening bool, inodes map[string]bool) {
	const local, state, inode = 1, 3, 9
	for lines := bufio.NewScanner(table); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) <= inode || listening && f[state] != "0A" {
			continue
		}
		_, hex, _ := strings.Cut(f[local], ":")
		if p, err := strconv.ParseUint(hex, 16, 16); err == nil && int(p) == port {
			inodes["socket:["+f[inode]+"]"] = true
		}
	}
}

// socketOwner returns the process that has one of the sockets open.
func socketOwner(inodes map[string]bool) (pid int, name string) {
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, ""
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err != nil || !inodes[to] {
			continue
		}
		proc := filepath.Dir(filepath.Dir(fd))
		pid, _ := strconv.Atoi(filepath.Base(proc))
		comm, _ := os.ReadFile(filepath.Join(proc, "comm"))
		return pid, strings.TrimSpace(string(comm))
	}
	return 0, ""
}

// ListenError explains why a port could not be opened: which process has it, or which capability is missing and how to
// grant it. Other errors are wrapped with network and port. what is the service, such as "dhcp" or "tftp".
func ListenError(what, network string, port int, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: port %d/%s is taken%s: %w", what, port, network, takenBy(network, port), err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%s: port %d/%s: %w\nhint: %s", what, port, network, err, grantHint("CAP_NET_BIND_SERVICE"))
	}
	return fmt.Errorf("%s: port %d/%s: %w", what, port, network, err)
}

func takenBy(network string, port int) string {
	switch pid, name, ok := PortOwner(network, port); {
	case !ok:
		return ""
	case pid == 0:
		return " by a process of another user"
	default:
		return fmt.Sprintf(" by %s (process %d)", name, pid)
	}
}

// grantHint returns how to give this program a capability.
func grantHint(capability string) string {
	self, err := os.Executable()
	if err != nil {
		self = "/usr/bin/plugtone"
	}
	return fmt.Sprintf("%s is missing: setcap cap_net_bind_service,cap_net_raw=+ep %s, or in its systemd unit "+
		"AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW, or run it as root", capability, self)
}
