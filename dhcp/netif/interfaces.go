package netif

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

// Interface is one interface of this host.
type Interface struct {
	Index int
	Name  string
	MAC   dhcp.MAC // zero when it has no 48-bit address: such an interface sends no Ethernet frames
	MTU   int
	Up    bool
	Addrs []netip.Prefix // IPv4 addresses with their prefix lengths, primary first
}

// OnLink reports whether a is in one of the interface's networks.
func (i *Interface) OnLink(a netip.Addr) bool {
	return slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Contains(a) })
}

// InterfaceByName returns the interface of that name, without its addresses.
func InterfaceByName(name string) (*Interface, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	i := &Interface{Index: ifi.Index, Name: ifi.Name, MTU: ifi.MTU, Up: ifi.Flags&net.FlagUp != 0}
	if len(ifi.HardwareAddr) == len(i.MAC) {
		i.MAC = dhcp.MAC(ifi.HardwareAddr)
	}
	return i, nil
}

// Snapshot is all interfaces at one moment. It never changes.
type Snapshot struct {
	ByIndex map[int]*Interface
	ByName  map[string]*Interface
	Addrs   []netip.Addr // all IPv4 addresses of this host
}

// OwnsMAC reports whether an interface of this host has the hardware address m.
func (s *Snapshot) OwnsMAC(m dhcp.MAC) bool {
	for _, i := range s.ByIndex {
		if i.MAC == m {
			return true
		}
	}
	return false
}

// Owns reports whether a is an address of this host.
func (s *Snapshot) Owns(a netip.Addr) bool { return slices.Contains(s.Addrs, a) }

// LinkOf returns the interface in whose network a is, preferring first; nil when a is on no link of this host.
func (s *Snapshot) LinkOf(a netip.Addr, first *Interface) *Interface {
	if first.OnLink(a) {
		return first
	}
	for _, i := range s.ByIndex {
		if i.OnLink(a) {
			return i
		}
	}
	return nil
}

// Equal reports whether two snapshots are the same.
func (s *Snapshot) Equal(o *Snapshot) bool { return reflect.DeepEqual(s, o) }

// Lister lists the interfaces of one network namespace.
type Lister struct {
	mu     sync.Mutex // one listing at a time
	handle *netlink.Handle
}

// NewLister opens a netlink socket in the calling thread's network namespace.
func NewLister() (*Lister, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &Lister{handle: h}, nil
}

// List returns all interfaces with their IPv4 addresses.
func (l *Lister) List() (*Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The kernel reports when something changed during the listing: list again then, a few times.
	var err error
	for range 5 {
		var s *Snapshot
		if s, err = l.list(); err == nil {
			return s, nil
		}
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return nil, fmt.Errorf("list interfaces: %w", err)
}

func (l *Lister) list() (*Snapshot, error) {
	all, err := l.handle.LinkList()
	if err != nil {
		return nil, err
	}
	addrs, err := l.handle.AddrList(nil, unix.AF_INET)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{ByIndex: map[int]*Interface{}, ByName: map[string]*Interface{}}
	for _, link := range all {
		a := link.Attrs()
		i := &Interface{Index: a.Index, Name: a.Name, MTU: a.MTU, Up: a.RawFlags&unix.IFF_UP != 0}
		if len(a.HardwareAddr) == len(i.MAC) {
			i.MAC = dhcp.MAC(a.HardwareAddr)
		}
		s.ByIndex[i.Index], s.ByName[i.Name] = i, i
	}
	for _, a := range addrs {
		i := s.ByIndex[a.LinkIndex]
		ip, ok := netip.AddrFromSlice(a.IP)
		if i == nil || !ok {
			continue
		}
		ip = ip.Unmap()
		bits, _ := a.Mask.Size()
		i.Addrs = append(i.Addrs, netip.PrefixFrom(ip, bits))
		s.Addrs = append(s.Addrs, ip)
	}
	return s, nil
}

// Close closes the netlink socket.
func (l *Lister) Close() { l.handle.Close() }
