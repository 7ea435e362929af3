package provision

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
)

// Evidence is everything that is known of who asks for a file. Zero values mean "not known". Lists of MACs are all those
// of one phone, the one that the evidence itself names first.
type Evidence struct {
	Time      time.Time
	From      netip.Addr
	Trust     []Proof     // the proofs that count at From
	Place     string      // where From is, in words
	Preview   MAC         // an operator's look at this phone's files
	Lease     *dhcp.Lease // the confirmed lease of From
	Holder    []MAC       // the lease's MAC and, when it is a device's, all MACs of that device
	Frozen    bool        // the lease is a new phone's, and such leases are no proof now
	Certified []MAC       // of the phone that a client certificate of its own vendor names
	LoggedIn  []MAC       // of the phone whose user and password came along
	Neighbor  []MAC       // of the phone that the kernel's neighbour table has at From
	Reserved  []MAC       // of the device that has From reserved
	Enrolled  MAC         // the phone asked for, when a window is open for it at From
	Named     MAC         // in the file name
	Said      MAC         // in the user agent
	Flaw      string      // what is wrong with credentials or certificate that came along
}

// Verdict says whether the requester has proved to be a phone, and which.
type Verdict struct {
	Proven        bool
	Proof         Proof
	MAC           MAC    // the phone that the requester has proved to be
	Reason        string // why, or why not
	Contradiction bool   // the evidence contradicts itself: somebody may be asking for another phone's files
}

// bond ties the requester to one phone, whether it counts here or not.
type bond struct {
	proof  Proof
	macs   []MAC
	says   string
	counts bool
}

// Authorize decides whether the requester has proved to be the phone whose files it asks for. It is pure, and it is
// never told whether the named phone has a record: so it can't tell anybody.
func Authorize(e Evidence) Verdict {
	if !e.Preview.IsZero() {
		return Verdict{Proven: true, Proof: ProofPreview, MAC: e.Preview, Reason: "preview"}
	}
	leased, why := e.leased()
	bonds := e.bonds(leased)
	// Evidence that contradicts itself is refused before any proof is looked at: a lease that says one phone and a name
	// that says another are not outweighed by anything.
	if reason := e.contradiction(bonds); reason != "" {
		return Verdict{Contradiction: true, Reason: reason}
	}
	for _, b := range bonds {
		if b.counts {
			return Verdict{Proven: true, Proof: b.proof, MAC: b.macs[0], Reason: b.says}
		}
	}
	switch {
	case !e.Enrolled.IsZero():
		return Verdict{Proven: true, Proof: ProofEnroll, MAC: e.Enrolled, Reason: fmt.Sprintf("%s is being enrolled from %s", e.Enrolled, e.From)}
	case !e.Named.IsZero() && e.counts(ProofOpen):
		return Verdict{Proven: true, Proof: ProofOpen, MAC: e.Named, Reason: e.Place + " is open: no proof is asked for"}
	case leased && e.Frozen && e.counts(ProofLease):
		why = fmt.Sprintf("%s is leased to %s, but more new phones came than provisioning.new_phones allows", e.From, e.Lease.MAC)
	case leased:
		why = "a lease does not count in " + e.Place
	}
	if e.Flaw != "" {
		why += "; " + e.Flaw
	}
	return Verdict{Reason: "no proof: " + why}
}

// bonds lists what ties the requester to phones, the strongest first.
func (e Evidence) bonds(leased bool) []bond {
	var out []bond
	add := func(proof Proof, macs []MAC, counts bool, format string, args ...any) {
		if len(macs) > 0 {
			out = append(out, bond{proof, macs, fmt.Sprintf(format, args...), counts && e.counts(proof)})
		}
	}
	first := func(macs []MAC) (m MAC) {
		if len(macs) > 0 {
			m = macs[0]
		}
		return m
	}
	if leased {
		// The phone that proves itself is the lease's own MAC, which need not be the first of its device's.
		add(ProofLease, own(e.Lease.MAC, e.Holder), !e.Frozen, "%s is leased to %s", e.From, e.Lease.MAC)
	}
	add(ProofCertificate, e.Certified, true, "the client certificate is that of %s", first(e.Certified))
	add(ProofCredentials, e.LoggedIn, true, "the user and password are those of %s", first(e.LoggedIn))
	add(ProofNeighbor, e.Neighbor, true, "the neighbour table has %s at %s", first(e.Neighbor), e.From)
	// An address may be leased to one phone still and reserved for another already: then the lease is right.
	if !leased || !e.counts(ProofLease) {
		add(ProofAddress, e.Reserved, true, "%s is reserved for %s", e.From, first(e.Reserved))
	}
	return out
}

// own puts mac before the others.
func own(mac MAC, macs []MAC) []MAC {
	if macs[0] == mac {
		return macs
	}
	return append([]MAC{mac}, macs...)
}

// contradiction says what doesn't fit together; "" when all does.
func (e Evidence) contradiction(bonds []bond) string {
	known := false
	for i, b := range bonds {
		switch {
		case i > 0 && !slices.Contains(bonds[0].macs, b.macs[0]):
			return fmt.Sprintf("%s, but %s", bonds[0].says, b.says)
		case !e.Named.IsZero() && !slices.Contains(b.macs, e.Named):
			return fmt.Sprintf("%s, but the file is %s's", b.says, e.Named)
		case !e.Said.IsZero() && !slices.Contains(b.macs, e.Said):
			return fmt.Sprintf("%s, but the user agent says %s", b.says, e.Said)
		}
		known = known || slices.Contains(b.macs, e.Said)
	}
	if !e.Named.IsZero() && !e.Said.IsZero() && e.Named != e.Said && !known {
		return fmt.Sprintf("the file is %s's, but the user agent says %s", e.Named, e.Said)
	}
	return ""
}

// leased tells whether the lease of the requester's address is in force, or why not.
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

func (e Evidence) counts(p Proof) bool { return slices.Contains(e.Trust, p) }
