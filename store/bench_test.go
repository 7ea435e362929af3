package store

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store/leases"
	"plugtone/store/records"
)

func TestMetricsOfTheStoreMove(t *testing.T) {
	h := newFixture(t)
	r := prometheus.NewPedanticRegistry()
	h.cfg.Registerer = r
	s := h.open()
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(1)}}))
	names := map[string]string{}
	families, err := r.Gather()
	must(t, err)
	for _, f := range families {
		var files []string
		for _, m := range f.Metric {
			for _, l := range m.Label {
				files = append(files, l.GetName()+"="+l.GetValue())
			}
		}
		names[f.GetName()] = strings.Join(files, " ")
	}
	all := "file=events.db file=leases.db file=leases.journal file=plugtone.db"
	if fmt.Sprint(names) != fmt.Sprint(map[string]string{"plugtone_store_bytes": all, "plugtone_store_commit_seconds": all, "plugtone_store_events_dropped_total": "",
		"plugtone_store_damage": all, "plugtone_store_damaged_records_total": "file=events.db file=leases.db file=plugtone.db", "plugtone_store_free_bytes": ""}) {
		t.Errorf("metrics: %v", names)
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if _, err := Open(h.cfg); err == nil {
		t.Error("opened twice")
	}
	must(t, s.Close())
	h.open() // the names are free again
}

func benchStore(b *testing.B) *Store {
	s, err := Open(Config{Dir: b.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = s.closeFiles() })
	return s
}

func benchDevice(n int) *fleet.Device {
	d := &fleet.Device{MAC: mac(n + 1), Vendor: "yealink", Model: "T46U", Label: fmt.Sprint("phone ", n), Enabled: true,
		Lines: []fleet.Line{{Position: 1, Extension: fmt.Sprint(n), Registrar: "main"}}}
	for slot := range 5 {
		d.Keys = append(d.Keys, fleet.Key{Area: "line", Slot: slot + 2, Type: "blf", Value: fmt.Sprint(1000 + slot), Label: "colleague"})
	}
	if n%10 == 0 {
		d.ReservedIP = addr(n)
	}
	return d
}

func BenchmarkLoad100kLeases(b *testing.B) {
	s := benchStore(b)
	var all []dhcp.Change
	for n := range 100_000 {
		all = append(all, dhcp.Change{Lease: lease(n)})
	}
	for part := range 100 {
		if err := s.WriteLeases(all[part*1000 : (part+1)*1000]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Sizes()[leases.FileName])/(1<<20), "MiB")
	for b.Loop() {
		n := 0
		if err := s.LoadLeases(func(dhcp.Lease) error { n++; return nil }); err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkOpen100kDevices is the check of the pages, bbolt's own start and the reservations.
func BenchmarkOpen100kDevices(b *testing.B) {
	s := benchStore(b)
	if err := s.Edit("bench", "fill", func(e fleet.Edit) error {
		for n := range 100_000 {
			if err := e.PutDevice(benchDevice(n)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(s.Sizes()[records.FileName])/(1<<20), "MiB")
	for b.Loop() {
		cfg := s.cfg
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		var err error
		if s, err = Open(cfg); err != nil {
			b.Fatal(err)
		}
	}
	s.Close()
}

func BenchmarkReadDevice(b *testing.B) {
	s := benchStore(b)
	if err := s.Edit("bench", "fill", func(e fleet.Edit) error { return e.PutDevice(benchDevice(1)) }); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := s.View(func(f fleet.View) error { _, err := f.DeviceByAny(mac(2)); return err }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteOneDevice(b *testing.B) {
	s := benchStore(b)
	n := 0
	for b.Loop() {
		n++
		d := benchDevice(n % 1000)
		d.ReservedIP = addr(n % 1000)
		d.Label = fmt.Sprint(n)
		if err := s.Edit("bench", "put", func(e fleet.Edit) error { return e.PutDevice(d) }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteOneLease(b *testing.B) {
	s := benchStore(b)
	n := 0
	for b.Loop() {
		n++
		if err := s.WriteLeases([]dhcp.Change{{Lease: lease(n % 60_000)}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTimelineEntry is the cost of one entry from the call to the file, in flushes of 1,000.
func BenchmarkTimelineEntry(b *testing.B) {
	s := benchStore(b)
	n := 0
	for b.Loop() {
		n++
		s.AppendTimeline(timeline.Entry{Time: startOfTime.Add(time.Duration(n) * time.Second), MAC: mac(n % 200), Source: "dhcp", Event: "request", Verdict: "acked"})
		if n%1000 == 0 {
			if err := s.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
