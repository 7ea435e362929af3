// Package wire translates between DHCPv4 packets and the values of package dhcp, and holds the rule where a reply is sent.
//
// It checks what decides something: op, hlen, option 52, the lengths of options. It is lenient where clients are sloppy, such as
// about a missing END. Nothing that it returns aliases a receive buffer.
package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"plugtone/dhcp"
)

// Where the fields of RFC 2131, 2, figure 1 begin.
const (
	offHops    = 3
	offXID     = 4
	offSecs    = 8
	offFlags   = 10
	offCIAddr  = 12
	offYIAddr  = 16
	offGIAddr  = 24
	offCHAddr  = 28
	offSName   = 44
	offFile    = 108
	offCookie  = 236
	offOptions = 240
	opRequest  = 1
	opReply    = 2
	maxPacket  = 2048 // no client sends more; what is longer was cut by the receive buffer anyway
)

// ServerMessage is a message of another server, as far as it matters for finding rogues.
type ServerMessage struct {
	Type     dhcp.MessageType
	XID      [4]byte
	MAC      dhcp.MAC // the client it is meant for
	YIAddr   netip.Addr
	ServerID netip.Addr
}

// MalformedError is the reason why a packet was refused before any decision.
type MalformedError struct{ Reason string }

func (e *MalformedError) Error() string { return "malformed packet: " + e.Reason }

func malformed(format string, args ...any) error {
	return &MalformedError{Reason: fmt.Sprintf(format, args...)}
}

// Decode reads a client's message. The result holds no part of buf. The error is a *MalformedError.
func Decode(buf []byte) (*dhcp.Request, error) {
	var opts options
	if err := opts.parse(buf, opRequest); err != nil {
		return nil, err
	}
	r := &dhcp.Request{
		XID:    [4]byte(buf[offXID:]),
		Flags:  binary.BigEndian.Uint16(buf[offFlags:]),
		CHAddr: [16]byte(buf[offCHAddr:offSName]),
		Hops:   buf[offHops],
		Secs:   binary.BigEndian.Uint16(buf[offSecs:]),
		CIAddr: addrAt(buf[offCIAddr:]),
		GIAddr: addrAt(buf[offGIAddr:]),
	}
	r.MAC = dhcp.MAC(r.CHAddr[:6])
	if r.MAC.IsZero() || r.MAC[0]&1 != 0 {
		return nil, malformed("chaddr %s belongs to no client (zero or multicast)", r.MAC)
	}
	if err := readOptions(r, &opts); err != nil {
		return nil, err
	}
	return r, nil
}

// DecodeServerMessage reads a server's message (op 2), to learn of other servers on the link.
func DecodeServerMessage(buf []byte) (*ServerMessage, error) {
	var opts options
	if err := opts.parse(buf, opReply); err != nil {
		return nil, err
	}
	f := &ServerMessage{XID: [4]byte(buf[offXID:]), MAC: dhcp.MAC(buf[offCHAddr:]), YIAddr: addrAt(buf[offYIAddr:])}
	o := optionReader{opts: &opts}
	f.Type = dhcp.MessageType(o.u8(dhcp.OptionMessageType))
	f.ServerID = o.addr(dhcp.OptionServerID)
	return f, o.err()
}

// options has the value of each option, nil when it is absent. A value points into the packet unless it came in parts.
type options [256][]byte

// parse checks the header and reads all options, also those in sname and file.
func (o *options) parse(buf []byte, op byte) error {
	switch {
	case len(buf) < offOptions:
		return malformed("%d bytes, at least %d needed", len(buf), offOptions)
	case len(buf) > maxPacket:
		return malformed("%d bytes, at most %d taken", len(buf), maxPacket)
	case buf[0] != op:
		return malformed("op %d, not %d", buf[0], op)
	case buf[1] != 1 || buf[2] != 6:
		return malformed("hardware type %d with address length %d, only Ethernet is served", buf[1], buf[2])
	case binary.BigEndian.Uint32(buf[offCookie:]) != magicCookie:
		return malformed("magic cookie % x, not 63 82 53 63", buf[offCookie:offOptions])
	}
	if err := o.read(buf[offOptions:], "options"); err != nil {
		return err
	}
	return o.readOverload(buf)
}

// read adds the options of one field. Parts of the same option are joined (RFC 3396). END may be missing: many a boot ROM sends none.
func (o *options) read(field []byte, name string) error {
	for len(field) > 0 && field[0] != dhcp.OptionEnd {
		code := field[0]
		if code == dhcp.OptionPad {
			field = field[1:]
			continue
		}
		if len(field) < 2 || len(field) < 2+int(field[1]) {
			return malformed("%s: option %d is cut short", name, code)
		}
		end := 2 + int(field[1])
		if data := field[2:end:end]; o[code] == nil {
			o[code] = data
		} else {
			o[code] = append(o[code], data...)
		}
		field = field[end:]
	}
	return nil
}

