package server

import (
	"errors"
	"net"
	"net/netip"

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
	for _, p := range in.addrs {
		if p.Contains(to.Addr.Addr()) {
			index = in.index // two interfaces may be on one network: answer on the one that was asked
		}
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

func (s *Server) sendUDP(to netip.AddrPort, from netip.Addr, index int, payload []byte) error {
	_, _, err := s.sock.conn.WriteMsgUDPAddrPort(payload, pktinfo(index, from), to)
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err // the addresses in it say nothing new
	}
	return err
}
