package daemon

import (
	"net"
	"net/netip"

	"plugtone/daemon/config"
)

// addressOn is the address of ours on an interface that is in prefix, else any that it has; zero when there is none.
func addressOn(ifname string, prefix netip.Prefix) netip.Addr {
	ifi, err := net.InterfaceByName(ifname)
	if err != nil {
		return netip.Addr{}
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return netip.Addr{}
	}
	var other netip.Addr
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().Is4() {
			continue
		}
		if prefix.Contains(p.Addr()) {
			return p.Addr()
		}
		if !other.IsValid() {
			other = p.Addr()
		}
	}
	return other
}

// addressTowards is the address from which the kernel would send to a network. Connecting a UDP socket sends nothing.
func addressTowards(prefix netip.Prefix) netip.Addr {
	first, _ := config.Hosts(prefix)
	conn, err := net.Dial("udp4", netip.AddrPortFrom(first, 67).String())
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	a, _ := netip.AddrFromSlice(conn.LocalAddr().(*net.UDPAddr).IP.To4())
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
