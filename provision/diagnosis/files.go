package diagnosis

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"plugtone/provision/timeline"
)

// fetching is what the timeline has of file requests.
type fetching struct {
	last    *timeline.Entry            // the last request
	served  *timeline.Entry            // the last time its own configuration was served, or had not changed
	failed  map[string]*timeline.Entry // by protocol, the last decision when that was a failure
	unknown *timeline.Entry            // the last request of a name that no pack has
	foreign *timeline.Entry            // the last refusal to another host
	upload  *timeline.Entry            // the last upload, when it was not taken
}

// The events of entries that are no reads.
const (
	eventHandshake = "handshake" // a TLS handshake failed
	eventPut       = "put"
	eventPost      = "post"
)

func (f *fetching) read(e *timeline.Entry, h *history) {
	if f.failed == nil {
		f.failed = map[string]*timeline.Entry{}
	}
	if e.Event == eventPut || e.Event == eventPost {
		if f.upload = nil; e.Verdict != "received" {
			f.upload = e
		}
		return
	}
	if e.Verdict == "refused" && h.fromOtherHost(e) {
		f.foreign = e
		return
	}
	if e.Event != eventHandshake {
		f.last = e
	}
	own := e.Kind == "device"
	switch {
	case e.Event == eventHandshake, e.Verdict == "refused", e.Verdict == "challenged", e.Verdict == "fault":
		f.failed[e.Source] = e
	case own && (e.Verdict == "served" || e.Verdict == "not_modified"):
		f.served = e
		clear(f.failed) // what failed before, over any protocol, did not keep the file from the phone
	case own && (e.Verdict == "not_found" || e.Verdict == "aborted"):
		f.failed[e.Source] = e
	case e.Verdict == "not_found" && e.Kind == "static" && len(h.claims(e)) == 0:
		f.unknown = e
	}
}

// fromOtherHost reports whether a request came from a host that is not the phone: the phone has a lease of another address.
func (h *history) fromOtherHost(e *timeline.Entry) bool {
	if _, own := h.activeLease(e.Addr); own || !e.Addr.IsValid() {
		return false
	}
	lease, ok := h.activeLease(netip.Addr{})
	return ok && !lease.FirstSeen.After(e.Time)
}

// servedAt returns the address to which the phone's own configuration was served last; the zero address when that is not known.
func (h *history) servedAt() netip.Addr {
	if e := h.files.served; e != nil {
		return e.Addr
	}
	return h.f.Fetched.From
}

// fetches returns the findings about the phone's configuration.
func (h *history) fetches() []conclusion {
	if h.f.Recorded && h.f.Vendor == "" {
		return nil
	}
	failures := h.failures()
	out := failures
	fetched, ok := h.fetched()
	switch {
	case ok:
		out = append(out, fetched)
		if u := h.files.unknown; u != nil && u.Time.After(fetched.Time) {
			out = append(out, note(u.Time, fmt.Sprintf("it requested %s at %s, which no vendor pack has", name(u), at(u.Time)), ""))
		}
	case len(failures) > 0 || h.f.NoPack:
	case h.files.last == nil:
		out = append(out, h.neverRequested()...)
	case h.f.Recorded:
		out = append(out, h.ownFileNotRequested())
	}
	if e := h.files.foreign; e != nil {
		out = append(out, otherHostRefused(e))
	}
	if e := h.files.served; e != nil && !e.UpstreamAt.IsZero() {
		out = append(out, doubtful(e.Time, fmt.Sprintf("its PBX did not answer for %s at %s, and it was sent the answer of %s: %s", name(e), at(e.Time), at(e.UpstreamAt), e.Reason),
			"plugtone status warns of PBXs that do not answer"))
	}
	if e := h.files.upload; e != nil {
		out = append(out, note(e.Time, fmt.Sprintf("its upload %s was not taken at %s: %s", name(e), at(e.Time), e.Reason), ""))
	}
	return out
}

