package events

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// BenchmarkServedFile is what the record of one served file costs from the call to the file, in flushes of 10,000 by 100 phones, without
// waiting for the disk.
func BenchmarkServedFile(b *testing.B) {
	h := newFixture(b)
	s := h.open()
	for n := range 100 {
		h.recorded[mac(n)] = true
	}
	from := netip.MustParseAddr("10.20.1.7")
	digest := strings.Repeat("0123456789abcdef", 4)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		at, phone := startOfTime.Add(time.Duration(n)*time.Millisecond), mac(n%100)
		s.AppendTimeline(timeline.Entry{Time: at, MAC: phone, Source: "http", Event: "get", Verdict: "served",
			Reason: "10.20.1.7 is leased to 00:15:65:12:34:56", Addr: from, File: "001565123456.cfg", Kind: "device", Bytes: 10_000, Digest: digest,
			Vendor: "yealink", Model: "T46U", Firmware: "108.86.0.70", Duration: 250 * time.Microsecond})
		s.RecordFetch(fleet.Fetch{MAC: phone, File: "001565123456.cfg", Kind: "device", Digest: digest, Size: 10_000, Time: at, From: from,
			Transport: fleet.HTTP, UserAgent: "Yealink SIP-T46U 108.86.0.70", Vendor: "yealink", Model: "T46U", Firmware: "108.86.0.70"})
		if n%10_000 == 0 {
			must(b, s.Flush())
		}
	}
}
