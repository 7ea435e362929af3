// Package trust decides whether a requester has proved to be the phone whose files it requests, and limits those who have
// not: proofs, enrollment windows, limits on new bindings and on enumeration, the phones' own HTTP credentials.
//
// Decisions are pure functions and limiters that take the time as an argument. Service combines them with leases and the
// configuration in force. The package reads no records and renders nothing: package provision passes it values.
package trust

import (
	"net/netip"
	"slices"
)

// Proof is a way in which a requester shows that it is the phone whose files it requests.
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

// Weak reports whether the proof is one that a host has as well that has borrowed the phone's MAC or address.
func (p Proof) Weak() bool { return p == ProofLease || p == ProofNeighbor || p == ProofAddress }

// Own reports whether the proof is something that only the phone itself has.
func (p Proof) Own() bool { return p == ProofCredentials || p == ProofCertificate }

// Place is what the configuration has for a requester's address.
type Place struct {
	Proofs  []Proof // that count there; nil: nothing is proof
	Leased  bool    // it is in one of our subnets
	Subnet  netip.Prefix
	PinPort bool // another switch port than the remembered one is refused

	NoPhones string       // how the subnet is configured, when that makes nothing proof there
	Network  netip.Prefix // of a place outside the subnets; zero when no configured network has it
}

// Name returns the place in words.
func (p Place) Name() string {
	switch {
	case p.NoPhones != "":
		return "subnet " + p.Subnet.String() + " (phones: " + p.NoPhones + ")"
	case p.Leased:
		return "subnet " + p.Subnet.String()
	case p.Network.IsValid():
		return "network " + p.Network.String()
	}
	return "outside the leased subnets and networks"
}

// Accepts reports whether the proof counts at the place.
func (p Place) Accepts(proof Proof) bool { return slices.Contains(p.Proofs, proof) }

// StepUp is the configuration key step_up: when a phone that has used its own credentials or certificate needs them from
// then on.
type StepUp string

// The values of step_up. "" is StepUpAuto.
const (
	StepUpAuto   StepUp = "auto"   // where the phone's pack can send credentials over the transport in use
	StepUpOff    StepUp = "off"    // never
	StepUpAlways StepUp = "always" // everywhere, also over a transport that carries no credentials
)

// Resets is the configuration key resets: how many phones of a subnet may come without the credentials that they have used
// before, as phones do after a factory reset.
type Resets struct{ Burst, PerHour int }

// DefaultResets are the Resets of a configuration that has none.
var DefaultResets = Resets{Burst: 5, PerHour: 5}

// Limits are the bounds that the configuration sets.
type Limits struct {
	NewPhones *NewPhones // nil: any number of them
	StepUp    StepUp
	Resets    Resets
}

// Policy is the configuration in force. It does not change; a reload makes a new one.
type Policy interface {
	TrustAt(addr netip.Addr) Place
	Limits() Limits
}
