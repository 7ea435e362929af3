package events

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

// wordy is an entry of about 500 bytes.
func wordy(m dhcp.MAC, n int) timeline.Entry {
	e := entry(m, n)
	e.Reason, e.Options = strings.Repeat("reason ", 30), strings.Repeat("1 3 6 ", 30)
	return e
}

// TestAFloodOfPhonesWithoutRecordIsBounded lets 65,536 MACs claim to be phones. A few of them have a timeline in memory and in the
// file; the phones with a record keep theirs.
func TestAFloodOfPhonesWithoutRecordIsBounded(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	for n := range 20 {
		h.recorded[mac(n)] = true
		for i := range 5 {
			s.AppendTimeline(entry(mac(n), i))
		}
	}
	for n := range 65_536 {
		stranger := mac(1000 + n)
		s.AppendTimeline(wordy(stranger, n))
		s.AppendTimeline(wordy(stranger, n))
		if n%4096 == 0 {
			h.now = h.now.Add(20 * time.Second)
			must(t, s.Flush())
		}
		if n%1000 == 0 {
			must(t, s.flush(false))
			if len(s.strangers) > h.cfg.Strangers || len(s.timelines.phones) > h.cfg.Strangers+20 {
				t.Fatalf("after %d: %d strangers in memory, %d timelines in the file", n, len(s.strangers), len(s.timelines.phones))
			}
		}
	}
	must(t, s.Flush())
	info, err := os.Stat(h.path)
	must(t, err)
	if info.Size() > 20<<20 { // bbolt grows a file by 16 MiB at a time
		t.Errorf("the file has %d bytes", info.Size())
	}
	s = h.open()
	for n := range 20 {
		if got, err := s.Timeline(mac(n), 100); err != nil || len(got) != 5 {
			t.Errorf("phone %d with a record: %d entries, %v", n, len(got), err)
		}
	}
	if got, err := s.Timeline(mac(1000+65_535), 100); err != nil || len(got) != 2 {
		t.Errorf("the last phone without a record: %d entries, %v", len(got), err)
	}
	if got, err := s.Timeline(mac(1000), 100); err != nil || len(got) != 0 {
		t.Errorf("the first phone without a record: %d entries, %v", len(got), err)
	}
}

// TestPhoneThatGetsARecordKeepsItsTimeline: what is in memory goes to the file with the next flush.
func TestPhoneThatGetsARecordKeepsItsTimeline(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	s.AppendTimeline(entry(mac(1), 1))
	must(t, s.flush(false))
	if len(s.timelines.phones) != 0 {
		t.Error("the timeline of a phone without a record is written at once")
	}
	h.recorded[mac(1)] = true
	s.AppendTimeline(entry(mac(1), 2))
	must(t, s.flush(false))
	if got, err := s.Timeline(mac(1), 10); err != nil || fmt.Sprint(numbers(got)) != "[1 2]" || len(s.strangers) != 0 {
		t.Errorf("%v, %v", numbers(got), err)
	}
}

// TestTheFileStaysBelowItsLimit writes many times the limit for phones that all have a record.
func TestTheFileStaysBelowItsLimit(t *testing.T) {
	h := newFixture(t)
	h.cfg.MaxSize = 8 << 20
	s := h.open()
	const phones = 300
	n := 0
	for round := range 100 {
		for p := range phones {
			h.recorded[mac(p)] = true
			n++
			s.AppendTimeline(wordy(mac(p), n))
		}
		if err := s.Flush(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if size := s.file.Size(); size > h.cfg.MaxSize {
			t.Fatalf("round %d: %d bytes", round, size)
		}
	}
	for p := range phones {
		got, err := s.Timeline(mac(p), 1000)
		if err != nil || len(got) < perPhoneMin || got[len(got)-1].Bytes != int64(n-phones+p+1) {
			t.Fatalf("phone %d: %d entries, %v", p, len(got), err)
		}
	}
}

// TestALargeFileIsMadeSmaller opens a file that was written with a larger limit.
func TestALargeFileIsMadeSmaller(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	for n := range 100 {
		h.recorded[mac(n)] = true
		for i := range 200 {
			s.AppendTimeline(wordy(mac(n), i))
		}
		must(t, s.Flush())
	}
	for n := range 900 {
		s.AppendTimeline(wordy(mac(1000+n), n))
	}
	must(t, s.Flush())
	before := s.file.Size()
	h.cfg.MaxSize, h.cfg.Strangers = 6<<20, 100
	s = h.open()
	if after := s.file.Size(); before < 10<<20 || after > h.cfg.MaxSize {
		t.Errorf("%d bytes became %d", before, after)
	}
	for n := range 100 {
		got, err := s.Timeline(mac(n), 1000)
		if err != nil || len(got) < perPhoneMin || got[len(got)-1].Bytes != 199 {
			t.Fatalf("phone %d: %d entries, %v", n, len(got), err)
		}
	}
	if got, err := s.Timeline(mac(1899), 10); err != nil || len(got) != 1 || len(s.timelines.phones) > 200 {
		t.Errorf("the last phone without a record: %d entries; %d timelines, %v", len(got), len(s.timelines.phones), err)
	}
	s.AppendTimeline(wordy(mac(1), 200))
	s = h.open()
	if got, err := s.Timeline(mac(1), 1); err != nil || len(got) != 1 || got[0].Bytes != 200 {
		t.Errorf("after opening again: %v, %v", numbers(got), err)
	}
}
