package dhcp

import (
	"net/netip"
	"time"
)

// discover offers an address and holds it, or says nothing. A DISCOVER is never answered by a NAK (C42).
func (q *exchange) discover() Decision {
	if q.req.ServerID.IsValid() { // C10: RFC 2131, table 5 forbids it
		return q.silent(VerdictIgnored, "a discover must not name a server")
	}
	c, ok := q.choose()
	if !ok {
		q.d.Unhold = true
		return q.silent(VerdictExhausted, "no address is free for it")
	}
	q.d.Event.Addr = c.addr
	q.d.Unhold, q.d.Hold = false, c.addr
	if q.needsProbe(c.addr) {
		if q.link.NoProbe { // cautious: the client tries again
			return q.silent(VerdictSilent, c.reason+", but it can't be probed now, and leases may be missing: "+q.v.cautiousReason)
		}
		q.d.Probe = c.addr
		return q.silent(VerdictProbing, c.reason+", probed first")
	}
	if q.req.RapidCommit && q.e.cfg.RapidCommit { // RFC 4039; C50
		q.d.Hold = netip.Addr{}
		return q.grant(c.addr, c.reason+", committed at once")
	}
	r := q.newReply(MessageTypeOffer)
	r.YIAddr = c.addr
	q.fill(r, q.leaseTime())
	return q.answer(r, VerdictOffered, c.reason)
}

// request tells the states of RFC 2131, 4.3.2 apart.
func (q *exchange) request() Decision {
	switch {
	case q.req.ServerID.IsValid():
		return q.selecting()
	case q.req.CIAddr.IsValid() && q.link.unicast() && !q.req.GIAddr.IsValid():
		return q.renewing()
	case q.req.CIAddr.IsValid():
		return q.rebinding()
	case q.req.Requested.IsValid():
		return q.initReboot()
	}
	// C07: neither names an address. Some clients do so and mean the one they have.
	if l, ok := q.v.Of(q.sub.Prefix, q.mac()); ok && q.live(l) && q.permitted(l.Addr) {
		return q.grant(l.Addr, "it named no address; its current lease")
	}
	return q.silent(VerdictSilent, "the request names no address, and it has no lease here")
}

// selecting answers a client that took an offer.
func (q *exchange) selecting() Decision {
	if !q.ours(q.req.ServerID) { // C01
		q.d.Unhold = true
		q.d.Event.Server = q.req.ServerID
		return q.silentf(VerdictOtherServer, "it took the offer of %s", q.req.ServerID)
	}
	addr := q.req.Requested
	if !addr.IsValid() {
		addr = q.req.CIAddr // C08: clients of RFC 1541
	}
	if !addr.IsValid() {
		if held, ok := q.v.Offered(q.sub.Prefix, q.mac()); ok {
			addr = held
		} else if l, ok := q.v.Of(q.sub.Prefix, q.mac()); ok && q.live(l) {
			addr = l.Addr
		} else {
			return q.silent(VerdictSilent, "the request names no address, and nothing was offered to it")
		}
	}
	if !q.assignable(addr) { // C02; without an offer that we remember it is as good: C03
		return q.nak(addr, q.whyNot(addr))
	}
	return q.grant(addr, "it took our offer")
}

// initReboot answers a client that remembers an address from before its restart.
func (q *exchange) initReboot() Decision {
	addr := q.req.Requested
	last, known := q.v.Of(q.sub.Prefix, q.mac())
	known = known && q.live(last)
	if !known && !q.e.cfg.Authoritative && !(q.v.cautious() && q.assignable(addr)) { // C04; a NAK might be about another server's lease
		if l, ok := q.v.At(addr); !ok || l.MAC != q.mac() {
			q.d.Event.Addr = addr
			return q.silent(VerdictSilent, "it remembers an address that we know nothing of, and we are not authoritative")
		}
	}
	if r, ok := q.reservedHere(); ok && r != addr && q.reservationUsable(r) {
		return q.nak(addr, "address "+r.String()+" is reserved for it")
	}
	if known && last.Addr != addr && q.permitted(last.Addr) && !(q.v.cautious() && q.assignable(addr)) {
		return q.nak(addr, "its lease is "+last.Addr.String())
	}
	if !q.assignable(addr) {
		return q.nak(addr, q.whyNot(addr))
	}
	if known {
		return q.grant(addr, "it remembered its lease")
	}
	return q.grant(addr, "it remembered an address that is free")
}

// renewing answers a client that asks us alone to extend its lease.
func (q *exchange) renewing() Decision { return q.extend("renewed", true) }

// rebinding answers a client that asks everybody to extend its lease.
func (q *exchange) rebinding() Decision { return q.extend("rebound", q.e.cfg.Authoritative) }

