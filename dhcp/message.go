package dhcp

import "net/netip"

// MessageType is the value of option 53.
type MessageType uint8

// The message types of RFC 2132, 9.6. Others are counted and ignored.
const (
	MessageTypeDiscover MessageType = 1
	MessageTypeOffer    MessageType = 2
	MessageTypeRequest  MessageType = 3 // DHCPREQUEST; Request is the decoded message
	MessageTypeDecline  MessageType = 4
	MessageTypeAck      MessageType = 5
	MessageTypeNak      MessageType = 6
	MessageTypeRelease  MessageType = 7
	MessageTypeInform   MessageType = 8
)

// String returns the type as used in logs, metrics and timelines: one of a closed set of words.
func (t MessageType) String() string {
	switch t {
	case 0:
		return "bootp"
	case MessageTypeDiscover:
		return "discover"
	case MessageTypeOffer:
		return "offer"
	case MessageTypeRequest:
		return "request"
	case MessageTypeDecline:
		return "decline"
	case MessageTypeAck:
		return "ack"
	case MessageTypeNak:
		return "nak"
	case MessageTypeRelease:
		return "release"
	case MessageTypeInform:
		return "inform"
	}
	return "other"
}

// Request is a decoded client message. It is a plain value: nothing in it aliases the receive buffer. An address that
// is absent or 0.0.0.0 is the zero netip.Addr.
type Request struct {
	Type      MessageType // 0: no option 53, plain BOOTP
	XID       [4]byte
	Flags     uint16   // as received; the reply repeats it
	CHAddr    [16]byte // with its padding; the reply repeats it
	MAC       MAC
	Hops      uint8
	Secs      uint16 // for how long the client has been trying, in seconds
	CIAddr    netip.Addr
	GIAddr    netip.Addr
	Requested netip.Addr // option 50
	ServerID  netip.Addr // option 54
	LeaseTime uint32     // option 51 in seconds; 0: not requested
	MaxSize   int        // option 57; 0: absent

	SubnetSelection netip.Addr // option 118, RFC 3011
	RelayInfo       string     // option 82 as received, "" when absent or empty
	LinkSelection   netip.Addr // 82.5, RFC 3527
	ServerOverride  netip.Addr // 82.11, RFC 5107
	RelayPort       bool       // 82.19, RFC 8357: the relay expects the reply on its source port

	RapidCommit bool   // option 80
	HasParams   bool   // option 55 was there, even if empty
	Message     string // option 56, printable
	Client      Client // the evidence from which a phone is recognised; Client.MAC is MAC
}

// BroadcastFlag is the B bit of RFC 2131, 2, figure 2.
const BroadcastFlag = 0x8000

// Broadcast reports whether the client can only take broadcasts before it has its address.
func (r *Request) Broadcast() bool { return r.Flags&BroadcastFlag != 0 }

// Reply is a server message, ready to be encoded. Options are in the order they are to be sent, option 82 not among them.
type Reply struct {
	Type      MessageType
	XID       [4]byte
	Flags     uint16
	CHAddr    [16]byte
	CIAddr    netip.Addr
	YIAddr    netip.Addr
	SIAddr    netip.Addr
	GIAddr    netip.Addr
	ServerID  netip.Addr // option 54; differs from From when a relay overrides it (RFC 5107)
	From      netip.Addr // the source address the packet must leave with
	Options   []Option
	RelayInfo string // option 82, echoed verbatim and last
	MaxSize   int    // option 57 of the request; 0: absent
	Overload  bool   // the client sent a parameter list, so sname and file may carry options
}
