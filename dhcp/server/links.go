package server

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

// iface is one interface of this host as it is at the moment.
type iface struct {
	index int
	name  string
	mac   dhcp.MAC // zero when it has none of 48 bits: then no frame of ours can leave it
	mtu   int
	up    bool
	addrs []netip.Prefix // IPv4, primary first
}

// snapshot is all interfaces at one moment. It never changes.
type snapshot struct {
	byIndex map[int]*iface
	byName  map[string]*iface
	host    []netip.Addr // all IPv4 addresses of this host
}

func (s *snapshot) ownsMAC(m dhcp.MAC) bool {
	for _, l := range s.byIndex {
		if l.mac == m {
			return true
		}
	}
	return false
}

func (s *snapshot) owns(a netip.Addr) bool {
	for _, h := range s.host {
		if h == a {
			return true
		}
	}
	return false
}

// attached tells whether a is on the link of i.
func (i *iface) attached(a netip.Addr) bool {
	return slices.ContainsFunc(i.addrs, func(p netip.Prefix) bool { return p.Contains(a) })
}

// attached tells whether a is on any link of this host.
func (s *snapshot) attached(a netip.Addr) bool {
	for _, i := range s.byIndex {
		if i.attached(a) {
			return true
		}
	}
	return false
}

// links keeps the newest snapshot.
type links struct {
	mu     sync.Mutex // one scan at a time
	handle *netlink.Handle
	now    atomic.Pointer[snapshot]
}

// openLinks opens the way to the kernel and takes the first snapshot.
func openLinks() (*links, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	l := &links{handle: h}
	if _, err := l.scan(); err != nil {
		h.Close()
		return nil, err
	}
	return l, nil
}

// scan takes a new snapshot and tells whether anything is different.
func (l *links) scan() (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The kernel says when something changed while it was listing; a few more tries settle that.
	for range 5 {
		var s *snapshot
		if s, err = l.list(); err == nil {
			changed = !reflect.DeepEqual(l.now.Load(), s)
			if changed {
				l.now.Store(s)
			}
			return changed, nil
		}
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return false, fmt.Errorf("list interfaces: %w", err)
}

func (l *links) list() (*snapshot, error) {
	all, err := l.handle.LinkList()
	if err != nil {
		return nil, err
	}
	addrs, err := l.handle.AddrList(nil, unix.AF_INET)
	if err != nil {
		return nil, err
	}
	s := &snapshot{byIndex: map[int]*iface{}, byName: map[string]*iface{}}
	for _, link := range all {
		a := link.Attrs()
		i := &iface{index: a.Index, name: a.Name, mtu: a.MTU, up: a.RawFlags&unix.IFF_UP != 0}
		if len(a.HardwareAddr) == len(i.mac) {
			i.mac = dhcp.MAC(a.HardwareAddr)
		}
		s.byIndex[i.index], s.byName[i.name] = i, i
	}
	for _, a := range addrs {
		i := s.byIndex[a.LinkIndex]
		ip, ok := netip.AddrFromSlice(a.IP)
		if i == nil || !ok {
			continue
		}
		ip = ip.Unmap()
		bits, _ := a.Mask.Size()
		i.addrs = append(i.addrs, netip.PrefixFrom(ip, bits))
		s.host = append(s.host, ip)
	}
	return s, nil
}

func (l *links) close() { l.handle.Close() }
