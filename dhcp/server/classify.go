package server

import (
	"net/netip"

	"plugtone/dhcp"
)

// Offsets in a BOOTP packet (RFC 951) and the start of its options (RFC 2131, 3).
const (
	offXID     = 4
	offCIAddr  = 12
	offGIAddr  = 24
	offCHAddr  = 28
	offOptions = 240
)

// header is what is read of a packet before it is decoded. Its values are claims of the sender; a packet that cannot be
// decoded may have any.
type header struct {
	kind   dhcp.MessageType // 0 when there is no option 53
	xid    [4]byte
	mac    dhcp.MAC
	ciaddr netip.Addr // zero when absent
	giaddr netip.Addr // zero when absent
}

// readHeader returns false when b is too short for a DHCP packet. It reads no options in sname and file.
func readHeader(b []byte) (h header, ok bool) {
	if len(b) < offOptions {
		return h, false
	}
	h.xid, h.mac = [4]byte(b[offXID:]), dhcp.MAC(b[offCHAddr:])
	h.ciaddr, h.giaddr = addrAt(b[offCIAddr:]), addrAt(b[offGIAddr:])
	for o := b[offOptions:]; len(o) >= 3 && o[0] != 255; {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		if o[0] == 53 && o[1] == 1 {
			h.kind = dhcp.MessageType(o[2])
			break
		}
		o = o[min(2+int(o[1]), len(o)):]
	}
	return h, true
}

// addrAt returns the address that b begins with; the zero Addr for 0.0.0.0.
func addrAt(b []byte) netip.Addr {
	if [4]byte(b) == [4]byte{} {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(b))
}

// classify decides from a packet's header who is served first: clients with a lease record on disk. A known client that
// repeats a message within a tenth of a second waits like the unknown ones, so that a flood in its name gains little; through
// another relay too, for any host can name a relay.
func (s *Server) classify(p *packet) priority {
	h, ok := readHeader(p.bytes())
	if !s.wanted(p, &h, ok) {
		s.cfg.Observer.dropped(DropInterface, 1)
		return drop
	}
	if !ok {
		return unknownClient // malformed: refused when it is decoded
	}
	repeated := s.repeats.repeated(&h, p.ifindex, p.at)
	if repeated && h.kind == dhcp.MessageTypeDiscover {
		s.cfg.Observer.dropped(DropRepeated, 1)
		return drop
	}
	if repeated || h.kind < dhcp.MessageTypeDiscover || h.kind > dhcp.MessageTypeInform || !s.leases.Known(h.mac) {
		return unknownClient
	}
	if h.giaddr = (netip.Addr{}); s.priorities.repeated(&h, p.ifindex, p.at) {
		return unknownClient
	}
	return knownClient
}

// wanted reports whether a packet is for this server: it came from a link that is served, from a relay, or from a
// routed client that has the server's address.
func (s *Server) wanted(p *packet, h *header, whole bool) bool {
	now := s.links.snapshot()
	if now.ByIndex[p.ifindex] == nil {
		now = s.links.refresh("packet from a new interface")
	}
	link := now.ByIndex[p.ifindex]
	if link == nil || whole && s.rogues.isOwn(h.xid) && now.OwnsMAC(h.mac) {
		return false
	}
	if s.runtime.Load().names[link.Name] || !whole {
		return true
	}
	return h.giaddr.IsValid() || h.ciaddr.IsValid() && now.Owns(p.dst)
}
