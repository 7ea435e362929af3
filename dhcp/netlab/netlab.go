// Package netlab builds small networks out of network namespaces, veth pairs and bridges: for tests with foreign
// clients, for benchmarks and for the demo. It is not for production use: the server never changes the network of its
// host.
//
// Namespaces are anonymous: the process holds them by file descriptor. When it ends, however it ends, the kernel removes
// them with their interfaces, and kills (by PR_SET_PDEATHSIG) the programs started in them.
//
// It works as root. Without root a program or a test calls Enter first, which runs it once more in user, network and
// mount namespaces of its own where the kernel lets users create these.
package netlab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Lab is a set of namespaces and the links between them.
type Lab struct {
	mu         sync.Mutex
	names      map[string]bool
	namespaces []*Namespace
	closers    []io.Closer
	closed     bool
}

// Port is one end of a link: an interface in a namespace. Only Namespace and Name are needed.
type Port struct {
	Namespace *Namespace
	Name      string         // interface name there, at most 15 characters
	MAC       string         // "" lets the kernel choose
	Addrs     []netip.Prefix // addresses with their prefix length
	MTU       int            // 0: 1500
	Down      bool           // leave the interface down; Namespace.Up sets it up
}

// Bridge is a switch. It is in a namespace of its own, so that its ports have no other use.
type Bridge struct {
	lab   *Lab
	ns    *Namespace
	index int
	ports int
}

// New returns an empty lab, or the error of Available.
func New() (*Lab, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	return &Lab{names: map[string]bool{}}, nil
}

// Available returns why namespaces cannot be created here; nil when they can.
func Available() error {
	if _, err := exec.LookPath("nsenter"); err != nil {
		return errors.New("no network namespaces here: nsenter (Debian package util-linux) is missing")
	}
	fd, err := newNetns()
	if err != nil {
		return fmt.Errorf("no network namespaces here: %w (needs root with CAP_SYS_ADMIN and CAP_NET_ADMIN, or a kernel that lets users "+
			"make user namespaces: sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)", err)
	}
	defer unix.Close(fd)
	h, err := netlink.NewHandleAt(netns.NsHandle(fd), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("no network namespaces here: open netlink: %w", err)
	}
	defer h.Close()
	if err := h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "a0"}, PeerName: "a1"}); err != nil {
		return fmt.Errorf("no network namespaces here: add a veth pair: %w", err)
	}
	return nil
}

// Namespace creates a network namespace with its loopback up. The name is for messages and must be new in this lab.
func (l *Lab) Namespace(name string) (*Namespace, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, fmt.Errorf("namespace %s: the lab is closed", name)
	case name == "" || l.names[name]:
		return nil, fmt.Errorf("namespace %q: the name is empty or taken in this lab", name)
	}
	fd, err := newNetns()
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	h, err := netlink.NewHandleAt(netns.NsHandle(fd), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("namespace %s: open netlink: %w", name, err), unix.Close(fd))
	}
	ns := &Namespace{name: name, fd: fd, nl: h}
	if err := ns.Up("lo"); err != nil {
		return nil, errors.Join(err, ns.close())
	}
	l.names[name] = true
	l.namespaces = append(l.namespaces, ns)
	return ns, nil
}

// Link joins two ports by a cable (a veth pair).
func (l *Lab) Link(a, b Port) error {
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: a.Name, TxQLen: -1, MTU: a.MTU})
	veth.PeerName, veth.PeerNamespace, veth.PeerMTU = b.Name, netlink.NsFd(b.Namespace.fd), uint32(b.MTU)
	var err error
	if veth.HardwareAddr, err = parseMAC(a.MAC); err != nil {
		return fmt.Errorf("port %s of %s: %w", a.Name, a.Namespace.name, err)
	}
	if veth.PeerHardwareAddr, err = parseMAC(b.MAC); err != nil {
		return fmt.Errorf("port %s of %s: %w", b.Name, b.Namespace.name, err)
	}
	if err := a.Namespace.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("link %s of %s to %s of %s: %w", a.Name, a.Namespace.name, b.Name, b.Namespace.name, err)
	}
	if err := errors.Join(a.configure(), b.configure()); err != nil || a.Down || b.Down {
		return err
	}
	return errors.Join(a.Namespace.awaitCarrier(a.Name), b.Namespace.awaitCarrier(b.Name))
}

