package provision_test

import (
	"runtime"
	"testing"
	"weak"

	"plugtone/provision/pack"
	"plugtone/provision/provisiontest"
)

// After fifty reloads with fetches between them no replaced pack set is in memory: all caches belong to the generation that a reload
// replaces.
func TestReloadsLeaveNoOldPacksInMemory(t *testing.T) {
	h := newFixture(t)
	var old []weak.Pointer[pack.Set]
	fetch := func() {
		h.served(h.get("001565123456.cfg", "10.20.1.7"))
		h.get("001565000099.cfg", "10.20.9.9") // without proof
		h.Recorded(front)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var second uint64
	for i := range 50 {
		fetch()
		if _, err := h.Status(t.Context(), front); err != nil { // remembers what files have a place for
			t.Fatal(err)
		}
		old = append(old, weak.Make(h.packs))
		site := *h.site
		h.packs, h.site = provisiontest.Packs(t), &site
		fetch()
		if i == 1 {
			second = heap()
		}
	}
	last := heap()
	alive := 0
	for _, p := range old {
		if p.Value() != nil {
			alive++
		}
	}
	runtime.KeepAlive(h)
	if alive > 0 {
		t.Errorf("%d of %d replaced pack sets are still in memory", alive, len(old))
	}
	if last > second+second/10 {
		t.Errorf("%d bytes in use after 50 reloads, %d after the second", last, second)
	}
}
