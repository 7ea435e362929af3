package trust

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
)

// Evidence is everything that is known of a requester. Zero values mean "not known". Lists of MACs are all those of one
// phone, the one that the evidence itself names first.
type Evidence struct {
	Time         time.Time
	From         netip.Addr
	Place        Place
	Preview      dhcp.MAC    // an operator's look at this phone's files
	Lease        *dhcp.Lease // the confirmed lease of From
	LeaseMACs    []dhcp.MAC  // the lease's MAC and, when it is a device's, all MACs of that device
	LeaseDoubt   string      // why the lease is no proof now; "" when it is
	Certified    []dhcp.MAC  // of the phone that a client certificate of its own vendor names
	LoggedIn     []dhcp.MAC  // of the phone whose user and password came with the request
	Neighbor     []dhcp.MAC  // of the phone that the kernel's neighbour table has at From
	Reserved     []dhcp.MAC  // of the device that has From reserved
	Enrolled     dhcp.MAC    // the phone whose file is requested, when a window is open for it at From
	FilenameMAC  dhcp.MAC
	UserAgentMAC dhcp.MAC
	Error        string // what is wrong with credentials or certificate that came with the request
}

// Verdict is whether the requester has proved to be a phone, and which.
type Verdict struct {
	Proven        bool
	Proof         Proof
	MAC           dhcp.MAC // the phone that the requester has proved to be
	Reason        string   // why, or why not
	Contradiction bool     // the evidence contradicts itself: the requester may be after another phone's files
}

// identityClaim ties the requester to one phone, whether it counts at the place or not.
type identityClaim struct {
	proof  Proof
	macs   []dhcp.MAC
	reason string
	counts bool
}

// Authorize decides whether the requester has proved to be the phone whose files it requests. It is pure. Nothing in the
// evidence depends on whether the named phone has a record, so no refusal can reveal that.
func Authorize(e Evidence) Verdict {
	if !e.Preview.IsZero() {
		return Verdict{Proven: true, Proof: ProofPreview, MAC: e.Preview, Reason: "preview"}
	}
	leased, why := e.leased()
	var room [5]identityClaim // all that there can be
	claims := e.claims(room[:0], leased)
	// Evidence that contradicts itself is refused before any proof is looked at: nothing outweighs a lease of one phone
	// together with the name of another.
	if reason := e.contradiction(claims); reason != "" {
		return Verdict{Contradiction: true, Reason: reason}
	}
	var best *identityClaim
	for i := range claims {
		if c := &claims[i]; c.counts && (best == nil || best.proof.Weak() && !c.proof.Weak()) {
			best = c
		}
	}
	if best != nil {
		return Verdict{Proven: true, Proof: best.proof, MAC: best.macs[0], Reason: best.reason}
	}
	switch {
	case !e.Enrolled.IsZero():
		return Verdict{Proven: true, Proof: ProofEnroll, MAC: e.Enrolled, Reason: fmt.Sprintf("%s is being enrolled from %s", e.Enrolled, e.From)}
	case !e.FilenameMAC.IsZero() && e.Place.Accepts(ProofOpen):
		return Verdict{Proven: true, Proof: ProofOpen, MAC: e.FilenameMAC, Reason: e.Place.Name() + " is open: no proof is required"}
	case leased && e.LeaseDoubt != "" && e.Place.Accepts(ProofLease):
		why = e.LeaseDoubt
	case leased:
		why = "a lease does not count in " + e.Place.Name()
	}
	if e.Error != "" {
		why += "; " + e.Error
	}
	return Verdict{Reason: "no proof: " + why}
}

// claims appends what ties the requester to phones.
func (e *Evidence) claims(out []identityClaim, leased bool) []identityClaim {
	add := func(proof Proof, macs []dhcp.MAC, words string) {
		if len(macs) > 0 {
			out = append(out, identityClaim{proof, macs, e.inWords(words, macs[0]), e.Place.Accepts(proof)})
		}
	}
	if leased {
		// The phone that proves itself is the lease's own MAC, which need not be the first of its device's.
		add(ProofLease, MACFirst(e.Lease.MAC, e.LeaseMACs), "ADDR is leased to MAC")
		out[0].counts = out[0].counts && e.LeaseDoubt == ""
	}
	add(ProofCertificate, e.Certified, "the client certificate is that of MAC")
	add(ProofCredentials, e.LoggedIn, "the user and password are those of MAC")
	add(ProofNeighbor, e.Neighbor, "the neighbour table has MAC at ADDR")
	// An address may still be leased to one phone and already reserved for another: then the lease is right.
	if !leased || !e.Place.Accepts(ProofLease) {
		add(ProofAddress, e.Reserved, "ADDR is reserved for MAC")
	}
	return out
}

// inWords puts the requester's address and a MAC in the places of ADDR and MAC.
func (e *Evidence) inWords(words string, mac dhcp.MAC) string {
	b := make([]byte, 0, 96)
	for rest := words; rest != ""; {
		switch word, after, _ := strings.Cut(rest, " "); word {
		case "ADDR":
			b, rest = append(e.From.AppendTo(b), ' '), after
		case "MAC":
			b, _ = mac.AppendText(b) // there are no errors
			b, rest = append(b, ' '), after
		default:
			b, rest = append(append(b, word...), ' '), after
		}
	}
	return string(b[:len(b)-1])
}

// MACFirst returns the list with mac as its first element. The list must not be empty.
func MACFirst(mac dhcp.MAC, macs []dhcp.MAC) []dhcp.MAC {
	if macs[0] == mac {
		return macs
	}
	return append([]dhcp.MAC{mac}, macs...)
}

// contradiction returns what doesn't fit together; "" when all does.
func (e *Evidence) contradiction(claims []identityClaim) string {
	known := false
	for i, c := range claims {
		switch {
		case i > 0 && !slices.Contains(claims[0].macs, c.macs[0]):
			return fmt.Sprintf("%s, but %s", claims[0].reason, c.reason)
		case !e.FilenameMAC.IsZero() && !slices.Contains(c.macs, e.FilenameMAC):
			return fmt.Sprintf("%s, but the file is %s's", c.reason, e.FilenameMAC)
		case !e.UserAgentMAC.IsZero() && !slices.Contains(c.macs, e.UserAgentMAC):
			return fmt.Sprintf("%s, but the user agent has %s", c.reason, e.UserAgentMAC)
		}
		known = known || slices.Contains(c.macs, e.UserAgentMAC)
	}
	if !e.FilenameMAC.IsZero() && !e.UserAgentMAC.IsZero() && e.FilenameMAC != e.UserAgentMAC && !known {
		return fmt.Sprintf("the file is %s's, but the user agent has %s", e.FilenameMAC, e.UserAgentMAC)
	}
	return ""
}

// leased reports whether the lease of the requester's address is in force, or why not.
func (e *Evidence) leased() (bool, string) {
	l := e.Lease
	switch {
	case l == nil:
		return false, fmt.Sprintf("%s is not leased by us (%s)", e.From, e.Place.Name())
	case l.Addr != e.From || len(e.LeaseMACs) == 0:
		return false, fmt.Sprintf("the lease of %s is not the requester's", e.From)
	case l.State != dhcp.LeaseActive:
		return false, fmt.Sprintf("the lease of %s to %s is %s", e.From, l.MAC, l.State)
	case !l.Expires.After(e.Time):
		return false, fmt.Sprintf("the lease of %s to %s ran out at %s", e.From, l.MAC, l.Expires.UTC().Format(time.RFC3339))
	}
	return true, ""
}
