package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/store"
)

const leasedConfig = `
data_dir: DIR/data
dhcp:
  mode: off
  subnets:
    - {subnet: 10.20.0.0/22, pools: [10.20.1.0-10.20.1.99]}
    - {subnet: 10.30.0.0/24}
provisioning: {vendor_dirs: []}
tftp: {enabled: false}
http: {enabled: false}
admin: {listen: ["unix:DIR/admin.sock"]}
`

// putLeases writes n active leases from 10.20.1.1 on, and one that has ended, into a data directory.
func putLeases(t *testing.T, dir string, n int) {
	t.Helper()
	s, err := store.Open(store.Config{Dir: dir, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	var changes []dhcp.Change
	for i := range n + 1 {
		l := dhcp.Lease{Addr: netip.AddrFrom4([4]byte{10, 20, 1, byte(i + 1)}), MAC: dhcp.MAC{0, 0x15, 0x65, 0, 1, byte(i + 1)},
			Subnet: netip.MustParsePrefix("10.20.0.0/22"), State: dhcp.LeaseActive, FirstSeen: now, Starts: now, Expires: now.Add(time.Hour)}
		if i == n {
			l.State = dhcp.LeaseReleased
		}
		changes = append(changes, dhcp.Change{Lease: l})
	}
	if err := s.WriteLeases(changes); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReloadThatRemovesSubnetsInUseNeedsForce(t *testing.T) {
	data := t.TempDir()
	putLeases(t, data, 3)
	config := strings.Replace(leasedConfig, "DIR/data", data, 1)
	r := start(t, config)
	reload := func(text, query string) (int, string) {
		writeConfig(t, r.dir, text)
		return r.api("POST", "/api/v1/reload"+query, "")
	}
	const leased, idle = "    - {subnet: 10.20.0.0/22, pools: [10.20.1.0-10.20.1.99]}\n", "    - {subnet: 10.30.0.0/24}\n"
	without := strings.Replace(config, leased, "", 1)
	none := strings.Replace(config, "  subnets:\n"+leased+idle, "", 1)
	typo := strings.Replace(config, "{subnet: 10.30.0.0/24}", "{subnet: 10.30.0.0/24, interface: voice0x}", 1)
	typo = strings.Replace(typo, "mode: off", "mode: serve", 1)
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"a subnet with leases is gone": {without, []string{"10.20.0.0/22 is no longer served, but has 3 active leases", "reload --force"}},
		"all subnets are gone":         {none, []string{"10.20.0.0/22", "3 active leases", "10.30.0.0/24 is no longer served, and no other subnet is"}},
		"the prefix shrinks":           {strings.Replace(config, "10.20.0.0/22, pools: [10.20.1.0-10.20.1.99]", "10.20.0.0/24", 1), []string{"3 active leases"}},
		"an unknown interface":         {typo, []string{"dhcp.subnets[1].interface", "voice0x", "this host has no such interface"}},
		"an empty file":                {"", []string{"plugtone.yaml:1:1", "no key"}},
		"comments only":                {"# data_dir: /srv\n", []string{"no key"}},
	} {
		status, text := reload(c.text, "")
		if status != 409 {
			t.Errorf("%s: got %d %s, want a refusal", name, status, text)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: got %s, want it to contain %q", name, text, want)
			}
		}
		if n := len(r.site().Subnets); n != 2 {
			t.Fatalf("%s: %d subnets are served after the refusal", name, n)
		}
	}
	if status, text := reload("", "?force=true"); status != 409 {
		t.Errorf("force applies an empty file: %d %s", status, text)
	}
	if status, text := reload(strings.Replace(config, idle, "", 1), ""); status != 204 {
		t.Errorf("a subnet without leases can't be left out: %d %s", status, text)
	}
	if status, text := reload(strings.Replace(config, "10.20.0.0/22", "10.20.0.0/21", 1), ""); status != 204 {
		t.Errorf("a subnet can't be widened: %d %s", status, text)
	}
	if status, text := reload(none, "?force=true"); status != 204 {
		t.Errorf("forced: got %d %s", status, text)
	}
	if n := len(r.site().Subnets); n != 0 {
		t.Errorf("%d subnets are served after a forced reload", n)
	}
}

// A reload that removes a pack of existing devices is refused: their files would be answered with 503.
func TestReloadThatRemovesAPackInUseNeedsForce(t *testing.T) {
	config := strings.Replace(leasedConfig, "vendor_dirs: []", "vendor_dirs: [DIR/vendors]", 1)
	packs := t.TempDir()
	config = strings.Replace(config, "DIR/vendors", packs, 1)
	copyPack(t, "../provision/provisiontest/packs/bolt", filepath.Join(packs, "bolt"))
	r := start(t, config)
	r.must("POST", "/api/v1/devices", `{"mac":"00:15:65:12:34:56","vendor":"bolt","model":"B1","label":"Front Desk"}`)
	r.must("POST", "/api/v1/devices", `{"mac":"00:15:65:12:34:57","vendor":"bolt","model":"B1"}`)
	if err := os.Rename(filepath.Join(packs, "bolt"), filepath.Join(packs, "..", "away")); err != nil {
		t.Fatal(err)
	}
	status, text := r.api("POST", "/api/v1/reload", "")
	for _, want := range []string{`vendor pack \"bolt\" is gone, but 2 devices, 00:15:65:12:34:56 (Front Desk), 00:15:65:12:34:57 would be without files`, "reload --force"} {
		if status != 409 || !strings.Contains(text, want) {
			t.Errorf("got %d %s, want %q", status, text, want)
		}
	}
	if _, ok := r.packs().Vendor("bolt"); !ok {
		t.Fatal("the refused reload has removed the pack")
	}
	if got := r.must("GET", "/api/v1/status", ""); !strings.Contains(got, "was refused, and the configuration from before stays in force: vendor pack") {
		t.Errorf("status has no refused reload: %s", got)
	}
	r.must("POST", "/api/v1/reload?force=true", "")
	got := r.must("GET", "/api/v1/status", "")
	if !strings.Contains(got, `there is no vendor pack \"bolt\", the vendor of 2 devices`) || strings.Contains(got, "was refused") {
		t.Errorf("status after a forced reload: %s", got)
	}
	// Once it is gone, it is no reason to refuse another reload.
	r.must("POST", "/api/v1/reload", "")
}

// copyPack copies the files of a pack.
func copyPack(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// SIGHUP has no force: the reload is refused, and the log names what would be lost.
func TestHangupThatRemovesASubnetInUseIsRefused(t *testing.T) {
	data := t.TempDir()
	putLeases(t, data, 1)
	r := start(t, strings.Replace(leasedConfig, "DIR/data", data, 1))
	writeConfig(t, r.dir, "data_dir: "+data+"\ndhcp: {mode: off}\n")
	if err := r.Reload(context.WithoutCancel(t.Context()), false); err == nil || !strings.Contains(r.log.String(), "has 1 active lease") {
		t.Errorf("got %v, log %s", err, r.log)
	}
}

func TestStartWithAnEmptyFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugtone.yaml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Config: path, Log: io.Discard}); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("got %v", err)
	}
}

