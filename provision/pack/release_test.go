package pack_test

import (
	"fmt"
	"runtime"
	"testing"
	"weak"

	. "plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// A reload replaces the set. Nothing that was rendered, matched or checked with the old one keeps it: its caches are
// its own.
func TestDroppedSetIsCollected(t *testing.T) {
	set, renderer := usedSet(t)
	for range 10 { // pools give up what they hold in the second collection
		runtime.GC()
		if set.Value() == nil && renderer.Value() == nil {
			return
		}
	}
	t.Errorf("after ten collections the set is kept: %v, its renderer: %v", set.Value() != nil, renderer.Value() != nil)
}

// usedSet returns a set that has filled every cache and to which no reference is left.
func usedSet(t *testing.T) (weak.Pointer[Set], weak.Pointer[phonefile.Renderer]) {
	t.Helper()
	s := acmeSet(t)
	v, _ := s.Vendor("acme")
	for i := range 50 {
		p := acmePhone([]string{"A1", "A-2", "A3", ""}[i%4])
		p.Label = fmt.Sprint("Desk ", i)
		p.Settings = map[string]any{"time_zone": "Asia/Tokyo", "admin_password": fmt.Sprint("secret", i)}
		p.Extra = map[string]string{fmt.Sprint("own.", i): "x"}
		for _, n := range v.Files(p) {
			if n.File.Rendered() {
				if _, err := v.Render(n.Name, p); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := v.CheckSetting(p.Model, "admin_password", fmt.Sprint("secret", i)); err != nil {
			t.Fatal(err)
		}
		s.Identify(Evidence{VendorClass: "Acme A1", FileName: fmt.Sprintf("02ac3e0000%02x.cfg", i), MAC: p.MAC})
		s.Resolve("common001.cfg")
	}
	return weak.Make(s), weak.Make(v.Renderer)
}
