package impact_test

import (
	"testing"

	"plugtone/provision/fleet"
	"plugtone/provision/impact"
)

// benchPhones is how many phones have the profile that the benchmark changes.
const benchPhones = 2000

// BenchmarkDryRun computes what a new language of a profile does to the files of 2,000 phones, with the lines and counted.
func BenchmarkDryRun(b *testing.B) {
	s := open(b, benchPhones, nil)
	service := services(b, s)
	change, err := s.Write(fleet.Write{Action: "change profile desk", DryRun: true}, french)
	if err != nil {
		b.Fatal(err)
	}
	for name, summary := range map[string]bool{"lines": false, "counted": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := impact.Compute(b.Context(), s, service(s), service(impact.Records(s, change)), change, impact.Options{Site: site, Summary: summary})
				if err != nil || p.Phones != benchPhones {
					b.Fatal(p.Phones, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/benchPhones, "µs/phone")
		})
	}
}
