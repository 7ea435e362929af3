// Package health lists what an operator should look at now: pools without addresses, a reload that failed, links that are down, devices
// without a pack, other DHCP servers, records that phones contradict, certificates that end, TLS handshakes that fail.
//
// Every warning is true when it is read: what was seen earlier is compared with the records and the configuration of now.
package health

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"plugtone/daemon/observe"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/provision/fleet"
)

const (
	// nearlyFull is the share of free addresses, in percent, below which a pool is reported.
	nearlyFull = 10
	// soonFull is how many days before a pool is full, by the forecast, it is reported.
	soonFull = 14
	// certificateNear is how long before its end a certificate is reported. Most are renewed 30 days before.
	certificateNear = 21 * 24 * time.Hour
	// recently is how far back failed handshakes and messages of unknown relays are reported.
	recently = time.Hour
	// serversFor is how long another DHCP server is reported after it was seen.
	serversFor = 24 * time.Hour
	// named is how many phones a warning names.
	named = 5
)

// Certificate is one that clients are shown or that is needed to check theirs.
type Certificate struct {
	Kind string // own_authority, https or admin
	What string // what it is, as in the configuration: https.cert_file
	Cert *x509.Certificate
}

// State is what the warnings are made from. Zero members have nothing to report.
type State struct {
	Now            time.Time
	ClockWrong     bool // it differs from the time at which leases were written, or was never set
	Pools          []leasetable.Stats
	FullIn         func(leasetable.Stats) (days int, ok bool) // the forecast of a subnet; nil: there is none
	FailedReload   error                                      // of the last reload; nil when it was accepted, or there was none
	FailedAt       time.Time
	Interfaces     []string // those that are served
	Subnets        []fleet.Subnet
	Off            []string // transports of files that are switched off
	Missing        []Missing
	Contradictions []observe.Contradiction
	OtherServer    *observe.OtherServer
	Relays         []observe.Relay
	Certificates   []Certificate
	Handshakes     []observe.Failure
	// Link returns what is wrong with an interface; "" when nothing is.
	Link func(name string) string
}

// Since returns the times from which handshakes and relays are wanted.
func Since(now time.Time) time.Time { return now.Add(-recently) }

// Warnings returns one sentence for each thing, with what to do, the most urgent first.
func Warnings(s State) []string {
	var out []string
	for _, part := range [][]string{s.links(), s.pools(), s.reload(), s.packs(), s.clock(), s.servers(), s.transports(), s.vendors(), s.certificates(), s.handshakes()} {
		out = append(out, part...)
	}
	return out
}

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (s *State) links() (out []string) {
	if s.Link == nil {
		return nil
	}
	for _, name := range s.Interfaces {
		if wrong := s.Link(name); wrong != "" {
			out = append(out, fmt.Sprintf("interface %s %s: no phone there is served", name, wrong))
		}
	}
	return out
}

// LinkFault returns what is wrong with an interface of this host; "" when nothing is.
func LinkFault(name string) string {
	i, err := net.InterfaceByName(name)
	switch {
	case err != nil:
		return "does not exist"
	case i.Flags&net.FlagUp == 0:
		return "is down"
	case i.Flags&net.FlagRunning == 0:
		return "has no link: its cable, or the switch port, is unplugged or off"
	}
	addrs, err := i.Addrs()
	if err != nil {
		return "" // it went away meanwhile: the next look shows that
	}
	if !slices.ContainsFunc(addrs, func(a net.Addr) bool { n, ok := a.(*net.IPNet); return ok && n.IP.To4() != nil }) {
		return "has no IPv4 address"
	}
	return ""
}

func (s *State) pools() (out []string) {
	for _, p := range s.Pools {
		switch {
		case p.Pool == 0:
		case p.Free == 0:
			out = append(out, fmt.Sprintf("subnet %s has no free address: all %d of its pools are leased, offered or declined; widen pools, or shorten other_lease_time", p.Subnet, p.Pool))
		case p.Free*100 < p.Pool*nearlyFull:
			out = append(out, fmt.Sprintf("subnet %s has %d free addresses of %d; widen pools, or shorten other_lease_time", p.Subnet, p.Free, p.Pool))
		case s.FullIn != nil:
			if days, ok := s.FullIn(p); ok && days <= soonFull {
				out = append(out, fmt.Sprintf("subnet %s is full in about %d days if its use grows as in the last two weeks: %d of %d addresses are free; widen pools, or shorten other_lease_time", p.Subnet, days, p.Free, p.Pool))
			}
		}
	}
	return out
}

