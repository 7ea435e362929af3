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

// Defaults and limits of the configuration.
const (
	defaultLease      = 8 * 24 * time.Hour
	defaultOtherLease = time.Hour
)

// Bounds of a lease time.
const (
	MinLease      = time.Minute
	InfiniteLease = math.MaxUint32 // in seconds: a lease that never ends (RFC 2131, 3.3)
)

// Validate returns all validation errors of c, joined.
func (c *Config) Validate() error {
	var problems []error
	if c.Mode != "" && c.Mode != ModeServe && c.Mode != ModeInform && c.Mode != ModeOff {
		problems = append(problems, fmt.Errorf("mode %q must be one of serve, inform, off", c.Mode))
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

// problems returns the validation errors of one subnet.
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
		add("phones %q must be one of provision, move, none", s.Phones)
	}
	if s.VoiceVLAN < 0 || s.VoiceVLAN > 4094 {
		add("voice_vlan %d must be 0 to 4094", s.VoiceVLAN)
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
	for i, p := range s.Pools {
		if !validRange(p) {
			add("pool %s is not a range of IPv4 addresses", p)
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
	}
	for _, x := range s.Exclude {
		if !validRange(x) {
			add("exclude %s is not a range of IPv4 addresses", x)
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
				add("%s: %s is not an IPv4 address of a host", list.name, a)
			}
		}
	}
	for _, r := range s.Routers {
		if r.Is4() && !s.Prefix.Contains(r) {
			add("router %s is not inside the subnet", r)
		}
	}
	if s.NextServer.IsValid() && !s.NextServer.Is4() {
		add("next_server %s is not an IPv4 address", s.NextServer)
	}
	if err := checkURL(s.ProvisioningURL); err != nil {
		problems = append(problems, err)
	}
	if err := CheckText(s.DomainName); err != nil {
		add("domain_name: %w", err)
	}
	var seen []uint8
	for _, o := range s.Options {
		if err := CheckSettable(o.Code); err != nil {
			problems = append(problems, err)
		} else if slices.Contains(seen, o.Code) {
			add("option %d is set twice", o.Code)
		}
		seen = append(seen, o.Code)
	}
	return problems
}

func validRange(r Range) bool { return r.First.Is4() && r.Last.Is4() && r.First.Compare(r.Last) <= 0 }

// CheckText returns an error for text that contains quotes or control characters (C32). Quotes are usually left over from another
// server's configuration, and would be sent to the phone.
func CheckText(s string) error {
	for _, c := range s {
		switch {
		case c == '"' || c == '\'' || c == '`':
			return fmt.Errorf("text %.60q contains a quote; the value is sent as it is written, so leave the quotes out", s)
		case c < ' ' || c == 0x7f:
			return fmt.Errorf("text %.60q contains a control character", s)
		}
	}
	return nil
}

// checkURL accepts URLs that phones can parse: one of four schemes, a host, and no character that needs quoting. "" is accepted.
func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "tftp", "ftp"}, u.Scheme) {
		return fmt.Errorf("provisioning_url %.80q must be a URL with a host that begins with http://, https://, tftp:// or ftp://", s)
	}
	for _, c := range s {
		if c <= ' ' || c > '~' || c == '"' || c == '\'' {
			return fmt.Errorf("provisioning_url %.80q contains %q", s, c)
		}
	}
	return nil
}

// WithDefaults returns a copy of c in which omitted values have their defaults.
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
