package vendors_test

import (
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// Nothing that a pack accepts is ignored: each setting, type of key and member of lines makes a difference in the files of
// every model, or the pack states that it makes none.
func TestNothingAcceptedIsIgnored(t *testing.T) {
	for _, v := range load(t).Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			if err := packcheck.CheckCarried(v); err != nil {
				t.Error(err)
			}
		})
	}
}

// What was once accepted and printed nowhere is printed, or is known to have no place.
func TestWhatWasOnceIgnoredIsPrinted(t *testing.T) {
	s := load(t)
	for _, tt := range []struct {
		vendor, model, setting string
		value                  any
		lines                  []int
		want                   []string // in the device's file; none: the setting is refused
	}{
		{"grandstream", "HT802", "srtp", "required", []int{1, 2}, []string{"<P183>2</P183>", "<P443>2</P443>"}},
		{"grandstream", "HT802", "dtmf", "info", []int{1, 2}, []string{"<P850>102</P850>", "<P860>102</P860>"}},
		{"grandstream", "GXP2120", "srtp", "required", []int{5, 6}, []string{"<P1743>2</P1743>", "<P1843>2</P1843>"}},
		{"panasonic", "KX-UT123", "multicast_listen", []string{"239.1.1.1:5004"}, []int{1}, nil},
		{"panasonic", "KX-TGP550", "multicast_listen", []string{"239.1.1.1:5004"}, []int{1}, nil},
		{"panasonic", "KX-UT670", "time_zone", "Europe/Berlin", []int{1}, nil},
		{"digium", "P330", "wallpaper", "a.png", []int{1}, nil},
	} {
		t.Run(tt.model+" "+tt.setting, func(t *testing.T) {
			v, ok := s.Vendor(tt.vendor)
			if !ok {
				t.Fatal("no pack")
			}
			if err := v.CheckSupport(tt.model, tt.setting); (err != nil) != (tt.want == nil) {
				t.Fatal(err)
			}
			p := phonefile.Phone{MAC: dhcp.MAC{0x02, 0, 0x5e, 1, 2, 3}, Vendor: v.ID, Model: tt.model, Enabled: true, Assigned: true,
				ServerURL: "http://10.20.0.2/", Settings: map[string]any{tt.setting: tt.value}}
			for _, n := range tt.lines {
				p.Lines = append(p.Lines, phonefile.Account{Position: n, Number: "1001", AuthUser: "1001", Label: "x", Registrar: fleet.Registrar{Host: "pbx", Port: 5060, Transport: "udp"}})
			}
			var text string
			for _, n := range v.Files(p) {
				if n.File.Kind == phonefile.KindDevice {
					out, err := v.Render(n.Name, p)
					if err != nil {
						t.Fatal(err)
					}
					text += string(out)
				}
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in\n%s", want, text)
				}
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
