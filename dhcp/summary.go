package dhcp

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

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

// optionValue returns the value of an option that says where the phone was sent, or into which VLAN; "" for others.
func optionValue(o Option) string {
	switch o.Code {
	case OptionTFTPServer, OptionBootFile, OptionVendorInfo, 114, 128, 132, 144, 157, 159, 160, 161, 191, 242:
		text := strings.TrimRight(string(o.Data), "\x00")
		if text != "" && isPlain(text) {
			return Printable(text, 120)
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

// Printable makes text from the network fit for logs, timelines and pages: it replaces what is not printable UTF-8 and cuts
// at limit bytes, never inside a character.
func Printable(s string, limit int) string {
	if len(s) <= limit && isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, c := range strings.ToValidUTF8(s, "?") {
		if !unicode.IsPrint(c) || c == utf8.RuneError {
			c = '?'
		}
		if b.Len()+utf8.RuneLen(c) > limit {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}

// TextOrHex returns bytes from the network as text where they are printable UTF-8, else in hexadecimal with 0x.
func TextOrHex(b []byte) string {
	s := string(b)
	if utf8.ValidString(s) && Printable(s, len(s)) == s {
		return s
	}
	return "0x" + hex.EncodeToString(b)
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
