package daemon

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/notify"
	"plugtone/provision/pbxsync"
)

// buildPBX makes the PBX sources, with their metrics.
func buildPBX(d *Daemon) error {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "plugtone_pbx_sync_total", Help: "Syncs of PBX sources, by what became of them."}, []string{"source", "outcome"})
	d.pbx = pbxsync.New(pbxsync.Config{
		Sources: func() []pbxsync.Source { return d.current.Load().cfg.PBX },
		Records: d.store,
		Synced: func(source string, ok bool) {
			outcome := "ok"
			if !ok {
				outcome = "failed"
			}
			total.WithLabelValues(source, outcome).Inc()
		},
		Packs:      d.packs,
		Discovered: d.store,
		Render:     func(f fleet.View, mac dhcp.MAC) error { return d.service.ValidateRendering(f, []dhcp.MAC{mac}) },
		Concerned:  func(source string, phones []dhcp.MAC) { resyncConcerned(d, source, phones) },
		Now:        d.opts.Now,
		Log:        d.log,
	})
	if err := d.metrics.Registry.Register(total); err != nil {
		return err
	}
	return d.metrics.Registry.Register(pbxAges{d})
}

// resyncConcerned makes phones fetch that a sync has changed.
func resyncConcerned(d *Daemon, source string, phones []dhcp.MAC) {
	o := notify.Options{Pace: notify.DefaultPace, PerAddress: notify.DefaultPerAddress}
	job, err := d.jobs.Start("pbx:"+source, "sync of the PBX source "+source, phones, o)
	if err != nil {
		d.log.Error("resync after pbx sync", "source", source, "err", err)
		return
	}
	d.log.Info("resync after pbx sync", "source", source, "job", job.ID, "phones", job.Total)
}

// pbxAges is the metric plugtone_pbx_sync_age_seconds, for the sources that the configuration has now.
type pbxAges struct{ d *Daemon }

var pbxAge = prometheus.NewDesc("plugtone_pbx_sync_age_seconds", "Time since the last successful sync of a PBX source.", []string{"source"}, nil)

// Describe implements prometheus.Collector.
func (pbxAges) Describe(ch chan<- *prometheus.Desc) { ch <- pbxAge }

// Collect implements prometheus.Collector.
func (a pbxAges) Collect(ch chan<- prometheus.Metric) {
	for _, s := range a.d.pbx.List() {
		ch <- prometheus.MustNewConstMetric(pbxAge, prometheus.GaugeValue, a.d.pbx.Age(s.Name).Seconds(), s.Name)
	}
}

// runPBX syncs the PBX sources until ctx ends.
func (s servers) runPBX(ctx context.Context, ready func()) error {
	ready()
	s.d.pbx.Run(ctx)
	return nil
}
