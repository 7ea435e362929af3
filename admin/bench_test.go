package admin_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/admin/client"
	"plugtone/store"
)

// benchAPI is an API over a store on disk.
func benchAPI(b testing.TB) *api {
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

// benchDevices is how many devices the benchmarks have; DEVICES sets another number.
func benchDevices(b *testing.B) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("DEVICES"), "10000"))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkApply applies a fleet to an empty store, again without a change, and what an export made of it, which changes nothing either.
func BenchmarkApply(b *testing.B) {
	n := benchDevices(b)
	body := fleetDocument(n)
	perPhone := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/phone")
	}
	same := func(b *testing.B, a *api, body string) {
		r := a.as("operator", "POST /api/v1/apply", body, "Content-Type: application/json")
		var out client.Applied
		if err := json.Unmarshal([]byte(r.body), &out); err != nil || r.status != 200 || out.New+out.Changed+out.Deleted != 0 || out.Same < 2*n {
			b.Fatal(r.status, out.New, out.Changed, out.Same, err)
		}
	}
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			a := benchAPI(b)
			b.StartTimer()
			if r := a.as("operator", "POST /api/v1/apply", body, "Content-Type: application/json"); r.status != 200 {
				b.Fatal(r.body)
			}
		}
		perPhone(b)
	})
	b.Run("same", func(b *testing.B) {
		a := benchAPI(b)
		a.as("operator", "POST /api/v1/apply", body, "Content-Type: application/json")
		for b.Loop() {
			same(b, a, body)
		}
		perPhone(b)
	})
	b.Run("exported", func(b *testing.B) {
		a := benchAPI(b)
		a.as("operator", "POST /api/v1/apply", body, "Content-Type: application/json")
		for b.Loop() {
			r := a.as("admin", "GET /api/v1/export?reveal=true", "")
			if r.status != 200 {
				b.Fatal(r.body)
			}
			same(b, a, r.body)
		}
		perPhone(b)
	})
}
