package provisiontest

import (
	"embed"
	"io/fs"
	"testing"

	"plugtone/provision/pack"
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
