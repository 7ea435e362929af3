package server

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/dhcp/netlab"
)

// The other end of the cable, written from RFC 791, 768 and 2131 and not with the code under test, which could share its
// mistakes.

// bootp is a message in the order of its bytes (RFC 2131, figure 1). opts are the options after the cookie.
type bootp struct {
	op, htype, hlen, hops          byte
	xid                            [4]byte
	secs, flags                    uint16
	ciaddr, yiaddr, siaddr, giaddr [4]byte
	chaddr                         [16]byte
	sname                          [64]byte
	file                           [128]byte
	opts                           []byte
}

func (m *bootp) bytes() []byte {
	b := []byte{m.op, m.htype, m.hlen, m.hops}
	b = append(b, m.xid[:]...)
	b = binary.BigEndian.AppendUint16(b, m.secs)
	b = binary.BigEndian.AppendUint16(b, m.flags)
	for _, a := range [4][4]byte{m.ciaddr, m.yiaddr, m.siaddr, m.giaddr} {
		b = append(b, a[:]...)
	}
	b = append(append(append(b, m.chaddr[:]...), m.sname[:]...), m.file[:]...)
	return append(append(b, 99, 130, 83, 99), m.opts...)
}

func readBootp(b []byte) (m bootp, ok bool) {
	if len(b) < 240 || [4]byte(b[236:240]) != [4]byte{99, 130, 83, 99} {
		return m, false
	}
	m.op, m.htype, m.hlen, m.hops = b[0], b[1], b[2], b[3]
	m.xid = [4]byte(b[4:])
	m.secs, m.flags = binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
	m.ciaddr, m.yiaddr, m.siaddr, m.giaddr = [4]byte(b[12:]), [4]byte(b[16:]), [4]byte(b[20:]), [4]byte(b[24:])
	m.chaddr, m.sname, m.file = [16]byte(b[28:]), [64]byte(b[44:]), [128]byte(b[108:])
	m.opts = slices.Clone(b[240:])
	return m, true
}

// order returns the codes of the options in their order.
func (m *bootp) order() (codes []byte) {
	m.walk(func(code byte, _ []byte) { codes = append(codes, code) })
	return codes
}

// opt joins all parts of an option (RFC 3396); nil when it isn't there.
func (m *bootp) opt(want byte) (data []byte) {
	m.walk(func(code byte, d []byte) {
		if code == want {
			data = append(data, d...)
		}
	})
	return data
}

func (m *bootp) walk(f func(code byte, data []byte)) {
	for o := m.opts; len(o) > 0 && o[0] != 255; {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		if len(o) < 2 || len(o) < 2+int(o[1]) {
			f(0, nil) // no option has this code: a check of the order fails
			return
		}
		f(o[0], o[2:2+int(o[1])])
		o = o[2+int(o[1]):]
	}
}

func (m *bootp) kind() byte {
	if t := m.opt(53); len(t) == 1 {
		return t[0]
	}
	return 0
}

// received is a datagram as it came over the wire.
type received struct {
	from, to   [6]byte // Ethernet
	src, dst   netip.AddrPort
	checked    bool // has a UDP checksum, and it is right
	size       int  // of the UDP payload
	bootp      bootp
	understood bool
}

// tap is a packet socket on a host's interface, which sees every frame there.
type tap struct {
	t       testing.TB
	file    *os.File
	fd      int
	ifindex int
	mac     [6]byte
}

func (s *network) wire(ns *netlab.Namespace, name string) *tap {
	s.t.Helper()
	w := &tap{t: s.t}
	s.ok(ns.Do(func() error {
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		w.ifindex, w.mac = ifi.Index, [6]byte(ifi.HardwareAddr)
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		w.file = os.NewFile(uintptr(w.fd), "wire")
		// Room for a flood's replies; without CAP_NET_ADMIN there is less.
		_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Ifindex: w.ifindex, Protocol: 0x0008}) // IPv4, in network order
	}))
	s.t.Cleanup(func() { w.file.Close() })
	return w
}

// send sends a datagram in a frame.
func (w *tap) send(from, to [6]byte, src, dst netip.AddrPort, payload []byte) {
	w.t.Helper()
	if _, err := w.file.Write(datagramFrame(from, to, src, dst, payload)); err != nil {
		w.t.Fatal(err)
	}
}

// datagramFrame is a frame with a checksum in the IP header and none over UDP, which RFC 768 allows.
func datagramFrame(from, to [6]byte, src, dst netip.AddrPort, payload []byte) []byte {
	b := append(append(append([]byte{}, to[:]...), from[:]...), 8, 0)
	a, z := src.Addr().As4(), dst.Addr().As4()
	head := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, a[0], a[1], a[2], a[3], z[0], z[1], z[2], z[3]}
	binary.BigEndian.PutUint16(head[2:], uint16(28+len(payload)))
	binary.BigEndian.PutUint16(head[10:], ^onesSum(head))
	b = append(b, head...)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// onesSum is the sum of RFC 1071.
func onesSum(b []byte) uint16 {
	var n uint32
	for i := 0; i < len(b); i += 2 {
		n += uint32(b[i]) << 8
		if i+1 < len(b) {
			n += uint32(b[i+1])
		}
	}
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}

// next returns the next datagram of a server.
func (w *tap) next() received {
	w.t.Helper()
	c, ok := w.nextWithin(time.Minute)
	if !ok {
		w.t.Fatal("no answer within a minute")
	}
	return c
}

// nextWithin returns the next datagram of a server, false when none comes in that time.
func (w *tap) nextWithin(timeout time.Duration) (received, bool) {
	w.t.Helper()
	if err := w.file.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		w.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := w.file.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return received{}, false
		}
		if err != nil {
			w.t.Fatal(err)
		}
		b := buf[:n]
		if n < 42 || b[12] != 8 || b[13] != 0 || b[14] != 0x45 || b[23] != 17 {
			continue
		}
		total := int(binary.BigEndian.Uint16(b[16:]))
		if total < 28 || 14+total > n {
			continue
		}
		ip, udp := b[14:14+total], b[34:14+total]
		c := received{to: [6]byte(b[:6]), from: [6]byte(b[6:12]), size: total - 28}
		c.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:])), binary.BigEndian.Uint16(udp))
		c.dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:])), binary.BigEndian.Uint16(udp[2:]))
		if c.src.Port() != 67 {
			continue
		}
		c.checked = (udp[6] != 0 || udp[7] != 0) && goodUDP(ip, udp)
		c.bootp, c.understood = readBootp(udp[8:])
		if !c.understood {
			w.t.Errorf("not a DHCP message: % x", udp[8:])
		}
		return c, true
	}
}

// goodUDP checks a datagram's checksum. Only frames that a server makes itself must have it: the kernel leaves its own to
// the hardware, which a virtual cable does not have.
func goodUDP(ip, udp []byte) bool {
	pseudo := append(slices.Clone(ip[12:20]), 0, 17, byte(len(udp)>>8), byte(len(udp)))
	return onesSum(append(pseudo, udp...)) == 0xffff
}
