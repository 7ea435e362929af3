package provision

import (
	"net/netip"

	"plugtone/provision/setting"
)

// Proof is a way in which a requester shows that it is the phone whose files it asks for.
type Proof string

// The proofs. ProofPreview is an operator's own look, never a phone's.
const (
	ProofLease       Proof = "lease"
	ProofCredentials Proof = "credentials"
	ProofCertificate Proof = "certificate"
	ProofNeighbor    Proof = "neighbor"
	ProofAddress     Proof = "address"
	ProofOpen        Proof = "open"
	ProofEnroll      Proof = "enroll"
	ProofPreview     Proof = "preview"
)

// What happens in a subnet to phones.
const (
	PhonesProvision = "provision"
	PhonesMove      = "move"
	PhonesNone      = "none"
)

// What happens to phones without a record.
const (
	UnknownList   = "list"
	UnknownHold   = "hold"
	UnknownIgnore = "ignore"
)

// Subnet is what provisioning needs to know of a subnet that we lease.
type Subnet struct {
	Prefix          netip.Prefix
	Phones          string     // provision, move or none; "" is provision
	Trust           []Proof    // nil: the site's
	NextServer      netip.Addr // this host's address as phones there reach it
	ProvisioningURL string     // "": http://NextServer/
	NTPServers      []netip.Addr
	VoiceVLAN       int            // 0: none
	Settings        setting.Values // canonical
}

// Network is a place from which requests come and where we lease nothing.
type Network struct {
	From  netip.Prefix
	Trust []Proof
}

// Site is the part of the configuration that decides what phones get. It never changes: a reload makes a new one.
type Site struct {
	Subnets       []Subnet
	Networks      []Network
	Trust         []Proof    // nil: lease, credentials, certificate
	NewPhones     *NewPhones // nil: any number of them
	UnknownPhones string     // list, hold or ignore; "" is list
	TimeZone      string     // IANA name, "" for none
	ExternalURL   string     // written into phones as their server instead of the subnet's; "" for none
	CAFile        string     // the certificate of our own authority, below the server's URL; "" when https has none
	CACert        string     // that certificate itself as PEM
	Settings      setting.Values
}

// SubnetOf finds the leased subnet that has addr.
func (s *Site) SubnetOf(addr netip.Addr) (Subnet, bool) {
	for _, n := range s.Subnets {
		if n.Prefix.Contains(addr) {
			return n, true
		}
	}
	return Subnet{}, false
}

// subnet finds a leased subnet by its prefix.
func (s *Site) subnet(p netip.Prefix) (Subnet, bool) {
	for _, n := range s.Subnets {
		if n.Prefix == p {
			return n, true
		}
	}
	return Subnet{}, false
}

// TrustAt tells which proofs count for a requester at addr, and where that is: the leased subnets come first, then the
// first network that matches. A nil list means that nothing proves anything there.
func (s *Site) TrustAt(addr netip.Addr) (trust []Proof, place string) {
	if n, ok := s.SubnetOf(addr); ok {
		place = "subnet " + n.Prefix.String()
		switch {
		case n.Phones == PhonesNone || n.Phones == PhonesMove:
			return nil, place + " (phones: " + n.Phones + ")"
		case n.Trust != nil:
			return n.Trust, place
		}
		return s.trust(), place
	}
	for _, n := range s.Networks {
		if n.From.Contains(addr) {
			return n.Trust, "network " + n.From.String()
		}
	}
	return s.trust(), "outside the leased subnets and networks"
}

// isOurs tells whether addr is in a subnet that we lease.
func (s *Site) isOurs(addr netip.Addr) bool {
	_, ok := s.SubnetOf(addr)
	return ok
}

func (s *Site) trust() []Proof {
	if s.Trust == nil {
		return []Proof{ProofLease, ProofCredentials, ProofCertificate}
	}
	return s.Trust
}

// url is what phones in the subnet fetch from; it ends in "/".
func (n Subnet) url() string {
	switch {
	case n.ProvisioningURL != "":
		return slashed(n.ProvisioningURL)
	case n.NextServer.IsValid():
		return "http://" + n.NextServer.String() + "/"
	}
	return ""
}

func slashed(url string) string {
	if url == "" || url[len(url)-1] == '/' {
		return url
	}
	return url + "/"
}
