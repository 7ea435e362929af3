// Package poolusage has how many leases each subnet had in the last two weeks, and forecasts when its pools are full.
package poolusage

import (
	"math"
	"net/netip"
	"sync"
	"time"
)

const (
	// Keep is for how long samples are kept.
	Keep = 14 * 24 * time.Hour
	// minDays is how many days a forecast needs: fewer show no trend.
	minDays = 3
	// MaxDays is how far a forecast reaches; what is later is not forecast.
	MaxDays = 365
	// leastGrowth is the growth in leases a day below which use does not grow.
	leastGrowth = 0.2
)

// Sample is the most leases that each subnet had at once within one hour.
type Sample struct {
	Hour   time.Time            `json:"hour"`
	Leased map[netip.Prefix]int `json:"leased"`
}

// History has the samples of the last two weeks. Its methods may be called from any goroutine. The zero History is empty.
type History struct {
	mu      sync.Mutex
	samples []Sample // by hour, the oldest first
}

// Load adds a stored sample; samples come in order.
func (h *History) Load(s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.samples = append(h.samples, s)
}

// Add notes how many leases each subnet has now, and returns the sample of this hour.
func (h *History) Add(now time.Time, leased map[netip.Prefix]int) Sample {
	hour := now.UTC().Truncate(time.Hour)
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.samples); n == 0 || h.samples[n-1].Hour.Before(hour) {
		h.samples = append(h.samples, Sample{Hour: hour, Leased: map[netip.Prefix]int{}})
	}
	for len(h.samples) > 1 && now.Sub(h.samples[0].Hour) > Keep {
		h.samples = h.samples[1:]
	}
	last := h.samples[len(h.samples)-1]
	merged := make(map[netip.Prefix]int, len(leased))
	for subnet, n := range leased {
		merged[subnet] = max(n, last.Leased[subnet])
	}
	last.Leased = merged
	h.samples[len(h.samples)-1] = last
	return last
}

// Peaks returns the most leases that a subnet had at once on each of the last days of 24 hours, the oldest first. It begins with the first day
// that has a sample; a day without one has the number of the day before.
func (h *History) Peaks(now time.Time, subnet netip.Prefix) []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	const most = int(Keep / (24 * time.Hour))
	var peaks [most]int
	first := most
	for _, s := range h.samples {
		n, ok := s.Leased[subnet]
		day := most - 1 - int(now.Sub(s.Hour)/(24*time.Hour))
		if !ok || day < 0 || day >= most {
			continue
		}
		peaks[day] = max(peaks[day], n+1) // 0 is a day without a sample
		first = min(first, day)
	}
	out := make([]int, 0, most-first)
	for _, n := range peaks[first:] {
		if n == 0 {
			n = out[len(out)-1] + 1
		}
		out = append(out, n-1)
	}
	return out
}

// Days returns in how many days a subnet with free addresses is full, if the daily peaks grow as they did: the slope of a straight line through
// them, by least squares. ok is false when they do not grow, when there are fewer than three days, and when it would take longer than MaxDays.
func Days(peaks []int, free int) (days int, ok bool) {
	n := float64(len(peaks))
	if len(peaks) < minDays {
		return 0, false
	}
	var sx, sy, sxx, sxy float64
	for i, p := range peaks {
		x, y := float64(i), float64(p)
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	if slope < leastGrowth {
		return 0, false
	}
	d := math.Ceil(float64(max(free, 0)) / slope)
	return int(d), d <= MaxDays
}
