package server

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

// errNoFrame says why a frame of our own can't be used on this link.
var errNoFrame = errors.New("no packet socket (CAP_NET_RAW) or no Ethernet on this link")

// send lets a reply out where the send rule says. in is the interface that the request came in on.
func (s *Server) send(to dhcp.Destination, payload []byte, in *iface) error {
	switch {
	case to.Raw:
		err := s.sendFrame(to, payload, in)
		if err == nil {
			return nil
		}
		// RFC 2131, 4.1 allows the broadcast where the unicast can't be had.
		s.cfg.Observer.fallback(err)
		return s.sendUDP(netip.AddrPortFrom(broadcastAddr, to.Addr.Port()), to.From, in.index, payload)
	case to.Broadcast:
		return s.sendUDP(to.Addr, to.From, in.index, payload) // C14, C16: out of the link it came from, to everybody
	}
	index := 0
	if in.attached(to.Addr.Addr()) {
		index = in.index // two interfaces may be on one network: answer on the one that was asked
	}
	if s.near != nil && to.From.Is4() && s.links.now.Load().attached(to.Addr.Addr()) {
		if err := s.near.send(to.Addr, to.From, index, payload); !errors.Is(err, unix.EMSGSIZE) {
			return err
		} // which the kernel takes apart only for a UDP socket
	}
	return s.sendUDP(to.Addr, to.From, index, payload)
}

// sendFrame sends to a client that can't be asked for by ARP yet.
func (s *Server) sendFrame(to dhcp.Destination, payload []byte, in *iface) error {
	if s.raw == nil || in.mac.IsZero() || to.MAC.IsZero() || !to.From.Is4() {
		return errNoFrame
	}
	f := frame{
		src:     endpoint{mac: in.mac, addr: to.From, port: dhcp.ServerPort},
		dst:     endpoint{mac: to.MAC, addr: to.Addr.Addr(), port: to.Addr.Port()},
		payload: payload,
	}
	return s.raw.send(in.index, f.appendTo(make([]byte, 0, etherLen+ipLen+udpLen+len(payload))))
}

// sendUDP sends at once or not at all: who waited for room in the buffer would hold up all that is to be read and decided.
func (s *Server) sendUDP(to netip.AddrPort, from netip.Addr, index int, payload []byte) error {
	var sent error
	err := s.sock.raw.Write(func(fd uintptr) bool {
		sent = sendNow(int(fd), payload, pktinfo(index, from), to)
		return true
	})
	if err != nil {
		return err
	}
	return sent
}
