package daemon

import (
	"bytes"
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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pin "github.com/pin/tftp/v3"

	"plugtone/dhcp/server"
)

const testConfig = `
data_dir: DIR/data
dhcp: {mode: off}
provisioning:
  networks: [{from: 127.0.0.0/8, trust: [open]}]
  settings: {admin_password: s3cret}
  time_zone: Europe/Berlin
  external_url: http://127.0.0.1/
  vendor_dirs: []
tftp: {listen: ["127.0.0.1:0"]}
http: {listen: ["127.0.0.1:0"]}
admin: {listen: ["unix:DIR/admin.sock"]}
metrics: {listen: ["127.0.0.1:0"]}
log: {level: debug}
`

// running is a daemon in this process.
type running struct {
	*Daemon
	t      testing.TB
	dir    string
	log    *logBuffer
	states *stateLog
	stop   context.CancelFunc
	ended  chan error
}

// stateLog is a service manager that records what it is sent. It blocks the sender only in before.
type stateLog struct {
	mu      sync.Mutex
	all     []string
	seen    int           // those that wait has passed
	changed chan struct{} // closed and replaced with each state
	before  atomic.Pointer[func(state string)]
}

func newStateLog() *stateLog { return &stateLog{changed: make(chan struct{})} }

func (l *stateLog) notify(state string) (bool, error) {
	if f := l.before.Load(); f != nil {
		(*f)(state)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, state)
	close(l.changed)
	l.changed = make(chan struct{})
	return true, nil
}

// next reports whether state follows among the states not seen yet, else returns a channel that is closed when there are more.
func (l *stateLog) next(state string) (found bool, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.seen < len(l.all) {
		l.seen++
		if l.all[l.seen-1] == state {
			return true, nil
		}
	}
	return false, l.changed
}

func (l *stateLog) contains(state string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.all, state)
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func writeConfig(t testing.TB, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "plugtone.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs a daemon until it is ready.
func start(t testing.TB, text string) *running {
	t.Helper()
	r := &running{t: t, dir: t.TempDir(), log: &logBuffer{}, states: newStateLog(), ended: make(chan error, 1)}
	d, err := New(Options{
		Config: writeConfig(t, r.dir, text), Version: "test", Log: r.log,
		Notify:   r.states.notify,
		Watchdog: func() (time.Duration, error) { return 20 * time.Millisecond, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Daemon = d
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Log(r.log)
		}
	})
	r.waitState("READY=1")
	return r
}

// waitState waits until the service manager receives state.
func (r *running) waitState(state string) {
	r.t.Helper()
	for deadline := time.After(time.Minute); ; {
		found, more := r.states.next(state)
		if found {
			return
		}
		select {
		case <-more:
		case err := <-r.ended:
			r.t.Fatalf("ended before %s: %v", state, err)
		case <-deadline:
			r.t.Fatalf("the service manager does not receive %s", state)
		}
	}
}

// address of a listener.
func (r *running) address(what string) string {
	r.t.Helper()
	for _, l := range r.Listening() {
		if addr, ok := strings.CutPrefix(l, what+" "); ok {
			return addr
		}
	}
	r.t.Fatalf("%s does not listen: %v", what, r.Listening())
	return ""
}

// api sends a request to the admin socket.
func (r *running) api(method, path, body string) (int, string) {
	r.t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(r.dir, "admin.sock"))
	}}}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://plugtone"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// must sends a request that has to be done.
