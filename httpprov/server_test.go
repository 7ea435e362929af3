package httpprov

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/provision"
	"plugtone/provision/fleet"
)

func TestNewReportsAllProblems(t *testing.T) {
	_, err := New(Config{Listen: []string{"nowhere"}, MaxConns: -1, IdleTime: -1, HeaderBytes: 100, TLS: &tls.Config{}}, nil, nil)
	for _, want := range []string{`"nowhere"`, "no clock", "no certificate", "header limit of 100", "max connections -1", "idle time", "no answerer"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestTakenPortIsAnError(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := New(Config{Listen: []string{l.Addr().String()}, Now: time.Now}, &answers{F: served}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context(), func() { t.Error("ready") })
	if err == nil || !strings.Contains(err.Error(), "http "+l.Addr().String()+": ") || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
}

func TestServedFileHasItsHeaders(t *testing.T) {
	a := &answers{F: served}
	s := start(t, Config{}, a)
	resp, body := get(t, s.addr, "/001565123456.cfg", "User-Agent: Yealink SIP-T46U 108.86.0.90 00:15:65:12:34:56")
	if resp.StatusCode != 200 || body != config {
		t.Fatalf("%d %q", resp.StatusCode, body)
	}
	for h, want := range map[string]string{"Content-Length": fmt.Sprint(len(config)), "Etag": `"abc"`, "Content-Type": "text/plain",
		"Accept-Ranges": "bytes", "Server": "", "Location": "", "Cache-Control": "private, no-cache"} {
		if got := resp.Header.Get(h); got != want {
			t.Errorf("%s: %q, want %q", h, got, want)
		}
	}
	q := a.Last()
	if q.Name != "/001565123456.cfg" || q.Method != "GET" || q.Transport != fleet.HTTP || q.From.String() != "127.0.0.1" ||
		q.Local.String() != s.addr || !strings.HasPrefix(q.UserAgent, "Yealink") || q.Time.IsZero() {
		t.Errorf("%+v", q)
	}
	if r := <-s.reports; r.sent != int64(len(config)) || r.err != nil || r.ans.Outcome != provision.Served {
		t.Errorf("%+v", r)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	s := start(t, Config{}, &answers{F: served})
	resp, body := request(t, s.addr, "HEAD", "/f")
	if resp.StatusCode != 200 || body != "" || resp.ContentLength != int64(len(config)) || resp.Header.Get("Etag") != `"abc"` {
		t.Errorf("%+v %q", resp, body)
	}
	if r := <-s.reports; r.sent != 0 || r.err != nil {
		t.Errorf("%+v", r)
	}
}

func TestConditionsAndRangesAreHonoured(t *testing.T) {
	for _, c := range []struct {
		header, body string
		status       int
		outcome      provision.Outcome
	}{
		{`If-None-Match: "abc"`, "", 304, provision.NotModified},
		{`If-None-Match: W/"abc"`, "", 304, provision.NotModified},
		{`If-None-Match: "x", "abc"`, "", 304, provision.NotModified},
		{`If-None-Match: *`, "", 304, provision.NotModified},
		{`If-None-Match: "other"`, config, 200, provision.Served},
		{`If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT`, config, 200, provision.Served},
		{`Range: bytes=0-6`, config[:7], 206, provision.Served},
		{`Range: bytes=8-`, config[8:], 206, provision.Served},
		{`Range: bytes=-4`, config[len(config)-4:], 206, provision.Served},
		{"Range: bytes=0-6\r\nIf-Range: \"abc\"", config[:7], 206, provision.Served},
		{"Range: bytes=0-6\r\nIf-Range: \"old\"", config, 200, provision.Served},
		{`Range: lines=1-2`, "", 416, provision.Served},
		{`Range: bytes=900-`, "", 416, provision.Served},
	} {
		t.Run(c.header, func(t *testing.T) {
			s := start(t, Config{}, &answers{F: served})
			resp, body := get(t, s.addr, "/f", c.header)
			if resp.StatusCode != c.status {
				t.Fatalf("%d, want %d", resp.StatusCode, c.status)
			}
			if c.status != 416 && body != c.body {
				t.Errorf("%q, want %q", body, c.body)
			}
			if c.status != 304 && resp.ContentLength < 0 {
				t.Error("no Content-Length")
			}
			if r := <-s.reports; r.ans.Outcome != c.outcome || r.err != nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Responses for unknown, disabled and unproven phones are identical, and no refusal repeats the name.
func TestRefusalsAreIdentical(t *testing.T) {
	var seen string
	for _, o := range []provision.Outcome{provision.NotFound, provision.Refused, provision.Expected404} {
		for _, name := range []string{"/001565123456.cfg", "/unknown-name"} {
			s := start(t, Config{}, &answers{F: func(provision.Request) provision.Answer {
				return provision.Answer{Outcome: o, Reason: "disabled", ETag: `"x"`, MediaType: "text/xml", Vendor: "yealink", Status: 404}
			}})
			resp, body := get(t, s.addr, name)
			resp.Header.Del("Date")
			got := fmt.Sprint(resp.StatusCode, resp.Header, body)
			if seen == "" {
				seen = got
			}
			if got != seen || strings.Contains(got, name[1:]) || resp.StatusCode != 404 {
				t.Errorf("%s %s: %s, want %s", o, name, got, seen)
			}
		}
	}
}

func TestRefusalWithAChallengeIs401(t *testing.T) {
	a := provision.Answer{Outcome: provision.Refused, Status: 401, Challenge: `Basic realm="phones"`}
	s := start(t, Config{}, &answers{F: func(provision.Request) provision.Answer { return a }})
	if resp, body := get(t, s.addr, "/f"); resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != a.Challenge || body != bodyLogin {
		t.Errorf("%+v %q", resp, body)
	}
	a.Challenge = "" // a 401 without one would be against RFC 9110, 15.5.2
	if resp, _ := get(t, s.addr, "/f"); resp.StatusCode != 404 {
		t.Errorf("%+v", resp)
	}
}

func TestInternalErrorsAre503(t *testing.T) {
	bad := errors.New("store: disk on fire at /var/lib")
	for name, f := range map[string]func(provision.Request) provision.Answer{
		"fault": func(provision.Request) provision.Answer {
			return provision.Answer{Outcome: provision.InternalError, Err: bad}
		},
		"panic": func(provision.Request) provision.Answer { panic("oops") },
		"empty": func(provision.Request) provision.Answer { return provision.Answer{} },
		"seek": func(provision.Request) provision.Answer {
			return provision.Answer{Outcome: provision.Served, ETag: `"x"`, Content: &content{Reader: strings.NewReader(""), bad: bad}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{}, &answers{F: f})
			resp, body := get(t, s.addr, "/f")
			if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "30" || body != bodyLater || resp.Header.Get("Etag") != "" {
				t.Errorf("%+v %q", resp, body)
			}
			if r := <-s.reports; r.ans.Outcome != provision.InternalError || r.err == nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	for method, want := range map[string]int{"PUT": 405, "POST": 405, "DELETE": 405, "PATCH": 405, "OPTIONS": 501, "TRACE": 501, "BREW": 501, "PROPFIND": 501} {
		s := start(t, Config{}, &answers{F: served})
		resp, body := request(t, s.addr, method, "/f", "Content-Length: 0")
		if resp.StatusCode != want || strings.Contains(body, "secret") || resp.ContentLength < 0 {
			t.Errorf("%s: %d %q", method, resp.StatusCode, body)
		}
		if want == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow %q", method, resp.Header.Get("Allow"))
		}
	}
	s := start(t, Config{}, &answers{F: served})
	if resp, _ := raw(t, s.addr, "OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"); resp.StatusCode != 501 {
		t.Error(resp.StatusCode)
	}
}

// A refused upload is not read, whatever its Content-Length.
func TestUploadIsNotRead(t *testing.T) {
	s := start(t, Config{}, &answers{F: served})
	resp, _ := request(t, s.addr, "PUT", "/log", "Content-Length: 99999999999")
	if resp.StatusCode != 405 || !resp.Close {
		t.Errorf("%+v", resp)
	}
	if r := <-s.reports; !errors.Is(r.err, ErrNoUpload) || r.req.Method != "PUT" {
		t.Errorf("%+v", r)
	}
}

// content is a stream that can fail, and notices when it is closed.
type content struct {
	*strings.Reader
	bad    error
	closed chan struct{}
}

func (c *content) Seek(off int64, whence int) (int64, error) {
	if c.bad != nil {
		return 0, c.bad
	}
	return c.Reader.Seek(off, whence)
}

func (c *content) Close() error {
	if c.closed != nil {
		close(c.closed)
	}
	return nil
}

func TestStreamIsServedWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fw.rom")
	want := bytes.Repeat([]byte("firmware"), 400_000) // three chunks and a bit
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{}, &answers{F: func(provision.Request) provision.Answer {
		f, err := os.Open(path)
		return provision.Answer{Outcome: provision.Served, Kind: "firmware", Content: f, Size: int64(len(want)), ETag: `"fw"`, Err: err}
	}})
	resp, body := get(t, s.addr, "/fw.rom")
	if resp.StatusCode != 200 || body != string(want) || resp.ContentLength != int64(len(want)) || resp.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%+v, %d bytes", resp, len(body))
	}
	if r := <-s.reports; r.sent != int64(len(want)) || r.err != nil {
		t.Errorf("%+v", r)
	}
	if resp, body := get(t, s.addr, "/fw.rom", "Range: bytes=2000000-2000009"); resp.StatusCode != 206 || body != string(want[2000000:2000010]) {
		t.Errorf("%+v %q", resp, body)
	}
}

func TestStreamIsClosed(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "PUT"} {
		c := &content{Reader: strings.NewReader("x"), closed: make(chan struct{})}
		s := start(t, Config{}, &answers{F: func(provision.Request) provision.Answer {
			return provision.Answer{Outcome: provision.Served, Content: c, Size: 1}
		}})
		request(t, s.addr, method, "/f")
		<-c.closed
	}
}

// A file that shrinks while it is sent ends the connection, so that the phone detects that it is truncated.
func TestShortStreamEndsTheConnection(t *testing.T) {
	s := start(t, Config{}, &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: provision.Served, Content: shrinking{&content{Reader: strings.NewReader("0123456789")}}, Size: 20}
	}})
	resp, err := http.Get("http://" + s.addr + "/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if r := <-s.reports; r.err == nil || r.sent != 10 {
		t.Errorf("%+v", r)
	}
}

type shrinking struct{ *content }

func (s shrinking) Seek(off int64, whence int) (int64, error) {
	n, err := s.content.Seek(off, whence)
	if whence == io.SeekEnd {
		n += 10
	}
	return n, err
}

func TestShutdownLetsAnswersEnd(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	s := start(t, Config{}, &answers{F: func(r provision.Request) provision.Answer {
		close(asked)
		<-goOn
		return served(r)
	}})
	done := make(chan string)
	go func() {
		resp, err := http.Get("http://" + s.addr + "/f")
		if err != nil {
			done <- err.Error()
			return
		}
		b, _ := io.ReadAll(resp.Body)
		done <- string(b)
	}()
	<-asked
	s.stop()
	close(goOn)
	if got := <-done; got != config {
		t.Error(got)
	}
}

// An answer that hangs is abandoned after the grace time, and the Observer is not called afterwards.
func TestShutdownAbandonsAnswersAfterItsGrace(t *testing.T) {
	asked := make(chan struct{})
	hang := answererFunc(func(ctx context.Context, _ provision.Request) provision.Answer {
		close(asked)
		<-ctx.Done()
		return provision.Answer{Outcome: provision.InternalError, Err: ctx.Err()}
	})
	s := start(t, Config{Grace: 20 * time.Millisecond}, hang)
	c, err := net.Dial("tcp4", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
	<-asked
	s.stop()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	close(s.ended)
}

// answererFunc is an Answerer that gets the context.
type answererFunc func(context.Context, provision.Request) provision.Answer

func (f answererFunc) Answer(ctx context.Context, r provision.Request) provision.Answer {
	return f(ctx, r)
}

func TestHTTPSServesFiles(t *testing.T) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	a := &answers{F: served}
	s := start(t, Config{TLS: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: k}}}}, a)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Get("https://" + s.addr + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != config || resp.ProtoMajor != 1 || a.Last().Transport != fleet.HTTPS {
		t.Errorf("%q %s %+v", b, resp.Proto, a.Last())
	}
}