// failures returns the last decision of each protocol that was a failure, oldest first.
func (h *history) failures() []conclusion {
	var out []conclusion
	for _, e := range h.files.failed {
		switch {
		case h.files.served == nil && h.f.Fetched.Time.After(e.Time):
			continue // it was served later; the timeline no longer has that
		case e.Event == eventHandshake:
			out = append(out, handshake(e))
		case e.Verdict == "fault":
			if !h.f.NoPack { // else that is the reason
				out = append(out, problem(e.Time, fmt.Sprintf("%s could not be made at %s: %s", name(e), at(e.Time), e.Reason), "plugtone device files "+h.f.MAC.String()))
			}
		case e.Verdict == "aborted":
			out = append(out, problem(e.Time, fmt.Sprintf("it began to fetch %s at %s and ended the transfer: %s", name(e), at(e.Time), e.Reason), "it restarted meanwhile, or its link loses packets"))
		case e.Verdict == "not_found":
			if h.f.Recorded {
				out = append(out, problem(e.Time, fmt.Sprintf("it requested %s at %s, which was not found: %s", name(e), at(e.Time), e.Reason), ""))
			}
		default:
			out = append(out, h.refusal(e))
		}
	}
	slices.SortFunc(out, func(a, b conclusion) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Text, b.Text)) })
	return out
}

// fetched returns when the phone got its configuration, and whether that is still the current one. ok is false when it never did.
func (h *history) fetched() (c conclusion, ok bool) {
	file, when := h.f.Fetched.File, h.f.Fetched.Time
	if e := h.files.served; e != nil && !e.Time.Before(when) {
		file, when = name(e), e.Time
	}
	if when.IsZero() {
		return c, false
	}
	text := fmt.Sprintf("it fetched %s at %s", file, at(when))
	switch h.f.State {
	case "in_sync":
		if h.f.Upstream != "" {
			return good(when, fmt.Sprintf("%s and has what its PBX answered last (%s); whether that would answer the same now is not known here", text, h.f.Upstream)), true
		}
		return good(when, text+" and has what it would get now"), true
	case "stale":
		if h.f.Upstream != "" {
			return doubtful(when, fmt.Sprintf("%s, and not what its PBX (%s) answers", text, h.f.Upstream), "it fetches again at its next re-check or restart; plugtone resync "+h.f.MAC.String()+" makes it do so now"), true
		}
		return doubtful(when, text+", but would get something else now", "it fetches again at its next re-check or restart; see plugtone device diff "+h.f.MAC.String()), true
	}
	return doubtful(when, text, ""), true
}

// ownFileNotRequested returns the finding about a phone that requested files, and not its own configuration.
func (h *history) ownFileNotRequested() conclusion {
	e, hint := h.files.last, "see which files its model requests: plugtone device files "+h.f.MAC.String()
	if u := h.files.unknown; u != nil {
		return problem(u.Time, fmt.Sprintf("it requested %s at %s, which no vendor pack has, and not its own configuration", name(u), at(u.Time)), hint)
	}
	return problem(e.Time, fmt.Sprintf("it requested %s at %s, and not its own configuration", name(e), at(e.Time)), hint)
}

// otherHostRefused returns the finding about a request from another address than the phone's.
func otherHostRefused(e *timeline.Entry) conclusion {
	hint := ""
	if strings.Contains(e.Reason, "is leased to") {
		hint = "if that is the phone itself, it has two MACs: plugtone device set --help, other_macs"
	}
	return note(e.Time, fmt.Sprintf("a request for %s from %s, which is not its address, was refused at %s: %s", name(e), e.Addr, at(e.Time), e.Reason), hint)
}

// refusal returns why the phone was refused.
func (h *history) refusal(e *timeline.Entry) conclusion {
	text, hint := fmt.Sprintf("%s was refused to %s over %s at %s: %s", name(e), e.Addr, e.Source, at(e.Time), e.Reason), ""
	switch {
	case strings.HasSuffix(e.Reason, "asked for them") || strings.Contains(e.Reason, "asked for them; without"):
		return doubtful(e.Time, fmt.Sprintf("it has not answered since %s: %s", at(e.Time), e.Reason), "")
	case strings.Contains(e.Reason, "; plugtone device enroll "): // the reason names the way out
	case strings.Contains(e.Reason, "neither is proof"):
		hint = "the phone was moved, or another host uses its MAC; once the older lease has ended the other one is proof: plugtone leases"
	case strings.Contains(e.Reason, "provisioning.new_phones allows"):
		hint = "for phones that are unpacked now: plugtone device enroll --all --for 30m"
	case strings.Contains(e.Reason, "is leased to"):
		hint = "a client requested another phone's file, or one phone has two MACs: plugtone device set --help, other_macs"
	case strings.Contains(e.Reason, "a lease does not count in"):
		hint = "let a lease be proof in this subnet (trust), or for one first boot: plugtone device enroll " + h.f.MAC.String()
	case strings.Contains(e.Reason, "not leased by us"):
		hint = "a phone proves who it is by the address that we lease to it; for one first boot on another network: plugtone device enroll " + h.f.MAC.String()
	}
	return problem(e.Time, text, hint)
}
