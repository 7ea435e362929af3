package dhcp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// ParseRange reads 10.20.1.0-10.20.3.250, a single address or a prefix.
func ParseRange(s string) (Range, error) {
	bad := fmt.Errorf("range %.60q must be written like one of 10.20.1.0-10.20.3.250, 10.20.1.7, 10.20.1.0/24", s)
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
	last, err2 := netip.ParseAddr(strings.TrimSpace(hi))
	if err1 != nil || err2 != nil || !first.Is4() || !last.Is4() {
		return Range{}, bad
	}
	if last.Less(first) {
		return Range{}, fmt.Errorf("range %.60q ends before it begins", s)
	}
	return Range{first, last}, nil
}

// LastAddr returns the highest address of p, its broadcast address.
func LastAddr(p netip.Prefix) netip.Addr {
	return NumberedAddr(AddrNumber(p.Masked().Addr()) | (1<<(32-p.Bits()) - 1))
}

// AddrNumber returns a as a number; a must be an IPv4 address.
func AddrNumber(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// NumberedAddr returns the IPv4 address with the number n, the inverse of AddrNumber.
func NumberedAddr(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
