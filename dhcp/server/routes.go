package server

import (
	"net"
	"net/netip"
	"sync"

	"plugtone/dhcp"
)

// maxRoutes bounds what is remembered: there are not many relays, and anybody may claim to be one.
const maxRoutes = 1024

// routes remembers which of our addresses the kernel uses towards relays and routed clients.
type routes struct {
	within func(func() error) error
	mu     sync.Mutex
	known  map[netip.Addr]netip.Addr
}

func newRoutes(within func(func() error) error) *routes {
	return &routes{within: within, known: map[netip.Addr]netip.Addr{}}
}

// towards asks the kernel; the zero Addr when it knows no way.
func (r *routes) towards(to netip.Addr) netip.Addr {
	r.mu.Lock()
	from, ok := r.known[to]
	r.mu.Unlock()
	if ok {
		return from
	}
	// Connecting a UDP socket sends nothing: it is the kernel's own answer to "from where?".
	err := r.within(func() error {
		conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, dhcp.ServerPort)))
		if err != nil {
			return err
		}
		from = conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		return conn.Close()
	})
	if err != nil {
		return netip.Addr{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxRoutes {
		clear(r.known)
	}
	r.known[to] = from
	return from
}

// forget is called when links, addresses or routes may have changed.
func (r *routes) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.known)
}
