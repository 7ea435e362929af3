package phonefile_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
	"plugtone/provision/provisiontest"
)

// Whatever parameters an operator adds, no file of any pack has a parameter twice: what a file has already is replaced.
// The names are taken from the files themselves, so that they hit.
func TestNoParameterTwice(t *testing.T) {
	packs, err := pack.Load(provisiontest.Vendors(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range packs.Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			hit, some := 0, false
			rapid.Check(t, func(t *rapid.T) {
				m := rapid.SampledFrom(v.Models()).Draw(t, "model")
				p := rapid.SampledFrom(packcheck.Samples(v, m)).Draw(t, "sample").Phone
				names := v.Parameters(p)
				if len(names) == 0 {
					return
				}
				some = true
				p.Extra = make(map[string]string)
				for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 8).Draw(t, "parameters") {
					if v.CheckExtra(m.Name, name, "own") == nil {
						p.Extra[name] = "own"
					}
				}
				p.Extra["own.parameter"] = "own"
				if v.CheckExtra(m.Name, "own.parameter", "own") != nil {
					delete(p.Extra, "own.parameter")
				}
				for _, n := range v.Files(p) {
					if _, err := v.RenderVerified(n.Name, p); err != nil && !errors.Is(err, phonefile.ErrNoContent) && !phonefile.IsRefusal(err) {
						t.Fatal(err)
					}
				}
				seen := make(map[string]bool)
				for _, name := range v.Parameters(p) {
					if seen[name] && !v.Repeats(name) {
						t.Fatalf("duplicate %s", name)
					}
					seen[name] = true
					if p.Extra[name] != "" {
						hit++
					}
				}
			})
			if some && hit == 0 {
				t.Error("no parameter of its own was ever in a file")
			}
		})
	}
}
