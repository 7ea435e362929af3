package wire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"plugtone/dhcp"
)

// optionTypes are the words that a typed option value may begin with.
const optionTypes = "ip, ips, text, hex, u8, u16, u32, bool"

// ParseOption encodes a typed option value such as "ips 10.20.0.1 10.20.0.2" or "text http://10.20.0.2/". Errors name the code.
func ParseOption(code uint8, value string) (dhcp.Option, error) {
	if err := dhcp.CheckSettable(code); err != nil {
		return dhcp.Option{}, err
	}
	kind, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	rest = strings.TrimSpace(rest)
	data, err := parseTyped(kind, rest)
	if err == nil && kind == "text" {
		err = checkServerText(code, rest)
	}
	if err != nil {
		return dhcp.Option{}, fmt.Errorf("option %d: %w", code, err)
	}
	return dhcp.Option{Code: code, Data: data}, nil
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
		return []byte(rest), dhcp.CheckText(rest)
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
	return nil, fmt.Errorf("type %.40q must be one of %s", kind, optionTypes)
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

// checkServerText refuses characters that no name, address or URL contains, in the options with the address of a phone's files (C32).
func checkServerText(code uint8, s string) error {
	switch code {
	case dhcp.OptionTFTPServer, dhcp.OptionBootFile, 114, 159, 160:
	default:
		return nil
	}
	for _, c := range s {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("text %.60q contains %q, which no name or URL does", s, c)
		}
	}
	return nil
}
