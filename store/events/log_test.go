package events

import (
	"fmt"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

func line(m dhcp.MAC, n int) timeline.Entry {
	return timeline.Entry{Time: startOfTime.Add(time.Duration(n) * time.Second), MAC: m, Source: timeline.Syslog, Event: "log", Verdict: "info", Reason: fmt.Sprint("line ", n)}
}

// TestAPhonesLogPushesOutNothingElse: a phone that logs without end keeps its last 100 lines and the whole of its timeline.
func TestAPhonesLogPushesOutNothingElse(t *testing.T) {
	for _, recorded := range []bool{true, false} {
		h := newFixture(t)
		s := h.open()
		h.recorded[mac(1)] = recorded
		for n := range 5 {
			s.AppendTimeline(entry(mac(1), n))
		}
		for n := range 1000 {
			s.AppendTimeline(line(mac(1), n))
			if n%300 == 0 {
				must(t, s.Flush())
			}
		}
		check := func(when string) {
			t.Helper()
			entries, err := s.Timeline(mac(1), 1000)
			must(t, err)
			lines, err := s.PhoneLog(mac(1), 1000)
			must(t, err)
			if len(entries) != 5 || len(lines) < logLines || lines[len(lines)-1].Reason != "line 999" || lines[0].MAC != mac(1) {
				t.Errorf("recorded %t, %s: %d entries, %d lines, %+v", recorded, when, len(entries), len(lines), lines[0])
			}
		}
		check("with some in memory")
		must(t, s.Flush())
		check("written")
		s = h.open()
		check("opened again")
		lines, err := s.PhoneLog(mac(1), 1000)
		must(t, err)
		if len(lines) != logLines || lines[0].Reason != "line 900" {
			t.Errorf("recorded %t: %d lines, the first %q", recorded, len(lines), lines[0].Reason)
		}
		if lines, err := s.PhoneLog(mac(2), 1000); err != nil || len(lines) != 0 {
			t.Errorf("another phone has %v, %v", lines, err)
		}
	}
}

// TestALogOfARecordedPhoneIsNoStrangers: a flood of lines of phones without a record leaves that of a phone with one.
func TestALogOfARecordedPhoneIsNoStrangers(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	h.recorded[mac(1)] = true
	s.AppendTimeline(line(mac(1), 1))
	for n := range 5 * h.cfg.Strangers {
		s.AppendTimeline(line(mac(1000+n), n))
		if n%500 == 0 {
			must(t, s.Flush())
		}
	}
	must(t, s.Flush())
	s = h.open()
	if lines, err := s.PhoneLog(mac(1), 10); err != nil || len(lines) != 1 {
		t.Errorf("%v, %v", lines, err)
	}
	if n := s.timelines.strangersInFile(); n > h.cfg.Strangers || n == 0 {
		t.Errorf("%d logs of phones without a record", n)
	}
}
