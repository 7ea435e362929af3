package vendors_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
)

// BenchmarkRender makes every file of a phone as it is after a power cut: nothing is cached. The phones are those of the
// goldens, one with a single line and one with everything at once.
func BenchmarkRender(b *testing.B) {
	s := load(b)
	for _, v := range s.Vendors() {
		for _, golden := range []string{"one-line", "everything"} {
			data, err := os.ReadFile(filepath.Join(v.ID, "testdata", golden+".txtar"))
			if err != nil {
				continue
			}
			g, err := packcheck.ReadGolden(v, data)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(v.ID+"/"+golden, func(b *testing.B) { renderAll(b, v, g.Phone) })
		}
	}
}

func renderAll(b *testing.B, v *pack.Vendor, p phonefile.Phone) {
	b.ReportAllocs()
	names := v.Files(p)
	for b.Loop() {
		size := 0
		for _, n := range names {
			if n.File.Template == "" {
				continue
			}
			out, err := v.Render(n.Name, p)
			if errors.Is(err, phonefile.ErrNoContent) {
				continue // such as a phonebook that the phone is not given
			}
			if err != nil {
				b.Fatal(err)
			}
			size += len(out)
		}
		b.ReportMetric(float64(size), "bytes")
	}
}

// BenchmarkResolve finds out which vendors' files a name may mean, with all built-in packs.
func BenchmarkResolve(b *testing.B) {
	s := load(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, name := range []string{"001565123456.boot", "y000000000000.boot", "y000000000108.cfg", "001565123456.cfg", "001565123456-local.cfg"} {
			s.Resolve(name)
		}
	}
}
