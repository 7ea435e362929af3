package store

import (
	"errors"
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"plugtone/store/leases"
)

type metrics struct {
	commits *prometheus.HistogramVec
	dropped prometheus.Counter
	damaged *prometheus.CounterVec
	damage  *prometheus.GaugeVec
	all     []prometheus.Collector
}

func newMetrics() *metrics {
	return &metrics{
		commits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "plugtone_store_commit_seconds",
			Help:    "Time of a transaction until it is durable, by file.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"file"}),
		damaged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugtone_store_damaged_records_total",
			Help: "Records that did not match their checksums and were left out, by file.",
		}, []string{"file"}),
		damage: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plugtone_store_damage",
			Help: "What this start found wrong with a file: missing, cut short, damaged, changed or another data directory's. 0: nothing.",
		}, []string{"file"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plugtone_store_events_dropped_total",
			Help: "Timeline entries, fetches and discovered phones that were dropped because events.db could not be written in time.",
		}),
	}
}

func (m *metrics) register(r prometheus.Registerer, s *Store) error {
	m.all = []prometheus.Collector{m.commits, m.dropped, m.damaged, m.damage}
	sizes := map[string]func() int64{leases.LogName: s.leasesDB.LogSize}
	for name, f := range s.files {
		sizes[name] = f.Size
		m.damaged.WithLabelValues(name)
	}
	for name, size := range sizes {
		m.damage.WithLabelValues(name)
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "plugtone_store_bytes",
			Help:        "Size of a file of the store.",
			ConstLabels: prometheus.Labels{"file": name},
		}, func() float64 { return float64(size()) }))
	}
	m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "plugtone_store_free_bytes",
		Help: "Bytes that are free on the disk of the data directory, for the daemon's user.",
	}, func() float64 {
		n, err := FreeBytes(s.cfg.Dir)
		if err != nil {
			return math.NaN()
		}
		return float64(n)
	}))
	var errs []error
	for _, c := range m.all {
		errs = append(errs, r.Register(c))
	}
	return errors.Join(errs...)
}

// unregister lets another Store take the names, as a test or a restart within one process does.
func (m *metrics) unregister(r prometheus.Registerer) {
	for _, c := range m.all {
		r.Unregister(c)
	}
}

// FreeBytes returns how many bytes the process may still write to the disk of a folder.
func FreeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil // 32 bits on some machines
}