func (r *running) must(method, path, body string) string {
	r.t.Helper()
	status, text := r.api(method, path, body)
	if status >= 300 {
		r.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	return text
}

func (r *running) get(url string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (r *running) addPhone() {
	r.t.Helper()
	r.must("PUT", "/api/v1/registrars/main", `{"name":"main","host":"pbx.example.com"}`)
	r.must("PUT", "/api/v1/extensions/1001", `{"number":"1001","password":"pa55w0rd","display_name":"Front Desk"}`)
	r.must("POST", "/api/v1/devices", `{"mac":"00:15:65:12:34:56","vendor":"yealink","model":"T46U","lines":[{"position":1,"extension":"1001"}]}`)
}

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

// mustAt reads from the socket of another directory.
func (r *running) mustAt(dir, path string) string {
	r.t.Helper()
	was := r.dir
	r.dir = dir
	defer func() { r.dir = was }()
	return r.must("GET", path, "")
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
	want := []string{"store", "leases", "admin", "snapshots", "credentials", "watch", "watchdog", "stopping", "tftp", "http", "metrics"}
	if !s.Ready || s.Version != "test" || !slices.Equal(s.Tasks, want) || s.Config != filepath.Join(r.dir, "plugtone.yaml") {
		t.Errorf("got %+v, want ready and tasks %v", s, want)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		r.must("GET", path, "")
	}
	r.waitState("WATCHDOG=1")
}

// A page elsewhere that points its own DNS name at this host reads no metrics.
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

func TestReload(t *testing.T) {
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
		t.Errorf("faults: got %d %s", status, text)
	}
	if got := r.site().TimeZone; got != "Europe/Berlin" || success() != "0" {
		t.Errorf("after faults: time zone %s, reload success %s", got, success())
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
		t.Error("nobody is told that http needs a restart")
	}
	if status, _ := r.get("http://" + r.address("http") + "/x"); status == 0 {
		t.Error("http stopped")
	}
}

func TestStopIsOrderly(t *testing.T) {
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

// run runs a daemon that is expected to fail.
func run(t *testing.T, o Options) error {
	t.Helper()
	if o.Log == nil {
		o.Log = io.Discard
	}
	o.Notify = func(string) (bool, error) { return false, nil }
	d, err := New(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err = d.Run(ctx); err == nil {
		t.Fatal("it ran")
	}
	return err
}

func TestTakenPortNamesTheProcess(t *testing.T) {
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

func TestOtherServerStopsAStartWithoutAFile(t *testing.T) {
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
		t.Error("with a file it does not start either")
	}
}

func TestFaultsOfConfigurationAndPacks(t *testing.T) {
	dir := t.TempDir()
	bad := strings.NewReplacer("vendor_dirs: []", "vendor_dirs: []\n  experimental_packs: [yealnk]").Replace(testConfig)
	_, err := Check(Options{Config: writeConfig(t, dir, bad)})
	if want := `provisioning.experimental_packs[0]: "yealnk": no pack has this vendor id: did you mean yealink?`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	packs := filepath.Join(dir, "packs", "nobody")
	if err := os.MkdirAll(packs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(packs, "vendor.yaml"), []byte("vendor: nobody\nrecognize: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Check(Options{Config: writeConfig(t, dir, strings.Replace(testConfig, "vendor_dirs: []", "vendor_dirs: [DIR/packs]", 1))})
	if err == nil || !strings.Contains(err.Error(), "vendor.yaml") {
		t.Errorf("got %v, want the fault of the pack", err)
	}
}

// The classics, as a user writes them: a URL for phones that read only an address, and more options than fit, for whom.
func TestVendorsOptionsAreTriedOut(t *testing.T) {
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
	said := func(parts ...string) bool {
		return slices.ContainsFunc(r.Warnings, func(w string) bool {
			return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(w, part) })
		})
	}
	for _, want := range [][]string{
		{":5:", "subnets[0].provisioning_url", "over TFTP instead: ", "cisco-cucm", "cisco-3pcc (ATA191"},
		{"subnets[0]", "no room for all options", "option 52", "polycom: 66 128", "mitel: 43 132"},
	} {
		if !said(want...) {
			t.Errorf("nothing says %q in\n%s", want, strings.Join(r.Warnings, "\n"))
		}
	}
	for _, not := range [][]string{{"subnets[1]", "over TFTP"}, {"subnets[1]", "no room"}, {"subnets[2]", "over TFTP"}, {"over TFTP", "yealink"}, {"over TFTP", "avaya"}} {
		if said(not...) {
			t.Errorf("%q is said in\n%s", not, strings.Join(r.Warnings, "\n"))
		}
	}
}

func TestCheckTellsWhatPhonesAreTold(t *testing.T) {
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
