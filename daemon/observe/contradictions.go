package observe

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/dhcp"
)

const (
	// maxContradictions is how many phones are kept whose own messages name another vendor than their record.
	maxContradictions = 1000
	// maxRelays is how many relays are kept that no configured subnet has. Any host can name one.
	maxRelays = 16
)

// Contradiction is a phone whose own messages name another vendor than its record.
type Contradiction struct {
	MAC                dhcp.MAC
	Vendor, Recognised string // of the record at that time, and by its messages
	Time               time.Time
}

// Relay is a relay that no configured subnet has.
type Relay struct {
	Addr netip.Addr
	Time time.Time // of its last message
}

// oddities keeps what messages showed that the configuration or the records should be compared with.
type oddities struct {
	mu             sync.Mutex
	contradictions map[dhcp.MAC]Contradiction
	relays         map[netip.Addr]time.Time
}

// vendor notes what the messages of a phone name. A message that agrees with the record removes what was noted.
func (o *oddities) vendor(mac dhcp.MAC, vendor, recognised string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case recognised == "":
		delete(o.contradictions, mac)
	case len(o.contradictions) < maxContradictions:
		if o.contradictions == nil {
			o.contradictions = map[dhcp.MAC]Contradiction{}
		}
		o.contradictions[mac] = Contradiction{mac, vendor, recognised, now}
	}
}

func (o *oddities) relay(addr netip.Addr, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.relays[addr]; !ok && len(o.relays) >= maxRelays {
		return
	}
	if o.relays == nil {
		o.relays = map[netip.Addr]time.Time{}
	}
	o.relays[addr] = now
}

// Contradictions returns the phones whose own messages named another vendor than their record, in MAC order.
func (o *Observer) Contradictions() []Contradiction {
	o.oddities.mu.Lock()
	defer o.oddities.mu.Unlock()
	var out []Contradiction
	for _, c := range o.oddities.contradictions {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Contradiction) int { return slices.Compare(a.MAC[:], b.MAC[:]) })
	return out
}

// UnknownRelays returns the relays that no configured subnet has and that sent something since a time.
func (o *Observer) UnknownRelays(since time.Time) []Relay {
	o.oddities.mu.Lock()
	defer o.oddities.mu.Unlock()
	var out []Relay
	for addr, at := range o.oddities.relays {
		if at.Before(since) {
			delete(o.oddities.relays, addr)
			continue
		}
		out = append(out, Relay{addr, at})
	}
	slices.SortFunc(out, func(a, b Relay) int { return cmp.Compare(a.Addr.String(), b.Addr.String()) })
	return out
}
