package dhcp

import (
	"net/netip"
	"time"
)

// LeaseState is the state of a lease record.
type LeaseState string

// The states of a lease. Only an active lease is proof of anything.
const (
	LeaseActive   LeaseState = "active"   // acknowledged, unexpired
	LeaseReleased LeaseState = "released" // given back; kept so that the client gets it again (affinity)
	LeaseExpired  LeaseState = "expired"  // ran out; kept for affinity
	LeaseDeclined LeaseState = "declined" // another host answered for it; in quarantine until Expires
)

// Lease binds one address to one client. It is a plain value: nothing in it aliases a receive buffer.
type Lease struct {
	Addr      netip.Addr
	MAC       MAC
	ClientID  string // option 61 as received, "" when absent; opaque (RFC 4361 ids too)
	Subnet    netip.Prefix
	State     LeaseState
	FirstSeen time.Time // when this MAC was first bound in this subnet
	Starts    time.Time // UTC, whole seconds
	Expires   time.Time // UTC, whole seconds
	Hostname  string    // option 12, valid UTF-8, at most 63 bytes
	// Data sent by the client, stored so that it is classified the same after a restart.
	VendorClass string // option 60 as received
	Vendor      string // id of the vendor pack that recognised it, "" if none
	Phone       bool   // recognised or recorded: long lease, keeps its last address
	CircuitID   string // option 82 sub-option 1 as received
	RemoteID    string // option 82 sub-option 2 as received
	Relay       Relay  // the path that the client's last REQUEST took
}

// Relay is the relay agent through which a lease was bound. The zero Relay is that of a lease written before relays were recorded.
type Relay struct {
	GIAddr netip.Addr // giaddr of the REQUEST; 0.0.0.0: the client wrote to this server directly
	Source netip.Addr // source address of the relayed packet; zero when the client wrote directly
}

// Pack returns r in the form that is stored with a lease: "" when nothing was recorded, one byte for a direct client, else giaddr
// and, where it differs, the source address.
func (r Relay) Pack() string {
	switch {
	case !r.GIAddr.Is4():
		return ""
	case r.GIAddr.IsUnspecified():
		return "\x00"
	}
	b := r.GIAddr.AsSlice()
	if r.Source.Is4() && r.Source != r.GIAddr {
		b = append(b, r.Source.AsSlice()...)
	}
	return string(b)
}

// UnpackRelay reads what Pack returned, and reports whether s is of that form.
func UnpackRelay(s string) (r Relay, ok bool) {
	switch len(s) {
	case 0:
	case 1:
		r.GIAddr = netip.IPv4Unspecified()
		return r, s[0] == 0
	case 4, 8:
		r.GIAddr, _ = netip.AddrFromSlice([]byte(s[:4]))
		r.Source, _ = netip.AddrFromSlice([]byte(s[len(s)-4:]))
	default:
		return r, false
	}
	return r, true
}

// Known reports whether the relay was recorded when the lease was written.
func (r Relay) Known() bool { return r.GIAddr.IsValid() }

// Relayed reports whether the lease was bound through a relay agent.
func (r Relay) Relayed() bool { return r.GIAddr.IsValid() && !r.GIAddr.IsUnspecified() }

// Change is one lease to be written, or removed when Delete is set.
type Change struct {
	Lease        Lease
	Delete       bool // only Lease.Addr counts
	ClockShifted bool // not an event: only its times were shifted, by a step of the clock
}
