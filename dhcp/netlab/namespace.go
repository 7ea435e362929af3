package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Namespace is one host of the lab.
type Namespace struct {
	name string
	fd   int
	nl   *netlink.Handle

	mu       sync.Mutex
	commands []*exec.Cmd
}

// Name returns the namespace's name.
func (n *Namespace) Name() string { return n.name }

// Path returns a path of the namespace for other programs (nsenter --net=PATH). It is valid while this process runs.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.fd) }

// Do runs f in the namespace, on the caller's goroutine. Sockets that f opens stay there; goroutines that f starts do not
// run there. After a panic or runtime.Goexit in f the thread returns to its namespace, too.
func (n *Namespace) Do(f func() error) (err error) {
	runtime.LockOSThread()
	home, err := threadNetns()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		defer unix.Close(home)
		if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
			// The thread stays locked and ends with its goroutine: nothing else may run in the wrong network.
			err = errors.Join(err, fmt.Errorf("leave namespace %s: %w", n.name, back))
			return
		}
		runtime.UnlockOSThread()
	}()
	if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", n.name, err)
	}
	return f()
}

// Command returns a command that runs in the namespace (through nsenter, which it replaces, so that the process id is that
// of the program). It is killed when the lab closes or this process ends. The caller may change Env, Dir, the standard
// streams and Cancel.
func (n *Namespace) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + n.Path(), "--", name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.commands = append(n.commands, cmd)
	return cmd
}

// DialContext connects from the namespace. The address must be an IP address and port: names are resolved by threads
// outside of it. It fits http.Transport.
func (n *Namespace) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial from namespace %s: %w", n.name, err)
	}
	err = n.Do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// AddAddr adds an address to an interface.
func (n *Namespace) AddAddr(iface string, addr netip.Prefix) error {
	return n.withLink(iface, "add "+addr.String(), func(l netlink.Link) error { return n.nl.AddrAdd(l, address(addr)) })
}

// DelAddr removes an address from an interface.
func (n *Namespace) DelAddr(iface string, addr netip.Prefix) error {
	return n.withLink(iface, "remove "+addr.String(), func(l netlink.Link) error { return n.nl.AddrDel(l, address(addr)) })
}

// AddRoute adds a route by a gateway; 0.0.0.0/0 is the default route.
func (n *Namespace) AddRoute(to netip.Prefix, via netip.Addr) error {
	route := &netlink.Route{Dst: ipnet(to), Gw: via.AsSlice()}
	if err := n.nl.RouteAdd(route); err != nil {
		return fmt.Errorf("namespace %s: route %s via %s: %w", n.name, to, via, err)
	}
	return nil
}

// Up sets an interface up.
func (n *Namespace) Up(iface string) error { return n.withLink(iface, "set up", n.nl.LinkSetUp) }

// Down sets an interface down.
func (n *Namespace) Down(iface string) error { return n.withLink(iface, "set down", n.nl.LinkSetDown) }

// Remove removes an interface and its peer.
func (n *Namespace) Remove(iface string) error { return n.withLink(iface, "remove", n.nl.LinkDel) }

func (n *Namespace) withLink(iface, action string, f func(netlink.Link) error) error {
	link, err := n.nl.LinkByName(iface)
	if err == nil {
		err = f(link)
	}
	if err != nil {
		return fmt.Errorf("namespace %s: interface %s: %s: %w", n.name, iface, action, err)
	}
	return nil
}

// awaitCarrier waits until the kernel reports that an interface and its peer are up: before that it drops what is sent,
// and a bridge does not forward.
func (n *Namespace) awaitCarrier(iface string) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		link, err := n.nl.LinkByName(iface)
		if err != nil {
			return fmt.Errorf("namespace %s: interface %s: %w", n.name, iface, err)
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
		<-tick.C
	}
	return fmt.Errorf("namespace %s: interface %s is up but has no carrier after three seconds", n.name, iface)
}

// close kills the programs that run in the namespace, with what they have started there, and closes it.
func (n *Namespace) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.commands {
		if c.Process != nil { // it may still be in another namespace
			// An error means that it has ended already.
			_ = c.Process.Kill()
		}
	}
	var err error
	if len(n.commands) > 0 {
		err = n.killAll()
	}
	n.nl.Close()
	return errors.Join(err, unix.Close(n.fd))
}

// killAll kills the other processes that are in the namespace, until it finds none that it has not killed: one that is found may have
// started another meanwhile.
func (n *Namespace) killAll() error {
	here, err := os.Stat(n.Path())
	if err != nil {
		return err
	}
	done := map[int]bool{os.Getpid(): true}
	for again := true; again; {
		again = false
		entries, err := os.ReadDir("/proc")
		if err != nil {
			return err
		}
		for _, e := range entries {
			if pid, err := strconv.Atoi(e.Name()); err == nil && !done[pid] && killIn(here, pid) {
				done[pid], again = true, true
			}
		}
	}
	return nil
}

// killIn kills a process if its network namespace is this one, and reports whether it is.
func killIn(netns os.FileInfo, pid int) bool {
	p, err := os.FindProcess(pid) // before it is looked at: its number may be another's afterwards
	if err != nil {
		return false
	}
	defer p.Release()
	of, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil || !os.SameFile(netns, of) { // an error means that it has ended, or is another user's
		return false
	}
	return p.Kill() == nil
}

func address(p netip.Prefix) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
}

func ipnet(p netip.Prefix) *net.IPNet {
	p = p.Masked()
	return address(p).IPNet
}

// Forward turns on forwarding: the namespace becomes a router.
func (n *Namespace) Forward() error {
	return n.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644) })
}
