package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"plugtone/dhcp"
	"plugtone/provision/fleet"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/yamlpos"
)

// AddInterfaces adds the own subnet of each named interface to c, unless c has a subnet there already.
func AddInterfaces(c *Config, names []string) error {
	for _, name := range names {
		if slices.ContainsFunc(c.DHCP.Subnets, func(s fleet.Subnet) bool { return s.Interface == name }) {
			continue
		}
		s, err := ForInterface(name)
		if err != nil {
			return err
		}
		for _, o := range c.DHCP.Subnets {
			if o.Prefix.Overlaps(s.Prefix) {
				return fmt.Errorf("interface %s: its subnet %s overlaps %s, which is served already", name, s.Prefix, o.Prefix)
			}
		}
		c.DHCP.Subnets = append(c.DHCP.Subnets, s)
	}
	return nil
}

// ForInterface is the subnet that an interface is in: the host's gateway as router if it is in it, all the rest as pool.
func ForInterface(name string) (fleet.Subnet, error) {
	if !validInterface(name) {
		return fleet.Subnet{}, fmt.Errorf("interface %.40q is no interface name: 1 to 15 characters without spaces, slashes and colons", name)
	}
	link, err := net.InterfaceByName(name)
	if err != nil {
		return fleet.Subnet{}, fmt.Errorf("interface %s: this host has none of that name\nhint: it has %s", name, InterfaceNames())
	}
	addrs, err := link.Addrs()
	if err != nil {
		return fleet.Subnet{}, fmt.Errorf("interface %s: read its addresses: %w", name, err)
	}
	var own []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLinkLocalUnicast() {
			own = append(own, p)
		}
	}
	s, err := forAddresses(name, own, gateways())
	if err == nil {
		s.DNSServers = hostNameservers()
	}
	return s, err
}

// InterfaceNames lists the interfaces of this host except the loopback, for error messages.
func InterfaceNames() string {
	links, err := net.Interfaces()
	var names []string
	for _, l := range links {
		if err == nil && l.Flags&net.FlagLoopback == 0 {
			names = append(names, l.Name)
		}
	}
	if len(names) == 0 {
		return "no interface but the loopback"
	}
	return strings.Join(names, ", ")
}

// resolvers are where a host keeps its DNS servers; the second is systemd-resolved's, behind a stub in the first.
var resolvers = [...]string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// hostNameservers are the DNS servers of this host that phones can query too.
func hostNameservers() []netip.Addr {
	for _, file := range resolvers {
		text, err := os.ReadFile(file)
		if found := nameservers(string(text)); err == nil && len(found) > 0 {
			return found
		}
	}
	return nil
}

// nameservers reads resolv.conf(5): three at most count, and none that is this host alone.
func nameservers(text string) []netip.Addr {
	var out []netip.Addr
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(out) == 3 {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil && a.Is4() && !a.IsLoopback() && !a.IsUnspecified() && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// forAddresses is ForInterface with the machine's addresses given.
func forAddresses(name string, own []netip.Prefix, gateways []netip.Addr) (fleet.Subnet, error) {
	if len(own) == 0 {
		return fleet.Subnet{}, fmt.Errorf("interface %s has no IPv4 address: give it one first, as in: ip addr add 10.20.0.2/22 dev %s", name, name)
	}
	s := defaultSubnet()
	s.Prefix, s.Interface, s.NextServer = own[0].Masked(), name, own[0].Addr()
	s.OtherLeaseTime = min(defaultOtherLease, s.LeaseTime)
	if s.Prefix.Bits() > 30 || s.Prefix.Bits() < 16 {
		return fleet.Subnet{}, fmt.Errorf("interface %s: its subnet %s is none from /16 to /30: write a configuration file with a pool of your own", name, s.Prefix)
	}
	for _, p := range own {
		if s.Prefix.Contains(p.Addr()) {
			s.Exclude = append(s.Exclude, dhcp.Range{First: p.Addr(), Last: p.Addr()})
		}
	}
	for _, g := range gateways {
		if s.Prefix.Contains(g) && !slices.Contains(s.Routers, g) {
			s.Routers = append(s.Routers, g)
			s.Exclude = append(s.Exclude, dhcp.Range{First: g, Last: g})
		}
	}
	first, last := Hosts(s.Prefix)
	s.Pools = []dhcp.Range{{First: first, Last: last}}
	return s, nil
}

// gateways of the default routes, best metric first.
func gateways() []netip.Addr {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil
	}
	slices.SortStableFunc(routes, func(a, b netlink.Route) int { return a.Priority - b.Priority })
	var out []netip.Addr
	for _, rt := range routes {
		isDefault := rt.Dst == nil
		if rt.Dst != nil {
			ones, _ := rt.Dst.Mask.Size()
			isDefault = ones == 0
		}
		if a, ok := netip.AddrFromSlice(rt.Gw.To4()); ok && isDefault {
			out = append(out, a)
		}
	}
	return out
}

// toInterfaces reads a list of network interfaces.
func (r values) toInterfaces(dst *[]string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		var list []string
		r.List(n, path, func(n *yaml.Node, at string) {
			var name string
			if r.toInterface(&name)(n, at); name != "" {
				list = append(list, name)
			}
		})
		*dst = list
	}
}