// extend extends the lease on ciaddr. An unknown lease is made anew when it can be (C05): the phone may be in a call, and
// the lease may have been lost by us.
func (q *exchange) extend(word string, mayRefuse bool) Decision {
	addr := q.req.CIAddr
	refuse := func(why string) Decision {
		if mayRefuse {
			return q.nak(addr, why)
		}
		q.d.Event.Addr = addr
		return q.silent(VerdictSilent, why+", and we are not authoritative")
	}
	l, ok := q.v.At(addr)
	mine := ok && q.live(l)
	mayRefuse = mayRefuse || mine
	if r, ok := q.reservedHere(); ok && r != addr && q.reservationUsable(r) { // C06: only when it would really get it
		return refuse("address " + r.String() + " is reserved for it")
	}
	if !q.assignable(addr) {
		return refuse(q.whyNot(addr))
	}
	if mine {
		return q.grant(addr, word)
	}
	return q.grant(addr, word+", though we knew of no lease: the address is free")
}

// whyNot explains why takeable refused a, for the NAK's message and the timeline.
func (q *exchange) whyNot(a netip.Addr) string {
	switch {
	case !q.sub.Prefix.Contains(a):
		return "address is not of subnet " + q.sub.Prefix.String()
	case !q.unclaimed(a):
		return "address is reserved"
	case !q.permitted(a):
		return "address is in no pool"
	}
	if e := q.v.addressState(a); e != nil {
		switch {
		case e.active(q.now) && e.lease.mac != q.mac():
			return "address is leased to another client"
		case e.offered(q.now) && e.offeredTo != q.mac():
			return "address is offered to another client"
		case e.declined(q.now):
			return "address is in use by an unknown host"
		}
	}
	return "address is kept for phones"
}

// decline puts an address that somebody else uses into quarantine (RFC 2131, 4.3.3).
func (q *exchange) decline() Decision {
	addr := q.req.Requested
	q.d.Event.Addr = addr
	switch {
	case !addr.IsValid():
		return q.silent(VerdictIgnored, "the decline names no address")
	case q.req.ServerID.IsValid() && !q.ours(q.req.ServerID):
		return q.silent(VerdictIgnored, "the decline is for server "+q.req.ServerID.String())
	case q.v.Declines(q.mac()) >= maxDeclines:
		return q.silentf(VerdictIgnored, "it declined %d addresses within an hour: more are not believed", maxDeclines)
	}
	l, ok := q.v.At(addr)
	held, offered := q.v.Offered(q.sub.Prefix, q.mac())
	if !(ok && q.liveHere(l)) && !(offered && held == addr) {
		return q.silent(VerdictIgnored, "the declined address is not its own here")
	}
	if !ok || !q.liveHere(l) {
		l = Lease{}
	}
	if why := q.refuseEnding(l); why != "" {
		return q.silent(VerdictIgnored, why)
	}
	l = q.lease(addr, quarantine)
	l.State = LeaseDeclined
	q.d.Unhold = true
	q.d.Changes = []Change{{Lease: l}}
	reason := "another host uses the address"
	if q.req.Message != "" {
		reason += ": " + q.req.Message
	}
	return q.silent(VerdictDeclined, reason)
}

// release ends a lease; the record stays, so that the client gets the address again (RFC 2131, 4.3.4).
func (q *exchange) release() Decision {
	addr := q.req.CIAddr
	q.d.Event.Addr = addr
	switch {
	case !addr.IsValid():
		return q.silent(VerdictIgnored, "the release names no address")
	case q.req.ServerID.IsValid() && !q.ours(q.req.ServerID):
		return q.silent(VerdictIgnored, "the release is for server "+q.req.ServerID.String())
	}
	l, ok := q.v.At(addr)
	if !ok || !q.liveHere(l) {
		return q.silent(VerdictIgnored, "the released address is not its own here")
	}
	if why := q.refuseEnding(l); why != "" {
		return q.silent(VerdictIgnored, why)
	}
	if addr == q.reserved { // C46: a release is easily forged, and the address is nobody else's anyway
		return q.silent(VerdictSilent, "the address is reserved for it and stays its own")
	}
	l.State, l.Expires = LeaseReleased, q.now.UTC().Truncate(time.Second)
	q.d.Unhold = true
	q.d.Changes = []Change{{Lease: l}}
	return q.silent(VerdictReleased, "it gave the address back")
}

// inform tells a client that has an address everything but an address (RFC 2131, 4.3.5). It changes and proves nothing.
func (q *exchange) inform() Decision {
	r := q.newReply(MessageTypeAck)
	r.CIAddr = q.req.CIAddr
	q.d.Event.Addr = q.req.CIAddr
	if !q.req.CIAddr.IsValid() {
		switch src := nonZero(q.link.Source.Addr()); {
		case q.req.GIAddr.IsValid():
			r.Flags |= broadcastFlag // C17: the relay knows no address to send it to
		case src.IsValid() && !bogus(src):
			q.d.Event.Addr = src
		default:
			return q.silent(VerdictIgnored, "the inform has no address to be answered at")
		}
	}
	q.fill(r, 0)
	return q.answer(r, VerdictInformed, "told what it asked for")
}

