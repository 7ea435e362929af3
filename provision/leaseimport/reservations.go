package leaseimport

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"plugtone/dhcp"
)

// maxDepth is how deep files may include each other: one that includes itself ends there.
const maxDepth = 10

// included reads what a file includes, with the reader of its format.
func (c *collector) included(line int, name string, read func(text string)) {
	if c.include == nil || c.depth == maxDepth {
		c.fault(line, "%.200q is not read: files are included %d deep at most", name, maxDepth)
		return
	}
	files, err := c.include(c.name, name)
	if err != nil {
		c.fault(line, "the file that is included here can't be read: %w; copy it too, or remove the line", err)
		return
	}
	was := c.name
	c.depth++
	for _, file := range slices.Sorted(maps.Keys(files)) {
		c.name = file
		read(files[file])
	}
	c.depth--
	c.name = was
}

// leftOut notes a reservation that can't be ours.
func (c *collector) leftOut(place, format string, args ...any) {
	c.file.LeftOut = append(c.file.LeftOut, fmt.Sprintf("%s: "+format, append([]any{place}, args...)...))
}

// reserve adds the addresses of one client. place is where it is.
func (c *collector) reserve(place, name string, addrs []string, macs []dhcp.MAC) {
	switch {
	case len(macs) == 0:
		c.leftOut(place, "it has no MAC address")
		return
	case len(addrs) == 0:
		c.leftOut(place, "it has no IPv4 address")
		return
	case len(macs) > 9:
		c.leftOut(place, "it has more than 9 MAC addresses")
		return
	}
	for _, text := range addrs {
		ip, err := netip.ParseAddr(text)
		if err != nil || !ip.Is4() {
			c.leftOut(place, "%.60q is not an IPv4 address", text)
			continue
		}
		c.file.Reservations = append(c.file.Reservations, ForeignReservation{IP: ip, MAC: macs[0], OtherMACs: macs[1:], Hostname: hostname(name)})
	}
}

// parseMAC reads a MAC address whose parts may lack a leading zero.
func parseMAC(text string) (dhcp.MAC, error) {
	parts := strings.Split(text, ":")
	for i, p := range parts {
		if len(parts) == 6 && len(p) == 1 {
			parts[i] = "0" + p
		}
	}
	return dhcp.ParseMAC(strings.Join(parts, ":"))
}

// iscHost reads a host declaration (dhcpd.conf(5)). In dhcpd.leases it may be deleted later, by its name.
func (c *collector) iscHost(name token, body []token) {
	label, what := name.text, "host "+name.text
	var addrs []string
	var macs []dhcp.MAC
	dropped := false
	for len(body) > 0 {
		head, rest := statement(body)
		body = rest[min(1, len(rest)):]
		if len(rest) > 0 && rest[0].is("{") {
			_, body, _ = block(rest)
			continue
		}
		switch {
		case len(head) == 1 && head[0].is("deleted"):
			dropped = true
		case len(head) == 3 && head[0].is("hardware") && head[1].is("ethernet"):
			mac, err := parseMAC(head[2].text)
			if err != nil {
				c.fault(head[2].line, "%.80s: hardware %w", what, err)
				return
			}
			macs = append(macs, mac)
		case len(head) > 1 && head[0].is("fixed-address"):
			for _, w := range head[1:] {
				addrs = append(addrs, strings.FieldsFunc(w.text, func(r rune) bool { return r == ',' })...)
			}
		case len(head) == 3 && head[0].is("option") && head[1].is("host-name"):
			label = head[2].text
		}
	}
	if from, had := c.hosts[name.text]; had { // a later entry of dhcpd.leases replaces it
		for i := from; i < len(c.file.Reservations) && c.file.Reservations[i].MAC == c.file.Reservations[from].MAC; i++ {
			c.file.Reservations[i].IP = netip.Addr{}
		}
		delete(c.hosts, name.text)
	}
	if dropped {
		return
	}
	from := len(c.file.Reservations)
	if c.reserve(fmt.Sprintf("%s: %.80s", c.place(name.line), what), label, addrs, macs); len(c.file.Reservations) > from {
		c.hosts[name.text] = from
	}
}
