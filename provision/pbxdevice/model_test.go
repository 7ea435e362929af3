package pbxdevice_test

import (
	"strings"
	"testing"

	"plugtone/provision/pbxdevice"
)

// TestModelsAsPBXsNameThem has names of vendor, model and template as FusionPBX, FS PBX and OSS Endpoint Manager have them.
func TestModelsAsPBXsNameThem(t *testing.T) {
	s := load(t)
	for _, c := range []struct {
		names pbxdevice.Names
		want  string // VENDOR/MODEL
		tried string
	}{
		{pbxdevice.Names{Vendor: "yealink", Model: "t46s", Template: "yealink/t46s"}, "yealink/T46S", ""},
		{pbxdevice.Names{Vendor: "yealink", Template: "yealink/t46u"}, "yealink/T46U", ""},
		{pbxdevice.Names{Template: "pbx.example.com/yealink/t46u"}, "yealink/T46U", ""},
		{pbxdevice.Names{Vendor: "yealink", Model: "T42S", Template: "yealink/t4x"}, "yealink/T42S", ""},
		{pbxdevice.Names{Vendor: "yealink", Template: "yealink/t4x"}, "yealink/", "yealink/t4x"},
		{pbxdevice.Names{Vendor: "yealink", Model: "T99", Template: "yealink/t4x"}, "yealink/", "yealink/T99 yealink/t4x"},
		{pbxdevice.Names{Vendor: "cisco", Template: "cisco/spa504g"}, "cisco-3pcc/SPA504G", ""},
		{pbxdevice.Names{Vendor: "cisco", Template: "cisco/7960"}, "cisco-cucm/7960", ""}, // the maker has two packs
		{pbxdevice.Names{Vendor: "poly", Template: "poly/poly-vvx-450"}, "polycom/VVX450", ""},
		{pbxdevice.Names{Vendor: "aastra", Template: "aastra/480i"}, "mitel/480i", ""},
		{pbxdevice.Names{Vendor: "Yealink/Dreamwave", Model: "T46G"}, "yealink/T46G", ""},
		{pbxdevice.Names{Vendor: "acme", Model: "T46S"}, "/", "acme/T46S"}, // another maker's phone
		{pbxdevice.Names{Vendor: "acme"}, "/", "acme"},
		{pbxdevice.Names{Model: "T46S"}, "yealink/T46S", ""},
		{pbxdevice.Names{}, "/", ""},
	} {
		h := pbxdevice.Find(s, c.names)
		got := "/"
		if h.Vendor != nil {
			got = h.Vendor.ID + "/"
		}
		if h.Model != nil {
			got += h.Model.Name
		}
		if got != c.want && !strings.EqualFold(got, c.want) || strings.Join(h.Tried, " ") != c.tried {
			t.Errorf("%+v: %s, tried %q; want %s, %q", c.names, got, h.Tried, c.want, c.tried)
		}
	}
}
