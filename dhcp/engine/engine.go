// Package engine decides about DHCPv4 messages.
//
// It has two steps. Classify, without any lock, finds out in which subnets the client may be and what its vendor's policy is there.
// Decide, under the lock of the lease table, is a pure function of the message, the classification, the time and the leases. There is
// one function for each message, and for a REQUEST one for each client state of RFC 2131, 4.3.2: discover, selecting, initReboot,
// renewing, rebinding, decline, release, inform.
package engine

import (
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
)

// Reservations looks up reserved addresses. It must not do I/O.
type Reservations interface {
	Reserved(dhcp.MAC) (netip.Addr, bool) // the address reserved for a client
	HolderOf(netip.Addr) (dhcp.MAC, bool) // the client for which an address is reserved
}

// Engine decides about messages. It is immutable; a reload creates a new one.
type Engine struct {
	cfg          dhcp.Config
	subnets      []servedSubnet
	reserve      Reservations
	clientPolicy dhcp.ClientPolicy
	exchanges    sync.Pool // of *exchange: one is a kilobyte, and there is one for each packet
}

// New checks cfg and returns an engine, or all validation errors of cfg joined. r and p may be nil.
func New(cfg dhcp.Config, r Reservations, p dhcp.ClientPolicy) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg.WithDefaults(), reserve: r, clientPolicy: p}
	for i := range e.cfg.Subnets {
		e.subnets = append(e.subnets, newServedSubnet(&e.cfg.Subnets[i]))
	}
	return e, nil
}

// Leases reports whether the engine hands out addresses: if not, another server is not a rogue.
func (e *Engine) Leases() bool { return e.cfg.Mode == dhcp.ModeServe }

// Decide returns the decision about req; c is its classification. It does no I/O, takes no lock, reads no clock and
// doesn't call the ClientPolicy.
func (e *Engine) Decide(now time.Time, req *dhcp.Request, link *dhcp.Link, c *Classification, leases *leasetable.Leases) dhcp.Decision {
	x, ok := e.exchanges.Get().(*exchange)
	if !ok {
		x = new(exchange)
	}
	begin(x, e, now, req, link, leases)
	d := x.decide(c)
	*x = exchange{} // drop all references to the request
	e.exchanges.Put(x)
	return d
}

// decide dispatches on the message type.
func (x *exchange) decide(c *Classification) dhcp.Decision {
	if c.refused != "" {
		x.d.Event.Relay = c.relay
		return x.silent(dhcp.VerdictIgnored, c.refused)
	}
	in := c.choose(x.now, x.req, x.leases)
	if in.refused != "" {
		return x.silent(dhcp.VerdictIgnored, in.refused)
	}
	x.useSubnet(in, c.reserved)
	if why := x.refuseLeasedRelay(); why != "" {
		return x.silent(dhcp.VerdictIgnored, why)
	}
	if other := x.leftTo(); other != "" {
		x.d.Waits = dhcp.WaitsBegin
		return x.silent(dhcp.VerdictLeft, "left to "+other)
	}
	switch x.req.Type {
	case dhcp.MessageTypeDiscover:
		return x.discoverIn(c, in)
	case dhcp.MessageTypeRequest:
		return x.request()
	case dhcp.MessageTypeDecline:
		return x.decline()
	case dhcp.MessageTypeRelease:
		return x.release()
	default:
		return x.inform()
	}
}
