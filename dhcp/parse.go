package dhcp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// optionTypes are the words that a typed option value may begin with.
const optionTypes = "ip, ips, text, hex, u8, u16, u32, bool"

// ParseOption reads a typed option value such as "ips 10.20.0.1 10.20.0.2" or "text http://10.20.0.2/".
func ParseOption(code uint8, value string) (Option, error) {
	if err := SetByServer(code); err != nil {
		return Option{}, err
	}
	kind, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	rest = strings.TrimSpace(rest)
	data, err := parseTyped(kind, rest)
	if err == nil && kind == "text" {
		err = checkServerText(code, rest)
	}
	if err != nil {
		return Option{}, fmt.Errorf("option %d: %w", code, err)
	}
	return Option{Code: code, Data: data}, nil
}

// SetByServer refuses options that the server itself answers for.
func SetByServer(code uint8) error {
	switch code {
	case OptionPad, OptionEnd, OptionSubnetMask, OptionRequestedAddr, OptionLeaseTime, OptionOverload, OptionMessageType, OptionServerID, OptionParams, OptionMessage, OptionMaxSize,
		OptionT1, OptionT2, OptionClientID, OptionRapidCommit, OptionRelayInfo, OptionAuthentication, OptionSubnetSelection:
		return fmt.Errorf("option %d is set by the server itself", code)
	}
	return nil
}

func parseTyped(kind, rest string) ([]byte, error) {
	if rest == "" {
		return nil, fmt.Errorf("%q has no value; it is written as TYPE VALUE with one of the types %s", kind, optionTypes)
	}
	switch kind {
	case "ip":
		return parseAddrs([]string{rest})
	case "ips":
		return parseAddrs(strings.FieldsFunc(rest, func(c rune) bool { return c == ' ' || c == ',' }))
	case "text":
		return []byte(rest), checkText(rest)
	case "hex":
		b, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(rest))
		if err != nil {
			return nil, fmt.Errorf("hex %.40q is not an even number of digits 0-9, a-f", rest)
		}
		return b, nil
	case "u8", "u16", "u32":
		bits, _ := strconv.Atoi(kind[1:])
		n, err := strconv.ParseUint(rest, 0, bits)
		if err != nil {
			return nil, fmt.Errorf("%s %.40q is not a number of %d bits", kind, rest, bits)
		}
		return binary.BigEndian.AppendUint32(nil, uint32(n))[4-bits/8:], nil
	case "bool":
		switch rest {
		case "true":
			return []byte{1}, nil
		case "false":
			return []byte{0}, nil
		}
		return nil, fmt.Errorf("bool %.40q is neither true nor false", rest)
	}
	return nil, fmt.Errorf("type %.40q is none of %s", kind, optionTypes)
}

func parseAddrs(fields []string) ([]byte, error) {
	var out []byte
	for _, f := range fields {
		a, err := netip.ParseAddr(f)
		if err != nil || !a.Is4() {
			return nil, fmt.Errorf("%.40q is not an IPv4 address", f)
		}
		b := a.As4()
		out = append(out, b[:]...)
	}
	return out, nil
}

// checkText refuses what ends up in phones by a typing error: quotes from another server's configuration above all (C32).
func checkText(s string) error {
	for _, c := range s {
		switch {
		case c == '"' || c == '\'' || c == '`':
			return fmt.Errorf("text %.60q has a quote in it; the value is sent as it stands, without quotes", s)
		case c < ' ' || c == 0x7f:
			return fmt.Errorf("text %.60q has a control character in it", s)
		}
	}
	return nil
}

// checkServerText refuses what no name, address or URL has in it, in the options by which phones find their files: C32.
func checkServerText(code uint8, s string) error {
	switch code {
	case OptionTFTPServer, OptionBootFile, 114, 159, 160:
	default:
		return nil
	}
	for _, c := range s {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("text %.60q has %q in it, which no name or URL has", s, c)
		}
	}
	return nil
}

// ParseRange reads 10.20.1.0-10.20.3.250, a single address or a prefix.
func ParseRange(s string) (Range, error) {
	bad := fmt.Errorf("range %.60q is none of 10.20.1.0-10.20.3.250, 10.20.1.7, 10.20.1.0/24", s)
	s = strings.TrimSpace(s)
	if p, err := netip.ParsePrefix(s); err == nil && p.Addr().Is4() {
		p = p.Masked()
		return Range{p.Addr(), LastAddr(p)}, nil
	}
	lo, hi, isRange := strings.Cut(s, "-")
	if !isRange {
		hi = lo
	}
	first, err1 := netip.ParseAddr(strings.TrimSpace(lo))
	end, err2 := netip.ParseAddr(strings.TrimSpace(hi))
	if err1 != nil || err2 != nil || !first.Is4() || !end.Is4() {
		return Range{}, bad
	}
	if end.Less(first) {
		return Range{}, fmt.Errorf("range %.60q ends before it begins", s)
	}
	return Range{first, end}, nil
}

// LastAddr is the highest address of p, its broadcast address.
func LastAddr(p netip.Prefix) netip.Addr {
	return addr4(u32(p.Masked().Addr()) | (1<<(32-p.Bits()) - 1))
}

// u32 is a as a number; a is an IPv4 address.
func u32(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func addr4(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
