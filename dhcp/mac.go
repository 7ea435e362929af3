package dhcp

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// MAC is a 48-bit IEEE 802 address. The zero MAC names no client.
type MAC [6]byte

// ParseMAC reads 001565123456, 00:15:65:12:34:56, 00-15-65-12-34-56 or 0015.6512.3456, in either case; not multicast, not zero.
func ParseMAC(s string) (MAC, error) {
	digits, ok := macDigits(s)
	if !ok {
		return MAC{}, fmt.Errorf("MAC address %.40q must be written like one of 001565123456, 00:15:65:12:34:56, 00-15-65-12-34-56, 0015.6512.3456", s)
	}
	var m MAC
	if _, err := hex.Decode(m[:], []byte(digits)); err != nil {
		return MAC{}, fmt.Errorf("MAC address %.40q has a digit that is not 0-9, a-f", s)
	}
	if m.IsZero() || m[0]&1 != 0 {
		return MAC{}, fmt.Errorf("MAC address %.40q belongs to no device (zero or multicast)", s)
	}
	return m, nil
}

// macDigits returns the twelve digits of one of the accepted forms, without separators.
func macDigits(s string) (string, bool) {
	switch {
	case len(s) == 12 && !strings.ContainsAny(s, ":-."):
		return s, true
	case len(s) == 17 && separated(s, s[2], 3) && (s[2] == ':' || s[2] == '-'):
		return strings.ReplaceAll(s, s[2:3], ""), true
	case len(s) == 14 && separated(s, '.', 5):
		return strings.ReplaceAll(s, ".", ""), true
	}
	return "", false
}

func separated(s string, sep byte, every int) bool {
	for i := range len(s) {
		if (i%every == every-1) != (s[i] == sep) {
			return false
		}
	}
	return true
}

// String prints the MAC as 00:15:65:12:34:56.
func (m MAC) String() string {
	b, _ := m.AppendText(make([]byte, 0, 17)) // there are no errors
	return string(b)
}

// AppendText appends what String returns. There are no errors.
func (m MAC) AppendText(b []byte) ([]byte, error) {
	for i := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = hex.AppendEncode(b, m[i:i+1])
	}
	return b, nil
}

// Hex prints the MAC as 001565123456, the form most phones put into file names.
func (m MAC) Hex() string { return hex.EncodeToString(m[:]) }

// IsZero reports whether m names no client.
func (m MAC) IsZero() bool { return m == MAC{} }

// MarshalText prints m for JSON, YAML and logs.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads any form that ParseMAC accepts.
func (m *MAC) UnmarshalText(b []byte) error {
	v, err := ParseMAC(string(b))
	if err == nil {
		*m = v
	}
	return err
}