// readOverload adds the options kept in file and sname, in that order (RFC 2131, 4.1; RFC 3396, 5).
func (o *options) readOverload(buf []byte) error {
	where := o[dhcp.OptionOverload]
	if where == nil {
		return nil
	}
	if len(where) != 1 || where[0] < 1 || where[0] > 3 {
		return malformed("option 52 is % x, not 1, 2 or 3", where)
	}
	use := where[0] // an option 52 in there has no meaning
	if use&1 != 0 {
		if err := o.read(buf[offFile:offCookie], "options in file"); err != nil {
			return err
		}
	}
	if use&2 != 0 {
		return o.read(buf[offSName:offFile], "options in sname")
	}
	return nil
}

// readOptions reads the options that the server uses. An option that decides something must have the length that
// its RFC gives it: to take it for absent would be to answer another question than the client's (C09).
func readOptions(r *dhcp.Request, opts *options) error {
	o := optionReader{opts: opts}
	r.Type = dhcp.MessageType(o.u8(dhcp.OptionMessageType))
	r.Requested = o.addr(dhcp.OptionRequestedAddr)
	r.ServerID = o.addr(dhcp.OptionServerID)
	r.LeaseTime = o.u32(dhcp.OptionLeaseTime)
	r.MaxSize = int(o.u16(dhcp.OptionMaxSize))
	r.SubnetSelection = o.addr(dhcp.OptionSubnetSelection)
	r.RapidCommit = opts[dhcp.OptionRapidCommit] != nil
	r.HasParams = opts[dhcp.OptionParams] != nil
	r.Message = dhcp.Printable(string(opts[dhcp.OptionMessage]), 255)
	r.Client = dhcp.Client{
		MAC:         r.MAC,
		ClientID:    string(opts[dhcp.OptionClientID]),
		VendorClass: string(opts[dhcp.OptionVendorClass]),
		Hostname:    hostname(opts[dhcp.OptionHostname]),
		UserClass:   string(opts[dhcp.OptionUserClass]),
		VIVC:        string(opts[dhcp.OptionVIVC]),
		VendorInfo:  string(opts[dhcp.OptionVendorInfo]),
		VIVSO:       string(opts[dhcp.OptionVIVSO]),
		Params:      unique(opts[dhcp.OptionParams]),
	}
	if err := o.err(); err != nil {
		return err
	}
	return readRelayInfo(r, opts[dhcp.OptionRelayInfo])
}

// readRelayInfo reads the sub-options of option 82. Malformed sub-options are echoed all the same, and none of them is used.
func readRelayInfo(r *dhcp.Request, info []byte) error {
	r.RelayInfo = string(info)
	for rest := info; len(rest) > 0; {
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			r.Client.CircuitID, r.Client.RemoteID = "", ""
			r.LinkSelection, r.ServerOverride, r.RelayPort = netip.Addr{}, netip.Addr{}, false
			return nil
		}
		code, data := rest[0], rest[2:2+int(rest[1])]
		rest = rest[2+len(data):]
		switch code {
		case 1:
			r.Client.CircuitID = string(data)
		case 2:
			r.Client.RemoteID = string(data)
		case 5, 11:
			if len(data) != 4 {
				return malformed("option 82.%d has %d bytes, not 4", code, len(data))
			}
			if a := nonZero(netip.AddrFrom4([4]byte(data))); code == 5 {
				r.LinkSelection = a
			} else {
				r.ServerOverride = a
			}
		case 19:
			r.RelayPort = true
		}
	}
	return nil
}

// optionReader reads options of fixed length and notes the first whose length is wrong: code, length and what it must be. An error in its
// place would move the options to the heap.
type optionReader struct {
	opts *options
	bad  [3]int
}

func (o *optionReader) err() error {
	if o.bad[0] == 0 {
		return nil
	}
	return malformed("option %d has %d bytes, not %d", o.bad[0], o.bad[1], o.bad[2])
}

func (o *optionReader) fixed(code uint8, n int) []byte {
	b := o.opts[code]
	if b == nil {
		return nil
	}
	if len(b) != n {
		if o.bad[0] == 0 {
			o.bad = [3]int{int(code), len(b), n}
		}
		return nil
	}
	return b
}

func (o *optionReader) u8(code uint8) uint8 {
	if b := o.fixed(code, 1); b != nil {
		return b[0]
	}
	return 0
}

func (o *optionReader) u16(code uint8) uint16 {
	if b := o.fixed(code, 2); b != nil {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return 0
}

func (o *optionReader) u32(code uint8) uint32 {
	if b := o.fixed(code, 4); b != nil {
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	return 0
}

func (o *optionReader) addr(code uint8) netip.Addr {
	if b := o.fixed(code, 4); b != nil {
		return nonZero(netip.AddrFrom4([4]byte(b)))
	}
	return netip.Addr{}
}

// addrAt returns the address that b begins with; the zero Addr for 0.0.0.0.
func addrAt(b []byte) netip.Addr { return nonZero(netip.AddrFrom4([4]byte(b))) }

func nonZero(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// unique copies a parameter list without its duplicates and without pad and end (C23).
func unique(params []byte) []uint8 {
	if len(params) == 0 {
		return nil
	}
	var seen [256]bool
	seen[dhcp.OptionPad], seen[dhcp.OptionEnd] = true, true
	out := make([]uint8, 0, min(len(params), 254))
	for _, p := range params {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// hostname cleans option 12: phones send names with NULs at the end, in Latin-1, or with control characters.
func hostname(b []byte) string {
	return dhcp.Printable(strings.TrimRight(string(b), "\x00"), 63)
}
