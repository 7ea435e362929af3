package bootclient

import (
	"encoding/binary"
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// DHCP message types (RFC 2132, 9.6) and ports (RFC 2131, 4.1).
const (
	Discover, Offer, Request, Ack, Nak, Release = 1, 2, 3, 5, 6, 7

	ServerPort, ClientPort = 67, 68
)

var cookie = []byte{0x63, 0x82, 0x53, 0x63} // RFC 2131, 3

// Message is what a client sends. Fields that are zero are left out.
type Message struct {
	Type              byte
	XID               uint32
	Secs              uint16 // since the client has begun
	MAC               dhcp.MAC
	Addr              netip.Addr // ciaddr: the lease that it extends or releases
	Relay             netip.Addr // giaddr
	Requested, Server netip.Addr // options 50 and 54
	Class, Hostname   string     // options 60 and 12
	Params            []uint8    // option 55
	More              []byte     // further options, encoded
}

// Append appends the message to b, of 300 bytes at least, which BOOTP relays require (RFC 1542, 2.1).
func (m *Message) Append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, 236)...)
	head := b[start:]
	copy(head, []byte{1, 1, 6, 0})
	binary.BigEndian.PutUint32(head[4:], m.XID)
	binary.BigEndian.PutUint16(head[8:], m.Secs)
	if m.Addr.IsValid() {
		copy(head[12:], m.Addr.AsSlice())
	}
	if m.Relay.IsValid() {
		head[3] = 1
		copy(head[24:], m.Relay.AsSlice())
	}
	copy(head[28:], m.MAC[:])
	b = append(append(b, cookie...), 53, 1, m.Type)
	b = appendAddr(b, 50, m.Requested)
	b = appendAddr(b, 54, m.Server)
	b = appendOption(b, 60, m.Class)
	b = appendOption(b, 12, m.Hostname)
	b = appendOption(b, 55, string(m.Params))
	b = append(append(b, m.More...), 255)
	return append(b, make([]byte, max(0, 300-(len(b)-start)))...)
}

func appendAddr(b []byte, code byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	v := a.As4()
	return append(append(b, code, 4), v[:]...)
}

func appendOption(b []byte, code byte, value string) []byte {
	if value == "" {
		return b
	}
	return append(append(b, code, byte(len(value))), value...)
}

// Reply is what a server sent.
type Reply struct {
	XID    uint32
	MAC    dhcp.MAC // of the client
	Type   byte
	Addr   netip.Addr    // yiaddr
	Server netip.Addr    // option 54; may be invalid
	Lease  time.Duration // option 51
	Packet []byte        // all of it; of ParseReply its argument
}

// ParseReply reads a DHCP reply.
func ParseReply(b []byte) (r Reply, ok bool) {
	if len(b) < 240 || b[0] != 2 {
		return r, false
	}
	r.XID, r.MAC, r.Addr, r.Packet = binary.BigEndian.Uint32(b[4:]), dhcp.MAC(b[28:34]), netip.AddrFrom4([4]byte(b[16:20])), b
	for o := b[240:]; len(o) > 1 && o[0] != 255; {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		end := 2 + int(o[1])
		if end > len(o) {
			return r, false
		}
		switch value := o[2:end]; {
		case o[0] == 53 && len(value) == 1:
			r.Type = value[0]
		case o[0] == 54 && len(value) == 4:
			r.Server = netip.AddrFrom4([4]byte(value))
		case o[0] == 51 && len(value) == 4:
			r.Lease = time.Duration(binary.BigEndian.Uint32(value)) * time.Second
		}
		o = o[end:]
	}
	return r, r.Type != 0
}
