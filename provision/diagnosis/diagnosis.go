// Package diagnosis concludes from a phone's timeline, and from what else is stored about it, what works and what does not.
//
// A conclusion rests on the last decision of each protocol. What is only missing, such as a lease, is never a reason by itself. Where the
// cause is not known, a finding names what is known. A finding is OK only when file, vendor and address all agree.
package diagnosis

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/registration"
	"plugtone/provision/timeline"
)

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	OK      Severity = "ok"      // file, vendor and address agree
	Note    Severity = "note"    // worth knowing
	Problem Severity = "problem" // the phone doesn't have what it should
)

// Finding is one conclusion, in plain words. Times in it are UTC, as of RFC 3339.
type Finding struct {
	Severity Severity  `json:"severity" doc:"ok: file, vendor and address agree; note: worth knowing; problem: the phone lacks something" example:"problem" enum:"ok,note,problem"`
	Text     string    `json:"text" doc:"what was found, in one sentence; times in it are UTC" example:"it has an address and never requested a file"`
	Hint     string    `json:"hint,omitempty" doc:"what to do or to look at" example:"check that option 66 reaches the phone"`
	Time     time.Time `json:"time,omitzero" doc:"time of the entry that it rests on" example:"2026-11-22T12:00:00Z"`
}

// Facts is what is stored about the phone besides its timeline. The functions may be nil.
type Facts struct {
	Now      time.Time
	MAC      dhcp.MAC
	Recorded bool
	Enabled  bool
	Vendor   string                   // of the record
	Model    string                   // of the record
	NoPack   bool                     // there is no vendor pack for the record's vendor
	State    string                   // status.state; "" when it is not known
	Upstream string                   // hosts of the PBXs that render its files; "" when they are rendered here
	Leases   []dhcp.Lease             // of all MACs of the phone, in any state
	Fetched  fleet.Fetch              // the last fetch of its own configuration; zero when there is none
	Off      []string                 // the transports that are switched off: tftp, http, https
	Lines    []registration.LineState // what the PBX has of its lines; none where it is not polled

	Claims func(file string) []Claim    // the packs whose phones request a file as their own or a common one
	Holder func(netip.Addr) dhcp.MAC    // the client with an active lease of the address; zero when there is none
	Phones func(addr netip.Addr) string // key phones of the leased subnet that the address is in; "" when it is in none
}

// Claim is a vendor whose phones request a file, and the models that do; nil when all may.
type Claim struct {
	Vendor string
	Models []string
}

const (
	// grace is how long a phone may take from its address to its first file: slow models need a minute and a half.
	grace = 2 * time.Minute
	// step is how long a client may take from an OFFER to its REQUEST, and how far apart two copies of one message may arrive.
	step = 10 * time.Second
	// reportTwiceFor is how long two phones with one MAC are reported after their last change: most phones fetch once a day.
	reportTwiceFor = 48 * time.Hour
)

// conclusion is a finding, and whether it contradicts that all is well.
type conclusion struct {
	Finding
	doubt bool
}

func problem(at time.Time, text, hint string) conclusion {
	return conclusion{Finding{Problem, text, hint, at}, true}
}

// doubtful is a note with which nothing is OK.
func doubtful(at time.Time, text, hint string) conclusion {
	return conclusion{Finding{Note, text, hint, at}, true}
}

func note(at time.Time, text, hint string) conclusion {
	return conclusion{Finding{Note, text, hint, at}, false}
}

func good(at time.Time, text string) conclusion {
	return conclusion{Finding{OK, text, "", at}, false}
}

// history is a timeline, with the last decision of each kind.
type history struct {
	f       Facts
	entries []timeline.Entry
	boot    int // index of the entry with which the phone started last
	dhcp    addressing
	files   fetching
	pnp     *timeline.Entry // the last time that it was given its server by SIP PnP
}

// Diagnose concludes from a phone's whole timeline, oldest entry first, what works and what doesn't, in the order of a boot.
func Diagnose(entries []timeline.Entry, f Facts) []Finding {
	h := &history{f: f, entries: entries}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Source == "dhcp":
			if e.Event == "discover" {
				h.boot = i
			}
			h.dhcp.read(e)
		case timeline.IsFile(e.Source):
			h.files.read(e, h)
		case e.Source == "sip" && e.Event == "pnp" && e.Verdict == "answered":
			h.pnp = e
		}
	}
	var all []conclusion
	for _, part := range [][]conclusion{h.record(), h.vendor(), h.macUsedTwice(), h.address(), h.fetches(), h.registrations()} {
		all = append(all, part...)
	}
	agreed := !slices.ContainsFunc(all, func(c conclusion) bool { return c.doubt })
	out := make([]Finding, len(all))
	for i, c := range all {
		if out[i] = c.Finding; c.Severity == OK && !agreed {
			out[i].Severity = Note
		}
	}
	return out
}

// name is the name that an entry's file was requested by, without the slash that HTTP adds.
func name(e *timeline.Entry) string { return strings.TrimLeft(e.File, "/") }

// at prints a time for a finding.
func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// activeLease returns the phone's lease in force on addr, or its newest when addr is zero.
func (h *history) activeLease(addr netip.Addr) (newest dhcp.Lease, ok bool) {
	for _, l := range h.f.Leases {
		if l.State != dhcp.LeaseActive || !l.Expires.After(h.f.Now) || addr.IsValid() && l.Addr != addr {
			continue
		}
		if !ok || l.Starts.After(newest.Starts) {
			newest, ok = l, true
		}
	}
	return newest, ok
}
