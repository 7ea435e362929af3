package events

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store/dbfile"
	"plugtone/store/storetest"
)

func entry(m dhcp.MAC, n int) timeline.Entry {
	return timeline.Entry{Time: startOfTime.Add(time.Duration(n) * time.Second), MAC: m, Source: "dhcp", Event: "request", Verdict: "acked", Bytes: int64(n)}
}

func numbers(entries []timeline.Entry) []int64 {
	var n []int64
	for _, e := range entries {
		n = append(n, e.Bytes)
	}
	return n
}

func TestEveryMemberOfAnEntryIsKept(t *testing.T) {
	s := newFixture(t).open()
	equate := cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})
	rapid.Check(t, func(r *rapid.T) {
		var e timeline.Entry
		var f fleet.Fetch
		var d fleet.Discovered
		storetest.Fill(r, reflect.ValueOf(&e).Elem(), "entry")
		storetest.Fill(r, reflect.ValueOf(&f).Elem(), "fetch")
		storetest.Fill(r, reflect.ValueOf(&d).Elem(), "discovered")
		_ = s.ForgetPhone(d.MAC)
		s.AppendTimeline(e)
		s.RecordFetch(f)
		s.SeePhone(d)
		must(t, s.Flush())
		got, err := s.Timeline(e.MAC, 1)
		if err != nil || len(got) != 1 || !cmp.Equal(got[0], e, equate) {
			r.Fatalf("%v: %s", err, cmp.Diff([]timeline.Entry{e}, got, equate))
		}
		fetches, err := s.Fetches(f.MAC)
		if err != nil || !slices.Contains(fetches, f) {
			r.Fatalf("%v: %+v is not in %+v", err, f, fetches)
		}
		again := discoveredList{phones: map[dhcp.MAC]fleet.Discovered{}}
		must(t, s.file.View(func(tx dbfile.Tx) error { return again.load(tx, slog.Default()) }))
		if again.phones[d.MAC] != d {
			r.Fatal(cmp.Diff(d, again.phones[d.MAC], equate))
		}
	})
}

// TestTimelineKeepsTheNewestEntries compares the store with a slice, flushing at random places.
func TestTimelineKeepsTheNewestEntries(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := newFixture(t)
		h.cfg.PerPhone = 7
		s := h.open()
		// MACs at both ends of the order, so that the first and last key of the file are met.
		macs := []dhcp.MAC{{0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 2}, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}}
		model := map[dhcp.MAC][]int64{}
		for n := range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch m := rapid.SampledFrom(macs).Draw(r, "mac"); rapid.IntRange(0, 5).Draw(r, "step") {
			case 0:
				must(t, s.Flush())
			case 1:
				s = h.open()
			default:
				s.AppendTimeline(entry(m, n))
				model[m] = append(model[m], int64(n))
			}
			for _, m := range macs {
				limit := rapid.IntRange(1, 7).Draw(r, "limit")
				got, err := s.Timeline(m, limit)
				want := model[m][max(0, len(model[m])-limit):]
				if err != nil || !slices.Equal(numbers(got), want) {
					r.Fatalf("%s: got %v, want %v, %v", m, numbers(got), want, err)
				}
			}
		}
		must(t, s.Flush())
		for _, m := range macs {
			got, err := s.Timeline(m, 1000)
			if want := model[m][max(0, len(model[m])-7):]; err != nil || !slices.Equal(numbers(got), want) {
				r.Fatalf("%s: kept %v, want %v, %v", m, numbers(got), want, err)
			}
		}
		h.close()
	})
}

func TestEventsAreWrittenAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		h.recorded[mac(1)] = true
		s := h.open()
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		synctest.Wait()
		commits := func() uint64 {
			var n uint64
			must(t, s.file.View(func(tx dbfile.Tx) error { n = uint64(tx.ID()); return nil }))
			return n
		}
		idle := commits()
		time.Sleep(time.Hour)
		if n := commits(); n != idle {
			t.Errorf("%d commits while nothing happened", n-idle)
		}
		for n := range 100 {
			s.AppendTimeline(entry(mac(1), n))
			synctest.Wait()
			time.Sleep(50 * time.Millisecond)
		}
		if n := commits() - idle; n < 4 || n > 6 {
			t.Errorf("%d commits in five seconds", n)
		}
		s.AppendTimeline(entry(mac(1), 100))
		stop()
		running.Wait()
		if len(s.queue) != 0 {
			t.Error("the end left something unwritten")
		}
		if got, err := s.Timeline(mac(1), 1000); err != nil || len(got) != 101 {
			t.Errorf("%d entries, %v", len(got), err)
		}
		h.close()
	})
}

