package trust

import (
	"fmt"
	"strings"

	"plugtone/dhcp"
)

// PortOf returns the switch port that a relay or switch put into option 82, in words; "" when none did.
func PortOf(l *dhcp.Lease) string {
	if l == nil || l.CircuitID == "" && l.RemoteID == "" {
		return ""
	}
	show := func(s string) string {
		if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			return fmt.Sprintf("0x%x", s)
		}
		return s
	}
	return strings.Trim(show(l.RemoteID)+" "+show(l.CircuitID), " ")
}
