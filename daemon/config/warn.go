package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/trust"
	"plugtone/provision/yamlpos"
)

// Warnings returns what is valid but probably a mistake, in the configuration and on this host.
func (c *Config) Warnings() []Warning {
	r := &reader{values: values{&yamlpos.Reader{File: c.Path, Written: c.where}}}
	r.warnSite(c)
	if c.DHCP.Mode == dhcp.ModeOff {
		return r.warnings
	}
	for i, s := range c.DHCP.Subnets {
		if s.Interface == "" {
			continue
		}
		if _, err := net.InterfaceByName(s.Interface); err != nil {
			r.warn(fmt.Sprintf("dhcp.subnets[%d].interface", i), s.Interface, "this host has no such interface now; it is served as soon as there is one")
		}
	}
	return r.warnings
}

func (r *reader) warnSite(c *Config) {
	p := c.Provisioning
	if c.DHCP.Mode == dhcp.ModeInform && !slices.ContainsFunc(c.DHCP.Subnets, func(s fleet.Subnet) bool { return s.Interface != "" }) {
		r.warn("dhcp.mode", c.DHCP.Mode, "no subnet names an interface: only requests to this host's address, or through a relay, are answered")
	}
	if c.DHCP.Mode == dhcp.ModeServe && len(c.DHCP.Subnets) == 0 {
		r.warn("dhcp.subnets", "", "no subnets: no DHCP client is answered until one is written, or set dhcp.mode: off")
	}
	for i := range c.DHCP.Subnets {
		r.warnSubnet(c, &c.DHCP.Subnets[i], fmt.Sprintf("dhcp.subnets[%d]", i))
	}
	if c.DHCP.Mode == dhcp.ModeServe && !c.DHCP.ConflictCheck {
		r.warn("dhcp.conflict_check", "false", "an address that was configured on a host by hand may be leased again: keep it true, or exclude such addresses")
	}
	r.warnTrust("provisioning.trust", p.Trust)
	for i, n := range p.Networks {
		r.warnTrust(fmt.Sprintf("provisioning.networks[%d].trust", i), n.Trust)
	}
	phones := c.phoneSubnets()
	if p.Settings["admin_password"] == nil && !all(phones, func(s *fleet.Subnet) bool { return s.Settings["admin_password"] != nil }) {
		r.warn("provisioning.settings.admin_password", "", "not set: phones keep their factory password, which is public, unless their device or profile sets one")
	}
	if !c.Written("provisioning.time_zone") && p.Settings["time_zone"] == nil && !all(phones, func(s *fleet.Subnet) bool { return s.Settings["time_zone"] != nil }) {
		r.warn("provisioning.time_zone", "", "not set: phones show UTC")
	}
	if len(phones) == 0 && p.ExternalURL == "" {
		r.warn("provisioning.external_url", "", "not set, and no subnet has phones: provision: there is no server address to write into phones, so none is given a configuration")
	}
	if !c.TFTP.Enabled && !c.HTTP.Enabled && !c.HTTPS.Enabled {
		r.warn("tftp.enabled", "false", "tftp, http and https are all off: no phone can fetch anything")
	}
}

func (c *Config) phoneSubnets() []*fleet.Subnet {
	var out []*fleet.Subnet
	for i := range c.DHCP.Subnets {
		if s := &c.DHCP.Subnets[i]; s.Phones == dhcp.PhonesProvision {
			out = append(out, s)
		}
	}
	return out
}

// all reports whether f is true for every subnet; false for no subnets, where nothing is set.
func all(subnets []*fleet.Subnet, f func(*fleet.Subnet) bool) bool {
	return len(subnets) > 0 && !slices.ContainsFunc(subnets, func(s *fleet.Subnet) bool { return !f(s) })
}

func (r *reader) warnTrust(path string, proofs []trust.Proof) {
	switch {
	case slices.Contains(proofs, trust.ProofOpen):
		r.warn(path, "open", "every host that can send a packet gets the passwords of every phone")
	case slices.Contains(proofs, trust.ProofAddress):
		r.warn(path, "address", "a host that takes a phone's address gets its passwords")
	case proofs != nil && len(proofs) == 0:
		r.warn(path, "", "empty: no phone here can prove itself, so none is given a configuration")
	}
}

