package httpprov

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plugtone/dhcp/netlab"
	"plugtone/provision"
	"plugtone/provision/provisiontest"
)

// fixed is a clock that always returns the same time.
func fixed() time.Time { return time.Unix(1_700_000_000, 0) }

// recorder is a response writer without a connection.
type recorder struct {
	h      http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.h }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

var waitFor = provisiontest.WaitFor

func dial(t *testing.T, s *running, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp4", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// closedUnanswered reports whether the server closes a connection without an answer.
func closedUnanswered(c net.Conn) bool {
	n, err := c.Read(make([]byte, 1))
	nerr, ok := err.(net.Error)
	return n == 0 && err != nil && !(ok && nerr.Timeout())
}

func works(t *testing.T, c net.Conn) {
	t.Helper()
	fmt.Fprint(c, "GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
	b := make([]byte, len("HTTP/1.1 200 OK"))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "HTTP/1.1 200 OK" {
		t.Errorf("%q %v", b, err)
	}
}

// slow answers each request when goOn is closed, and counts those under way; names that begin with "own" are a known phone's.
func slow(goOn chan struct{}, under *atomic.Int32) *answers {
	return &answers{F: func(r provision.Request) provision.Answer {
		a := served(r)
		a.Known = strings.HasPrefix(r.Name, "/own")
		if r.Name != "/f" {
			a.Content = &waiting{goOn: goOn, under: under, Reader: strings.NewReader(config)}
		}
		return a
	}}
}

// waiting is a file that comes late.
type waiting struct {
	goOn  chan struct{}
	under *atomic.Int32
	*strings.Reader
}

func (w *waiting) Read(p []byte) (int, error) {
	w.under.Add(1)
	<-w.goOn
	return w.Reader.Read(p)
}

func (*waiting) Close() error { return nil }

// send requests a file and does not wait for the answer.
func send(c net.Conn, path string) { fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path) }

func TestConnectionsPerAddressAreLimited(t *testing.T) {
	goOn, under := make(chan struct{}), &atomic.Int32{}
	s := start(t, Config{MaxPerAddress: 3, MinIdle: time.Nanosecond}, slow(goOn, under))
	var held []net.Conn
	for range 3 {
		c := dial(t, s, "127.0.0.2")
		send(c, "/own")
		held = append(held, c)
	}
	waitFor(t, func() bool { return under.Load() == 3 })
	if !closedUnanswered(dial(t, s, "127.0.0.2")) {
		t.Error("a fourth connection is served while three known phones are answered")
	}
	works(t, dial(t, s, "127.0.0.3")) // other addresses do not block it
	close(goOn)
	for _, c := range held {
		if b, _ := io.ReadAll(io.LimitReader(c, 15)); string(b) != "HTTP/1.1 200 OK" {
			t.Errorf("%q", b)
		}
	}
	waitFor(t, func() bool { // what is answered counts as waiting after its report
		s.limits.mu.Lock()
		defer s.limits.mu.Unlock()
		return len(s.reports) == 4 && s.limits.everyone.oldestOf(netip.MustParseAddr("127.0.0.2")) != nil
	})
	works(t, dial(t, s, "127.0.0.2")) // in the place of the first, which only waits now
	if st := s.Stats(); st.TurnedAway != 2 || st.Conns != 4 {
		t.Errorf("%+v", st)
	}
}

func TestConnectionsInTotalAreLimited(t *testing.T) {
	goOn, under := make(chan struct{}), &atomic.Int32{}
	s := start(t, Config{MaxConns: 2, MinIdle: time.Nanosecond}, slow(goOn, under))
	first, second := dial(t, s, "127.0.0.2"), dial(t, s, "127.0.0.3")
	send(first, "/own")
	send(second, "/anybodys")
	waitFor(t, func() bool { return under.Load() == 2 })
	works(t, dial(t, s, "127.0.0.4")) // a known phone's stays, the other's place is taken though its answer is under way
	close(goOn)
	if b, _ := io.ReadAll(io.LimitReader(first, 15)); string(b) != "HTTP/1.1 200 OK" {
		t.Errorf("%q", b)
	}
	if b, _ := io.ReadAll(second); len(b) != 0 {
		t.Errorf("%q", b)
	}
	if st := s.Stats(); st.TurnedAway != 1 || st.Conns != 2 {
		t.Errorf("%+v", st)
	}
}

// A new connection is not closed: its request is in transit.
func TestConnectionsThatHaveJustCome(t *testing.T) {
	s := start(t, Config{MaxConns: 2, MinIdle: time.Hour}, &answers{F: served})
	first, second := dial(t, s, "127.0.0.2"), dial(t, s, "127.0.0.3")
	waitFor(t, func() bool { return s.Stats().Conns == 2 })
	if !closedUnanswered(dial(t, s, "127.0.0.4")) {
		t.Error("a third connection is served")
	}
	works(t, first)
	works(t, second)
}

// A client that holds the maximum of connections, over plain HTTP or in the middle of a TLS handshake, delays no phone, neither
// at other addresses nor behind the same one.
func TestSlowLorisOnAllConnections(t *testing.T) {
	s := start(t, Config{MaxConns: 40, MaxPerAddress: 10, MinIdle: time.Nanosecond}, &answers{F: served})
	for i := range 60 {
		c := dial(t, s, fmt.Sprint("127.0.0.", 2+i%6))
		fmt.Fprint(c, "GET /f HTTP/1.1\r\nX")
	}
	waitFor(t, func() bool { st := s.Stats(); return st.Conns == 40 && st.TurnedAway == 20 })
	for _, from := range []string{"127.0.0.2", "127.0.0.9"} {
		works(t, dial(t, s, from))
	}
}

// A slow-loris, one header byte at a time, is cut off, and delays no other client meanwhile.
func TestSlowLorisIsCutOff(t *testing.T) {
	s := start(t, Config{HeaderTime: 2 * time.Second}, &answers{F: served})
	var slow []net.Conn
	for range 50 {
		c := dial(t, s, "127.0.0.2")
		fmt.Fprint(c, "GET /f HTTP/1.1\r\nX")
		slow = append(slow, c)
	}
	works(t, dial(t, s, "127.0.0.3"))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	for s.Stats().Conns > 1 { // the one that works stays open
		for _, c := range slow {
			c.Write([]byte("x"))
		}
		if <-tick.C; time.Since(begin) > time.Minute {
			t.Fatalf("%d connections are still held", s.Stats().Conns)
		}
	}
}

// An idle connection is closed.
func TestIdleConnectionsEnd(t *testing.T) {
	s := start(t, Config{IdleTime: 50 * time.Millisecond}, &answers{F: served})
	works(t, dial(t, s, "127.0.0.2"))
	waitFor(t, func() bool { return s.Stats().Conns == 0 })
}

// The connection of a phone that does not read its file is closed.
func TestSlowReaderIsCutOff(t *testing.T) {
	big := make([]byte, 32<<20)
	s := start(t, Config{WriteTime: 200 * time.Millisecond}, &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: provision.Served, Body: big}
	}})
	c := dial(t, s, "127.0.0.2")
	fmt.Fprint(c, "GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
	if r := <-s.reports; r.err == nil {
		t.Errorf("%d bytes sent to a closed connection", r.sent)
	}
}

