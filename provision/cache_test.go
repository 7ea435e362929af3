package provision_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
	"plugtone/provision/setting"
)

func TestFileIsUnchangedUntilItsInputsChange(t *testing.T) {
	h := newFixture(t)
	get := func() string { h.t.Helper(); a := h.get("001565123456.cfg", "10.20.1.7"); h.served(a); return a.ETag }
	first := get()
	h.now = h.now.Add(3 * time.Hour)
	if get() != first {
		t.Error("time alone changes the file")
	}
	last := first
	changes := map[string]func(){
		"password": func() {
			edit(t, h.records, func(e fleet.Edit) error {
				return e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: "new"})
			})
		},
		"profile": func() {
			edit(t, h.records, func(e fleet.Edit) error {
				return e.PutProfile(&fleet.Profile{Name: "base", Settings: setting.Values{"srtp": "required"}})
			})
		},
		"registrar": func() {
			edit(t, h.records, func(e fleet.Edit) error {
				return e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "new.example.com", Port: 5060, Transport: "udp"})
			})
		},
		"site": func() {
			site := *h.site
			site.ExternalURL = "https://phones.example.com/p"
			h.site = &site
		},
	}
	for name, change := range changes {
		change()
		if now := get(); now == last {
			t.Errorf("a change of the %s does not show", name)
		} else {
			last = now
		}
	}
	contains(t, h.served(h.get("001565123456.cfg", "10.20.1.7")), "server.url = https://phones.example.com/p/", "account.1.password = new", "account.1.server = new.example.com:5060")
	h.packs = provisiontest.Packs(t)
	if get() != last {
		t.Error("the same packs, loaded again, give other bytes")
	}
}

// Each change removes the files and records cached before it from memory at once.
func TestChangesEmptyTheCaches(t *testing.T) {
	h := newFixture(t)
	get := func() { h.t.Helper(); h.served(h.get("001565123456.cfg", "10.20.1.7")) }
	get()
	if files, records := h.Cached(); files != 1 || records == 0 {
		t.Errorf("%d files and %d records are cached", files, records)
	}
	for what, change := range map[string]func(){
		"records": func() {
			edit(t, h.records, func(e fleet.Edit) error { return e.PutProfile(&fleet.Profile{Name: "other"}) })
		},
		"site":  func() { site := *h.site; h.site = &site },
		"packs": func() { h.packs = provisiontest.Packs(t) },
	} {
		change()
		h.get("nothing", "192.0.2.1")
		if files, records := h.Cached(); files != 0 || records != 0 {
			t.Errorf("%s: %d files and %d records from before are cached", what, files, records)
		}
		get()
	}
}

func TestConcurrentAnswersAreEqual(t *testing.T) {
	h := newFixture(t)
	want := h.get("001565123456.cfg", "10.20.1.7").Digest
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got := h.Answer(context.Background(), provision.Request{Time: noon, Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7")}).Digest; got != want {
					t.Errorf("digest %s, want %s", got, want)
				}
				edit(t, h.records, func(e fleet.Edit) error { return e.PutProfile(&fleet.Profile{Name: "other"}) })
			}
		})
	}
	wg.Wait()
}

// Requests without proof for names with made-up MACs must not evict the files of phones from the cache.
func TestRequestsWithoutProofDoNotFillTheCache(t *testing.T) {
	h := newFixture(t)
	first := h.get("001565123456.cfg", "10.20.1.7")
	for i := range 2000 {
		name := dhcp.MAC{0x00, 0x04, 0xf2, 1, byte(i >> 8), byte(i)}.Hex() + ".cfg"
		if a := h.get(name, "192.0.2.1"); a.Outcome != provision.Served {
			t.Fatalf("%s: %s", name, a.Reason)
		}
	}
	again := h.get("001565123456.cfg", "10.20.1.7")
	if &first.Body[0] != &again.Body[0] {
		t.Error("the phone's file was rendered again")
	}
}
