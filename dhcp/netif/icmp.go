package netif

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

const (
	icmpEchoReply = 0
	icmpEcho      = 8
	icmpLen       = 16
)

// ICMP probes addresses by echo request: those behind a relay, where ARP does not reach.
type ICMP struct {
	conn *net.IPConn
	id   uint16

	probeWait
}

// OpenICMP opens a raw ICMP socket and begins to receive replies.
func OpenICMP() (*ICMP, error) {
	conn, err := net.ListenIP("ip4:icmp", nil)
	if err != nil {
		return nil, fmt.Errorf("open ICMP socket: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		// The filter keeps other ICMP messages away. Without it read drops them.
		err = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_RAW, 1, ^(1 << icmpEchoReply))
		})
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open ICMP socket: %w", err)
	}
	var id [2]byte
	_, _ = rand.Read(id[:]) // never returns an error
	p := &ICMP{conn: conn, id: binary.BigEndian.Uint16(id[:])}
	go p.read()
	return p, nil
}

func (p *ICMP) read() {
	buf := make([]byte, 128)
	for {
		n, from, err := p.conn.ReadFromIP(buf)
		if err != nil {
			return
		}
		addr, ok := netip.AddrFromSlice(from.IP)
		if !ok || n < icmpLen || buf[0] != icmpEchoReply || binary.BigEndian.Uint16(buf[4:]) != p.id {
			continue
		}
		p.replied(addr.Unmap(), dhcp.MAC{})
	}
}

// Probe reports whether a host answers at addr. The host's hardware address cannot be seen: mac is zero.
func (p *ICMP) Probe(ctx context.Context, addr netip.Addr) (mac dhcp.MAC, inUse bool, err error) {
	to, seq := &net.IPAddr{IP: addr.AsSlice()}, uint16(0)
	return p.repeat(ctx, addr, func() error {
		seq++
		_, err := p.conn.WriteToIP(p.echo(seq), to)
		return err
	})
}

func (p *ICMP) echo(seq uint16) []byte {
	b := make([]byte, icmpLen)
	b[0] = icmpEcho
	binary.BigEndian.PutUint16(b[4:], p.id)
	binary.BigEndian.PutUint16(b[6:], seq)
	binary.BigEndian.PutUint16(b[2:], ^fold(sum(0, b)))
	return b
}

// Close closes the socket.
func (p *ICMP) Close() { p.conn.Close() }