// configure gives a new port its addresses and sets it up.
func (p Port) configure() error {
	for _, a := range p.Addrs {
		if err := p.Namespace.AddAddr(p.Name, a); err != nil {
			return err
		}
	}
	if p.Down {
		return nil
	}
	return p.Namespace.Up(p.Name)
}

func parseMAC(mac string) (net.HardwareAddr, error) {
	if mac == "" {
		return nil, nil
	}
	return net.ParseMAC(mac)
}

// Bridge creates a switch without ports.
func (l *Lab) Bridge(name string) (*Bridge, error) {
	ns, err := l.Namespace("bridge " + name)
	if err != nil {
		return nil, err
	}
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", TxQLen: -1}}
	if err := ns.nl.LinkAdd(br); err != nil {
		return nil, fmt.Errorf("bridge %s: %w", name, err)
	}
	if err := ns.Up("br0"); err != nil {
		return nil, err
	}
	link, err := ns.nl.LinkByName("br0")
	if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", name, err)
	}
	return &Bridge{lab: l, ns: ns, index: link.Attrs().Index}, nil
}

// Attach plugs a port into the switch. The switch port forwards at once: there is no spanning tree.
func (b *Bridge) Attach(p Port) error {
	return b.plug(p, func(own Port) error { return b.lab.Link(p, own) })
}

// AttachLossy plugs a port into the switch by a cable that delays frames and loses some, as LossyLink does.
func (b *Bridge) AttachLossy(p Port, how Impairment) error {
	return b.plug(p, func(own Port) error { return b.lab.LossyLink(p, own, how) })
}

// plug makes a port of the switch, which link joins to p.
func (b *Bridge) plug(p Port, link func(own Port) error) error {
	b.lab.mu.Lock()
	b.ports++
	own := fmt.Sprintf("p%d", b.ports)
	b.lab.mu.Unlock()
	if err := link(Port{Namespace: b.ns, Name: own, MTU: p.MTU, Down: true}); err != nil {
		return err
	}
	port, err := b.ns.nl.LinkByName(own)
	if err != nil {
		return fmt.Errorf("%s: port %s: %w", b.ns.name, own, err)
	}
	if err := b.ns.nl.LinkSetMasterByIndex(port, b.index); err != nil {
		return fmt.Errorf("%s: port %s: %w", b.ns.name, own, err)
	}
	if err := b.ns.Up(own); err != nil || p.Down {
		return err
	}
	return errors.Join(b.ns.awaitCarrier(own), p.Namespace.awaitCarrier(p.Name))
}

// Close kills the programs that run in the lab and removes its namespaces.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, c := range l.closers {
		errs = append(errs, c.Close())
	}
	for _, ns := range slices.Backward(l.namespaces) {
		errs = append(errs, ns.close())
	}
	l.namespaces, l.closers, l.closed = nil, nil, true
	return errors.Join(errs...)
}

// newNetns creates a network namespace and returns the descriptor that keeps it alive. The calling thread returns to its
// own namespace, or is never used again.
func newNetns() (fd int, err error) {
	runtime.LockOSThread()
	home, err := threadNetns()
	if err != nil {
		runtime.UnlockOSThread()
		return -1, err
	}
	defer unix.Close(home)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return -1, os.NewSyscallError("unshare", err)
	}
	fd, err = threadNetns()
	if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
		return -1, errors.Join(err, os.NewSyscallError("setns", back))
	}
	runtime.UnlockOSThread()
	return fd, err
}

// threadNetns opens the namespace of the calling thread.
func threadNetns() (int, error) {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: "/proc/thread-self/ns/net", Err: err}
	}
	return fd, nil
}
