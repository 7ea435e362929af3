package pack_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	. "plugtone/provision/pack"
	"plugtone/provision/packcheck"
)

const goldenPhone = `-- phone.yaml --
model: A-2
lines: [{number: "1001", password: s3cret}]
settings: {time_zone: Asia/Tokyo}
ask: [pictures/logo.png]
`

// A golden that differs, does not request every file or can't be read is a validation error; rewriting corrects it.
func TestGoldenThatDiffersIsAnError(t *testing.T) {
	v := acmeVendor(t)
	files := fstest.MapFS{"testdata/one.txtar": {Data: []byte(goldenPhone)}}
	err := goldens(v, files, nil)
	if err == nil || !strings.Contains(err.Error(), `acme/testdata/one.txtar:6: the golden has "", the pack gives "-- dhcp --"`) {
		t.Errorf("%v", err)
	}
	err = goldens(v, files, func(name string, data []byte) error {
		files[name] = &fstest.MapFile{Data: data}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := goldens(v, files, nil); err != nil {
		t.Errorf("after rewriting: %v", err)
	}
	text := string(files["testdata/one.txtar"].Data)
	for _, want := range []string{"66 687474703a2f2f31302e32302e302e322f303032 \"http://10.20.0.2/002\" force\n", "-- common002.cfg --\n# acme\n", "static pictures/logo.png\n", "tz = JST-9\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	files["testdata/one.txtar"] = &fstest.MapFile{Data: []byte(strings.Replace(text, "tz = JST-9", "tz = JST-8", 1))}
	if err := goldens(v, files, nil); err == nil || !strings.Contains(err.Error(), `the golden has "tz = JST-8", the pack gives "tz = JST-9"`) {
		t.Errorf("%v", err)
	}
	files["testdata/one.txtar"] = &fstest.MapFile{Data: []byte(strings.Replace(goldenPhone, "ask: [pictures/logo.png]\n", "", 1))}
	if err := goldens(v, files, func(string, []byte) error { return nil }); err == nil || !strings.Contains(err.Error(), "no golden requests pictures/{path}") {
		t.Errorf("%v", err)
	}
	if err := goldens(v, fstest.MapFS{}, nil); err == nil {
		t.Error("a pack without goldens passed")
	}
	for from, to := range map[string]string{"model: A-2": "model: B7", "lines:": "lnes:", "Asia/Tokyo": "Tokyo!", "ask: [pictures/logo.png]": "ask: [nope]", "phone.yaml": "other.yaml"} {
		bad := fstest.MapFS{"testdata/one.txtar": {Data: []byte(strings.Replace(goldenPhone, from, to, 1))}}
		if err := goldens(v, bad, nil); err == nil || !strings.Contains(err.Error(), "acme/testdata/one.txtar:") {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// goldens runs the goldens of a pack's folder, which must request every file of the pack.
func goldens(v *Vendor, fsys fs.FS, rewrite func(name string, data []byte) error) error {
	var all []string
	for _, f := range v.Declared() {
		all = append(all, f.Name)
	}
	return packcheck.Goldens(v, fsys, rewrite, v.Dir, all)
}