// grant gives addr to the client. What it had elsewhere is free from then on.
func (q *exchange) grant(addr netip.Addr, reason string) Decision {
	q.d.Event.Addr = addr
	if why := q.refuseMove(addr); why != "" {
		return q.silent(VerdictIgnored, why)
	}
	secs := q.leaseTime()
	l := q.lease(addr, time.Duration(secs)*time.Second)
	old, had := q.v.At(addr)
	had = had && q.live(old)
	vacated := q.vacated(addr)
	if q.link.NoWrite {
		return q.grantWritten(addr, len(vacated) == 0, reason)
	}
	if had && len(vacated) == 0 && sameButTimes(old, l) && q.now.Sub(old.Starts) < retransmitted && old.Expires.After(q.now.Add(time.Minute)) {
		if q.v.Pending(addr) { // C49
			return q.silent(VerdictSilent, "sent again while the answer is being written")
		}
		secs = uint32(old.Expires.Sub(q.now) / time.Second)
		reason += ", sent again"
	} else {
		q.d.Changes = append([]Change{{Lease: l}}, vacated...)
		_, seen := q.v.Of(q.sub.Prefix, q.mac())
		q.d.Event.NewLease = !seen
	}
	return q.acknowledge(addr, secs, reason)
}

// grantWritten acknowledges a lease of the client's for the time that it is on disk for (4.3.1 allows what remains): when
// nothing can be written, who has an address shall keep it.
func (q *exchange) grantWritten(addr netip.Addr, stays bool, reason string) Decision {
	l, ok := q.v.Written(addr)
	left := l.Expires.Sub(q.now)
	if !ok || !stays || !q.live(l) || left < minLease {
		return q.silent(VerdictInternalError, "its lease can't be written")
	}
	return q.acknowledge(addr, min(uint32(left/time.Second), q.leaseTime()), reason+", for the time that is left: nothing can be written")
}

// acknowledge makes the ACK.
func (q *exchange) acknowledge(addr netip.Addr, secs uint32, reason string) Decision {
	q.d.Unhold = true
	r := q.newReply(MessageTypeAck)
	r.YIAddr = addr
	if !q.req.ServerID.IsValid() {
		r.CIAddr = q.req.CIAddr // RENEWING and REBINDING only: it decides where the reply goes
	}
	q.fill(r, secs)
	return q.answer(r, VerdictAcked, reason)
}

// retransmitted is how long the same request counts as the same one sent again.
const retransmitted = 10 * time.Second

func sameButTimes(a, b Lease) bool {
	a.Starts, a.Expires, a.FirstSeen = b.Starts, b.Expires, b.FirstSeen
	return a == b
}

// vacated lists the leases that the client leaves behind (C44). A client in an ordinary network never frees the lease of
// a phone elsewhere, nor one where phones are provisioned: it may only have borrowed the MAC.
func (q *exchange) vacated(addr netip.Addr) []Change {
	var out []Change
	for _, b := range q.v.indexes {
		e := b.byMAC[q.mac()]
		if e == nil || e.addr == u32(addr) || !e.active(q.now) {
			continue
		}
		if b.prefix != q.sub.Prefix && q.relayed() && !q.relayVerified() {
			continue // the packet may only claim to come from a relay: the client's lease elsewhere ends by itself
		}
		p := q.e.subnetOf(b.prefix.Addr())
		provisioned := p != nil && p.Phones == PhonesProvision
		if b.prefix != q.sub.Prefix && q.sub.Phones != PhonesProvision && (provisioned || e.lease.phone && q.sub.Phones == PhonesNone) {
			continue
		}
		l := e.lease.lease()
		q.d.Event.Vacated = append(q.d.Event.Vacated, l)
		l.State, l.Expires = LeaseReleased, q.now.UTC().Truncate(time.Second)
		out = append(out, Change{Lease: l})
	}
	return out
}

// lease is the record of addr for this client.
func (q *exchange) lease(addr netip.Addr, d time.Duration) Lease {
	now := q.now.UTC().Truncate(time.Second)
	c := &q.d.Event.Client
	l := Lease{
		Addr: addr, MAC: q.mac(), ClientID: c.ClientID, Subnet: q.sub.Prefix, State: LeaseActive,
		FirstSeen: now, Starts: now,
		// The client counts from when it asked, so the second that was begun is given to it.
		Expires:  now.Add(d + time.Second),
		Hostname: c.Hostname, VendorClass: c.VendorClass, Vendor: q.policy.Vendor, Phone: q.phone, CircuitID: c.CircuitID, RemoteID: c.RemoteID,
	}
	same := Lease{}
	if old, ok := q.v.Of(q.sub.Prefix, q.mac()); ok {
		l.FirstSeen = old.FirstSeen
		if old.Addr == addr {
			same = old
		}
	}
	if l.CircuitID == "" && l.RemoteID == "" { // a renewal goes past the relay that knows the port
		l.CircuitID, l.RemoteID = same.CircuitID, same.RemoteID
	}
	l.Relay = q.relayPath(same)
	return l
}