func TestTimelineIsCompleteWhileItIsWritten(t *testing.T) {
	s := newFixture(t).open()
	var writers sync.WaitGroup
	stop := make(chan struct{})
	writers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				must(t, s.Flush())
			}
		}
	})
	for n := range 150 {
		s.AppendTimeline(entry(mac(1), n))
		s.AppendTimeline(entry(mac(2), n))
		got, err := s.Timeline(mac(1), 1000)
		if err != nil || len(got) != n+1 || got[n].Bytes != int64(n) || got[0].Bytes != 0 {
			t.Fatalf("after %d: %v, %v", n+1, numbers(got), err)
		}
	}
	close(stop)
	writers.Wait()
}

func TestQuietPhonesWithoutRecordLoseTheirTimelinesFirst(t *testing.T) {
	h := newFixture(t)
	h.cfg.Phones = 10
	s := h.open()
	h.recorded[mac(1)], h.recorded[mac(2)] = true, true
	for n := 1; n <= 12; n++ {
		s.AppendTimeline(entry(mac(n), n))
		s.AppendTimeline(entry(mac(n), n))
		s.RecordFetch(fleet.Fetch{MAC: mac(n), File: "a"})
		must(t, s.Flush())
	}
	var left []int
	for n := 1; n <= 12; n++ {
		got, err := s.Timeline(mac(n), 10)
		must(t, err)
		fetches, err := s.Fetches(mac(n))
		must(t, err)
		if len(got) > 0 != (len(fetches) > 0) {
			t.Errorf("%s: %d entries, %d fetches", mac(n), len(got), len(fetches))
		}
		if len(got) > 0 {
			left = append(left, n)
		}
	}
	if !slices.Equal(left, []int{1, 2, 5, 6, 7, 8, 9, 10, 11, 12}) {
		t.Errorf("left: %v", left)
	}
	s = h.open()
	if len(s.timelines.phones) != 10 || !s.timelines.phones[mac(7)].newest.Equal(entry(mac(7), 7).Time) {
		t.Errorf("after opening again: %v", s.timelines.phones)
	}
}

func TestTextsFromTheNetworkAreBounded(t *testing.T) {
	s := newFixture(t).open()
	long := strings.Repeat("x", 1023) + "\xe4" + strings.Repeat("y", 100_000)
	s.AppendTimeline(timeline.Entry{MAC: mac(1), File: long, Reason: "a\xff"})
	s.SeePhone(fleet.Discovered{MAC: mac(1), Hostname: long})
	s.RecordFetch(fleet.Fetch{MAC: mac(1), File: long})
	before, err := s.Timeline(mac(1), 1)
	must(t, err)
	must(t, s.Flush())
	after, err := s.Timeline(mac(1), 1)
	must(t, err)
	if len(before) != 1 || !cmp.Equal(before, after, cmpopts.EquateComparable(netip.Addr{})) || len(after[0].File) > 1100 || after[0].Reason != "a\uFFFD" {
		t.Errorf("%d bytes, reason %q", len(after[0].File), after[0].Reason)
	}
	if got, err := s.Fetches(mac(1)); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	s.RecordFetch(fleet.Fetch{MAC: mac(2), File: "a", Kind: long, Digest: long, Transport: fleet.Transport(long), UserAgent: long, Vendor: long, Model: long, Firmware: long, Port: long})
	if got, err := s.Fetches(mac(2)); err != nil || len(got) != 1 || len(fmt.Sprint(got[0])) > 9000 {
		t.Errorf("%d fetches, %v: %.100v", len(got), err, got)
	}
}

func TestFetchesKeepTheLastOfEachFile(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	fetch := func(file string, n int) fleet.Fetch {
		return fleet.Fetch{MAC: mac(1), File: file, Digest: fmt.Sprint(n), Time: startOfTime.Add(time.Duration(n) * time.Second)}
	}
	s.RecordFetch(fetch("b.cfg", 1))
	must(t, s.Flush())
	s.RecordFetch(fetch("b.cfg", 2))
	s.RecordFetch(fetch("a.cfg", 3))
	s.RecordFetch(fleet.Fetch{MAC: mac(2), File: "a.cfg"})
	want := []fleet.Fetch{fetch("a.cfg", 3), fetch("b.cfg", 2)}
	for range 2 { // before and after they are written
		got, err := s.Fetches(mac(1))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
		must(t, s.Flush())
	}
	for n := range 100 {
		s.RecordFetch(fetch(fmt.Sprint("file", n), 10+n))
		if n%30 == 0 {
			must(t, s.Flush())
		}
	}
	s = h.open()
	got, err := s.Fetches(mac(1))
	must(t, err)
	oldest := slices.MinFunc(got, func(a, b fleet.Fetch) int { return a.Time.Compare(b.Time) })
	if len(got) != 64 || oldest.File != "file36" {
		t.Errorf("%d files, oldest %s", len(got), oldest.File)
	}
}

