package diagnosis

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

// addressing is what the timeline has of DHCP.
type addressing struct {
	last  *timeline.Entry // the last decision about a message of the phone
	acked *timeline.Entry // the last ACK to a REQUEST or INFORM
	other *timeline.Entry // the last answer of another server to the phone that was seen
}

func (a *addressing) read(e *timeline.Entry) {
	if e.Event == "offer" || e.Event == "ack" { // messages of a server
		a.other = e
		return
	}
	if a.last != nil && unanswered(e) && !unanswered(a.last) && e.Time.Sub(a.last.Time) < step {
		return // a copy of the message that came on another way, such as a relay on the same link
	}
	a.last = e
	if e.Verdict == string(dhcp.VerdictAcked) || e.Verdict == string(dhcp.VerdictInformed) {
		a.acked = e
	}
}

// unanswered reports whether the rules forbid to answer the message.
func unanswered(e *timeline.Entry) bool {
	return e.Verdict == string(dhcp.VerdictSilent) && e.Event != "release" || e.Verdict == string(dhcp.VerdictIgnored)
}

// address returns the findings about the phone's address.
func (h *history) address() []conclusion {
	e := h.dhcp.last
	lease, leased := h.activeLease(netip.Addr{})
	if e == nil {
		return h.noMessages(lease, leased)
	}
	c := h.lastDecision(e)
	if c.Text == "" {
		return nil
	}
	out := []conclusion{c}
	if leased && e.Verdict != string(dhcp.VerdictAcked) && e.Verdict != string(dhcp.VerdictInformed) {
		out = append(out, doubtful(lease.Starts, fmt.Sprintf("it still has a lease of %s until %s", lease.Addr, at(lease.Expires)), ""))
	}
	return out
}

// noMessages returns the findings when no DHCP message of the phone is in the timeline.
func (h *history) noMessages(lease dhcp.Lease, leased bool) []conclusion {
	file := h.files.last
	switch {
	case leased:
		text := fmt.Sprintf("it has a lease of %s until %s; the timeline has no DHCP message of it", lease.Addr, at(lease.Expires))
		if from := h.servedAt(); from.IsValid() && from != lease.Addr {
			return []conclusion{doubtful(lease.Starts, fmt.Sprintf("%s, and it fetched from %s last", text, from), "")}
		}
		return []conclusion{note(lease.Starts, text, "")}
	case file == nil && h.pnp != nil:
		return []conclusion{note(h.pnp.Time, fmt.Sprintf("it has no lease here, and the timeline has no DHCP message of it; it requested its server by SIP PnP from %s at %s", h.pnp.Addr, at(h.pnp.Time)),
			"it has a fixed address, or another DHCP server")}
	case file == nil && h.f.Fetched.Time.IsZero():
		return []conclusion{problem(time.Time{}, fmt.Sprintf("nothing was received from %s: no DHCP message and no file request is in its timeline", h.f.MAC),
			"check its power, its cable, the VLAN of its switch port, and the MAC on its label")}
	case file == nil:
		return nil
	}
	return []conclusion{note(file.Time, fmt.Sprintf("it has no lease here, and the timeline has no DHCP message of it; it requests files from %s", file.Addr),
		"it has a fixed address, or another DHCP server")}
}

