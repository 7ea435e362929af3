package dhcp

import (
	"net/netip"
	"time"
)

// Reservations answers from memory which addresses belong to which client.
type Reservations interface {
	Reserved(MAC) (netip.Addr, bool)
	HolderOf(netip.Addr) (MAC, bool)
}

// Decision is what is to be done about one message.
type Decision struct {
	Reply   *Reply     // nil: silent
	Changes []Change   // must be durable before the reply leaves
	Probe   netip.Addr // valid: probe this address, tell the table, then decide again; nothing is sent meanwhile
	Hold    netip.Addr // valid: remember this address as offered to the client
	Unhold  bool       // forget what was offered to the client
	Event   Event
}

// Engine decides. It holds the configuration and nothing that changes; a reload makes a new one.
type Engine struct {
	cfg     Config
	reserve Reservations
	adviser Adviser
}

// NewEngine checks cfg and returns an engine, or all faults of cfg joined.
func NewEngine(cfg Config, r Reservations, a Adviser) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Engine{cfg: cfg.withDefaults(), reserve: r, adviser: a}, nil
}

// Decide says what is to be done about req. It does no I/O, takes no lock and reads no clock.
func (e *Engine) Decide(now time.Time, req *Request, link *Link, v *View) Decision {
	return Decision{}
}
