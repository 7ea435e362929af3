package vendors_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"plugtone/dhcp"
	"plugtone/provision/pack"
	"plugtone/provision/vendors"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// load loads the built-in packs one by one, so that a fault in one does not hide the others.
func load(t *testing.T) *pack.Set {
	t.Helper()
	dirs, err := filepath.Glob("*/vendor.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no packs: %v", err)
	}
	var ids []string
	for _, d := range dirs {
		ids = append(ids, filepath.Dir(d))
	}
	s, err := pack.Load(pack.Config{Builtin: vendors.FS, Experimental: ids})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every pack by itself: the same checks as an operator's own pack, every golden, every recogniser.
func TestPacks(t *testing.T) {
	dirs, _ := filepath.Glob("*/vendor.yaml")
	for _, d := range dirs {
		dir := filepath.Dir(d)
		t.Run(dir, func(t *testing.T) {
			s, err := pack.Load(pack.Config{Dirs: []string{dir}, Experimental: []string{dir}})
			if err != nil {
				t.Fatal(err)
			}
			v := s.Vendors()[0]
			if v.ID != dir {
				t.Errorf("vendor %s in folder %s", v.ID, dir)
			}
			goldens(t, v, dir)
		})
	}
}

func goldens(t *testing.T, v *pack.Vendor, dir string) {
	names, err := pack.Goldens(os.DirFS(dir))
	if err != nil || len(names) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	var asked []string
	for _, name := range names {
		file := filepath.Join(dir, name)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, patterns, err := v.Golden(data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		asked = append(asked, patterns...)
		if bytes.Equal(data, want) {
			continue
		}
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s (-golden +now), -update rewrites:\n%s", file, cmp.Diff(strings.Split(string(data), "\n"), strings.Split(string(want), "\n")))
	}
	if left := v.Unasked(asked); len(left) > 0 {
		t.Errorf("no golden asks for %s", strings.Join(left, ", "))
	}
}

// What each pack says it recognises is recognised beside all the others.
func TestRecognise(t *testing.T) {
	s := load(t)
	for _, v := range s.Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			rows, err := pack.Recognitions(os.DirFS(v.ID))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				recognise(t, s, v, r)
			}
		})
	}
}

func recognise(t *testing.T, s *pack.Set, v *pack.Vendor, r pack.Recognition) {
	e, err := r.Evidence()
	if err != nil {
		t.Errorf("%s: %v", r.Value, err)
		return
	}
	if r.Kind == "filename" {
		for _, m := range s.Resolve(r.Value) {
			if m.Vendor == v.ID && (r.Model == "" || m.Model == r.Model) && (r.MAC == "" || m.MAC.String() == r.MAC) {
				return
			}
		}
	}
	id := s.Identify(e)
	if id.Vendor != v.ID || id.Said != r.Model && id.Model != r.Model || id.Firmware != r.Firmware {
		t.Errorf("%s %q: recognised as %s %q firmware %q, want %s %q firmware %q", r.Kind, r.Value, id.Vendor, id.Said, id.Firmware, v.ID, r.Model, r.Firmware)
	}
	if r.MAC != "" {
		if want, err := dhcp.ParseMAC(r.MAC); err != nil || id.MAC != want {
			t.Errorf("%s %q: MAC %s, want %s", r.Kind, r.Value, id.MAC, r.MAC)
		}
	}
}

// The packs compiled into the program are those in this folder.
func TestEmbedded(t *testing.T) {
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