func TestDiscoveredPhonesAreMerged(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	s.SeePhone(fleet.Discovered{MAC: mac(2), Vendor: "yealink", Model: "T46U", Hostname: "SIP-T46U"})
	must(t, s.Flush())
	h.now = h.now.Add(time.Minute)
	s.SeePhone(fleet.Discovered{MAC: mac(2), Firmware: "108.86", IP: addr(2)})
	s.SeePhone(fleet.Discovered{MAC: mac(1)})
	want := []fleet.Discovered{
		{MAC: mac(1), FirstSeen: h.now, LastSeen: h.now},
		{MAC: mac(2), Vendor: "yealink", Model: "T46U", Hostname: "SIP-T46U", Firmware: "108.86", IP: addr(2), FirstSeen: startOfTime, LastSeen: h.now},
	}
	for range 2 {
		got, err := s.DiscoveredPhones()
		if err != nil || !slices.Equal(got, want) || s.DiscoveredCount() != 2 {
			t.Errorf("%+v, %v", got, err)
		}
		s = h.open()
	}
	s.SeePhone(fleet.Discovered{MAC: mac(2), Vendor: "snom"})
	if got, _ := s.DiscoveredPhones(); got[1].Vendor != "snom" || got[1].Model != "" || got[1].Firmware != "" || got[1].Hostname == "" {
		t.Errorf("with another vendor: %+v", got[1])
	}
	must(t, s.ForgetPhone(mac(2)))
	if err := s.ForgetPhone(mac(2)); err == nil || err.Error() != "discovered phone 00:15:65:00:00:02: not found" {
		t.Errorf("got %v", err)
	}
	s = h.open()
	if got, _ := s.DiscoveredPhones(); len(got) != 1 || got[0].MAC != mac(1) {
		t.Errorf("after opening again: %+v", got)
	}
}

func TestAFloodOfPhonesIsBounded(t *testing.T) {
	h := newFixture(t)
	h.cfg.Discovered = 100
	s := h.open()
	for n := range 1000 {
		h.now = h.now.Add(time.Second)
		s.SeePhone(fleet.Discovered{MAC: mac(n)})
		s.SeePhone(fleet.Discovered{MAC: mac(100_000)}) // a real phone that continues
		if c := s.DiscoveredCount(); c > 100 {
			t.Fatalf("%d on the list", c)
		}
		if n%100 == 0 {
			must(t, s.Flush())
		}
	}
	if n := len(s.discovered.changed); n > 400 {
		t.Errorf("%d wait to be written", n)
	}
	s = h.open()
	got, err := s.DiscoveredPhones()
	if err != nil || len(got) > 100 || len(got) < 90 || got[len(got)-1].MAC != mac(100_000) || got[len(got)-2].MAC != mac(999) {
		t.Errorf("%d on the list, %v", len(got), err)
	}
}

func TestFetchesAfterReturnsEachOnce(t *testing.T) {
	s := newFixture(t).open()
	want := map[string]bool{}
	for n := range 10 {
		for _, file := range []string{"a.cfg", "b.cfg"} {
			s.RecordFetch(fleet.Fetch{MAC: mac(n), File: file, Time: startOfTime, Digest: "0"})
			want[mac(n).String()+" "+file] = true
		}
	}
	must(t, s.Flush())
	var key []byte
	for pages := 1; ; pages++ {
		page, next, err := s.FetchesAfter(key, 7)
		must(t, err)
		for _, f := range page {
			if name := f.MAC.String() + " " + f.File; !want[name] {
				t.Errorf("%s is returned twice", name)
			} else {
				delete(want, name)
			}
		}
		if key = next; key == nil {
			if pages != 3 || len(want) > 0 {
				t.Errorf("%d pages, %d are missing", pages, len(want))
			}
			return
		}
	}
}
