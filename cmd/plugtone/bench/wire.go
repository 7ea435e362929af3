package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// DHCP message types (RFC 2132, 9.6) and ports.
const (
	discover, offer, request, ack = 1, 2, 3, 5
	serverPort, clientPort        = 67, 68
)

// wire is one packet socket on which very many phones use DHCP, each with its own MAC, as they do before they have an address.
type wire struct {
	fd       int
	index    int
	received []chan received // of each phone
	owed     atomic.Int64    // what was sent and has no answer yet
}

// received is a DHCP reply to a phone.
type received struct {
	xid    uint32
	kind   byte
	addr   netip.Addr
	server [4]byte
}

// openWire opens the socket; only what goes to the DHCP clients' port reaches it, so that the files cost it nothing.
func openWire(iface string, phones int) (*wire, error) {
	in, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, err
	}
	proto := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_IP)))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	w := &wire{fd: fd, index: in.Index, received: make([]chan received, phones)}
	for n := range w.received {
		w.received[n] = make(chan received, 4)
	}
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 14 + 9, Size: 1}, // protocol
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 14 + 20 + 2, Size: 2}, // destination port
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: clientPort, SkipTrue: 1},
		bpf.RetConstant{Val: 2048},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return nil, err
	}
	program := make([]unix.SockFilter, len(filter))
	for i, f := range filter {
		program[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	// The socket belongs to no protocol until it is bound: nothing passes the filter by.
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return nil, fmt.Errorf("packet filter: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20); err != nil {
		return nil, fmt.Errorf("receive buffer: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(proto), Ifindex: in.Index}); err != nil {
		return nil, fmt.Errorf("packet socket on %s: %w", iface, err)
	}
	return w, nil
}

// listen hands each phone what is meant for it, for as long as this process lives.
func (w *wire) listen() error {
	buf := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(w.fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		phone, h, ok := parseReply(buf[:n])
		if !ok || phone >= len(w.received) {
			continue
		}
		w.owed.Add(-1)
		select {
		case w.received[phone] <- h:
		default: // a repeated reply may be dropped
		}
	}
}

// parseReply reads a DHCP reply from a frame. The phone is that of chaddr.
func parseReply(b []byte) (phone int, h received, ok bool) {
	const head = 14 + 20 + 8
	if len(b) < head+240 || b[14] != 0x45 {
		return 0, h, false
	}
	mac := [6]byte(b[head+28:])
	phone = int(mac[3])<<16 | int(mac[4])<<8 | int(mac[5])
	if mac != phoneMAC(phone) {
		return 0, h, false
	}
	h, ok = readReply(b[head:])
	return phone, h, ok
}

// readReply reads a DHCP reply.
func readReply(b []byte) (h received, ok bool) {
	if len(b) < 240 || b[0] != 2 {
		return h, false
	}
	h.xid, h.addr = binary.BigEndian.Uint32(b[4:]), netip.AddrFrom4([4]byte(b[16:]))
	for o := b[240:]; len(o) > 1 && o[0] != 255; {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		end := 2 + int(o[1])
		if end > len(o) {
			return h, false
		}
		switch value := o[2:end]; {
		case o[0] == 53 && len(value) == 1:
			h.kind = value[0]
		case o[0] == 54 && len(value) == 4:
			h.server = [4]byte(value)
		}
		o = o[end:]
	}
	return h, h.kind != 0
}

// send broadcasts a phone's DISCOVER or REQUEST.
func (w *wire) send(phone int, kind byte, xid uint32, chosen received) error {
	mac := phoneMAC(phone)
	p := make([]byte, 240, 320)
	copy(p, []byte{1, 1, 6, 0})
	binary.BigEndian.PutUint32(p[4:], xid)
	copy(p[28:], mac[:])
	copy(p[236:], []byte{0x63, 0x82, 0x53, 0x63})
	p = append(p, 53, 1, kind)
	p = append(p, "\x3c\x07yealink\x0c\x08SIP-T46U"...)
	p = append(p, 55, 9, 1, 3, 6, 12, 15, 42, 43, 66, 132)
	if kind == request {
		addr := chosen.addr.As4()
		p = append(append(p, 50, 4), addr[:]...)
		p = append(append(p, 54, 4), chosen.server[:]...)
	}
	p = append(p, 255)
	p = append(p, make([]byte, max(0, 300-len(p)))...)

	w.owed.Add(1)
	return w.sendFrame(mac, broadcastMAC, [4]byte{}, [4]byte{255, 255, 255, 255}, p)
}

var broadcastMAC = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// sendFrame sends a datagram from the DHCP clients' port to the servers'.
func (w *wire) sendFrame(mac, toMAC [6]byte, from, to [4]byte, payload []byte) error {
	f := append(make([]byte, 0, 400), toMAC[:]...)
	f = append(append(f, mac[:]...), 8, 0)
	ip := [20]byte{0: 0x45, 8: 64, 9: unix.IPPROTO_UDP}
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(payload)))
	copy(ip[12:], from[:])
	copy(ip[16:], to[:])
	binary.BigEndian.PutUint16(ip[10:], checksum(ip[:]))
	f = append(f, ip[:]...)
	f = binary.BigEndian.AppendUint16(f, clientPort)
	f = binary.BigEndian.AppendUint16(f, serverPort)
	f = binary.BigEndian.AppendUint16(f, uint16(8+len(payload)))
	f = append(append(f, 0, 0), payload...) // a UDP checksum of 0 is none (RFC 768)
	address := unix.SockaddrLinklayer{Ifindex: w.index, Halen: 6}
	copy(address.Addr[:], toMAC[:])
	return unix.Sendto(w.fd, f, 0, &address)
}

// checksum is that of an IPv4 header (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
