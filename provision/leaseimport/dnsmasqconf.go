package leaseimport

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"plugtone/dhcp"
)

// dnsmasqOptions marks a configuration of dnsmasq; other files are lists of leases or of hosts.
var dnsmasqOptions = regexp.MustCompile(`(?m)^\s*(dhcp-host|dhcp-hostsfile|dhcp-hostsdir|dhcp-range|conf-file|conf-dir)\s*=`)

// dnsmasqHosts marks a file of --dhcp-hostsfile: a line that begins as the value of dhcp-host does.
var dnsmasqHosts = regexp.MustCompile(`(?m)^(id:|set:|tag:|[0-9A-Fa-f]{1,2}:[0-9A-Fa-f:]*,)`)

// dnsmasqFile reads leases, a configuration, or a file of hosts.
func (c *collector) dnsmasqFile(text string) {
	switch {
	case dnsmasqOptions.MatchString(text):
		c.dnsmasqConfig(text)
	case dnsmasqHosts.MatchString(text):
		c.dnsmasqHosts(text)
	default:
		c.dnsmasq(text)
	}
}

// significant calls f with each line that is neither empty nor a comment.
func significant(text string, f func(n int, line string)) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			f(n, line)
		}
	}
}

// dnsmasqConfig reads the hosts of a configuration (dnsmasq(8)), and the files that it includes.
func (c *collector) dnsmasqConfig(text string) {
	significant(text, func(n int, line string) {
		option, value, _ := strings.Cut(line, "=")
		value, _, _ = strings.Cut(value, " #")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.TrimSpace(option) {
		case "dhcp-host":
			c.dnsmasqHost(n, value)
		case "dhcp-hostsfile", "dhcp-hostsdir":
			c.included(n, value, c.dnsmasqHosts)
		case "conf-file", "conf-dir":
			path, _, _ := strings.Cut(value, ",") // of conf-dir, suffixes follow
			c.included(n, path, c.dnsmasqConfig)
		}
	})
}

func (c *collector) dnsmasqHosts(text string) {
	significant(text, func(n int, line string) { c.dnsmasqHost(n, line) })
}

// dnsmasqHost reads [MAC,...][,id:ID][,set:TAG][,tag:TAG][,ADDRESS][,NAME][,LEASE TIME][,ignore].
func (c *collector) dnsmasqHost(line int, value string) {
	place := fmt.Sprintf("%s: dhcp-host %.60s", c.place(line), value)
	var macs []dhcp.MAC
	var addrs []string
	name := ""
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		mac, macErr := parseMAC(part)
		ip, ipErr := netip.ParseAddr(part)
		switch {
		case part == "ignore":
			c.leftOut(place, "the client is to be ignored")
			return
		case strings.HasPrefix(part, "id:"), strings.HasPrefix(part, "set:"), strings.HasPrefix(part, "tag:"):
		case macErr == nil:
			macs = append(macs, mac)
		case strings.Contains(part, "*") && strings.Contains(part, ":"):
			c.leftOut(place, "%q matches several clients", part)
			return
		case ipErr == nil && ip.Is4():
			addrs = append(addrs, part)
		case ipErr == nil, part == "", strings.ContainsAny(part, ":[]"), isLeaseTime(part):
		case name == "":
			name = part
		}
	}
	c.reserve(place, name, addrs, macs)
}

// isLeaseTime reports whether a part of dhcp-host is a lease time: 45m, 12h, 7d, seconds or infinite.
func isLeaseTime(part string) bool {
	digits := strings.TrimRight(part, "smhdw")
	return part == "infinite" || digits != "" && len(part)-len(digits) <= 1 && strings.Trim(digits, "0123456789") == ""
}
