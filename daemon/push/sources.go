package push

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/notify"
	"plugtone/provision/pbxsync"
)

// Files render phones' files: Now from the records, and what Before returns from others.
type Files struct {
	Now    impact.Renderer
	Before func(fleet.Records) (impact.Renderer, error)
}

// NewSources returns the PBX sources, with their metrics registered. The phones that a sync concerns are made to fetch by jobs. What of s is
// also in c need not be set, nor what is found by f.
func NewSources(c Config, jobs *notify.Jobs, f Files, s pbxsync.Config) (*pbxsync.Sources, error) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "plugtone_pbx_sync_total", Help: "Syncs of PBX sources, by what became of them."}, []string{"source", "outcome"})
	s.Records, s.Now, s.Log = c.Records, c.Now, c.Log
	s.Synced = func(source string, ok bool) {
		outcome := "ok"
		if !ok {
			outcome = "failed"
		}
		total.WithLabelValues(source, outcome).Inc()
	}
	s.Changed = func(ctx context.Context, change uint64) ([]dhcp.MAC, error) {
		return impact.Phones(ctx, c.Records, f.Now, f.Before, change, c.Site())
	}
	s.Concerned = func(source string, phones []dhcp.MAC) { c.resync(jobs, source, phones) }
	out := pbxsync.New(s)
	if err := c.Registerer.Register(total); err != nil {
		return nil, err
	}
	return out, c.Registerer.Register(pbxAges{out})
}

// resync makes phones fetch that a sync has changed.
func (c Config) resync(jobs *notify.Jobs, source string, phones []dhcp.MAC) {
	o := notify.Options{Pace: notify.DefaultPace, PerAddress: notify.DefaultPerAddress}
	job, err := jobs.Start("pbx:"+source, "sync of the PBX source "+source, phones, o)
	if err != nil {
		c.Log.Error("resync after pbx sync", "source", source, "err", err)
		return
	}
	c.Log.Info("resync after pbx sync", "source", source, "job", job.ID, "phones", job.Total)
}

// pbxAges is the metric plugtone_pbx_sync_age_seconds, for the sources that the configuration has now.
type pbxAges struct{ sources *pbxsync.Sources }

var pbxAge = prometheus.NewDesc("plugtone_pbx_sync_age_seconds", "Time since the last successful sync of a PBX source.", []string{"source"}, nil)

// Describe implements prometheus.Collector.
func (pbxAges) Describe(ch chan<- *prometheus.Desc) { ch <- pbxAge }

// Collect implements prometheus.Collector.
func (a pbxAges) Collect(ch chan<- prometheus.Metric) {
	for _, s := range a.sources.List() {
		ch <- prometheus.MustNewConstMetric(pbxAge, prometheus.GaugeValue, a.sources.Age(s.Name).Seconds(), s.Name)
	}
}
