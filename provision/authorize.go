package provision

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
)

// Evidence is everything that is known of who asks for a file. Zero values mean "not known".
type Evidence struct {
	Time     time.Time
	From     netip.Addr
	Trust    []Proof     // the proofs that count at From
	Place    string      // where From is, in words
	Preview  MAC         // an operator's look at this phone's files
	Lease    *dhcp.Lease // the confirmed lease of From
	Holder   []MAC       // the lease's MAC and, when it is a device's, all MACs of that device
	Reserved []MAC       // all MACs of the device that has From reserved
	Named    MAC         // in the file name
	Said     MAC         // in the user agent
}

// Verdict says whether the requester has proved to be a phone, and which.
type Verdict struct {
	Proven        bool
	Proof         Proof
	MAC           MAC    // the phone that the requester has proved to be
	Reason        string // why, or why not
	Contradiction bool   // the evidence contradicts itself: somebody may be asking for another phone's files
}

// Authorize decides whether the requester has proved to be the phone whose files it asks for. It is pure, and it is
// never told whether the named phone has a record: so it can't tell anybody.
func Authorize(e Evidence) Verdict {
	if !e.Preview.IsZero() {
		return Verdict{Proven: true, Proof: ProofPreview, MAC: e.Preview, Reason: "preview"}
	}
	leased, why := e.leased()
	// Evidence that contradicts itself is refused before any proof is looked at: a lease that says one phone and a name
	// that says another are not outweighed by anything.
	if leased {
		if v := e.contradicts(e.Holder, "leased to", e.Lease.MAC); v != nil {
			return *v
		}
	}
	if !e.Named.IsZero() && !e.Said.IsZero() && e.Named != e.Said && !slices.Contains(e.Holder, e.Said) {
		return Verdict{Contradiction: true, Reason: fmt.Sprintf("the file is %s's, but the user agent says %s", e.Named, e.Said)}
	}
	switch {
	case leased && e.counts(ProofLease):
		return Verdict{Proven: true, Proof: ProofLease, MAC: e.Lease.MAC, Reason: fmt.Sprintf("%s is leased to %s", e.From, e.Lease.MAC)}
	case len(e.Reserved) > 0 && e.counts(ProofAddress):
		if v := e.contradicts(e.Reserved, "reserved for", e.Reserved[0]); v != nil {
			return *v
		}
		return Verdict{Proven: true, Proof: ProofAddress, MAC: e.Reserved[0], Reason: fmt.Sprintf("%s is reserved for %s", e.From, e.Reserved[0])}
	case !e.Named.IsZero() && e.counts(ProofOpen):
		return Verdict{Proven: true, Proof: ProofOpen, MAC: e.Named, Reason: e.Place + " is open: no proof is asked for"}
	case leased:
		return Verdict{Reason: fmt.Sprintf("no proof: a lease does not count in %s", e.Place)}
	}
	return Verdict{Reason: "no proof: " + why}
}

// leased tells whether the lease of the requester's address is proof, or why not.
func (e Evidence) leased() (bool, string) {
	l := e.Lease
	switch {
	case l == nil:
		return false, fmt.Sprintf("%s is not leased by us (%s)", e.From, e.Place)
	case l.Addr != e.From || len(e.Holder) == 0:
		return false, fmt.Sprintf("the lease of %s is not the requester's", e.From)
	case l.State != dhcp.LeaseActive:
		return false, fmt.Sprintf("the lease of %s to %s is %s", e.From, l.MAC, l.State)
	case !l.Expires.After(e.Time):
		return false, fmt.Sprintf("the lease of %s to %s ran out at %s", e.From, l.MAC, l.Expires.UTC().Format(time.RFC3339))
	}
	return true, ""
}

// contradicts tells whether name or user agent speak of a phone that is none of owner, whose From is by what bond says.
func (e Evidence) contradicts(owner []MAC, bond string, mac MAC) *Verdict {
	switch {
	case !e.Named.IsZero() && !slices.Contains(owner, e.Named):
		return &Verdict{Contradiction: true, Reason: fmt.Sprintf("%s is %s %s, but the file is %s's", e.From, bond, mac, e.Named)}
	case !e.Said.IsZero() && !slices.Contains(owner, e.Said):
		return &Verdict{Contradiction: true, Reason: fmt.Sprintf("%s is %s %s, but the user agent says %s", e.From, bond, mac, e.Said)}
	}
	return nil
}

func (e Evidence) counts(p Proof) bool { return slices.Contains(e.Trust, p) }
