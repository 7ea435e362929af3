package engine

import (
	"fmt"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
)

// maxDeclines is how many DECLINEs of one client are accepted within an hour (C45).
const maxDeclines = 5

// decline puts an address that another host uses into quarantine (RFC 2131, 4.3.3).
func (x *exchange) decline() dhcp.Decision {
	addr := x.req.Requested
	x.d.Event.Addr = addr
	switch {
	case !addr.IsValid():
		return x.silent(dhcp.VerdictIgnored, "the decline names no address")
	case x.req.ServerID.IsValid() && !x.ours(x.req.ServerID):
		return x.silent(dhcp.VerdictIgnored, "the decline is for server "+x.req.ServerID.String())
	case x.leases.Declines(x.mac) >= maxDeclines:
		return x.silent(dhcp.VerdictIgnored, fmt.Sprintf("it declined %d addresses within an hour; further declines are ignored", maxDeclines))
	}
	l, ok := x.leases.At(addr)
	held, offered := x.leases.Offered(x.subnet.Prefix, x.mac)
	if !(ok && x.holdsHere(l)) && !(offered && held == addr) {
		return x.silent(dhcp.VerdictIgnored, "the declined address is not the client's in this subnet")
	}
	if !ok || !x.holdsHere(l) {
		l = dhcp.Lease{}
	}
	if why := x.refuseEnding(l); why != "" {
		return x.silent(dhcp.VerdictIgnored, why)
	}
	l = x.leaseRecord(addr, leasetable.Quarantine)
	l.State = dhcp.LeaseDeclined
	x.d.DropOffer = true
	x.d.Changes = []dhcp.Change{{Lease: l}}
	reason := "another host uses the address"
	if x.req.Message != "" {
		reason += ": " + x.req.Message
	}
	return x.silent(dhcp.VerdictDeclined, reason)
}

// release ends a lease; the record stays, so that the client gets the address again (RFC 2131, 4.3.4).
func (x *exchange) release() dhcp.Decision {
	addr := x.req.CIAddr
	x.d.Event.Addr = addr
	switch {
	case !addr.IsValid():
		return x.silent(dhcp.VerdictIgnored, "the release names no address")
	case x.req.ServerID.IsValid() && !x.ours(x.req.ServerID):
		return x.silent(dhcp.VerdictIgnored, "the release is for server "+x.req.ServerID.String())
	}
	l, ok := x.leases.At(addr)
	if !ok || !x.holdsHere(l) {
		return x.silent(dhcp.VerdictIgnored, "the released address is not the client's in this subnet")
	}
	if why := x.refuseEnding(l); why != "" {
		return x.silent(dhcp.VerdictIgnored, why)
	}
	if addr == x.reserved { // C46: a release is easily forged, and no other client could get the address anyway
		return x.silent(dhcp.VerdictSilent, "the address stays reserved for the client")
	}
	x.d.DropOffer = true
	x.d.Changes = []dhcp.Change{{Lease: x.givenBack(l)}}
	return x.silent(dhcp.VerdictReleased, "it gave the address back")
}
