package daemon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pin "github.com/pin/tftp/v3"

	"plugtone/dhcp/server"
)

func TestPhoneIsServed(t *testing.T) {
	r := start(t, testConfig)
	r.addPhone()
	status, overHTTP := r.get("http://" + r.address("http") + "/001565123456.cfg")
	if status != 200 || !strings.Contains(overHTTP, "pa55w0rd") || !strings.Contains(overHTTP, "pbx.example.com") {
		t.Fatalf("http: got %d %s", status, overHTTP)
	}
	c, err := pin.NewClient(r.address("tftp"))
	if err != nil {
		t.Fatal(err)
	}
	from, err := c.Receive("001565123456.cfg", "octet")
	if err != nil {
		t.Fatal(err)
	}
	var overTFTP bytes.Buffer
	if _, err := from.WriteTo(&overTFTP); err != nil {
		t.Fatal(err)
	}
	if overTFTP.String() != overHTTP {
		t.Error("tftp and http gave different bytes")
	}
	if status, _ := r.get("http://" + r.address("http") + "/001565999999.cfg"); status == 200 {
		t.Error("a phone without a record was given a configuration")
	}
	r.stop() // everything observed is written when the daemon has stopped
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	again := start(t, strings.ReplaceAll(testConfig, "DIR", r.dir))
	text := again.mustAt(r.dir, "/api/v1/devices/00:15:65:12:34:56/timeline")
	for _, want := range []string{`"http"`, `"tftp"`, `"served"`, `001565123456.cfg`} {
		if !strings.Contains(text, want) {
			t.Errorf("timeline lacks %s: %s", want, text)
		}
	}
	if text := again.mustAt(r.dir, "/api/v1/discovered"); !strings.Contains(text, "00:15:65:99:99:99") {
		t.Errorf("the phone without a record is not listed: %s", text)
	}
	if text := again.mustAt(r.dir, "/api/v1/devices/00:15:65:12:34:56"); !strings.Contains(text, `"in_sync"`) && !strings.Contains(text, `"last_fetch"`) {
		t.Errorf("the fetch is not remembered: %s", text)
	}
}

func TestStatusAndHealth(t *testing.T) {
	r := start(t, testConfig)
	var s struct {
		Version, Config string
		Ready           bool
		Tasks           []string
	}
	if err := json.Unmarshal([]byte(r.must("GET", "/api/v1/status", "")), &s); err != nil {
		t.Fatal(err)
	}
	want := []string{"store", "leases", "admin", "snapshots", "credentials", "watch", "watchdog", "stopping", "prepare", "states", "usage", "pbx", "upstream", "encrypt", "registrations", "resync", "tftp", "http", "metrics"}
	if !s.Ready || s.Version != "test" || !slices.Equal(s.Tasks, want) || s.Config != filepath.Join(r.dir, "plugtone.yaml") {
		t.Errorf("got %+v, want ready and tasks %v", s, want)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		r.must("GET", path, "")
	}
	r.waitState("WATCHDOG=1")
}

// A web page whose own DNS name resolves to this host (DNS rebinding) cannot read the metrics.
func TestMetricsAreServedToKnownHostsOnly(t *testing.T) {
	r := start(t, strings.Replace(testConfig, `admin: {`, `admin: {hosts: [phones.example.net], `, 1))
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"evil.example": 421, "evil.example:9100": 421, "phones.example.net:9100": 200, own: 200, "127.0.0.1": 200, "localhost:9100": 200} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+r.address("metrics")+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want || strings.Contains(string(body), "plugtone_build_info") != (want == 200) {
			t.Errorf("Host %s: got %d, %v, want %d", host, resp.StatusCode, err, want)
		}
	}
}