func (s *State) reload() []string {
	if s.FailedReload == nil {
		return nil
	}
	first, _, _ := strings.Cut(s.FailedReload.Error(), "\n")
	return []string{fmt.Sprintf("the reload at %s was refused, and the configuration from before stays in force: %s; plugtone check has all problems", at(s.FailedAt), first)}
}

func (s *State) packs() (out []string) {
	for _, m := range s.Missing {
		out = append(out, fmt.Sprintf("there is no vendor pack %q, the vendor of %s: their files are answered with 503; put the pack back into provisioning.vendor_dirs and reload, or change the records", m.Vendor, m))
	}
	return out
}

func (s *State) servers() (out []string) {
	if o := s.OtherServer; o != nil && s.Now.Sub(o.Time) < serversFor {
		mac := ""
		if !o.MAC.IsZero() {
			mac = " (" + o.MAC.String() + ")"
		}
		out = append(out, fmt.Sprintf("another DHCP server answers on %s: %s%s, last at %s; turn it off there, or set dhcp.mode: inform", o.Interface, o.Server, mac, at(o.Time)))
	}
	for _, r := range s.Relays {
		if slices.ContainsFunc(s.Subnets, func(n fleet.Subnet) bool { return n.Prefix.Contains(r.Addr) }) {
			continue // configured since
		}
		out = append(out, fmt.Sprintf("relay %s is in no configured subnet, and its clients are not answered, last at %s; add its subnet to dhcp.subnets, or the relay to relays of one", r.Addr, at(r.Time)))
	}
	return out
}

// transports reports URLs that phones are given and whose transport is off. A URL of another host is not this server's. The warnings of the
// configuration have the default URL and those of TFTP.
func (s *State) transports() (out []string) {
	for _, n := range s.Subnets {
		u, err := url.Parse(n.URL())
		if err != nil || n.ProvisioningURL == "" || u.Scheme == string(fleet.TFTP) || n.Phones != dhcp.PhonesProvision || !slices.Contains(s.Off, u.Scheme) {
			continue
		}
		if host, err := netip.ParseAddr(u.Hostname()); err == nil && host != n.NextServer {
			continue
		}
		out = append(out, fmt.Sprintf("phones of subnet %s are sent to %s, but %s is switched off on this server: set %s.enabled: true, or change provisioning_url", n.Prefix, u, u.Scheme, u.Scheme))
	}
	return out
}

func (s *State) vendors() []string {
	var phones []string
	for _, c := range s.Contradictions {
		phones = append(phones, fmt.Sprintf("%s (recorded as %s, recognised as %s)", c.MAC, c.Vendor, c.Recognised))
	}
	if len(phones) == 0 {
		return nil
	}
	return []string{"the vendor of a record contradicts what the phone's own messages name: " + some(phones, len(phones)) + "; correct the records with plugtone device set MAC --model VENDOR/MODEL"}
}

func (s *State) clock() []string {
	if !s.ClockWrong {
		return nil
	}
	return []string{fmt.Sprintf("the clock shows %s, which differs from the time at which leases were written: set it, or let a time server do so; leases keep the time that was left", at(s.Now))}
}

func (s *State) certificates() (out []string) {
	for _, c := range s.Certificates {
		if c.Cert == nil {
			continue
		}
		switch left := c.Cert.NotAfter.Sub(s.Now); {
		case left <= 0:
			out = append(out, fmt.Sprintf("the certificate of %s ended at %s: clients that check it are not served", c.What, at(c.Cert.NotAfter)))
		case s.Now.Before(c.Cert.NotBefore):
			out = append(out, fmt.Sprintf("the certificate of %s is valid from %s only: look at it and at this host's clock", c.What, at(c.Cert.NotBefore)))
		case left < certificateNear:
			out = append(out, fmt.Sprintf("the certificate of %s ends at %s, in %d days: renew it", c.What, at(c.Cert.NotAfter), int(left/(24*time.Hour))))
		}
	}
	return out
}

func (s *State) handshakes() []string {
	n := len(s.Handshakes)
	if n == 0 {
		return nil
	}
	last := s.Handshakes[n-1]
	times := "1 TLS handshake of a phone"
	if n > 1 {
		times = fmt.Sprintf("%d TLS handshakes of phones", n)
	}
	return []string{fmt.Sprintf("%s failed within the last hour, the last at %s from %s: %s", times, at(last.Time), last.From, last.Reason)}
}

// some lists the first of many.
func some(list []string, all int) string {
	shown := list[:min(len(list), named)]
	text := strings.Join(shown, ", ")
	if more := all - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
