package server

import (
	"errors"
	"log/slog"
	"net/netip"

	"golang.org/x/sys/unix"

	"plugtone/dhcp"
	"plugtone/dhcp/netif"
	"plugtone/dhcp/wire"
)

// errNoFrame is the reason why no Ethernet frame can be sent on this link.
var errNoFrame = errors.New("no packet socket (CAP_NET_RAW) or no Ethernet on this link")

// sender sends replies. It never waits: what does not fit into a send buffer is an error.
type sender struct {
	sock   *socket
	links  *linkState
	frames *netif.FrameSender // nil without CAP_NET_RAW
	rawIP  *netif.RawIPSender // nil without CAP_NET_RAW

	fallback func(error) // is called when a reply goes by broadcast instead of a frame
}

// open opens the sockets that need CAP_NET_RAW. Without them the kernel's UDP socket sends everything.
func (s *sender) open(within netif.Namespace, log *slog.Logger) {
	var err error
	if s.frames, err = netif.NewFrameSender(within); err != nil {
		log.Warn("dhcp replies go by broadcast, and addresses are not probed: Ethernet frames cannot be sent", "err", err)
		s.frames = nil
		return
	}
	if s.rawIP, err = netif.NewRawIPSender(); err != nil {
		log.Warn("dhcp replies to relays on attached links share the socket of all others", "err", err)
		s.rawIP = nil
	}
}

// send sends a reply to the destination that the send rule gives. in is the interface that the request came in on, client the hardware
// address of the client; zero when the destination is a relay.
func (s *sender) send(to wire.Destination, client dhcp.MAC, payload []byte, in *netif.Interface) error {
	switch {
	case to.Raw:
		err := s.sendFrame(to, to.MAC, payload, in)
		if err == nil {
			return nil
		}
		// RFC 2131, 4.1 allows the broadcast where the unicast is not possible.
		s.fallback(err)
		return s.sock.send(in.Index, to.From, netip.AddrPortFrom(netif.BroadcastAddr, to.Addr.Port()), payload)
	case to.Broadcast:
		return s.sock.send(in.Index, to.From, to.Addr, payload) // C14, C16: out of the link that the request came from
	}
	link := s.links.snapshot().LinkOf(to.Addr.Addr(), in)
	if link == nil {
		return s.sock.send(0, to.From, to.Addr, payload)
	}
	if !client.IsZero() {
		if err := s.sendFrame(to, client, payload, link); !errors.Is(err, errNoFrame) && !errors.Is(err, unix.EMSGSIZE) {
			return err
		}
	}
	ifindex := 0
	if link == in {
		ifindex = in.Index // two interfaces may be on one network: reply on the one that received
	}
	if s.rawIP != nil && to.From.Is4() {
		// EMSGSIZE: the kernel makes fragments only for a UDP socket.
		if err := s.rawIP.Send(ifindex, netip.AddrPortFrom(to.From, dhcp.ServerPort), to.Addr, payload); !errors.Is(err, unix.EMSGSIZE) {
			return err
		}
	}
	return s.sock.send(ifindex, to.From, to.Addr, payload)
}

// sendFrame sends to a client's hardware address, without ARP.
func (s *sender) sendFrame(to wire.Destination, client dhcp.MAC, payload []byte, link *netif.Interface) error {
	if s.frames == nil || link.MAC.IsZero() || client.IsZero() || !to.From.Is4() {
		return errNoFrame
	}
	f := netif.Frame{
		Src:     netif.Endpoint{MAC: link.MAC, Addr: to.From, Port: dhcp.ServerPort},
		Dst:     netif.Endpoint{MAC: client, Addr: to.Addr.Addr(), Port: to.Addr.Port()},
		Payload: payload,
	}
	return s.frames.Send(link.Index, f.Append(make([]byte, 0, netif.FrameOverhead+len(payload))))
}

// retain closes the sockets of interfaces that are gone.
func (s *sender) retain(now *netif.Snapshot) {
	if s.frames != nil {
		s.frames.Retain(now)
	}
}

// close closes all but the UDP socket.
func (s *sender) close() error {
	var err error
	if s.frames != nil {
		err = s.frames.Close()
	}
	if s.rawIP != nil {
		err = errors.Join(err, s.rawIP.Close())
	}
	return err
}
