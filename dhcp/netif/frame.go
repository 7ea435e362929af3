package netif

import (
	"encoding/binary"
	"net/netip"

	"plugtone/dhcp"
)

// Lengths of the headers that Frame writes, without VLAN tag and without IP options.
const (
	etherLen = 14
	ipLen    = 20
	udpLen   = 8

	// FrameOverhead is how much longer a frame is than its payload.
	FrameOverhead = etherLen + ipLen + udpLen
)

// Protocol numbers of IANA and IEEE.
const (
	EtherIPv4 = 0x0800
	etherARP  = 0x0806
	ProtoUDP  = 17
)

// Broadcast addresses of Ethernet and IPv4.
var (
	BroadcastMAC  = dhcp.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	BroadcastAddr = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// Endpoint is the source or destination of a datagram: hardware address, IPv4 address and port.
type Endpoint struct {
	MAC  dhcp.MAC
	Addr netip.Addr
	Port uint16
}

// Frame is an Ethernet frame that carries one UDP datagram over IPv4.
type Frame struct {
	Src, Dst Endpoint
	Payload  []byte
}

// Append appends the frame to b. The UDP checksum is always filled in: some phones drop datagrams without one.
func (f Frame) Append(b []byte) []byte {
	b = append(b, f.Dst.MAC[:]...)
	b = append(b, f.Src.MAC[:]...)
	b = binary.BigEndian.AppendUint16(b, EtherIPv4)
	return f.appendPacket(b, len(b))
}

// appendPacket appends the IPv4 packet, which begins at index ip of b.
func (f Frame) appendPacket(b []byte, ip int) []byte {
	src, dst := f.Src.Addr.As4(), f.Dst.Addr.As4()
	total := ipLen + udpLen + len(f.Payload)
	b = append(b, 0x45, 0x10) // version 4, five words, low delay
	b = binary.BigEndian.AppendUint16(b, uint16(total))
	b = append(b, 0, 0, 0, 0, 64, ProtoUDP, 0, 0)
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	binary.BigEndian.PutUint16(b[ip+10:], ^fold(sum(0, b[ip:ip+ipLen])))
	udp := len(b)
	b = binary.BigEndian.AppendUint16(b, f.Src.Port)
	b = binary.BigEndian.AppendUint16(b, f.Dst.Port)
	b = binary.BigEndian.AppendUint16(b, uint16(udpLen+len(f.Payload)))
	b = append(b, 0, 0)
	b = append(b, f.Payload...)
	check := ^fold(sum(pseudoHeader(src, dst, udpLen+len(f.Payload)), b[udp:]))
	if check == 0 {
		check = 0xffff // RFC 768: zero means that there is no checksum
	}
	binary.BigEndian.PutUint16(b[udp+6:], check)
	return b
}

// pseudoHeader is the sum of the header that RFC 768 puts before a datagram for its checksum.
func pseudoHeader(src, dst [4]byte, udp int) uint32 {
	return sum(sum(uint32(ProtoUDP)+uint32(udp), src[:]), dst[:])
}

// sum adds b to s as 16-bit words (RFC 1071). It may be continued over pieces of even length.
func sum(s uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// ParseFrame reads an Ethernet frame with a UDP datagram over IPv4. The payload aliases b. Fragments and truncated
// packets are refused. Checksums are not verified: frames from a virtual link may not have theirs yet.
func ParseFrame(b []byte) (Frame, bool) {
	var f Frame
	if len(b) < etherLen || binary.BigEndian.Uint16(b[12:]) != EtherIPv4 {
		return f, false
	}
	f.Dst.MAC, f.Src.MAC = dhcp.MAC(b[:6]), dhcp.MAC(b[6:12])
	ip := b[etherLen:]
	if len(ip) < ipLen || ip[0]>>4 != 4 || ip[9] != ProtoUDP {
		return f, false
	}
	head, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	fragment := binary.BigEndian.Uint16(ip[6:]) & 0x3fff // more fragments, or not the first
	if head < ipLen || fragment != 0 || total < head+udpLen || total > len(ip) {
		return f, false
	}
	f.Src.Addr, f.Dst.Addr = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	udp := ip[head:total]
	size := int(binary.BigEndian.Uint16(udp[4:]))
	if size < udpLen || size > len(udp) {
		return f, false
	}
	f.Src.Port, f.Dst.Port = binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:])
	f.Payload = udp[udpLen:size]
	return f, true
}
