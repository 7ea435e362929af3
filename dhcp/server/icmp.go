package server

import (
	"context"
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

// icmpAsker asks by echo request: for addresses behind a relay, where ARP does not reach.
type icmpAsker struct {
	conn *net.IPConn
	id   uint16

	questions
}

func openICMP() (*icmpAsker, error) {
	conn, err := net.ListenIP("ip4:icmp", nil)
	if err != nil {
		return nil, fmt.Errorf("open ICMP socket: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		// The kernel keeps everything but echo replies from us; without the filter we look at more than we need.
		err = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_RAW, 1, ^(1 << icmpEchoReply))
		})
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open ICMP socket: %w", err)
	}
	xid := newXID()
	p := &icmpAsker{conn: conn, id: binary.BigEndian.Uint16(xid[:])}
	go p.read()
	return p, nil
}

func (p *icmpAsker) read() {
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
		p.answered(addr.Unmap(), dhcp.MAC{})
	}
}

// ask tells whether anybody answers at addr. Who that is can't be seen from here.
func (p *icmpAsker) ask(ctx context.Context, addr netip.Addr) (who dhcp.MAC, inUse bool, err error) {
	to, seq := &net.IPAddr{IP: addr.AsSlice()}, uint16(0)
	return p.repeat(ctx, addr, func() error {
		seq++
		_, err := p.conn.WriteToIP(p.echo(seq), to)
		return err
	})
}

func (p *icmpAsker) echo(seq uint16) []byte {
	b := make([]byte, icmpLen)
	b[0] = icmpEcho
	binary.BigEndian.PutUint16(b[4:], p.id)
	binary.BigEndian.PutUint16(b[6:], seq)
	binary.BigEndian.PutUint16(b[2:], ^fold(sum(0, b)))
	return b
}

func (p *icmpAsker) close() { p.conn.Close() }
