package vendors_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"plugtone/provision/pack"
)

// away is a phone that is told where it goes for its files from elsewhere, and as whom.
func away(v *pack.Vendor, model string) pack.Phone {
	return fitted(v, model, pack.Phone{
		Enabled: true, MAC: [6]byte{0, 0x15, 0x65, 0x12, 0x34, 0x56}, Server: "prov.example.net", ServerURL: "https://prov.example.net/", CAURL: "https://prov.example.net/plugtone-ca.crt",
		Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Extra: map[string]string{},
		Settings: map[string]any{"provisioning_user": "user-of-this-phone", "provisioning_password": pack.Secret("gkbe2ayef7n7mawgqvx7")},
	})
}

// found tells in which kinds of files of a phone the text stands, and whether one of them answers no challenge.
func found(t *testing.T, v *pack.Vendor, p pack.Phone, text string) (kinds []pack.Kind, challenges []string) {
	t.Helper()
	for _, n := range v.Files(p) {
		if n.File.Template == "" {
			continue
		}
		body, err := v.Prove(n.Name, p)
		if err != nil && !errors.Is(err, pack.ErrNoContent) && !pack.IsRefusal(err) {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte(text)) {
			kinds, challenges = append(kinds, n.File.Kind), append(challenges, n.File.Challenge)
		}
	}
	return kinds, challenges
}

// Each phone gets its own user and password by its vendor's parameters wherever the sources name them, in its own file
// alone, and is then asked for them in a way that it knows.
func TestCredentialsAreMapped(t *testing.T) {
	s := load(t)
	for vendor, models := range map[string][]string{
		"yealink": {"T46U", "T28P"}, "polycom": {"VVX411"}, "grandstream": {"GXP2170"}, "snom": {"D785"}, "fanvil": {"X4U"}, "htek": {"UC926"},
		"cisco-3pcc": {"8861"}, "mitel": {"6869i"}, "panasonic": {"KX-UT123"}, "algo": {"8186"}, "vtech": {"VCS754"}, "alcatel": {"M3"},
	} {
		v, ok := s.Vendor(vendor)
		if !ok {
			t.Fatalf("no pack %s", vendor)
		}
		for _, model := range models {
			p := away(v, model)
			for _, text := range []string{"user-of-this-phone", "gkbe2ayef7n7mawgqvx7"} {
				kinds, challenges := found(t, v, p, text)
				if !slices.Contains(kinds, pack.KindDevice) || slices.Contains(kinds, pack.KindCommon) {
					t.Errorf("%s %s: %s is in files of the kinds %v", vendor, model, text, kinds)
				}
				if slices.Contains(challenges, "none") {
					t.Errorf("%s %s has %s and is never asked for it", vendor, model, text)
				}
			}
		}
	}
	for _, v := range s.Vendors() {
		names := v.SettingNames()
		user, password := slices.Contains(names, "provisioning_user"), slices.Contains(names, "provisioning_password")
		if user != password {
			t.Errorf("%s: a user without a password, or the other way round", v.ID)
		}
		for _, f := range v.Describe().Files {
			if want := v.ID == "cisco-cucm"; (f.Kind == pack.KindDevice) && (f.Challenge == "none") != want {
				t.Errorf("%s: challenge %s for %s", v.ID, f.Challenge, f.Name)
			}
		}
	}
}

// The certificate of our own authority is pushed to phones that take one from a URL.
func TestAuthorityIsPushed(t *testing.T) {
	s := load(t)
	for vendor, model := range map[string]string{"yealink": "T46U", "htek": "UC926", "mitel": "6869i", "panasonic": "KX-UT123", "cisco-3pcc": "8861"} {
		v, ok := s.Vendor(vendor)
		if !ok {
			t.Fatalf("no pack %s", vendor)
		}
		p := away(v, model)
		if kinds, _ := found(t, v, p, "plugtone-ca.crt"); len(kinds) == 0 {
			t.Errorf("%s: no file of a %s names the authority", vendor, model)
		}
		p.CAURL = ""
		if kinds, _ := found(t, v, p, "plugtone-ca.crt"); len(kinds) != 0 {
			t.Errorf("%s: an authority that isn't there", vendor)
		}
	}
}
