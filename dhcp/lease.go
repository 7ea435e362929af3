package dhcp

import (
	"net/netip"
	"time"
)

// LeaseState says what a lease record stands for.
type LeaseState string

// The states of a lease. Only an active lease is proof of anything.
const (
	LeaseActive   LeaseState = "active"   // acknowledged, unexpired
	LeaseReleased LeaseState = "released" // given back; kept so that the client gets it again (affinity)
	LeaseExpired  LeaseState = "expired"  // ran out; kept for affinity
	LeaseDeclined LeaseState = "declined" // somebody else answered for it; in quarantine until Expires
)

// Lease binds one address to one client. It is a plain value: nothing in it aliases a receive buffer.
type Lease struct {
	Addr      netip.Addr
	MAC       MAC
	ClientID  string // option 61 as received, "" when absent; opaque (RFC 4361 ids too)
	Subnet    netip.Prefix
	State     LeaseState
	FirstSeen time.Time // when this MAC was first bound in this subnet: tells new phones from old ones
	Starts    time.Time // UTC, whole seconds
	Expires   time.Time // UTC, whole seconds
	Hostname  string    // option 12, valid UTF-8, at most 63 bytes
	// What the client said of itself, kept so that it is recognised again after a restart.
	VendorClass string // option 60 as received
	Vendor      string // id of the vendor pack that recognised it, "" if none
	Phone       bool   // recognised or recorded: long lease, keeps its last address
	CircuitID   string // option 82 sub-option 1 as received
	RemoteID    string // option 82 sub-option 2 as received
}

// Change is one lease to be written, or removed when Delete is set.
type Change struct {
	Lease        Lease
	Delete       bool // only Lease.Addr counts
	ClockShifted bool // nothing happened: its times were moved along with a step of the clock
}