func (r *reader) warnSubnet(c *Config, s *fleet.Subnet, at string) {
	r.warnTrust(at+".trust", s.Trust)
	serve := c.DHCP.Mode == dhcp.ModeServe
	if serve && len(s.Pools) == 0 {
		r.warn(at, "", "%s has no pools: only devices with a reserved address get one", s.Prefix)
	}
	if serve && len(s.DNSServers) == 0 && s.Phones == dhcp.PhonesProvision {
		r.warn(at, "", "%s has no dns_servers: phones there find a registrar only by its address", s.Prefix)
	}
	if serve && len(s.Routers) == 0 {
		r.warn(at, "", "%s has no routers: phones there reach nothing outside their own network", s.Prefix)
	}
	for _, pool := range s.Pools {
		for _, a := range slices.Concat(s.Routers, s.DNSServers, s.NTPServers, []netip.Addr{s.NextServer}) {
			if a.IsValid() && pool.Contains(a) && !slices.ContainsFunc(s.Exclude, func(x dhcp.Range) bool { return x.Contains(a) }) {
				r.warn(at+".pools", pool.String(), "takes in %s, which is a server: add it to exclude", a)
			}
		}
	}
	if s.Phones == dhcp.PhonesNone {
		return
	}
	r.warnURL(c, s, at)
	r.warnOptions(s, at)
	if size, limit := replySize(s), 548; size > limit {
		r.warn(at+".options", "", "an ACK with all options has %d bytes, but phones that send no maximum message size get at most %d: the last options are left out", size, limit)
	}
}

// warnURL compares the provisioning URL with the services that are on.
func (r *reader) warnURL(c *Config, s *fleet.Subnet, at string) {
	if s.ProvisioningURL == "" {
		port80 := func(l Listener) bool {
			return l.Enabled && slices.ContainsFunc(l.Listen, func(a netip.AddrPort) bool { return a.Port() == 80 })
		}
		if !port80(c.HTTP) {
			r.warn(at, "", "phones are sent to http://<next_server>/, but http does not listen on port 80: set provisioning_url")
		}
		return
	}
	if strings.HasPrefix(s.ProvisioningURL, "tftp:") && !c.TFTP.Enabled {
		r.warn(at+".provisioning_url", s.ProvisioningURL, "tftp.enabled is false")
	}
}

// isAddresses and isText report the type of an option's value: RFC 2132, and 100, 101 (RFC 4833), 114 (RFC 8910), 150 (RFC 5859), 160
// as phones read it.
func isAddresses(code uint8) bool {
	switch code {
	case 21, 28, 32, 33, 41, 42, 44, 45, 48, 49, 65, 150:
		return true
	}
	return code >= 3 && code <= 11 || code >= 68 && code <= 76
}

func isText(code uint8) bool {
	switch code {
	case 12, 14, 15, 17, 18, 40, 47, 64, 66, 67, 100, 101, 114, 160:
		return true
	}
	return false
}

// warnOptions finds values in a form that phones can't read.
func (r *reader) warnOptions(s *fleet.Subnet, at string) {
	for _, o := range s.Options {
		path, text := fmt.Sprintf("%s.options.%d", at, o.Code), string(o.Data)
		printable := !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
		switch {
		case isAddresses(o.Code) && (len(o.Data)%4 != 0 || printable && len(o.Data) > 4): // four bytes may be 45.33.50.60
			shown := text
			if !printable {
				shown = ""
			}
			r.warn(path, shown, "phones read option %d as addresses: write ips 10.20.0.2", o.Code)
		case (o.Code == 66 || o.Code == 160) && !printable:
			r.warn(path, "", "phones read option %d as text: write text http://10.20.0.2/ or text 10.20.0.2", o.Code)
		case isText(o.Code) && (!utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl)):
			r.warn(path, "", "clients read option %d as text: write text VALUE", o.Code)
		case o.Code == 2 && len(o.Data) != 4:
			r.warn(path, "", "clients read option 2 as a number of 32 bits: write u32 SECONDS")
		case o.Code == 26 && len(o.Data) != 2:
			r.warn(path, "", "clients read option 26 as a number of 16 bits: write u16 1500")
		case o.Code == 66 && strings.Contains(text, "://"):
			r.warn(path, text, "phones of vendors that have an option 66 of their own get that one; those that read only an address (Cisco's enterprise phones) would not understand a URL")
		}
	}
}

// replySize is what an ACK with all options would have, in bytes of UDP payload (RFC 2131, 2: 576 bytes of IP datagram
// leave 548).
func replySize(s *fleet.Subnet) int {
	const fixed = 240                   // header and cookie
	size := fixed + 3 + 6 + 3*6 + 6 + 1 // 53, 54, 51 58 59, 1, END
	add := func(n int) {
		if n > 0 {
			size += n + 2*((n+254)/255) // longer ones are split (RFC 3396)
		}
	}
	codes := map[uint8]bool{}
	for _, o := range s.Options {
		codes[o.Code] = true
		add(len(o.Data))
	}
	own := map[uint8]int{3: 4 * len(s.Routers), 6: 4 * len(s.DNSServers), 42: 4 * len(s.NTPServers), 15: len(s.DomainName),
		66: max(len(s.ProvisioningURL), len("http://255.255.255.255/"))}
	for code, n := range own {
		if !codes[code] {
			add(n)
		}
	}
	return size
}
