package provision_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

func TestStaticFilesAreServedFromTheFolderAlone(t *testing.T) {
	h := newFixture(t)
	h.write("logo.png", "plain")
	h.write("acme/logo.png", "acme's")
	h.write("acme/ring.wav", "ring")
	h.write("old/001565123456.cfg", "an old secret")
	h.write("001565123456.cfg", "an old secret")
	h.write("x.rom", "firmware")
	if err := os.Symlink("/etc/passwd", filepath.Join(h.files, "escape")); err != nil {
		t.Fatal(err)
	}
	if a := h.get("logo.png", "10.20.1.7"); h.served(a) != "acme's" || a.Kind != "static" || a.MediaType != "image/png" || a.ETag == "" {
		t.Errorf("for an acme phone: %+v", a)
	}
	if got := h.served(h.get("logo.png", "192.0.2.1")); got != "plain" {
		t.Errorf("without proof: %q", got)
	}
	if got := h.served(h.get("acme/ring.wav", "192.0.2.1")); got != "ring" {
		t.Errorf("by its path: %q", got)
	}
	for _, name := range []string{"old/001565123456.cfg", "escape", "acme", "logo.png/x", strings.Repeat("a", 250)} {
		if a := h.get(name, "10.20.1.7"); a.Outcome != provision.NotFound {
			t.Errorf("%.20s: %s, %s", name, a.Outcome, a.Reason)
		}
	}
	if a := h.get("001565123456.cfg", "192.0.2.1"); a.Outcome != provision.Refused {
		t.Errorf("a device file in the folder: %s", a.Outcome)
	}
	first := h.get("logo.png", "192.0.2.1").ETag
	if again := h.get("logo.png", "192.0.2.1").ETag; again != first {
		t.Errorf("the same file has the ETags %s and %s", first, again)
	}
	h.write("logo.png", "longer than before")
	if again := h.get("logo.png", "192.0.2.1").ETag; again == first {
		t.Error("a changed file keeps its ETag")
	}
}

func TestFirmwareIsServedOnlyWhenADeviceNamesIt(t *testing.T) {
	h := newFixture(t)
	h.write("x.rom", "firmware")
	for _, from := range []string{"10.20.1.7", "192.0.2.1"} {
		for _, name := range []string{"x.rom", "old/x.rom"} {
			if a := h.get(name, from); a.Outcome != provision.NotFound || a.Kind != "firmware" {
				t.Errorf("%s from %s: %s, %s", name, from, a.Outcome, a.Reason)
			}
		}
	}
	edit(t, h.records, func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err == nil {
			d.Settings = setting.Values{"firmware": []string{"x.rom"}}
			err = e.PutDevice(d)
		}
		return err
	})
	if got := h.served(h.get("x.rom", "10.20.1.7")); got != "firmware" {
		t.Errorf("named: %q", got)
	}
	if a := h.get("x.rom", "10.20.1.200"); a.Outcome != provision.NotFound {
		t.Errorf("named, without proof: %s", a.Outcome)
	}
}

// A file that only another vendor's firmware pattern claims is a file like any other: the pattern protects the phones that
// would install it.
func TestFileNamedLikeAnotherVendorsFirmware(t *testing.T) {
	h := newFixture(t)
	h.write("logo.rom", "a picture")
	edit(t, h.records, func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err == nil {
			d.Vendor, d.Model, d.Keys, d.Profile = "bolt", "", nil, ""
			err = e.PutDevice(d)
		}
		return err
	})
	h.write("old/logo.rom", "another")
	for name, want := range map[string]string{"logo.rom": "a picture", "old/logo.rom": "another"} {
		a := h.send(provision.Request{Transport: fleet.HTTP, Method: "GET", Name: name, From: netip.MustParseAddr("10.20.1.7"), UserAgent: "Bolt/1.2"})
		if got := h.served(a); got != want {
			t.Errorf("%s: served %q", name, got)
		}
	}
	if a := h.get("logo.rom", "10.20.1.7"); a.Outcome != provision.NotFound {
		t.Errorf("a phone that presents itself as the vendor that would install it: %s", a.Outcome)
	}
}
