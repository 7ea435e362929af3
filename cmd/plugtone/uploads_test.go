package main

import (
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/uploads"
	"plugtone/provision/vendors"
)

// uploading are the phones that send us files, and how the files' names go on behind the MAC.
var uploading = map[string]struct {
	model, method string
	names         []string
}{
	"polycom":    {"VVX411", "PUT", []string{"-web.cfg", "-phone.cfg", "-directory.xml", "-calls.xml", "-app.log", "-boot.log", "-now-app.log"}},
	"yealink":    {"T46U", "PUT", []string{"-local.cfg", "-contact.xml", "-calllog.xml", "-sys.log"}},
	"cisco-3pcc": {"8861", "POST", []string{"-report.xml"}},
}

// Each upload that a pack declares is accepted from the phone itself, over HTTP and TFTP, and given back to it by the
// very name and to no other.
func TestUploadsOfAllPacks(t *testing.T) {
	packs, err := pack.Load(pack.Config{Builtin: vendors.FS})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range packs.Vendors() {
		declared := 0
		for _, f := range v.Describe().Files {
			if f.Kind == phonefile.KindUpload {
				declared++
			}
		}
		u := uploading[v.ID]
		if declared != len(u.names) {
			t.Errorf("%s: %d uploads are declared, %d are tried", v.ID, declared, len(u.names))
			continue
		}
		if declared > 0 {
			t.Run(v.ID, func(t *testing.T) { tryUploads(t, packs, v, u.model, u.method, u.names) })
		}
	}
}

func tryUploads(t *testing.T, packs *pack.Set, v *pack.Vendor, model, method string, names []string) {
	m, ok := v.Model(model)
	if !ok {
		t.Fatalf("no model %s", model)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	mac := dhcp.MAC{0, 0x15, 0x65, 0xab, 0xcd, 0xef}
	service := standing(t, packs, v, m, mac, "off", func(c *provision.Config) { c.Uploads = uploads.NewStore(root, nil) })
	ask := func(over fleet.Transport, method, name, from string) provision.Answer {
		return service.Answer(t.Context(), provision.Request{Time: bootDay, Transport: over, Method: method, Name: name, From: netip.MustParseAddr(from)})
	}
	for _, suffix := range names {
		name := mac.Hex() + suffix
		if a := ask(fleet.HTTP, "GET", name, "10.20.1.7"); a.Outcome != provision.Expected404 {
			t.Errorf("%s before anything was sent: %s, %s", name, a.Outcome, a.Reason)
		}
		for _, over := range []fleet.Transport{fleet.HTTP, fleet.TFTP} {
			how := method
			if over == fleet.TFTP {
				how = "PUT"
			}
			if a := ask(over, how, name, "10.20.1.9"); a.Outcome != provision.Refused || a.Upload != nil {
				t.Errorf("%s of another host over %s: %s, %s", name, over, a.Outcome, a.Reason)
			}
			want := string(over) + " brought " + name
			a := ask(over, how, "/"+name, "10.20.1.7")
			if a.Outcome != provision.Received || a.Kind != "upload" || a.MAC != mac {
				t.Fatalf("%s over %s: %s, %s", name, over, a.Outcome, a.Reason)
			}
			_, err := io.WriteString(a.Upload, want)
			if err = a.Receive(err); err != nil {
				t.Fatal(err)
			}
			for _, back := range []string{name, strings.ToUpper(name)} {
				if got := content(t, ask(over, "GET", back, "10.20.1.7")); got != want {
					t.Errorf("%s over %s gives back %q", back, over, got)
				}
			}
			if a := ask(over, "GET", name, "10.20.1.9"); a.Outcome != provision.Expected404 && a.Outcome != provision.Refused || a.Content != nil {
				t.Errorf("%s is given to another host over %s: %s, %s", name, over, a.Outcome, a.Reason)
			}
		}
	}
	kept, err := root.Open(mac.Hex())
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	files, err := kept.Readdirnames(-1)
	if err != nil || len(files) != 2*len(names) || !slices.Contains(files, mac.Hex()+names[0]+"~1") {
		t.Errorf("kept %v, %v", files, err)
	}
}

// content reads what is served.
func content(t *testing.T, a provision.Answer) string {
	t.Helper()
	if a.Outcome != provision.Served || a.Content == nil {
		t.Errorf("%s: %s, %s", a.Name, a.Outcome, a.Reason)
		return ""
	}
	defer a.Content.Close()
	b, err := io.ReadAll(a.Content)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}
