package api

import (
	"net/netip"
	"slices"
	"strings"

	"plugtone/admin/problem"
	"plugtone/dhcp"
)

// contains reports whether one of the values contains q, which is lower case.
func contains(q string, values ...string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return strings.Contains(strings.ToLower(v), q) })
}

// containsMAC reports whether one of the MACs contains q, with or without separators.
func containsMAC(q string, macs ...dhcp.MAC) bool {
	bare := strings.NewReplacer(":", "", "-", "", ".", "").Replace(q)
	return bare != "" && slices.ContainsFunc(macs, func(m dhcp.MAC) bool { return strings.Contains(m.Hex(), bare) })
}

func parseMAC(location, s string) (dhcp.MAC, error) {
	m, err := dhcp.ParseMAC(s)
	if err != nil {
		return m, problem.Field(location, s, problem.MACForms)
	}
	return m, nil
}

// parsePrefix parses an optional subnet.
func parsePrefix(location, s string) (netip.Prefix, error) {
	if s == "" {
		return netip.Prefix{}, nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, problem.Field(location, s, "is not a subnet: write it as 10.20.0.0/22")
	}
	return p.Masked(), nil
}

func parseIP(location, s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return a, problem.Field(location, s, problem.IPForm)
	}
	return a, nil
}
