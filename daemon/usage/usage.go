// Package usage samples how many leases each subnet has, stores the samples, and has the forecast of them for the API, the metrics and the
// warnings. Package poolusage computes it.
package usage

import (
	"context"
	"log/slog"
	"math"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/poolusage"
)

// every is the time between two samples. The largest of an hour is kept.
const every = 10 * time.Minute

// Store keeps the samples.
type Store interface {
	SaveUsage(poolusage.Sample) error
	LoadUsage(each func(poolusage.Sample)) error
}

// Config is what Open needs. All members are required.
type Config struct {
	Stats func() []leasetable.Stats
	Store Store
	Now   func() time.Time
	Log   *slog.Logger
}

// Usage is the use of the subnets.
type Usage struct {
	c       Config
	history poolusage.History
}

// Open reads the stored samples.
func Open(c Config) (*Usage, error) {
	u := &Usage{c: c}
	return u, c.Store.LoadUsage(u.history.Load)
}

// Run takes samples until ctx ends.
func (u *Usage) Run(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := u.sample(); err != nil {
			u.c.Log.Warn("use of the subnets is not stored", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (u *Usage) sample() error {
	leased := map[netip.Prefix]int{}
	for _, s := range u.c.Stats() {
		if s.Pool > 0 {
			leased[s.Subnet] = s.Active
		}
	}
	if len(leased) == 0 {
		return nil
	}
	return u.c.Store.SaveUsage(u.history.Add(u.c.Now(), leased))
}

// Peaks returns the most leases that a subnet had at once on each of the last days, the oldest first.
func (u *Usage) Peaks(subnet netip.Prefix) []int { return u.history.Peaks(u.c.Now(), subnet) }

// FullIn returns in how many days a subnet is full, if its daily peaks grow as they did. ok is false when there is no forecast: see poolusage.Days.
func (u *Usage) FullIn(s leasetable.Stats) (days int, ok bool) {
	if s.Pool == 0 {
		return 0, false
	}
	peaks := u.Peaks(s.Subnet)
	if len(peaks) == 0 {
		return 0, false
	}
	// The day's peak comes again: what is free at night is no reserve.
	return poolusage.Days(peaks, min(s.Free, s.Pool-s.Declined-peaks[len(peaks)-1]))
}

// fullDays is the metric of the forecast.
var fullDays = prometheus.NewDesc("plugtone_dhcp_pool_full_seconds", "Time until the subnet has no free address if its daily peaks grow as in the last two weeks; +Inf without a forecast.", []string{"subnet"}, nil)

// Describe implements prometheus.Collector.
func (u *Usage) Describe(ch chan<- *prometheus.Desc) { ch <- fullDays }

// Collect implements prometheus.Collector.
func (u *Usage) Collect(ch chan<- prometheus.Metric) {
	for _, s := range u.c.Stats() {
		if s.Pool == 0 {
			continue
		}
		value := math.Inf(1)
		if days, ok := u.FullIn(s); ok {
			value = float64(days) * (24 * time.Hour).Seconds()
		}
		ch <- prometheus.MustNewConstMetric(fullDays, prometheus.GaugeValue, value, s.Subnet.String())
	}
}
