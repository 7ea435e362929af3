package daemon

import (
	"maps"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

func TestSubnetsAndNetworksWithProofOpenAreCounted(t *testing.T) {
	open := []trust.Proof{trust.ProofLease, trust.ProofOpen}
	s := &fleet.Site{
		Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.0.0.0/24")}, Trust: open}, {Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.0.1.0/24")}},
			{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.0.2.0/24"), Phones: "none"}, Trust: open}},
		Networks: []fleet.Network{{From: netip.MustParsePrefix("192.0.2.0/24"), Trust: open}},
	}
	if n := openPlaces(s); n != 2 {
		t.Errorf("%d places", n)
	}
	s.Trust = open
	if n := openPlaces(s); n != 4 {
		t.Errorf("%d places, with the default open", n)
	}
}

func TestLastUsedPasswordOfEachPhoneIsTaken(t *testing.T) {
	var u usedPasswords
	a, b := dhcp.MAC{1: 1}, dhcp.MAC{1: 2}
	u.add(a, "first")
	u.add(b, "other")
	u.add(a, "second")
	if got := u.drain(); !maps.Equal(got, map[dhcp.MAC]setting.Secret{a: "second", b: "other"}) {
		t.Errorf("%v", got)
	}
	if got := u.drain(); got != nil {
		t.Errorf("taken twice: %v", got)
	}
}

// Each lease is counted when it is on disk and before its ACK is sent; the status shows the freeze.
func TestLeasesOfNewPhonesAreCounted(t *testing.T) {
	r := start(t, `
data_dir: DIR/data
dhcp: {mode: off, subnets: [{subnet: 10.20.0.0/22, provisioning_url: "http://10.20.0.2/"}]}
provisioning: {new_phones: {burst: 1, per_minute: 0}, external_url: "https://phones.example.com/"}
tftp: {enabled: false}
http: {enabled: false}
admin: {listen: ["unix:DIR/admin.sock"]}
`)
	now := time.Now().UTC().Truncate(time.Second)
	var changes []dhcp.Change
	for i := range 3 {
		changes = append(changes, dhcp.Change{Lease: dhcp.Lease{Addr: netip.AddrFrom4([4]byte{10, 20, 1, byte(i + 1)}), MAC: dhcp.MAC{0, 0x15, 0x65, 0, 0, byte(i + 1)},
			Subnet: netip.MustParsePrefix("10.20.0.0/22"), State: dhcp.LeaseActive, FirstSeen: now, Starts: now, Expires: now.Add(time.Hour)}})
	}
	if err := (leaseWriter{r.Daemon}).WriteLeases(changes); err != nil {
		t.Fatal(err)
	}
	if f := r.service.Trust().Freeze(); !f.Frozen || f.Waiting != 2 {
		t.Errorf("%+v", f)
	}
	if w := strings.Join((reporter{r.Daemon}).warnings(), "\n"); !strings.Contains(w, "2 new phones came faster") {
		t.Errorf("not in the status: %s", w)
	}
	for i := range changes { // the clock was set, which makes no phone new
		l := &changes[i].Lease
		l.FirstSeen, l.Starts, changes[i].ClockShifted = l.FirstSeen.Add(time.Minute), l.Starts.Add(time.Minute), true
	}
	if err := (leaseWriter{r.Daemon}).WriteLeases(changes); err != nil {
		t.Fatal(err)
	}
	if f := r.service.Trust().Freeze(); f.Waiting != 2 {
		t.Errorf("after a step of the clock: %+v", f)
	}
	// A phone has used its new password: the old one's time ends.
	mac := dhcp.MAC{0, 0x15, 0x65, 0, 0, 9}
	d := &fleet.Device{MAC: mac, Vendor: "yealink", Enabled: true, Credentials: trust.NewCredentials(mac)}
	err := r.store.Edit("test", "add", func(e fleet.Edit) error {
		d.Credentials.Rotate(now)
		return e.PutDevice(d)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.credentials.used.add(mac, d.Credentials.Password)
	r.credentials.retire()
	err = r.store.View(func(f fleet.View) error {
		d, err := f.Device(mac)
		if err == nil && (d.Credentials.Previous != "" || d.Credentials.Password == "") {
			t.Errorf("credentials %+v", d.Credentials)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Devices that were recorded without an external_url get credentials at the reload that sets one.
func TestReloadWithAnExternalURLMakesCredentials(t *testing.T) {
	without := strings.Replace(testConfig, "  external_url: http://127.0.0.1/\n", "", 1)
	r := start(t, without)
	bare := &fleet.Device{MAC: dhcp.MAC{0, 0x15, 0x65, 0, 0, 9}, Vendor: "yealink", Model: "T46U", Enabled: true}
	if err := r.store.Edit("test", "put", func(e fleet.Edit) error { return e.PutDevice(bare) }); err != nil {
		t.Fatal(err)
	}
	has := func() bool {
		var d *fleet.Device
		err := r.store.View(func(f fleet.View) (err error) { d, err = f.Device(bare.MAC); return err })
		if err != nil {
			t.Fatal(err)
		}
		return d.Credentials != nil
	}
	if has() {
		t.Fatal("credentials without a URL to use them at")
	}
	writeConfig(t, r.dir, testConfig)
	if status, text := r.api("POST", "/api/v1/reload", ""); status >= 300 {
		t.Fatal(text)
	}
	for deadline := time.Now().Add(time.Minute); !has(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("no credentials after the reload")
		}
	}
}
