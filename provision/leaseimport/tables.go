package leaseimport

import (
	"net/netip"
	"strings"
	"time"

	"plugtone/dhcp"
)

// infinite is the lifetime of a Kea lease without an end, in seconds.
const infinite = "4294967295"

// kea reads the CSV file of Kea's memfile backend: one lease a line, columns by the header, a comma in a cell written &#x2c (Kea
// ARM, memfile). A line with the lifetime 0 deletes the lease.
func (c *collector) kea(text string) {
	column := map[string]int{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		cells := strings.Split(line, ",")
		if len(column) == 0 {
			for i, name := range cells {
				column[name] = i
			}
			for _, name := range []string{"address", "hwaddr", "valid_lifetime", "expire"} {
				if _, ok := column[name]; !ok {
					c.fault(n, "the header lacks the column %s of an IPv4 lease file of Kea", name)
					return
				}
			}
			continue
		}
		c.keaLease(n, func(name string) string {
			if i, ok := column[name]; ok && i < len(cells) {
				return strings.ReplaceAll(cells[i], "&#x2c", ",")
			}
			return ""
		})
	}
}

func (c *collector) keaLease(line int, cell func(string) string) {
	var l ForeignLease
	var err error
	if l.IP, err = netip.ParseAddr(cell("address")); err != nil || !l.IP.Is4() {
		c.fault(line, "address %.40q: must be an IPv4 address", cell("address"))
		return
	}
	lifetime, err := seconds(cell("valid_lifetime"))
	if err != nil {
		c.fault(line, "valid_lifetime %.40q: must be a number of seconds", cell("valid_lifetime"))
		return
	}
	l.Ended = lifetime.Unix() == 0 || cell("state") != "0" && cell("state") != ""
	if cell("valid_lifetime") != infinite {
		if l.Expires, err = seconds(cell("expire")); err != nil {
			c.fault(line, "expire %w", err)
			return
		}
		l.Starts = l.Expires.Add(-time.Duration(min(lifetime.Unix(), l.Expires.Unix())) * time.Second)
	}
	l.Hostname, l.ClientID = hostname(cell("hostname")), hexID(cell("client_id"))
	c.addOf(line, "hwaddr", cell("hwaddr"), l)
}

// addOf adds a lease of the client with this hardware address.
func (c *collector) addOf(line int, name, hardware string, l ForeignLease) {
	if hardware == "" && !l.Ended {
		c.file.Skipped++
		return
	}
	if hardware != "" {
		var err error
		if l.MAC, err = dhcp.ParseMAC(hardware); err != nil && !l.Ended {
			c.fault(line, "%s: %w", name, err)
			return
		}
	}
	c.add(l)
}

// dnsmasq reads dnsmasq.leases: end in Unix seconds (0: never), MAC, address, host name or *, client identifier or *. What follows a
// line with the word duid is IPv6. A MAC after a number and a dash belongs to a network that is not Ethernet.
func (c *collector) dnsmasq(text string) {
	n := 0
	v6 := false
	for line := range strings.Lines(text) {
		n++
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
			continue
		case f[0] == "duid":
			v6 = true
			continue
		case v6:
			c.file.Skipped++
			continue
		case len(f) < 4:
			c.fault(n, "%.60q must be END MAC ADDRESS NAME CLIENT-ID", strings.TrimSpace(line))
			continue
		}
		var l ForeignLease
		end, err := seconds(f[0])
		if err != nil {
			c.fault(n, "end %w", err)
			continue
		}
		if end.Unix() != 0 {
			l.Expires = end
		}
		if l.IP, err = netip.ParseAddr(f[2]); err != nil || !l.IP.Is4() {
			c.fault(n, "address %.40q: must be an IPv4 address", f[2])
			continue
		}
		if f[3] != "*" {
			l.Hostname = hostname(f[3])
		}
		if len(f) > 4 {
			l.ClientID = hexID(f[4])
		}
		if kind, _, foreign := strings.Cut(f[1], "-"); foreign && len(kind) == 2 && len(f[1]) != 17 {
			c.file.Skipped++
			continue
		}
		c.addOf(n, "MAC", f[1], l)
	}
}
