package poolusage_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"plugtone/dhcp/poolusage"
)

var (
	subnet = netip.MustParsePrefix("10.20.0.0/22")
	noon   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

func TestASampleIsThePeakOfItsHour(t *testing.T) {
	var h poolusage.History
	h.Add(noon, map[netip.Prefix]int{subnet: 40})
	h.Add(noon.Add(20*time.Minute), map[netip.Prefix]int{subnet: 70})
	s := h.Add(noon.Add(40*time.Minute), map[netip.Prefix]int{subnet: 50})
	if s.Leased[subnet] != 70 || !s.Hour.Equal(noon) {
		t.Errorf("%+v", s)
	}
	if s = h.Add(noon.Add(time.Hour), map[netip.Prefix]int{subnet: 50}); s.Leased[subnet] != 50 {
		t.Errorf("the next hour: %+v", s)
	}
}

func TestPeaksAreThoseOfTheLastTwoWeeks(t *testing.T) {
	var h poolusage.History
	for hour := range 20 * 24 {
		if hour/24 == 17 { // the daemon was off
			continue
		}
		h.Add(noon.Add(time.Duration(hour)*time.Hour), map[netip.Prefix]int{subnet: 10*(hour/24) + hour%24})
	}
	got := h.Peaks(noon.Add(20*24*time.Hour-time.Minute), subnet)
	want := []int{83, 93, 103, 113, 123, 133, 143, 153, 163, 173, 183, 183, 203, 213}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := h.Peaks(noon, netip.MustParsePrefix("10.30.0.0/24")); len(got) != 0 {
		t.Errorf("a subnet without samples: %v", got)
	}
}

func TestAForecastNeedsGrowthOfDays(t *testing.T) {
	for name, c := range map[string]struct {
		peaks    []int
		free     int
		days     int
		forecast bool
	}{
		"grows":       {[]int{100, 110, 120, 130}, 95, 10, true},
		"full":        {[]int{100, 110, 120}, 0, 0, true},
		"shrinks":     {[]int{130, 120, 110}, 95, 0, false},
		"level":       {[]int{100, 101, 100, 101, 100}, 5, 0, false},
		"two days":    {[]int{100, 200}, 95, 0, false},
		"in years":    {[]int{100, 101, 102}, 60000, 0, false},
		"with a peak": {[]int{100, 150, 110, 120, 125}, 100, 50, true},
	} {
		if days, ok := poolusage.Days(c.peaks, c.free); ok != c.forecast || ok && days != c.days {
			t.Errorf("%s: %d %v, want %d %v", name, days, ok, c.days, c.forecast)
		}
	}
}
