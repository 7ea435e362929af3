package wire

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"plugtone/dhcp"
)

// Summary returns the codes of a reply's options in the order they are sent, without those dropped. Options that provision a phone
// are followed by their value: "53 54 1 3 66=http://10.20.0.2/ 51 82". It returns "" when r is nil.
func Summary(r *dhcp.Reply, dropped []uint8) string {
	if r == nil {
		return ""
	}
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

// optionValue returns the value of an option that gives the phone its provisioning server or its VLAN; "" for other options.
func optionValue(o dhcp.Option) string {
	switch o.Code {
	case dhcp.OptionTFTPServer, dhcp.OptionBootFile, dhcp.OptionVendorInfo, 114, 128, 132, 144, 157, 159, 160, 161, 191, 242:
		text := strings.TrimRight(string(o.Data), "\x00")
		if text != "" && isASCII(text) {
			return dhcp.Printable(text, 120)
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

// isASCII reports whether s is printable ASCII.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

// hexShort returns b in hexadecimal, cut after 24 bytes.
func hexShort(b []byte) string {
	const most = 24
	if len(b) > most {
		return hex.EncodeToString(b[:most]) + ".."
	}
	return hex.EncodeToString(b)
}
