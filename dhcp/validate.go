package dhcp

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// Times that hold when the configuration says nothing.
const (
	defaultLease      = 8 * 24 * time.Hour
	defaultOtherLease = time.Hour
	maxPool           = 1 << 20 // addresses of one subnet: more is a slip of the pen
)

// Bounds of a lease time.
const (
	MinLease      = time.Minute
	InfiniteLease = math.MaxUint32 // in seconds: a lease that never ends (RFC 2131, 3.3)
)

// Validate checks everything and joins all validation errors.
func (c *Config) Validate() error {
	var problems []error
	if c.Mode != "" && c.Mode != ModeServe && c.Mode != ModeInform && c.Mode != ModeOff {
		problems = append(problems, fmt.Errorf("mode %q is none of serve, inform, off", c.Mode))
	}
	for i := range c.Subnets {
		s := &c.Subnets[i]
		for _, err := range s.problems(c.Mode) {
			problems = append(problems, fmt.Errorf("subnet %s: %w", s.Prefix, err))
		}
		for _, o := range c.Subnets[:i] {
			if s.Prefix.IsValid() && o.Prefix.IsValid() && s.Prefix.Overlaps(o.Prefix) {
				problems = append(problems, fmt.Errorf("subnet %s: overlaps subnet %s", s.Prefix, o.Prefix))
			}
		}
	}
	return errors.Join(problems...)
}

// problems lists what is wrong with one subnet.
func (s *Subnet) problems(mode string) (problems []error) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !s.Prefix.IsValid() || !s.Prefix.Addr().Is4() || s.Prefix.Bits() < 8 || s.Prefix.Bits() > 30 {
		add("not an IPv4 prefix from /8 to /30")
		return problems
	}
	if s.Prefix != s.Prefix.Masked() {
		add("has host bits set; the network is %s", s.Prefix.Masked())
	}
	if s.Phones != "" && s.Phones != PhonesProvision && s.Phones != PhonesMove && s.Phones != PhonesNone {
		add("phones %q is none of provision, move, none", s.Phones)
	}
	if s.VoiceVLAN < 0 || s.VoiceVLAN > 4094 {
		add("voice_vlan %d is not 0 to 4094", s.VoiceVLAN)
	}
	if s.Phones == PhonesMove && s.VoiceVLAN == 0 {
		add("phones: move needs a voice_vlan to move them to")
	}
	problems = append(problems, s.poolProblems(mode)...)
	problems = append(problems, s.timeProblems()...)
	return append(problems, s.valueProblems()...)
}

func (s *Subnet) poolProblems(mode string) (problems []error) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	size := 0
	for i, p := range s.Pools {
		if !validRange(p) {
			add("pool %s is no range of IPv4 addresses", p)
			continue
		}
		if !s.Prefix.Contains(p.First) || !s.Prefix.Contains(p.Last) {
			add("pool %s is not inside the subnet", p)
		}
		for _, q := range s.Pools[:i] {
			if validRange(q) && p.First.Compare(q.Last) <= 0 && q.First.Compare(p.Last) <= 0 {
				add("pool %s overlaps pool %s", p, q)
			}
		}
		size += p.Size()
	}
	if size > maxPool {
		add("pools hold %d addresses, at most %d are allowed", size, maxPool)
	}
	for _, x := range s.Exclude {
		if !validRange(x) {
			add("exclude %s is no range of IPv4 addresses", x)
		}
	}
	if mode == ModeInform && len(s.Pools) > 0 {
		add("has pools, but mode inform leases nothing")
	}
	return problems
}

func (s *Subnet) timeProblems() (problems []error) {
	for _, t := range []struct {
		name string
		d    time.Duration
	}{{"lease_time", s.LeaseTime}, {"other_lease_time", s.OtherLeaseTime}} {
		if t.d != 0 && (t.d < MinLease || t.d >= InfiniteLease*time.Second) {
			problems = append(problems, fmt.Errorf("%s %s is not between %s and 49710d", t.name, t.d, MinLease))
		}
	}
	return problems
}

func (s *Subnet) valueProblems() (problems []error) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, list := range []struct {
		name  string
		addrs []netip.Addr
	}{{"routers", s.Routers}, {"dns_servers", s.DNSServers}, {"ntp_servers", s.NTPServers}, {"relays", s.Relays}} {
		for _, a := range list.addrs {
			if !a.Is4() || a.IsUnspecified() || a.IsMulticast() {
				add("%s: %s is no IPv4 address of a host", list.name, a)
			}
		}
	}
	for _, r := range s.Routers {
		if r.Is4() && !s.Prefix.Contains(r) {
			add("router %s is not inside the subnet", r)
		}
	}
	if s.NextServer.IsValid() && !s.NextServer.Is4() {
		add("next_server %s is no IPv4 address", s.NextServer)
	}
	if err := checkURL(s.ProvisioningURL); err != nil {
		problems = append(problems, err)
	}
	if err := checkText(s.DomainName); err != nil {
		add("domain_name: %w", err)
	}
	var seen []uint8
	for _, o := range s.Options {
		if err := SetByServer(o.Code); err != nil {
			problems = append(problems, err)
		} else if slices.Contains(seen, o.Code) {
			add("option %d is there twice", o.Code)
		}
		seen = append(seen, o.Code)
	}
	return problems
}

func validRange(r Range) bool { return r.First.Is4() && r.Last.Is4() && r.First.Compare(r.Last) <= 0 }

// checkURL accepts what phones can read: a scheme they know, a host, nothing that needs quoting.
func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "tftp", "ftp"}, u.Scheme) {
		return fmt.Errorf("provisioning_url %.80q is no URL that begins with http://, https://, tftp:// or ftp:// and a host", s)
	}
	for _, c := range s {
		if c <= ' ' || c > '~' || c == '"' || c == '\'' {
			return fmt.Errorf("provisioning_url %.80q has %q in it", s, c)
		}
	}
	return nil
}

// WithDefaults fills in what was left out, in a copy.
func (c Config) WithDefaults() Config {
	if c.Mode == "" {
		c.Mode = ModeServe
	}
	c.Subnets = slices.Clone(c.Subnets)
	for i := range c.Subnets {
		s := &c.Subnets[i]
		if s.Phones == "" {
			s.Phones = PhonesProvision
		}
		if s.LeaseTime == 0 {
			s.LeaseTime = defaultLease
		}
		if s.OtherLeaseTime == 0 {
			s.OtherLeaseTime = min(defaultOtherLease, s.LeaseTime)
		}
		if s.ProvisioningURL != "" && s.ProvisioningURL[len(s.ProvisioningURL)-1] != '/' {
			s.ProvisioningURL += "/"
		}
	}
	return c
}
