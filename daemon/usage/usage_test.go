package usage_test

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/daemon/usage"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/poolusage"
)

var subnet = netip.MustParsePrefix("10.20.0.0/22")

// samples is a store in memory.
type samples []poolusage.Sample

func (s *samples) SaveUsage(x poolusage.Sample) error {
	if n := len(*s); n > 0 && (*s)[n-1].Hour.Equal(x.Hour) {
		(*s)[n-1] = x
		return nil
	}
	*s = append(*s, x)
	return nil
}

func (s *samples) LoadUsage(each func(poolusage.Sample)) error {
	for _, x := range *s {
		each(x)
	}
	return nil
}

// TestGrowthIsSampledStoredAndForecast: a subnet that gets ten phones a day is full in a week, also when the daemon starts again.
func TestGrowthIsSampledStoredAndForecast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, stored := time.Now(), &samples{}
		stats := func() leasetable.Stats {
			n := 100 + int(time.Since(begin)/(24*time.Hour))*10
			return leasetable.Stats{Subnet: subnet, Pool: 210, Active: n, Free: 210 - n}
		}
		c := usage.Config{Stats: func() []leasetable.Stats { return []leasetable.Stats{stats()} }, Store: stored, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		u, err := usage.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- u.Run(ctx, func() {}) }()
		synctest.Wait()
		if days, ok := u.FullIn(stats()); ok {
			t.Errorf("full in %d days after the first sample", days)
		}
		time.Sleep(5*24*time.Hour - time.Minute)
		synctest.Wait()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := len(*stored); n != 5*24 {
			t.Errorf("%d samples in five days, want one an hour", n)
		}
		again, err := usage.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		if days, ok := again.FullIn(stats()); !ok || days != 7 {
			t.Errorf("full in %d days, %v; want 7: %v", days, ok, again.Peaks(subnet))
		}
		reg := prometheus.NewRegistry()
		reg.MustRegister(again)
		want := "# HELP plugtone_dhcp_pool_full_seconds Time until the subnet has no free address if its daily peaks grow as in the last two weeks; +Inf without a forecast.\n# TYPE plugtone_dhcp_pool_full_seconds gauge\nplugtone_dhcp_pool_full_seconds{subnet=\"10.20.0.0/22\"} 604800\n"
		if err := testutil.CollectAndCompare(again, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}
