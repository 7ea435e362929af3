package dhcp

import (
	"net/netip"
	"slices"
	"time"
)

// What the server does as a whole.
const (
	ModeServe  = "serve"
	ModeInform = "inform" // answers INFORM only and leases nothing
	ModeOff    = "off"
)

// What a subnet is for.
const (
	PhonesProvision = "provision" // phones are sent the address of their configuration
	PhonesMove      = "move"      // phones are sent their voice VLAN, and get a two-minute lease
	PhonesNone      = "none"      // an ordinary network
)

// Config is what an engine is built from.
type Config struct {
	Mode          string // ModeServe when empty
	Authoritative bool   // NAK what no server here could have given
	ConflictCheck bool   // probe an address before it is offered to a client for the first time
	RapidCommit   bool   // answer option 80 with an ACK (RFC 4039)
	Subnets       []Subnet
}

// Subnet is one network that is served.
type Subnet struct {
	Prefix          netip.Prefix
	Interface       string // the attached link; "" when it is only reached through relays
	Phones          string // PhonesProvision when empty
	Pools           []Range
	Exclude         []Range // never handed out, except by reservation
	Routers         []netip.Addr
	Relays          []netip.Addr // relay agents (giaddr) that may relay for the subnet; empty: any address inside it, and Routers
	DNSServers      []netip.Addr
	NTPServers      []netip.Addr
	DomainName      string
	LeaseTime       time.Duration // phones; 8 days when 0
	OtherLeaseTime  time.Duration // everything else; the smaller of 1 h and LeaseTime when 0
	VoiceVLAN       int
	Shared          bool       // other servers serve it, too; its leases are bound in a store that they share
	TrustOption82   bool       // use option 82 of a snooping switch (giaddr 0)
	NextServer      netip.Addr // our address towards the client when not valid
	ProvisioningURL string     // http://<next server>/ when empty
	Options         []Option   // further options, from ParseOption
}

// AcceptsRelay reports whether the relay agent with the address a (giaddr) may relay for clients of the subnet.
func (s *Subnet) AcceptsRelay(a netip.Addr) bool {
	if len(s.Relays) > 0 {
		return slices.Contains(s.Relays, a)
	}
	return s.Prefix.Contains(a) || slices.Contains(s.Routers, a)
}

// Range is an inclusive run of addresses.
type Range struct{ First, Last netip.Addr }

// Contains reports whether a is in the range.
func (r Range) Contains(a netip.Addr) bool { return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 }

// Size counts the addresses of the range.
func (r Range) Size() int { return int(AddrNumber(r.Last)-AddrNumber(r.First)) + 1 }

// String prints the range as 10.20.1.0-10.20.3.250, or a single address as itself.
func (r Range) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	return r.First.String() + "-" + r.Last.String()
}
