package provisiontest

import (
	"embed"
	"io/fs"
	"testing"

	"plugtone/provision/pack"
	"plugtone/provision/vendors"
)

//go:embed packs
var packFiles embed.FS

// Packs loads two small packs of vendors that don't exist: acme (models A1 and A4, OUI 00:15:65) and bolt (model B1, OUI
// 00:04:f2). Both claim the name {mac}.cfg: acme as a device file, bolt as a common one.
func Packs(t testing.TB) *pack.Set {
	t.Helper()
	dir, err := fs.Sub(packFiles, "packs")
	if err != nil {
		t.Fatal(err)
	}
	set, err := pack.Load(pack.Config{Builtin: dir})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Vendors returns the configuration of all packs of the program, the experimental ones with them.
func Vendors(t testing.TB) pack.Config {
	t.Helper()
	dirs, err := fs.ReadDir(vendors.FS, ".")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no packs: %v", err)
	}
	c := pack.Config{Builtin: vendors.FS}
	for _, d := range dirs {
		if d.IsDir() {
			c.Experimental = append(c.Experimental, d.Name())
		}
	}
	return c
}
