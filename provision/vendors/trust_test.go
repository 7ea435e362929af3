package vendors_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// authority has the lines of a certificate; packs only carry them.
const authority = "-----BEGIN CERTIFICATE-----\nMIIBcTCCARegAwIBAgIUQhx\nAQAB\n-----END CERTIFICATE-----\n"

// away is a phone that gets its URL and credentials from elsewhere, as from a redirect service.
func away(v *pack.Vendor, model string) phonefile.Phone {
	return fitted(v, model, phonefile.Phone{
		Enabled: true, MAC: [6]byte{0, 0x15, 0x65, 0x12, 0x34, 0x56}, Server: "prov.example.net", ServerURL: "https://prov.example.net/", CAURL: "https://prov.example.net/plugtone-ca.crt", CACert: authority,
		Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Extra: map[string]string{},
		Settings: map[string]any{"provisioning_user": "user-of-this-phone", "provisioning_password": setting.Secret("gkbe2ayef7n7mawgqvx7")},
	})
}

// found returns which kinds of files of a phone have the text, and whether the phone answers no challenge for one of them.
func found(t *testing.T, v *pack.Vendor, p phonefile.Phone, text string) (kinds []phonefile.Kind, challenges []string) {
	t.Helper()
	for _, n := range v.Files(p) {
		if n.File.Template == "" {
			continue
		}
		body, err := v.RenderVerified(n.Name, p)
		if err != nil && !errors.Is(err, phonefile.ErrNoContent) && !phonefile.IsRefusal(err) {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte(text)) {
			kinds, challenges = append(kinds, n.File.Kind), append(challenges, n.File.Challenge)
		}
	}
	return kinds, challenges
}

// Each phone gets its own user and password by its vendor's parameters wherever the sources name them, in its own file
// alone, and is then challenged in a way that it supports.
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
				if !slices.Contains(kinds, phonefile.KindDevice) || slices.Contains(kinds, phonefile.KindCommon) {
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
			if want := v.ID == "cisco-cucm"; (f.Kind == phonefile.KindDevice) && (f.Challenge == "none") != want {
				t.Errorf("%s: challenge %s for %s", v.ID, f.Challenge, f.Name)
			}
		}
	}
}

// The certificate of our own authority is pushed to phones that take one from a URL.
func TestAuthorityIsPushed(t *testing.T) {
	s := load(t)
	for vendor, model := range map[string]string{"yealink": "T46U", "snom": "D785", "htek": "UC926", "mitel": "6869i", "panasonic": "KX-UT123", "cisco-3pcc": "8861"} {
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

// Phones that take the certificate of our own authority inside their file get it with its line breaks.
func TestAuthorityStandsInTheFile(t *testing.T) {
	s := load(t)
	for _, c := range []struct{ vendor, model, file string }{
		{"polycom", "VVX411", "001565123456-user.cfg"}, {"polycom", "SPIP335", "001565123456-user.cfg"}, {"grandstream", "GXP1628", "cfg001565123456.xml"}, {"grandstream", "HT802", "cfg001565123456.xml"},
	} {
		v, ok := s.Vendor(c.vendor)
		if !ok {
			t.Fatalf("no pack %s", c.vendor)
		}
		p := away(v, c.model)
		for _, want := range []bool{true, false} {
			body, err := v.RenderVerified(c.file, p)
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(values(t, body), strings.TrimSpace(authority)); got != want {
				t.Errorf("%s %s: the authority stands in %s: %v, want %v", c.vendor, c.model, c.file, got, want)
			}
			p.CAURL, p.CACert = "", ""
		}
	}
}

// values are the texts and the attributes of an XML file.
func values(t *testing.T, body []byte) (out []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			for _, a := range x.Attr {
				out = append(out, a.Value)
			}
		case xml.CharData:
			out = append(out, string(x))
		}
	}
}