// heapInUse returns the bytes that live objects take.
func heapInUse() uint64 {
	var m runtime.MemStats
	for range 3 { // finalizers and pools give up their objects one cycle later
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Each reload makes a new set of packs. Whatever was made from the old one must be garbage afterwards.
func TestReloadsDoNotGrowTheHeap(t *testing.T) {
	const reloads, phones = 50, 20
	r := start(t, testConfig)
	r.addPhone()
	for i := range phones {
		r.must("POST", "/api/v1/devices", fmt.Sprintf(`{"mac":"00:15:65:00:00:%02x","vendor":"yealink","model":"T46U","lines":[{"position":1,"extension":"1001"}]}`, i))
	}
	url := "http://" + r.address("http") + "/"
	var second, last uint64
	for n := 1; n <= reloads; n++ {
		if err := r.Reload(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		for i := range phones {
			if status, text := r.get(fmt.Sprintf("%s0015650000%02x.cfg", url, i)); status != 200 {
				t.Fatalf("reload %d: %d %s", n, status, text)
			}
			// Names and agents that vary, as scanners' do.
			r.getAs(fmt.Sprintf("%s0015659%03d%02x.cfg", url, n%1000, i), fmt.Sprintf("Scanner/%d.%d", n, i))
		}
		if n == 2 {
			second = heapInUse()
		}
	}
	for range 300 {
		if last = heapInUse(); last <= second+second/10 {
			break
		}
		time.Sleep(200 * time.Millisecond) // what runs in the background may still use older packs
	}
	t.Logf("heap in use after the second reload %d, after the last %d", second, last)
	if last > second+second/10 {
		t.Errorf("the heap grew from %d to %d bytes in %d reloads, want at most a tenth", second, last, reloads-2)
	}
}
