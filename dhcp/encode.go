package dhcp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	minPayload  = 300 // BOOTP's size; some clients and relays drop less
	minDatagram = 576 // every client must take an IP datagram of this size (RFC 2131, 2)
	headers     = 28  // IP and UDP: option 57 counts them (RFC 2132, 9.10)
	defaultMTU  = 1500
	magicCookie = 0x63825363
	fileSize    = offCookie - offFile
	snameSize   = offFile - offSName
)

// Encode appends the packet to buf and tells which options did not fit into what the client takes: the datagram of
// max(576, min(option 57, mtu)) bytes, less the headers.
//
// Options that don't fit are moved to file and sname when the client sent a parameter list (such a client is no BOOTP relic
// and must read option 52). What doesn't fit there either is dropped, least important first: options that the client
// asked for, from the end of its list; then forced ones, from the last; then what only repeats the client's own words, its id and
// its choice of a subnet. Mask, router, message type, server, message, times and relay information are never dropped: the last is
// taken out by the relay, so that the client's limit holds for the rest whatever it is.
func (r *Reply) Encode(buf []byte, mtu int) (packet []byte, dropped []uint8) {
	servedSubnet := r.layOut(r.room(mtu))
	start := len(buf)
	buf = r.appendHeader(buf)
	for _, o := range servedSubnet.main {
		buf = appendOption(buf, o.Code, o.Data)
	}
	if r.RelayInfo != "" {
		buf = appendOption(buf, optRelayInfo, []byte(r.RelayInfo))
	}
	buf = append(buf, optEnd)
	packet = buf[start:]
	fillField(packet[offFile:offCookie], servedSubnet.file)
	fillField(packet[offSName:offFile], servedSubnet.sname)
	for len(buf)-start < minPayload {
		buf = append(buf, optPad)
	}
	return buf, servedSubnet.dropped
}

// room is how many bytes of options the client takes.
func (r *Reply) room(mtu int) int {
	if mtu == 0 {
		mtu = defaultMTU
	}
	size := minDatagram
	if r.MaxSize > 0 {
		size = max(minDatagram, min(r.MaxSize, mtu))
	}
	return size - headers - offOptions
}

// layout says where each option goes.
type layout struct {
	main, file, sname []Option
	dropped           []uint8
}

// layOut chooses places. The usual reply fits, and is passed through as it is.
func (r *Reply) layOut(room int) layout {
	need := 1 // END
	for _, o := range r.Options {
		need += optionSize(len(o.Data))
	}
	if r.RelayInfo != "" {
		need += optionSize(len(r.RelayInfo))
	}
	l := layout{main: r.Options}
	if need <= room {
		return l
	}
	l.main = slices.Clone(r.Options)
	overload := false
	for need > room {
		i := leastImportant(l.main)
		if i < 0 {
			break // only what must be there is left
		}
		o := l.main[i]
		size := optionSize(len(o.Data))
		l.main = slices.Delete(l.main, i, i+1)
		need -= size
		if !r.Overload || !l.listKind(o, size) {
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
		l.main = slices.Insert(l.main, min(2, len(l.main)), Option{Code: optOverload, Data: []byte{where}})
	}
	return l
}

// place puts o into file or sname if it fits there whole, with the END that each field needs.
func (l *layout) listKind(o Option, size int) bool {
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

func used(opts []Option) int {
	n := 0
	for _, o := range opts {
		n += optionSize(len(o.Data))
	}
	return n
}

// leastImportant is the index of the option that is given up next, or -1.
func leastImportant(opts []Option) int {
	for _, forced := range []bool{false, true} {
		for i := len(opts) - 1; i >= 0; i-- {
			if !vital(opts[i].Code) && opts[i].Force == forced {
				return i
			}
		}
	}
	return slices.IndexFunc(opts, func(o Option) bool { return o.Code == optClientID || o.Code == optSubnetSelection })
}

func vital(code uint8) bool {
	switch code {
	case optSubnetMask, optRouter, optLeaseTime, optMessageType, optServerID, optMessage, optT1, optT2, optClientID, optRapidCommit, optSubnetSelection:
		return true
	}
	return false
}

// optionSize is what an option of n bytes takes on the wire, split as RFC 3396 says when it is longer than 255.
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

func fillField(field []byte, opts []Option) {
	if len(opts) == 0 {
		return
	}
	b := field[:0]
	for _, o := range opts {
		b = appendOption(b, o.Code, o.Data)
	}
	_ = append(b, optEnd)
}

func (r *Reply) appendHeader(buf []byte) []byte {
	var h [offOptions]byte
	h[0], h[1], h[2] = opReply, 1, 6
	copy(h[4:8], r.XID[:])
	flags := r.Flags
	if r.Type == MessageTypeNak && r.GIAddr.IsValid() {
		flags |= broadcastFlag // RFC 2131, 4.3.2: the relay must broadcast it
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

// Summary prints the options in the order they are sent, without those dropped; a text or an address of provisioning with its
// value: "53 54 1 3 66=http://10.20.0.2/ 51 82".
func (r *Reply) Summary(dropped []uint8) string {
	var b []byte
	for _, o := range r.Options {
		if slices.Contains(dropped, o.Code) {
			continue
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(o.Code), 10)
		if v := optionValue(o); v != "" {
			b = append(append(b, '='), v...)
		}
	}
	if r.RelayInfo != "" {
		b = append(b, " 82"...)
	}
	return string(b)
}

// optionValue shows what people look for in a timeline: where the phone was sent, and into which VLAN.
func optionValue(o Option) string {
	switch o.Code {
	case optTFTPServer, optBootFile, optVendorInfo, 114, 128, 132, 144, 157, 159, 160, 161, 191, 242:
		text := strings.TrimRight(string(o.Data), "\x00")
		if text != "" && isPlain(text) {
			return printable(text, 120)
		}
		return "0x" + hexShort(o.Data)
	case 150:
		var parts []string
		for d := o.Data; len(d) >= 4; d = d[4:] {
			parts = append(parts, netip.AddrFrom4([4]byte(d[:4])).String())
		}
		return strings.Join(parts, ",")
	}
	return ""
}

func hexShort(b []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for i, c := range b {
		if i == 24 {
			return string(append(out, ".."...))
		}
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}