func TestReloadAppliesOnlyAValidConfiguration(t *testing.T) {
	r := start(t, testConfig)
	reload := func(text string) (int, string) {
		writeConfig(t, r.dir, text)
		return r.api("POST", "/api/v1/reload", "")
	}
	success := func() string {
		_, text := r.get("http://" + r.address("metrics") + "/metrics")
		for line := range strings.Lines(text) {
			if v, ok := strings.CutPrefix(line, "plugtone_config_reload_success "); ok {
				return strings.TrimSpace(v)
			}
		}
		return "missing"
	}
	if status, text := reload(strings.Replace(testConfig, "Europe/Berlin", "Europe/Berln", 1) + "nonsense: 1\n"); status < 400 ||
		!strings.Contains(text, "Europe/Berln") || !strings.Contains(text, "nonsense") {
		t.Errorf("invalid configuration: got %d %s", status, text)
	}
	if got := r.site().TimeZone; got != "Europe/Berlin" || success() != "0" {
		t.Errorf("after an invalid configuration: time zone %s, reload success %s", got, success())
	}
	if status, text := reload(strings.NewReplacer("Europe/Berlin", "America/New_York", "level: debug", "level: error").Replace(testConfig)); status >= 300 {
		t.Errorf("good: got %d %s", status, text)
	}
	if got := r.site().TimeZone; got != "America/New_York" || success() != "1" {
		t.Errorf("after a good one: time zone %s, reload success %s", got, success())
	}
	r.waitState("READY=1")
	status, text := reload(strings.Replace(testConfig, `http: {listen: ["127.0.0.1:0"]}`, `http: {enabled: false}`, 1))
	if status >= 300 {
		t.Errorf("other listeners: got %d %s", status, text)
	}
	if !strings.Contains(r.log.String(), "only after a restart") || !strings.Contains(r.must("GET", "/api/v1/status", ""), "restart to apply the changes of [http]") {
		t.Error("there is no warning that http needs a restart")
	}
	if status, _ := r.get("http://" + r.address("http") + "/x"); status == 0 {
		t.Error("http stopped")
	}
}

func TestStopClosesListenersAndStore(t *testing.T) {
	r := start(t, testConfig)
	r.addPhone()
	addr := r.address("http")
	r.stop()
	if err := <-r.ended; err != nil {
		t.Errorf("got error %v, want none", err)
	}
	if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		conn.Close()
		t.Error("http still listens")
	}
	if !r.states.contains("STOPPING=1") {
		t.Error("the service manager did not receive STOPPING=1")
	}
	again, err := New(Options{Config: writeConfig(t, r.dir, testConfig), Log: io.Discard})
	if err != nil {
		t.Fatalf("the store was not closed: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestTakenPortIsReportedWithItsProcess(t *testing.T) {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for what, text := range map[string]string{
		"http":  strings.Replace(testConfig, `http: {listen: ["127.0.0.1:0"]}`, fmt.Sprintf(`http: {listen: [%q]}`, tcp.Addr()), 1),
		"admin": strings.Replace(testConfig, `admin: {listen: ["unix:DIR/admin.sock"]}`, fmt.Sprintf(`admin: {listen: [%q]}`, tcp.Addr()), 1),
		"tftp":  strings.Replace(testConfig, `tftp: {listen: ["127.0.0.1:0"]}`, fmt.Sprintf(`tftp: {listen: [%q]}`, udp.LocalAddr()), 1),
	} {
		err := run(t, Options{Config: writeConfig(t, t.TempDir(), text)})
		if want := fmt.Sprintf("(process %d)", os.Getpid()); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "is taken") {
			t.Errorf("%s: got %v, want the port, and %s", what, err, want)
		}
	}
}

func TestStartWithoutAFileIsRefusedBesideAnotherServer(t *testing.T) {
	d := &Daemon{opts: Options{Discover: func(_ context.Context, name string) ([]server.Offer, error) {
		return []server.Offer{{Interface: name, Server: netip.MustParseAddr("10.20.0.1"), Addr: netip.MustParseAddr("10.20.0.99")}}, nil
	}}}
	p, err := loadRuntimeConfig(Options{Config: writeConfig(t, t.TempDir(), strings.Replace(testConfig, "dhcp: {mode: off}",
		"dhcp: {subnets: [{subnet: 10.20.0.0/22, interface: voice0}]}", 1))})
	if err != nil {
		t.Fatal(err)
	}
	d.first, d.dhcp = p, &server.Server{}
	err = d.lookForOthers(t.Context())
	for _, want := range []string{"voice0", "10.20.0.1", "10.20.0.99", "\nhint: ", "dhcp.mode"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %q", err, want)
		}
	}
	if d.opts.Config = "plugtone.yaml"; d.lookForOthers(t.Context()) != nil {
		t.Error("it is refused with a file, too")
	}
}

