package server

import (
	"encoding/binary"
	"net/netip"

	"plugtone/dhcp"
)

// Lengths of the headers that a frame of ours has, without VLAN tag and without IP options.
const (
	etherLen = 14
	ipLen    = 20
	udpLen   = 8
)

// Protocol numbers of IANA and IEEE.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	protoICMP = 1
	protoUDP  = 17
)

// endpoint is one side of a datagram: hardware and IP address and port.
type endpoint struct {
	mac  dhcp.MAC
	addr netip.Addr
	port uint16
}

// frame is an Ethernet frame that carries one UDP datagram over IPv4.
type frame struct {
	src, dst endpoint
	payload  []byte
}

// appendTo writes the frame behind b. The UDP checksum is always filled in: some phones drop datagrams without one.
func (f frame) appendTo(b []byte) []byte {
	start := len(b)
	b = append(b, f.dst.mac[:]...)
	b = append(b, f.src.mac[:]...)
	b = binary.BigEndian.AppendUint16(b, etherIPv4)
	return f.appendPacket(b, start+etherLen)
}

// appendPacket writes the IPv4 packet, whose first byte will stand at index ip.
func (f frame) appendPacket(b []byte, ip int) []byte {
	src, dst := f.src.addr.As4(), f.dst.addr.As4()
	total := ipLen + udpLen + len(f.payload)
	b = append(b, 0x45, 0x10) // version 4, five words, low delay
	b = binary.BigEndian.AppendUint16(b, uint16(total))
	b = append(b, 0, 0, 0, 0, 64, protoUDP, 0, 0)
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	binary.BigEndian.PutUint16(b[ip+10:], ^fold(sum(0, b[ip:ip+ipLen])))
	udp := len(b)
	b = binary.BigEndian.AppendUint16(b, f.src.port)
	b = binary.BigEndian.AppendUint16(b, f.dst.port)
	b = binary.BigEndian.AppendUint16(b, uint16(udpLen+len(f.payload)))
	b = append(b, 0, 0)
	b = append(b, f.payload...)
	check := ^fold(sum(pseudo(src, dst, udpLen+len(f.payload)), b[udp:]))
	if check == 0 {
		check = 0xffff // RFC 768: zero would say that there is no checksum
	}
	binary.BigEndian.PutUint16(b[udp+6:], check)
	return b
}

// pseudo is the sum of the header that RFC 768 puts before a datagram for its checksum.
func pseudo(src, dst [4]byte, udp int) uint32 {
	return sum(sum(uint32(protoUDP)+uint32(udp), src[:]), dst[:])
}

// sum adds b up as 16-bit words (RFC 1071). It may be continued over pieces of even length.
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

// parseFrame reads an Ethernet frame with a UDP datagram over IPv4. The payload aliases b. Fragments and anything that
// is cut short are refused. Checksums aren't looked at: frames from a virtual link may not have theirs yet.
func parseFrame(b []byte) (frame, bool) {
	var f frame
	if len(b) < etherLen || binary.BigEndian.Uint16(b[12:]) != etherIPv4 {
		return f, false
	}
	f.dst.mac, f.src.mac = dhcp.MAC(b[:6]), dhcp.MAC(b[6:12])
	ip := b[etherLen:]
	if len(ip) < ipLen || ip[0]>>4 != 4 || ip[9] != protoUDP {
		return f, false
	}
	head, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	fragment := binary.BigEndian.Uint16(ip[6:]) & 0x3fff // more fragments, or not the first
	if head < ipLen || fragment != 0 || total < head+udpLen || total > len(ip) {
		return f, false
	}
	f.src.addr, f.dst.addr = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	udp := ip[head:total]
	size := int(binary.BigEndian.Uint16(udp[4:]))
	if size < udpLen || size > len(udp) {
		return f, false
	}
	f.src.port, f.dst.port = binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:])
	f.payload = udp[udpLen:size]
	return f, true
}
