package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"plugtone/dhcp"
)

const (
	minPayload  = 300 // the size of a BOOTP packet; some clients and relays drop shorter ones
	minDatagram = 576 // every client must accept an IP datagram of this size (RFC 2131, 2)
	headers     = 28  // IP and UDP: option 57 counts them (RFC 2132, 9.10)
	defaultMTU  = 1500
	magicCookie = 0x63825363
	fileSize    = offCookie - offFile
	snameSize   = offFile - offSName
)

// Encode appends the packet of r to buf and returns the codes of options that did not fit into the largest datagram that the client
// accepts: max(576, min(option 57, mtu)) bytes, less the headers.
//
// Options that don't fit are moved to file and sname when the client sent a parameter list (such a client is no BOOTP client
// and must read option 52). What doesn't fit there either is dropped, least important first: options that the client
// requested, from the end of its list; then forced ones, from the last; then what only repeats the request: the client identifier and
// the subnet selection. Mask, router, message type, server, message, times and relay information are never dropped: the relay
// removes its relay information, so the client's limit applies to the rest.
func Encode(r *dhcp.Reply, buf []byte, mtu int) (packet []byte, dropped []uint8) {
	l := arrange(r, optionSpace(r, mtu))
	start := len(buf)
	buf = appendHeader(r, buf)
	for _, o := range l.main {
		buf = appendOption(buf, o.Code, o.Data)
	}
	if r.RelayInfo != "" {
		buf = appendOption(buf, dhcp.OptionRelayInfo, []byte(r.RelayInfo))
	}
	buf = append(buf, dhcp.OptionEnd)
	packet = buf[start:]
	fillField(packet[offFile:offCookie], l.file)
	fillField(packet[offSName:offFile], l.sname)
	for len(buf)-start < minPayload {
		buf = append(buf, dhcp.OptionPad)
	}
	return buf, l.dropped
}

// optionSpace returns how many bytes of options the client accepts.
func optionSpace(r *dhcp.Reply, mtu int) int {
	if mtu == 0 {
		mtu = defaultMTU
	}
	size := minDatagram
	if r.MaxSize > 0 {
		size = max(minDatagram, min(r.MaxSize, mtu))
	}
	return size - headers - offOptions
}

// layout holds the fields of a packet in which options are placed.
type layout struct {
	main, file, sname []dhcp.Option
	dropped           []uint8
}

// arrange places each option. The usual reply fits, and is returned unchanged.
func arrange(r *dhcp.Reply, space int) layout {
	need := 1 // END
	for _, o := range r.Options {
		need += optionSize(len(o.Data))
	}
	if r.RelayInfo != "" {
		need += optionSize(len(r.RelayInfo))
	}
	l := layout{main: r.Options}
	if need <= space {
		return l
	}
	l.main = slices.Clone(r.Options)
	overload := false
	for need > space {
		i := leastImportant(l.main)
		if i < 0 {
			break // only required options are left
		}
		o := l.main[i]
		size := optionSize(len(o.Data))
		l.main = slices.Delete(l.main, i, i+1)
		need -= size
		if !r.Overload || !l.moveToField(o, size) {
			l.dropped = append(l.dropped, o.Code)
		} else if !overload {
			overload = true
			need += optionSize(1)
		}
	}
	if overload {
		where := byte(0)
		if len(l.file) > 0 {
			where |= 1
		}
		if len(l.sname) > 0 {
			where |= 2
		}
		l.main = slices.Insert(l.main, min(2, len(l.main)), dhcp.Option{Code: dhcp.OptionOverload, Data: []byte{where}})
	}
	return l
}

// moveToField adds o to file or sname and reports whether it fits there, with the END option that each field needs.
func (l *layout) moveToField(o dhcp.Option, size int) bool {
	if used(l.file)+size < fileSize {
		l.file = append(l.file, o)
		return true
	}
	if used(l.sname)+size < snameSize {
		l.sname = append(l.sname, o)
		return true
	}
	return false
}

func used(opts []dhcp.Option) int {
	n := 0
	for _, o := range opts {
		n += optionSize(len(o.Data))
	}
	return n
}

// leastImportant returns the index of the option to drop next, or -1.
func leastImportant(opts []dhcp.Option) int {
	for _, forced := range []bool{false, true} {
		for i := len(opts) - 1; i >= 0; i-- {
			if !vital(opts[i].Code) && opts[i].Force == forced {
				return i
			}
		}
	}
	return slices.IndexFunc(opts, func(o dhcp.Option) bool { return o.Code == dhcp.OptionClientID || o.Code == dhcp.OptionSubnetSelection })
}

func vital(code uint8) bool {
	switch code {
	case dhcp.OptionSubnetMask, dhcp.OptionRouter, dhcp.OptionLeaseTime, dhcp.OptionMessageType, dhcp.OptionServerID, dhcp.OptionMessage, dhcp.OptionT1, dhcp.OptionT2, dhcp.OptionClientID, dhcp.OptionRapidCommit, dhcp.OptionSubnetSelection:
		return true
	}
	return false
}

// optionSize returns the encoded size of an option of n bytes, split by RFC 3396 when it is longer than 255.
func optionSize(n int) int {
	if n == 0 {
		return 2
	}
	return n + 2*((n+254)/255)
}

func appendOption(buf []byte, code uint8, data []byte) []byte {
	for len(data) > 255 {
		buf = append(buf, code, 255)
		buf = append(buf, data[:255]...)
		data = data[255:]
	}
	buf = append(buf, code, byte(len(data)))
	return append(buf, data...)
}

func fillField(field []byte, opts []dhcp.Option) {
	if len(opts) == 0 {
		return
	}
	b := field[:0]
	for _, o := range opts {
		b = appendOption(b, o.Code, o.Data)
	}
	_ = append(b, dhcp.OptionEnd)
}

func appendHeader(r *dhcp.Reply, buf []byte) []byte {
	var h [offOptions]byte
	h[0], h[1], h[2] = opReply, 1, 6
	copy(h[4:8], r.XID[:])
	flags := r.Flags
	if r.Type == dhcp.MessageTypeNak && r.GIAddr.IsValid() {
		flags |= dhcp.BroadcastFlag // RFC 2131, 4.3.2: the relay must broadcast it
	}
	binary.BigEndian.PutUint16(h[10:], flags)
	for i, a := range [4]netip.Addr{r.CIAddr, r.YIAddr, r.SIAddr, r.GIAddr} {
		if a.Is4() {
			b := a.As4()
			copy(h[12+4*i:], b[:])
		}
	}
	copy(h[offCHAddr:], r.CHAddr[:])
	binary.BigEndian.PutUint32(h[offCookie:], magicCookie)
	return append(buf, h[:]...)
}
