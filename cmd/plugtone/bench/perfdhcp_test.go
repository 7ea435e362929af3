package main

import (
	"testing"
	"time"
)

// What perfdhcp 2.2 prints with -x t, shortened.
const printed = `***Statistics for: DISCOVER-OFFER***
sent packets: 200
received packets: 198
drops: 2
***Statistics for: REQUEST-ACK***
sent packets: 198
received packets: 197
drops: 1
***Timestamps for packets: DISCOVER-OFFER***
sent / received: 000000.000782 / 000000.002732
sent / received: 000001.040668 / 000001.042031
***Timestamps for packets: REQUEST-ACK***
sent / received: 000000.002894 / 000000.003460
`

func TestPerfdhcpReportIsParsed(t *testing.T) {
	e, err := parsePerfdhcp(printed)
	if err != nil {
		t.Fatal(err)
	}
	s := dhcpSample{exchanged: e, used: 197 * 150 * time.Microsecond}
	if s.Begun != 200 || s.Done != 197 || s.cpu() != 150 || s.lost() < 0.0149 || s.lost() > 0.0151 {
		t.Errorf("%+v, %v µs", s, s.cpu())
	}
	for _, c := range []struct{ got, want time.Duration }{{s.Offer[0], 1950 * time.Microsecond}, {s.Ack[2], 566 * time.Microsecond}, {s.All[0], 1363 * time.Microsecond}} {
		if (c.got - c.want).Abs() > time.Microsecond {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
	if _, err := parsePerfdhcp("perfdhcp: no such interface\n"); err == nil {
		t.Error("nothing was measured, and nothing reported")
	}
}
