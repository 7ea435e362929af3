package vendors_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// Whatever parameters an operator adds, no file of any pack has a parameter twice: what a file has already is replaced.
// The names are taken from the files themselves, so that they hit.
func TestNoParameterTwice(t *testing.T) {
	for _, v := range load(t).Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			hit, some := 0, false
			rapid.Check(t, func(t *rapid.T) {
				m := rapid.SampledFrom(v.Models()).Draw(t, "model")
				p := fitted(v, m.Name, drawDevice(t, plainText()))
				names := v.Parameters(p)
				if len(names) == 0 {
					return
				}
				some = true
				p.Extra = make(map[string]string)
				for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 8).Draw(t, "parameters") {
					if v.CheckExtra(m.Name, name, "own") == nil {
						p.Extra[name] = "own"
					}
				}
				p.Extra["own.parameter"] = "own"
				if v.CheckExtra(m.Name, "own.parameter", "own") != nil {
					delete(p.Extra, "own.parameter")
				}
				if err := proveAll(v, p); err != nil {
					t.Fatal(err)
				}
				seen := make(map[string]bool)
				for _, name := range v.Parameters(p) {
					if seen[name] && !v.Repeats(name) {
						t.Fatalf("duplicate %s", name)
					}
					seen[name] = true
					if p.Extra[name] != "" {
						hit++
					}
				}
			})
			if some && hit == 0 {
				t.Error("no parameter of its own was ever in a file")
			}
		})
	}
}

// Each setting of the catalogue has a place in the files of several vendors.
func TestEverySettingIsUsed(t *testing.T) {
	// Settings that only some vendors have.
	rare := map[string]bool{"action_urls": true, "alert_rings": true, "blf_led_mode": true, "call_waiting_tone": true, "conference_uri": true, "country": true, "date_format": true, "emergency_numbers": true, "feature_codes": true, "feature_key_sync": true, "forward_always": true, "forward_busy": true, "forward_no_answer": true, "ldap_filter": true, "ldap_tls": true, "local_sip_port": true, "logo": true, "missed_calls": true, "phone_lock_pin": true, "power_saving": true, "rport": true, "sip_from_registrar_only": true, "soft_keys": true, "stun_server": true, "tls_version": true, "transfer_on_hangup": true, "transfer_type": true, "vad": true, "verify_certificates": true, "vlan_priority": true, "vpn_config": true, "wifi_password": true, "wifi_ssid": true}
	have := make(map[string][]string)
	for _, v := range load(t).Vendors() {
		for _, name := range v.SettingNames() {
			have[name] = append(have[name], v.ID)
		}
	}
	for _, d := range setting.All() {
		few := 6
		if rare[d.Name] {
			few = 2
		}
		if len(have[d.Name]) < few {
			t.Errorf("%s: only %v", d.Name, have[d.Name])
		}
	}
}

// Every XML file of every pack is read by a parser that isn't the one it is written with.
func TestEveryXMLParses(t *testing.T) {
	for _, v := range load(t).Vendors() {
		for _, m := range v.Models() {
			for _, s := range packcheck.Samples(v, m) {
				for _, n := range v.Files(s.Phone) {
					if n.File.Template == "" {
						continue
					}
					body, err := v.Render(n.Name, s.Phone)
					if errors.Is(err, phonefile.ErrNoContent) || phonefile.IsRefusal(err) {
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					text := strings.TrimSpace(string(body))
					if !strings.HasPrefix(text, "<?xml") && !strings.HasPrefix(text, "<") || strings.HasPrefix(text, "<<") {
						continue
					}
					d := xml.NewDecoder(bytes.NewReader(body))
					for {
						if _, err := d.Token(); err == io.EOF {
							break
						} else if err != nil {
							t.Errorf("%s %s %s: %v", v.ID, m.Name, n.Name, err)
							break
						}
					}
				}
			}
		}
	}
}
