package dhcp

import (
	"net/netip"
	"sync"
	"time"
)

// Reservations answers from memory which addresses belong to which client.
type Reservations interface {
	Reserved(MAC) (netip.Addr, bool)
	HolderOf(netip.Addr) (MAC, bool)
}

// Engine decides. It holds the configuration and nothing that changes; a reload makes a new one.
type Engine struct {
	cfg          Config
	subnets      []servedSubnet
	reserve      Reservations
	clientPolicy ClientPolicy
	exchanges    sync.Pool // of *exchange: one is a kilobyte, and there is one for each packet
}

// NewEngine checks cfg and returns an engine, or all validation errors of cfg joined. r and p may be nil.
func NewEngine(cfg Config, r Reservations, p ClientPolicy) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg.withDefaults(), reserve: r, clientPolicy: p}
	for i := range e.cfg.Subnets {
		e.subnets = append(e.subnets, newServedSubnet(&e.cfg.Subnets[i]))
	}
	return e, nil
}

// Leases reports whether the engine hands out addresses: where it doesn't, another server is no rogue.
func (e *Engine) Leases() bool { return e.cfg.Mode == ModeServe }

// Decide returns what is to be done about req, of which c is the Classify. It does no I/O, takes no lock, reads no clock and
// doesn't call the ClientPolicy.
func (e *Engine) Decide(now time.Time, req *Request, link *Link, c *Classification, leases *Leases) Decision {
	x, ok := e.exchanges.Get().(*exchange)
	if !ok {
		x = new(exchange)
	}
	begin(x, e, now, req, link, leases)
	d := x.decide(c)
	*x = exchange{} // it holds nothing of the client's
	e.exchanges.Put(x)
	return d
}

// decide goes by the type of the message.
func (x *exchange) decide(c *Classification) Decision {
	if c.refused != "" {
		return x.silent(VerdictIgnored, c.refused)
	}
	in := c.choose(x.now, x.req, x.leases)
	if in.refused != "" {
		return x.silent(VerdictIgnored, in.refused)
	}
	x.enter(in, c.reserved)
	switch x.req.Type {
	case MessageTypeDiscover:
		return x.discoverIn(c, in)
	case MessageTypeRequest:
		return x.request()
	case MessageTypeDecline:
		return x.decline()
	case MessageTypeRelease:
		return x.release()
	default:
		return x.inform()
	}
}
