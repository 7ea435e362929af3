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

func TestParse(t *testing.T) {
	s, err := parsePerfdhcp(printed, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	s.used = 197 * 150 * time.Microsecond
	if s.rate != 100 || s.done != 197 || s.cpu() != 150 || s.lost < 0.0149 || s.lost > 0.0151 {
		t.Errorf("%+v, %v µs", s, s.cpu())
	}
	if d := s.p50 - 1363*time.Microsecond; d.Abs() > time.Microsecond {
		t.Errorf("p50 is %s", s.p50)
	}
	if _, err := parsePerfdhcp("perfdhcp: no such interface\n", time.Second); err == nil {
		t.Error("nothing was measured, and nothing said of it")
	}
}