func TestObserverMayPanic(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := New(Config{Listeners: []net.Listener{l}, Now: time.Now}, &answers{F: served},
		func(provision.Request, provision.Answer, int64, time.Duration, error) { panic("observer") })
	if err != nil {
		t.Fatal(err)
	}
	go srv.Run(t.Context(), func() {})
	for range 2 {
		if resp, _ := get(t, l.Addr().String(), "/f"); resp.StatusCode != 200 {
			t.Error(resp.StatusCode)
		}
	}
}

// curl as the phone.
func TestCurlFetchesFiles(t *testing.T) {
	netlab.RequirePrograms(t, "curl")
	s := start(t, Config{}, &answers{F: func(r provision.Request) provision.Answer {
		if strings.Contains(r.Name, "secret") {
			return provision.Answer{Outcome: provision.Refused, Status: 404}
		}
		return served(r)
	}})
	for _, c := range []struct {
		args, body, code string
	}{
		{"/001565123456.cfg", config, "200"},
		{"-0 /f", config, "200"},
		{"--path-as-is //a/../f", config, "200"},
		{"-r 0-6 /f", config[:7], "206"},
		{"-H If-None-Match:\"abc\" /f", "", "304"},
		{"-I /f", "", "200"},
		{"-T /etc/hostname /up", bodyMethod, "405"},
		{"-d x=y /up", bodyMethod, "405"},
		{"/secret", bodyNotFound, "404"},
		{"-L --max-redirs 0 /dir", config, "200"},
	} {
		args := strings.Fields(c.args)
		args[len(args)-1] = "http://" + s.addr + args[len(args)-1]
		out := filepath.Join(t.TempDir(), "out")
		code, err := exec.CommandContext(t.Context(), "curl", append(args, "-s", "-o", out, "-w", "%{http_code}")...).CombinedOutput()
		body, _ := os.ReadFile(out)
		if err != nil || string(code) != c.code || !strings.HasPrefix(c.args, "-I") && string(body) != c.body {
			t.Errorf("curl %s: %v %s %q", c.args, err, code, body)
		}
	}
}

// BenchmarkHTTP fetches files of 10 kB over persistent connections, 50 at a time. The client is net/http's in the same process.
func BenchmarkHTTP(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 10_000)
	s := start(b, Config{}, &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: provision.Served, Body: body, MediaType: "text/plain", ETag: `"abc"`}
	}})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	b.SetBytes(int64(len(body)))
	b.SetParallelism(25)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			resp, err := client.Get("http://" + s.addr + "/001565123456.cfg")
			if err != nil {
				b.Error(err)
				return
			}
			if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != int64(len(body)) {
				b.Error(n, err)
			}
			resp.Body.Close()
		}
	})
}

// BenchmarkHandle measures our own part of a request, without net/http's.
func BenchmarkHandle(b *testing.B) {
	srv, err := New(Config{Listen: []string{":0"}, Now: fixed}, answererFunc(func(_ context.Context, r provision.Request) provision.Answer { return served(r) }), nil)
	if err != nil {
		b.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.Context(), "GET", "/001565123456.cfg", nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w := &recorder{h: http.Header{}}
		srv.handle(w, req)
	}
}
