package admin_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/store"
)

// benchAPI is an API over a store on disk.
func benchAPI(b *testing.B) *api {
	a := newAPI(b)
	s, err := store.Open(store.Config{Dir: b.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	a.UseStore(b, s)
	return a
}

// fleetDocument has n extensions and as many devices.
func fleetDocument(n int) string {
	var out strings.Builder
	out.WriteString(`{"registrars":[{"name":"main","host":"pbx.example.com"}],"profiles":[{"name":"desk","settings":{"language":"de"}}],"extensions":[`)
	for i := range n {
		fmt.Fprintf(&out, `%s{"number":"%d","registrar":"main","display_name":"User %d","password":"pw%d"}`, comma(i), 100_000+i, i, i)
	}
	out.WriteString(`],"devices":[`)
	for i := range n {
		fmt.Fprintf(&out, `%s{"mac":"001565%06x","model":"acme/A4","label":"Phone %d","profile":"desk","location":"Floor %d","lines":[{"extension":"%d","registrar":"main"}],`+
			`"keys":[{"area":"line","slot":2,"type":"blf","value":"%d","label":"Next"}]}`, comma(i), i, i, i%40, 100_000+i, 100_000+(i+1)%n)
	}
	out.WriteString("]}")
	return out.String()
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// BenchmarkApply applies a fleet to an empty store and again without a change.
func BenchmarkApply(b *testing.B) {
	const n = 10_000
	body := fleetDocument(n)
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			a := benchAPI(b)
			b.StartTimer()
			if r := a.as("operator", "POST /api/v1/apply", body, "Content-Type: application/json"); r.status != 200 {
				b.Fatal(r.body)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/phone")
	})
	b.Run("same", func(b *testing.B) {
		a := benchAPI(b)
		a.as("operator", "POST /api/v1/apply", body, "Content-Type: application/json")
		for b.Loop() {
			if r := a.as("operator", "POST /api/v1/apply", body, "Content-Type: application/json"); r.status != 200 {
				b.Fatal(r.body)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/phone")
	})
}