func TestStartReportsProblemsOfConfigurationAndPacks(t *testing.T) {
	dir := t.TempDir()
	bad := strings.NewReplacer("vendor_dirs: []", "vendor_dirs: []\n  experimental_packs: [yealnk]").Replace(testConfig)
	_, err := Check(Options{Config: writeConfig(t, dir, bad)})
	if want := `provisioning.experimental_packs[0]: "yealnk": no pack has this vendor id: did you mean yealink?`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	packs := filepath.Join(dir, "packs", "broken")
	if err := os.MkdirAll(packs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(packs, "vendor.yaml"), []byte("vendor: broken\nrecognize: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Check(Options{Config: writeConfig(t, dir, strings.Replace(testConfig, "vendor_dirs: []", "vendor_dirs: [DIR/packs]", 1))})
	if err == nil || !strings.Contains(err.Error(), "vendor.yaml") {
		t.Errorf("got %v, want the problem of the pack", err)
	}
}

// A URL for phones that read only an address, and more options than fit into a reply, are warned about with the vendors concerned.
func TestCheckWarnsAboutOptionsThatVendorsCanNotUse(t *testing.T) {
	path := strings.Repeat("deep/", 30)
	text := strings.Replace(testConfig, "dhcp: {mode: off}", `dhcp:
  subnets:
    - {subnet: 10.20.0.0/22, interface: lo, next_server: 10.20.0.2, voice_vlan: 20, pools: [10.20.1.0-10.20.1.9], provisioning_url: "http://prov.example.net/`+path+`"}
    - {subnet: 10.30.0.0/24, pools: [10.30.0.100-10.30.0.199]}
    - {subnet: 10.40.0.0/24, phones: none, provisioning_url: "http://prov.example.net/"}`, 1)
	r, err := Check(Options{Config: writeConfig(t, t.TempDir(), text)})
	if err != nil {
		t.Fatal(err)
	}
	warned := func(parts ...string) bool {
		return slices.ContainsFunc(r.Warnings, func(w string) bool {
			return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(w, part) })
		})
	}
	for _, want := range [][]string{
		{":5:", "subnets[0].provisioning_url", "over TFTP instead: ", "cisco-cucm", "cisco-3pcc (ATA191"},
		{"subnets[0]", "no room for all options", "option 52", "polycom: 66 128", "mitel: 43 132"},
	} {
		if !warned(want...) {
			t.Errorf("no warning with %q in\n%s", want, strings.Join(r.Warnings, "\n"))
		}
	}
	for _, not := range [][]string{{"subnets[1]", "over TFTP"}, {"subnets[1]", "no room"}, {"subnets[2]", "over TFTP"}, {"over TFTP", "yealink"}, {"over TFTP", "avaya"}} {
		if warned(not...) {
			t.Errorf("a warning with %q in\n%s", not, strings.Join(r.Warnings, "\n"))
		}
	}
}

func TestCheckShowsTheProvisioningURLOfEachSubnet(t *testing.T) {
	text := strings.Replace(testConfig, "dhcp: {mode: off}", `dhcp:
  mode: off
  subnets:
    - {subnet: 10.20.0.0/22, interface: voice0, next_server: 10.20.0.2, pools: [10.20.1.0-10.20.1.9]}
    - {subnet: 10.30.0.0/24, provisioning_url: "https://prov.example.net/"}
    - {subnet: 10.40.0.0/24, phones: none}`, 1)
	r, err := Check(Options{Config: writeConfig(t, t.TempDir(), text)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range r.Subnets {
		got = append(got, fmt.Sprint(s.Subnet, " ", s.Addresses, " ", s.ProvisioningURL))
	}
	want := []string{"10.20.0.0/22 10 http://10.20.0.2/", "10.30.0.0/24 0 https://prov.example.net/", "10.40.0.0/24 0 "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The audit log is listed newest first, page after page.
func TestAuditIsListedNewestFirst(t *testing.T) {
	r := start(t, testConfig)
	r.addPhone()
	var seen []uint64
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		var page struct {
			Items []struct {
				ID     uint64
				Action string
			}
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(r.must("GET", "/api/v1/audit?limit=2&cursor="+cursor, "")), &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Items {
			seen = append(seen, e.ID)
		}
		cursor = page.NextCursor
	}
	if len(seen) < 3 || !slices.IsSortedFunc(seen, func(a, b uint64) int { return cmp.Compare(b, a) }) || slices.Contains(seen[1:], seen[0]) {
		t.Errorf("the entries are listed as %v", seen)
	}
}
