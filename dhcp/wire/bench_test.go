package wire

import (
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

// BenchmarkDecode reads a phone's DISCOVER.
func BenchmarkDecode(b *testing.B) {
	p := dhcptest.Packet(dhcp.MessageTypeDiscover, 60, 7, 'y', 'e', 'a', 'l', 'i', 'n', 'k', 61, 7, 1, 0, 21, 101, 0, 0, 0, 55, 6, 1, 3, 6, 15, 42, 66, 12, 4, 's', 'i', 'p', 't', 255)
	p[28] = 2
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(p); err != nil {
			b.Fatal(err)
		}
	}
}
