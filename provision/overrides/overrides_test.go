package overrides

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/uploads"
	"plugtone/provision/vendors"
)

func TestFormatsAreRead(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{phonefile.OverrideAttributes, "<?xml version=\"1.0\"?>\n<PHONE_CONFIG note=\"x\">\n<!-- c -->\n<OVERRIDES a.b=\"1\" c=\"x &amp; &lt;y&gt;\"/>\n<ALL><d e=\"\"/></ALL></PHONE_CONFIG>",
			"a.b=1 c=x & <y> e="},
		{phonefile.OverrideAttributes, `<P><O a="1"/><O b=`, "a=1"},
		{phonefile.OverrideAttributes, "not XML", ""},
		{phonefile.OverrideLines, "#!version:1.0.0.1\r\n\r\na.b = 1\r\n;c = 2\r\nd=\r\ne = f = g\n[ sect ]\nh = 3\n= 4\nnothing\n", "a.b=1 d= e=f = g sect/h=3"},
		{phonefile.OverrideLines, "", ""},
	} {
		var got []string
		for p := range parameters(c.format, []byte(c.text)) {
			got = append(got, p.name+"="+p.value)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %q: %q, want %q", c.format, c.text, got, c.want)
		}
	}
}

var phone = dhcp.MAC{0, 0x15, 0x65, 0xab, 0xcd, 0xef}

// uploaded returns a reader of what one phone has uploaded, and its secrets.
func uploaded(t *testing.T, secrets []string, files map[string]string) Reader {
	t.Helper()
	packs, err := pack.Load(pack.Config{Builtin: vendors.FS})
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	store := uploads.NewStore(root, nil)
	for name, text := range files {
		u, err := store.Begin(phone, name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(u, text); err != nil {
			t.Fatal(err)
		}
		if err := u.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	return Reader{Uploads: store, Packs: func() *pack.Set { return packs }, Secrets: func(*fleet.Device) []string { return secrets }}
}

func TestSecretsAreMasked(t *testing.T) {
	r := uploaded(t, []string{"kn0wn"}, map[string]string{
		phone.Hex() + "-web.cfg":   `<PHONE_CONFIG><OVERRIDES reg.1.auth.password="s3cret" device.wifi.psk.key="s3cret" up.x="a kn0wn b" lcl.ml.lang="de` + "\x7f" + `"/></PHONE_CONFIG>`,
		phone.Hex() + "-phone.cfg": `<PHONE_CONFIG><OVERRIDES device.auth.localAdminPassword="" np.normal.ringing="ringer5"/></PHONE_CONFIG>`,
		phone.Hex() + "-app.log":   `<P><O no="1"/></P>`,
	})
	var got []string
	for _, o := range r.Of(&fleet.Device{MAC: phone, Vendor: "polycom", Model: "VVX411"}) {
		got = append(got, o.Parameter+"="+o.Value+" "+strings.TrimPrefix(o.File, phone.Hex()))
	}
	want := []string{"reg.1.auth.password=*** -web.cfg", "device.wifi.psk.key=*** -web.cfg", "up.x=*** -web.cfg", "lcl.ml.lang=de? -web.cfg",
		"device.auth.localAdminPassword= -phone.cfg", "np.normal.ringing=ringer5 -phone.cfg"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestOverridesAreBounded(t *testing.T) {
	var text strings.Builder
	for n := range 3 * maxParameters {
		fmt.Fprintf(&text, "p%d = %s\n", n, strings.Repeat("v", 2*maxValue))
	}
	r := uploaded(t, nil, map[string]string{phone.Hex() + "-local.cfg": text.String()})
	d := &fleet.Device{MAC: phone, Vendor: "yealink", Model: "T46U"}
	all := r.Of(d)
	if len(all) != maxParameters || len(all[0].Value) != maxValue {
		t.Errorf("%d parameters, %d bytes", len(all), len(all[0].Value))
	}
	for _, other := range []*fleet.Device{{MAC: dhcp.MAC{1}, Vendor: "yealink"}, {MAC: phone, Vendor: "snom"}, {MAC: phone}} {
		if got := r.Of(other); got != nil {
			t.Errorf("%s %s: %v", other.MAC, other.Vendor, got)
		}
	}
}

func FuzzParameters(f *testing.F) {
	f.Add([]byte(`<P><O a="1"/></P>`), true)
	f.Add([]byte("[s]\na = 1\n#"), false)
	f.Fuzz(func(t *testing.T, text []byte, xml bool) {
		format := phonefile.OverrideLines
		if xml {
			format = phonefile.OverrideAttributes
		}
		for p := range parameters(format, text) {
			if p.name == "" || len(p.name)+len(p.value) > 2*len(text) {
				t.Errorf("%q=%q", p.name, p.value)
			}
		}
	})
}
