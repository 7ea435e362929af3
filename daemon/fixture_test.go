package daemon

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.ended <- d.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-stopped // or files would still be written while the test's directory is removed
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

// must sends a request that has to succeed.
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
	return r.getAs(url, "Go-http-client/1.1")
}

// getAs requests a URL with a user agent.
func (r *running) getAs(url, agent string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("User-Agent", agent)
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

// mustAt reads from the socket of another directory.
func (r *running) mustAt(dir, path string) string {
	r.t.Helper()
	was := r.dir
	r.dir = dir
	defer func() { r.dir = was }()
	return r.must("GET", path, "")
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err = d.Run(ctx); err == nil {
		t.Fatal("it ran")
	}
	return err
}
