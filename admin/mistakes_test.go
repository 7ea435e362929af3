package admin_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plugtone/admin/admintest"
	"plugtone/provision/timeline"
)

// TestReservationsOfAddressesInUseAreRefused reserves this server's address and the address of another phone's lease. A device that
// has such a reservation already can still be changed, and a phone may reserve the address that it has.
func TestReservationsOfAddressesInUseAreRefused(t *testing.T) {
	a := fleetOf(t)
	a.PutLease("10.20.1.8", mustMAC(t, second))
	for ip, want := range map[string]string{
		"10.20.0.2":     "this server's own address in subnet 10.20.0.0/22",
		"10.20.1.8":     "is leased to " + second + " until 2026-11-23 11:00 UTC",
		"10.20.0.0":     "network or broadcast address",
		"10.20.3.255":   "network or broadcast address",
		"255.255.255.0": "is not the IPv4 address of a host",
	} {
		if r := a.do("PATCH /api/v1/devices/"+phone, `{"reserved_ip":"`+ip+`"}`, 422); !strings.Contains(r.body, want) || !strings.Contains(r.body, "body.reserved_ip") {
			t.Errorf("%s: no %q in %s", ip, want, r.body)
		}
	}
	a.do("PATCH /api/v1/devices/"+second, `{"reserved_ip":"10.20.1.8"}`, 200)
	a.do("PATCH /api/v1/devices/"+phone, `{"reserved_ip":"10.20.1.9"}`, 200)
	a.PutLease("10.20.1.9", mustMAC(t, second))
	a.do("PATCH /api/v1/devices/"+phone, `{"label":"Lobby"}`, 200)
}

// TestAVendorThatThePhoneContradictsIsAWarning saves a device whose vendor is neither that of its MAC's prefix nor what the phone
// itself names.
func TestAVendorThatThePhoneContradictsIsAWarning(t *testing.T) {
	a := fleetOf(t)
	if w := a.do("GET /api/v1/devices/"+phone, "", 200).get(t, "warnings"); w != "" {
		t.Errorf("a warning about a device that is right: %s", w)
	}
	r := a.do("POST /api/v1/devices", `{"mac":"001565123458","model":"bolt/B1"}`, 201)
	if got := r.get(t, "warnings.0"); got != "the prefix of its MAC belongs to acme, but its record has bolt" {
		t.Errorf("warning %q", got)
	}
	a.Happened(timeline.Entry{Time: admintest.Noon, MAC: mustMAC(t, phone), Source: "dhcp", Event: "discover", Verdict: "offered", Recognised: "bolt"})
	if got := a.do("GET /api/v1/devices/"+phone, "", 200).get(t, "warnings.0"); got != "the phone's own messages name bolt, but its record has acme" {
		t.Errorf("warning %q", got)
	}
	a.do("PATCH /api/v1/devices/"+phone, `{"warnings":["x"],"label":"y"}`, 200) // as read, written back
}

func TestSubnetsThatAreNotOursAreRefused(t *testing.T) {
	a := fleetOf(t)
	for request, body := range map[string]string{
		"GET /api/v1/devices/" + phone + "/files?subnet=10.99.0.0/24":                  "",
		"GET /api/v1/devices/" + phone + "/files/001565123456.cfg?subnet=10.99.0.0/24": "",
		"GET /api/v1/leases?subnet=10.99.0.0/24":                                       "",
		"POST /api/v1/explain":                                                         `{"mac":"` + phone + `","subnet":"10.99.0.0/24"}`,
	} {
		if r := a.do(request, body, 422); !strings.Contains(r.body, "is not a subnet of the configuration: 10.20.0.0/22") {
			t.Errorf("%s: %s", request, r.body)
		}
	}
	a.do("GET /api/v1/devices/"+phone+"/files?subnet=10.20.0.0/22", "", 200)
}

func TestAnEmptyPasswordIsRefused(t *testing.T) {
	a := fleetOf(t)
	if r := a.do("PUT /api/v1/extensions/1009", `{"password":""}`, 422); !strings.Contains(r.body, "is empty") {
		t.Error(r.body)
	}
	a.do("PATCH /api/v1/extensions/1001", `{"password":""}`, 422)
	a.do("PATCH /api/v1/extensions/1001", `{"password":null}`, 200)
}

// TestFilesThatAreNotThereAreAWarning saves settings of a device and of its profile that name firmware.
// TestFilesOfAProfileThatAreNotThereAreAWarning, and those of a registrar: when it is saved, those that it names itself and that no folder has.
func TestFilesOfAProfileThatAreNotThereAreAWarning(t *testing.T) {
	a := fleetOf(t)
	save := func(method, body string) string {
		t.Helper()
		r := a.do(method+" /api/v1/profiles/desk", body, 200)
		return r.get(t, "warnings.0") + "|" + r.get(t, "warnings.1")
	}
	if got := save("PATCH", `{"settings":{"firmware":["fw-1.rom"]}}`); got != "the setting firmware names fw-1.rom, which is in no folder of files in data_dir|" {
		t.Errorf("warnings %q", got)
	}
	path := filepath.Join(a.FilesDir, "bolt", "fw-1.rom")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if got := save("PATCH", `{}`); got != "|" {
		t.Errorf("warnings %q", got)
	}
	if got := save("PUT", `{"settings":{"firmware":["gone.rom"]}}`); !strings.Contains(got, "gone.rom") {
		t.Errorf("warnings %q", got)
	}
	for file, want := range map[string]string{"fw-1.rom": "", "gone.rom": "the setting firmware names gone.rom, which is in no folder of files in data_dir"} {
		if got := a.do("PATCH /api/v1/registrars/main", `{"settings":{"firmware":["`+file+`"]}}`, 200).get(t, "warnings.0"); got != want {
			t.Errorf("registrar with %s: warnings %q", file, got)
		}
	}
}

func TestFilesThatAreNotThereAreAWarning(t *testing.T) {
	a := fleetOf(t)
	a.do("PATCH /api/v1/profiles/desk", `{"settings":{"firmware":["fw-1.rom","fw-2.rom"]}}`, 200)
	warnings := func(want ...string) {
		t.Helper()
		r := a.do("GET /api/v1/devices/"+second, "", 200)
		if saved := a.do("PATCH /api/v1/devices/"+second, `{}`, 200); saved.get(t, "warnings") != r.get(t, "warnings") {
			t.Errorf("saved: %s, read: %s", saved.get(t, "warnings"), r.get(t, "warnings"))
		}
		for i, text := range want {
			if got := r.get(t, fmt.Sprintf("warnings.%d", i)); got != text {
				t.Errorf("warning %q, want %q", got, text)
			}
		}
		if got := r.get(t, fmt.Sprintf("warnings.%d", len(want))); got != "" {
			t.Errorf("another warning: %s", got)
		}
	}
	missing := func(owner, name string) string {
		return "the setting firmware of " + owner + " names " + name + ", which is neither files/acme/" + name + " nor files/" + name + " in data_dir"
	}
	warnings(missing("profile desk", "fw-1.rom"), missing("profile desk", "fw-2.rom"))
	for _, name := range []string{"fw-1.rom", "acme/fw-2.rom"} {
		path := filepath.Join(a.FilesDir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	warnings()
	a.do("PATCH /api/v1/devices/"+second, `{"settings":{"firmware":["acme"]}}`, 200) // a folder
	warnings(missing("the device", "acme"))
	a.do("PATCH /api/v1/devices/"+second, `{"settings":{"firmware":null}}`, 200)
	a.do("PATCH /api/v1/profiles/desk", `{"settings":{"firmware":null}}`, 200)
	warnings()
}
