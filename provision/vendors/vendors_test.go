package vendors_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	_ "time/tzdata"

	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/provisiontest"
	"plugtone/provision/vendors"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// TestMain lets property tests try a few devices for each of many vendors; -rapid.checks sets more.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	var err error
	if !asked {
		err = flag.Set("rapid.checks", "20")
	}
	if err = errors.Join(err, flag.Set("rapid.nofailfile", "true")); err != nil {
		panic(err)
	}
	debug.SetGCPercent(400) // rendering leaves much garbage, and what is in use is small
	os.Exit(m.Run())
}

// loaded are the packs, which do not change.
var loaded struct {
	once sync.Once
	set  *pack.Set
	err  error
}

// load returns the packs as the program loads them, the experimental ones with them.
func load(t testing.TB) *pack.Set {
	t.Helper()
	loaded.once.Do(func() { loaded.set, loaded.err = pack.Load(provisiontest.Vendors(t)) })
	if loaded.err != nil {
		t.Fatal(loaded.err)
	}
	return loaded.set
}

// Every pack by itself: the same checks as an operator's own pack, every golden, every recogniser.
func TestPacksPassTheChecksOfOperatorsPacks(t *testing.T) {
	dirs, _ := filepath.Glob("*/vendor.yaml")
	for _, d := range dirs {
		dir := filepath.Dir(d)
		t.Run(dir, func(t *testing.T) {
			s, err := packcheck.Load(pack.Config{Dirs: []string{dir}, Experimental: []string{dir}})
			if err != nil {
				t.Fatal(err)
			}
			v := s.Vendors()[0]
			if v.ID != dir {
				t.Errorf("vendor %s in folder %s", v.ID, dir)
			}
			var rewrite func(string, []byte) error
			if *update {
				rewrite = func(name string, data []byte) error { return os.WriteFile(filepath.Join(dir, name), data, 0o644) }
			}
			var all []string
			for _, f := range v.Declared() {
				all = append(all, f.Name)
			}
			if err := packcheck.Goldens(v, os.DirFS(dir), rewrite, v.Dir, all); err != nil {
				t.Error(err)
			}
		})
	}
}

// Each pack recognises its own examples while all others are loaded.
func TestEachPackRecognisesItsExamplesAmongAll(t *testing.T) {
	s := load(t)
	for _, v := range s.Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			rows, err := packcheck.Recognitions(os.DirFS(v.ID))
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range rows {
				if err := packcheck.Recognise(s, v.ID, r); err != nil {
					t.Errorf("testdata/recognise.csv:%d: %v", i+2, err)
				}
			}
		})
	}
}

// The packs compiled into the program are those in this folder.
func TestEmbeddedPacksAreThoseOfTheFolder(t *testing.T) {
	dirs, _ := filepath.Glob("*/*")
	for _, f := range dirs {
		if ext := filepath.Ext(f); ext != ".yaml" && ext != ".tmpl" {
			continue
		}
		want, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := vendors.FS.ReadFile(filepath.ToSlash(f))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what is compiled in: %v", f, err)
		}
	}
}
