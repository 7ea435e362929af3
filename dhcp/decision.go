package dhcp

import "net/netip"

// Decision is what is to be done about one message.
type Decision struct {
	Reply   *Reply     // nil: silent
	Changes []Change   // must be durable before the reply leaves
	Probe   netip.Addr // valid: probe this address, report it by Table.Probed, then decide again; nothing is sent meanwhile
	Hold    netip.Addr // valid: remember this address as offered to the client
	Unhold  bool       // forget what was offered to the client; comes before Hold
	Event   Event
}