// lastDecision returns the finding about the last decision about a DHCP message.
func (h *history) lastDecision(e *timeline.Entry) conclusion {
	when := at(e.Time)
	switch dhcp.Verdict(e.Verdict) {
	case dhcp.VerdictAcked:
		return h.acked(e)
	case dhcp.VerdictInformed:
		return h.compareFetchAddr(e, fmt.Sprintf("it has %s, which is not leased here, and got its options at %s", e.Addr, when))
	case dhcp.VerdictOffered:
		return h.offered(e)
	case dhcp.VerdictProbing:
		return doubtful(e.Time, fmt.Sprintf("%s was to be probed at %s, before it is offered to it; no decision followed yet", e.Addr, when), "")
	case dhcp.VerdictNak:
		return problem(e.Time, fmt.Sprintf("it requested %s at %s and was refused it: %s", e.Addr, when, e.Reason), "it should begin again with a DISCOVER; if not, restart it")
	case dhcp.VerdictReleased:
		return doubtful(e.Time, fmt.Sprintf("it gave %s back at %s", e.Addr, when), "it was switched off in order, or restarts")
	case dhcp.VerdictDeclined:
		return problem(e.Time, fmt.Sprintf("it declined %s at %s: %s", e.Addr, when, e.Reason), "look for a host with a fixed address in the pool")
	case dhcp.VerdictConflict:
		return problem(e.Time, fmt.Sprintf("another host answered when %s was probed for it at %s", e.Addr, when), "look for a host with a fixed address in the pool")
	case dhcp.VerdictOtherServer:
		return problem(e.Time, fmt.Sprintf("another DHCP server serves it: %s at %s", e.Reason, when),
			"turn that server off in this VLAN, or let it lease: dhcp.mode: inform, with option 66 set there")
	case dhcp.VerdictExhausted:
		return problem(e.Time, fmt.Sprintf("it got no address at %s: %s", when, e.Reason), "widen the subnet's pools, or shorten other_lease_time; plugtone status has the figures")
	}
	if e.Event == "release" {
		return doubtful(e.Time, fmt.Sprintf("it gave %s back at %s: %s", e.Addr, when, e.Reason), "it was switched off in order, or restarts")
	}
	hint := ""
	switch {
	case e.Verdict == string(dhcp.VerdictInternalError):
		hint = "plugtone status and the log have the cause"
	case strings.Contains(e.Reason, "is in no configured subnet"):
		hint = "add the relay's subnet to dhcp.subnets, or the relay to relays of the subnet that it serves"
	}
	return problem(e.Time, fmt.Sprintf("its last DHCP message, a %s at %s, was not answered: %s", e.Event, when, e.Reason), hint)
}

// offered returns the finding about an offer that no other decision followed.
func (h *history) offered(e *timeline.Entry) conclusion {
	if h.f.Now.Sub(e.Time) < step {
		return doubtful(e.Time, fmt.Sprintf("it was offered %s at %s and has not requested it yet", e.Addr, at(e.Time)), "")
	}
	text, hint := fmt.Sprintf("it was offered %s at %s and did not take it", e.Addr, at(e.Time)), "another DHCP server may have answered it, or the offer does not reach it"
	if o := h.dhcp.other; o != nil && o.Time.After(e.Time.Add(-time.Minute)) {
		text += fmt.Sprintf("; another DHCP server, %s, answered it at %s", o.Addr, at(o.Time))
		hint = "turn that server off in this VLAN, or let it lease: dhcp.mode: inform, with option 66 set there"
	}
	return problem(e.Time, text, hint)
}

// acked returns the finding about an address that was acknowledged last, by what the lease table has of it now.
func (h *history) acked(e *timeline.Entry) conclusion {
	if _, ok := h.activeLease(e.Addr); ok {
		return h.compareFetchAddr(e, fmt.Sprintf("it has %s, acknowledged at %s", e.Addr, at(e.Time)))
	}
	if other, ok := h.activeLease(netip.Addr{}); ok {
		return doubtful(e.Time, fmt.Sprintf("it was given %s at %s, but its lease is now of %s", e.Addr, at(e.Time), other.Addr), "")
	}
	for _, l := range h.f.Leases {
		if l.Addr == e.Addr && (l.State == dhcp.LeaseExpired || l.State == dhcp.LeaseActive) {
			return problem(e.Time, fmt.Sprintf("its lease of %s ended at %s: it renewed it last at %s", l.Addr, at(l.Expires), at(e.Time)),
				"it is switched off, unplugged, in another VLAN, or its renewals do not arrive")
		}
	}
	return doubtful(e.Time, fmt.Sprintf("it was given %s at %s, and the lease table no longer has a lease of it", e.Addr, at(e.Time)),
		"the lease was deleted or lost; the phone has it again when it renews")
}

// compareFetchAddr compares the address that the phone was given with the one that the phone's own configuration went to last.
func (h *history) compareFetchAddr(e *timeline.Entry, text string) conclusion {
	if from := h.servedAt(); from.IsValid() && from != e.Addr {
		return doubtful(e.Time, fmt.Sprintf("%s, but it fetched from %s last", text, from), "")
	}
	return good(e.Time, text)
}
