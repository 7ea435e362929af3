package fleet

import (
	"errors"
	"net/netip"

	"plugtone/dhcp"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// What happens to phones without a record.
const (
	UnknownList   = "list"
	UnknownHold   = "hold"
	UnknownIgnore = "ignore"
)

// Subnet is a leased subnet with what provisioning needs of it. In a Site, NextServer is this host's address as phones there reach it.
type Subnet struct {
	dhcp.Subnet
	Trust    []trust.Proof  // nil: the site's
	Settings setting.Values // canonical
	PinPort  bool           // another switch port (option 82) than the remembered one is no proof until enrolled
}

// Network is a place from which requests come and where we lease nothing.
type Network struct {
	From  netip.Prefix
	Trust []trust.Proof
}

// Site is the part of the configuration that decides what phones get. It never changes: a reload makes a new one.
type Site struct {
	Subnets       []Subnet
	Networks      []Network
	Trust         []trust.Proof    // nil: lease, credentials, certificate
	NewPhones     *trust.NewPhones // nil: any number of them
	StepUp        trust.StepUp     // "" is auto
	Resets        *trust.Resets    // nil: trust.DefaultResets
	UnknownPhones string           // list, hold or ignore; "" is list
	TimeZone      string           // IANA name, "" for none
	ExternalURL   string           // written into phones as their server instead of the subnet's; "" for none
	CAFile        string           // the certificate of our own authority, below the server's URL; "" when https has none
	CACert        string           // that certificate itself as PEM
	SyslogPort    uint16           // of this host, where phones log unless syslog_server is set; 0: nowhere
	Settings      setting.Values
}

// SubnetOf finds the leased subnet that has addr.
func (s *Site) SubnetOf(addr netip.Addr) (Subnet, bool) {
	if n := s.subnetOf(addr); n != nil {
		return *n, true
	}
	return Subnet{}, false
}

// subnetOf returns the leased subnet that has addr, nil without one. It must not be changed.
func (s *Site) subnetOf(addr netip.Addr) *Subnet {
	for i := range s.Subnets {
		if s.Subnets[i].Prefix.Contains(addr) {
			return &s.Subnets[i]
		}
	}
	return nil
}

// SubnetByPrefix finds a leased subnet.
func (s *Site) SubnetByPrefix(p netip.Prefix) (Subnet, bool) {
	for _, n := range s.Subnets {
		if n.Prefix == p {
			return n, true
		}
	}
	return Subnet{}, false
}

// TrustAt returns which proofs count for a requester at addr, and where that is: the leased subnets come first, then the
// first network that matches. An empty list means that nothing is proof there.
func (s *Site) TrustAt(addr netip.Addr) trust.Place {
	if n := s.subnetOf(addr); n != nil {
		p := trust.Place{Leased: true, Subnet: n.Prefix, PinPort: n.PinPort}
		switch {
		case n.Phones == dhcp.PhonesNone || n.Phones == dhcp.PhonesMove:
			p.NoPhones = n.Phones
		case n.Trust != nil:
			p.Proofs = n.Trust
		default:
			p.Proofs = s.trust()
		}
		return p
	}
	for _, n := range s.Networks {
		if n.From.Contains(addr) {
			return trust.Place{Network: n.From, Proofs: n.Trust}
		}
	}
	return trust.Place{Proofs: s.trust()}
}

// Limits implements trust.Policy.
func (s *Site) Limits() trust.Limits {
	l := trust.Limits{NewPhones: s.NewPhones, StepUp: s.StepUp, Resets: trust.DefaultResets}
	if l.StepUp == "" {
		l.StepUp = trust.StepUpAuto
	}
	if s.Resets != nil {
		l.Resets = *s.Resets
	}
	return l
}

// defaultTrust is what counts as proof without the configuration key trust.
var defaultTrust = []trust.Proof{trust.ProofLease, trust.ProofCredentials, trust.ProofCertificate}

func (s *Site) trust() []trust.Proof {
	if s.Trust == nil {
		return defaultTrust
	}
	return s.Trust
}

// URL is where phones in the subnet fetch from; it ends in "/". It is empty when nothing is known of the subnet's server.
func (n Subnet) URL() string {
	switch {
	case n.ProvisioningURL != "":
		return slashed(n.ProvisioningURL)
	case n.NextServer.IsValid():
		return "http://" + n.NextServer.String() + "/"
	}
	return ""
}

// ErrNoServerAddress is wrapped by the error about a phone for which URLFor is "".
var ErrNoServerAddress = errors.New("there is no server address for the phone: set provisioning.external_url, or add the phone's subnet")

// URLFor returns the URL from which phones in the subnet, which may be zero, are to fetch: the external URL where there is one.
func (s *Site) URLFor(n Subnet) string {
	if s.ExternalURL != "" {
		return slashed(s.ExternalURL)
	}
	return n.URL()
}

// ServerURL is where phones go for their files: the external URL, else that of the first subnet that provisions.
func (s *Site) ServerURL() string {
	n, _ := s.FirstProvisioning()
	return s.URLFor(n)
}

// FirstProvisioning finds the first subnet that provisions.
func (s *Site) FirstProvisioning() (Subnet, bool) {
	for _, n := range s.Subnets {
		if n.Phones == "" || n.Phones == dhcp.PhonesProvision {
			return n, true
		}
	}
	return Subnet{}, false
}

func slashed(url string) string {
	if url == "" || url[len(url)-1] == '/' {
		return url
	}
	return url + "/"
}
