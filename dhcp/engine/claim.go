package engine

import (
	"net/netip"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
)

// claimable reports whether the client may get addr, which it renews or remembers. While leases may be missing that includes an address
// in quarantine: the host that a probe found there may be this client.
func (c *client) claimable(addr netip.Addr) bool {
	return c.assignable(addr) || c.disputed(addr)
}

// disputed reports whether addr is in quarantine, leases may be missing, and no probe for this message has found another host on it.
func (c *client) disputed(addr netip.Addr) bool {
	return c.leases.Distrusted() != "" && !c.link.ProbeAnswered && c.whyNot(addr) == leasetable.RefusedQuarantined
}

// claim grants an address that the client renews, remembers or selects. While leases may be missing, an address without a lease in force
// is probed first: it is granted when no host answers, for the client may be restarting, or when the client itself does. has reports
// that the client uses the address now: then a probe by ICMP, which does not show who answers, decides nothing and is left out.
func (x *exchange) claim(addr netip.Addr, has bool, reason string) dhcp.Decision {
	arp := !x.relayed() && x.link.Attached(addr)
	l, ok := x.leases.At(addr)
	switch {
	case x.leases.Distrusted() == "", ok && x.holds(l), x.leases.ProbedFree(addr), has && !arp:
		return x.grant(addr, reason)
	}
	x.d.Event.Addr, x.d.Hold = addr, addr
	if x.link.NoProbe { // the client tries again
		return x.silent(x.unprobed(reason))
	}
	x.d.Probe = addr
	return x.silent(dhcp.VerdictProbing, reason+", probed first")
}

// unprobed returns the verdict and reason about an address that must be probed and can't be.
func (c *client) unprobed(reason string) (dhcp.Verdict, string) {
	why := c.leases.Distrusted()
	if why != "" {
		why = ", and leases may be missing: " + why
	}
	if c.link.ProbeFailed {
		return dhcp.VerdictInternalError, reason + ", but the probe of the address failed" + why
	}
	return dhcp.VerdictSilent, reason + ", but it can't be probed now" + why
}

// deny answers a claim of addr that can't be granted: by a NAK if mayRefuse, or if a probe has found another host on the address, else not
// at all. An address that is only offered to another client while leases may be missing is no reason: this client may have held it before.
func (x *exchange) deny(addr netip.Addr, why string, mayRefuse bool) dhcp.Decision {
	x.d.Event.Addr = addr
	if x.leases.Distrusted() != "" && x.whyNot(addr) == leasetable.RefusedOffered {
		return x.silent(dhcp.VerdictSilent, why+", and leases may be missing: "+x.leases.Distrusted())
	}
	if x.link.ProbeAnswered {
		return x.nak(addr, "another host uses the address")
	}
	if !mayRefuse {
		return x.silent(dhcp.VerdictSilent, why+", and this server is not authoritative")
	}
	return x.nak(addr, why)
}
