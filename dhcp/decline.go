package dhcp

import (
	"fmt"
	"time"
)

// decline puts an address that somebody else uses into quarantine (RFC 2131, 4.3.3).
func (x *exchange) decline() Decision {
	addr := x.req.Requested
	x.d.Event.Addr = addr
	switch {
	case !addr.IsValid():
		return x.silent(VerdictIgnored, "the decline names no address")
	case x.req.ServerID.IsValid() && !x.ours(x.req.ServerID):
		return x.silent(VerdictIgnored, "the decline is for server "+x.req.ServerID.String())
	case x.leases.Declines(x.mac) >= maxDeclines:
		return x.silent(VerdictIgnored, fmt.Sprintf("it declined %d addresses within an hour: more are not believed", maxDeclines))
	}
	l, ok := x.leases.At(addr)
	held, offered := x.leases.Offered(x.subnet.Prefix, x.mac)
	if !(ok && x.holdsHere(l)) && !(offered && held == addr) {
		return x.silent(VerdictIgnored, "the declined address is not its own here")
	}
	if !ok || !x.holdsHere(l) {
		l = Lease{}
	}
	if why := x.refuseEnding(l); why != "" {
		return x.silent(VerdictIgnored, why)
	}
	l = x.leaseRecord(addr, quarantine)
	l.State = LeaseDeclined
	x.d.Unhold = true
	x.d.Changes = []Change{{Lease: l}}
	reason := "another host uses the address"
	if x.req.Message != "" {
		reason += ": " + x.req.Message
	}
	return x.silent(VerdictDeclined, reason)
}

// release ends a lease; the record stays, so that the client gets the address again (RFC 2131, 4.3.4).
func (x *exchange) release() Decision {
	addr := x.req.CIAddr
	x.d.Event.Addr = addr
	switch {
	case !addr.IsValid():
		return x.silent(VerdictIgnored, "the release names no address")
	case x.req.ServerID.IsValid() && !x.ours(x.req.ServerID):
		return x.silent(VerdictIgnored, "the release is for server "+x.req.ServerID.String())
	}
	l, ok := x.leases.At(addr)
	if !ok || !x.holdsHere(l) {
		return x.silent(VerdictIgnored, "the released address is not its own here")
	}
	if why := x.refuseEnding(l); why != "" {
		return x.silent(VerdictIgnored, why)
	}
	if addr == x.reserved { // C46: a release is easily forged, and the address is nobody else's anyway
		return x.silent(VerdictSilent, "the address is reserved for it and stays its own")
	}
	l.State, l.Expires = LeaseReleased, x.now.UTC().Truncate(time.Second)
	x.d.Unhold = true
	x.d.Changes = []Change{{Lease: l}}
	return x.silent(VerdictReleased, "it gave the address back")
}
