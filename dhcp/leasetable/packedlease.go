package leasetable

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/dhcp"
)

// packedLease is a Lease in the form in which a table holds a hundred thousand of them: a quarter of the size, with one pointer for the
// garbage collector to follow instead of a dozen. It never changes.
type packedLease struct {
	addr                       uint32
	subnet                     uint32
	firstSeen, starts, expires int64 // Unix seconds
	mac                        dhcp.MAC
	bits                       int8  // of the subnet; -1: none
	state                      uint8 // in leaseStates
	phone                      bool
	texts                      string // each with its length before it, a uvarint; "" when all are empty
}

var leaseStates = [...]dhcp.LeaseState{dhcp.LeaseReleased, dhcp.LeaseActive, dhcp.LeaseExpired, dhcp.LeaseDeclined}

// The states that decisions query, as a packedLease has them.
const (
	packedActive   = 1
	packedDeclined = 3
)

// packLease packs l. An unknown state binds no client: it becomes LeaseReleased.
func packLease(l *dhcp.Lease) packedLease {
	k := packedLease{
		addr: dhcp.AddrNumber(l.Addr), bits: -1, firstSeen: l.FirstSeen.Unix(), starts: l.Starts.Unix(), expires: l.Expires.Unix(), mac: l.MAC, phone: l.Phone,
		state: uint8(max(0, slices.Index(leaseStates[:], l.State))),
	}
	if p := l.Subnet; p.IsValid() && p.Addr().Is4() {
		k.subnet, k.bits = dhcp.AddrNumber(p.Addr()), int8(p.Bits())
	}
	all := [...]string{l.ClientID, l.Hostname, l.VendorClass, l.Vendor, l.CircuitID, l.RemoteID, l.Relay.Pack()}
	size := 0
	for _, s := range all {
		size += len(s)
	}
	if size > 0 {
		b := make([]byte, 0, size+len(all)*2)
		for _, s := range all {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
		k.texts = string(b)
	}
	return k
}

// lease unpacks k.
func (k *packedLease) lease() dhcp.Lease {
	l := dhcp.Lease{
		Addr: dhcp.NumberedAddr(k.addr), MAC: k.mac, Subnet: k.prefix(), State: leaseStates[k.state], Phone: k.phone,
		FirstSeen: time.Unix(k.firstSeen, 0).UTC(), Starts: time.Unix(k.starts, 0).UTC(), Expires: time.Unix(k.expires, 0).UTC(),
	}
	rest, relay := k.texts, ""
	for _, s := range [...]*string{&l.ClientID, &l.Hostname, &l.VendorClass, &l.Vendor, &l.CircuitID, &l.RemoteID, &relay} {
		if rest == "" {
			break
		}
		*s, rest = nextText(rest)
	}
	l.Relay, _ = dhcp.UnpackRelay(relay)
	return l
}

// nextText reads one text of packedLease.texts; the result shares its bytes.
func nextText(s string) (text, rest string) {
	n, used := 0, 0
	for shift := 0; ; shift += 7 {
		c := s[used]
		used++
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	return s[used : used+n], s[used+n:]
}

func (k *packedLease) prefix() netip.Prefix {
	if k.bits < 0 {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(dhcp.NumberedAddr(k.subnet), int(k.bits))
}

// endsAfter reports whether k is in that state and ends later than now. Leases end at whole seconds.
func (k *packedLease) endsAfter(now time.Time, state uint8) bool {
	return k != nil && k.state == state && k.expires > now.Unix()
}

// shifted is k with its times moved by d, in whole seconds.
func (k *packedLease) shifted(d time.Duration) *packedLease {
	if d == 0 {
		return k
	}
	c := *k
	move := func(secs int64) int64 { return time.Unix(secs, 0).Add(d).Unix() }
	c.firstSeen, c.starts, c.expires = move(k.firstSeen), move(k.starts), move(k.expires)
	return &c
}

// durableIndex are the durable leases by address. Its lock is held for a moment only.
type durableIndex struct {
	mu     sync.RWMutex
	leases map[uint32]*packedLease
	macs   map[dhcp.MAC]int // how many of leases each MAC has

	changed func(addr netip.Addr, was, is dhcp.MAC) // receives each change; nil: nothing does
}

// holds reports whether mac has a lease record.
func (o *durableIndex) holds(mac dhcp.MAC) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.macs[mac] > 0
}

func (o *durableIndex) get(addr netip.Addr) *packedLease {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.leases[dhcp.AddrNumber(addr)]
}

// put takes k in; nil takes out what is there.
func (o *durableIndex) put(addr uint32, k *packedLease) {
	var was, is dhcp.MAC
	o.mu.Lock()
	old := o.leases[addr]
	if old != nil {
		was = old.mac
		if o.macs[old.mac]--; o.macs[old.mac] == 0 {
			delete(o.macs, old.mac)
		}
	}
	if k == nil {
		delete(o.leases, addr)
	} else {
		is = k.mac
		o.leases[addr] = k
		o.macs[is]++
	}
	o.mu.Unlock()
	if o.changed != nil && old != k {
		o.changed(dhcp.NumberedAddr(addr), was, is)
	}
}

func (o *durableIndex) all() []*packedLease {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return slices.Collect(maps.Values(o.leases))
}
