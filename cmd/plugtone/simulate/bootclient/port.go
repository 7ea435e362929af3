package bootclient

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
	"plugtone/dhcp/netif"
)

// Port is a socket that clients share for DHCP. Each reply goes to the client whose MAC it has.
type Port struct {
	send  func(m *Message) error
	read  func(b []byte) (payload []byte, err error) // an empty payload: something else arrived
	close func() error

	unanswered atomic.Int64
	mu         sync.Mutex
	clients    map[dhcp.MAC]chan Reply
}

// OnLink opens a port on an interface of the calling thread's network namespace, for clients that have no address yet: they broadcast, each from
// its own MAC.
func OnLink(iface string) (*Port, error) {
	socket, err := OpenLink(iface)
	if err != nil {
		return nil, err
	}
	send := func(m *Message) error {
		return SendOnLink(socket, m, netip.IPv4Unspecified(), netif.Endpoint{MAC: netif.BroadcastMAC, Addr: netif.BroadcastAddr})
	}
	read := func(b []byte) ([]byte, error) {
		n, err := socket.Read(b)
		f, _ := netif.ParseFrame(b[:max(n, 0)])
		return f.Payload, err
	}
	return newPort(send, read, socket.Close), nil
}

// OverUDP opens a port on an address of the calling thread's network namespace: the servers' port for a relay, the clients' for clients that
// have an address. Each message goes to all servers; that it can't be sent to some of them is no error.
func OverUDP(local netip.AddrPort, servers ...netip.Addr) (*Port, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, err
	}
	send := func(m *Message) error {
		var b [512]byte
		var failed []error
		for _, s := range servers {
			if _, err := conn.WriteToUDPAddrPort(m.Append(b[:0]), netip.AddrPortFrom(s, ServerPort)); err != nil {
				failed = append(failed, err)
			}
		}
		if len(failed) < len(servers) {
			return nil
		}
		return errors.Join(failed...)
	}
	read := func(b []byte) ([]byte, error) {
		n, _, err := conn.ReadFromUDPAddrPort(b)
		return b[:max(n, 0)], err
	}
	return newPort(send, read, conn.Close), nil
}

// OpenLink opens the packet socket of a port on a link. Only what goes to the port of DHCP clients reaches it, so that files cost it nothing.
func OpenLink(iface string) (*netif.PacketSocket, error) {
	in, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, err
	}
	socket, err := netif.OpenFrames(in.Index, []bpf.Instruction{
		bpf.LoadAbsolute{Off: 14 + 9, Size: 1}, // protocol
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 14 + 20 + 2, Size: 2}, // destination port
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: ClientPort, SkipTrue: 1},
		bpf.RetConstant{Val: 2048},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return nil, err
	}
	return socket, Enlarge(socket)
}

// Enlarge gives a socket room for the replies to some thousand clients. Without the right to that it keeps what it has.
func Enlarge(socket syscall.Conn) error {
	conn, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) })
}

// SendOnLink sends a message from an address of the message's MAC to a server on the link.
func SendOnLink(socket *netif.PacketSocket, m *Message, from netip.Addr, to netif.Endpoint) error {
	var payload, frame [512]byte
	to.Port = ServerPort
	f := netif.Frame{Src: netif.Endpoint{MAC: m.MAC, Addr: from, Port: ClientPort}, Dst: to, Payload: m.Append(payload[:0])}
	return socket.SendTo(to.MAC, f.Append(frame[:0]))
}

func newPort(send func(*Message) error, read func([]byte) ([]byte, error), close func() error) *Port {
	p := &Port{send: send, read: read, close: close, clients: map[dhcp.MAC]chan Reply{}}
	go p.receive()
	return p
}

// receive ends when the port is closed.
func (p *Port) receive() {
	for {
		b := make([]byte, 2048)
		payload, err := p.read(b)
		if err != nil {
			return
		}
		r, ok := ParseReply(payload)
		if !ok {
			continue
		}
		p.mu.Lock()
		to := p.clients[r.MAC]
		p.mu.Unlock()
		if to == nil {
			continue
		}
		p.unanswered.Add(-1)
		select {
		case to <- r:
		default: // a repeated reply may be dropped
		}
	}
}

// Send sends a message that no reply is expected to.
func (p *Port) Send(m Message) error { return p.send(&m) }

// Unanswered returns how many messages of all clients have had no reply yet.
func (p *Port) Unanswered() int { return int(p.unanswered.Load()) }

// Close ends all exchanges that wait for a reply at their next timeout.
func (p *Port) Close() error { return p.close() }
