package httpprov

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"plugtone/provision"
	"plugtone/provision/filename"
)

// Paths as phones send them are decoded to the name of the file, and never redirected.
func TestPathsAreDecodedAndNeverRedirected(t *testing.T) {
	for target, want := range map[string]string{
		"/001565123456.cfg":           "/001565123456.cfg",
		"//001565123456.cfg":          "//001565123456.cfg",
		"///a//b":                     "///a//b",
		"/a/../b/./c":                 "/a/../b/./c",
		"/../../etc/passwd":           "/../../etc/passwd",
		`/dir\file.cfg`:               `/dir\file.cfg`,
		"/%5Cfile":                    `/\file`,
		"/a%20b%2Fc":                  "/a b/c",
		"/a+b":                        "/a+b",
		"/%2e%2e/x":                   "/../x",
		"/a%25zz":                     "/a%zz",
		"/snom360.htm?mac=0004132412": "/snom360.htm",
		"/a;b=c":                      "/a;b=c",
		"/dir/":                       "/dir/",
		"/index.html":                 "/index.html",
		"/\xff\xfe":                   "/\xff\xfe",
		"http://10.0.0.1/abs.cfg":     "/abs.cfg",
	} {
		a := &answers{F: served}
		s := start(t, Config{}, a)
		resp, body := get(t, s.addr, target)
		if resp.StatusCode != 200 || body != config || a.Last().Name != want {
			t.Errorf("%q: %d, the Answerer received %q, want %q", target, resp.StatusCode, a.Last().Name, want)
		}
	}
}

func TestInvalidNamesAreNotFound(t *testing.T) {
	a := &answers{F: served}
	s := start(t, Config{}, a)
	for _, target := range []string{"/a%00b", "/a%0d%0aX:y", "/%7f", "/" + strings.Repeat("x", 10_000)} {
		if resp, body := get(t, s.addr, target); resp.StatusCode != 404 || body != bodyNotFound {
			t.Errorf("%.20q: %d %q", target, resp.StatusCode, body)
		}
		if r := <-s.reports; r.ans.Outcome != provision.NotFound || r.ans.Reason == "" {
			t.Errorf("%+v", r)
		}
	}
	if a.Last().Name != "" {
		t.Errorf("the Answerer received %q", a.Last().Name)
	}
}

// Requests that net/http refuses itself, as the package comment describes.
func TestRefusedByNetHTTP(t *testing.T) {
	a := &answers{F: served}
	s := start(t, Config{}, a)
	for text, want := range map[string]int{
		"GET /with space.cfg HTTP/1.1\r\nHost: x\r\n\r\n":                                       400,
		"GET \\file HTTP/1.1\r\nHost: x\r\n\r\n":                                                400,
		"GET file HTTP/1.1\r\nHost: x\r\n\r\n":                                                  400,
		"GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n":                                                 400,
		"GET /a%2 HTTP/1.1\r\nHost: x\r\n\r\n":                                                  400,
		"GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n":                                                400,
		"GET /f HTTP/1.1\r\n\r\n":                                                               400,
		"GET /f HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n":                                         400,
		"GET /f HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n":                                     400,
		"GET /f HTTP/2.0\r\nHost: x\r\n\r\n":                                                    505,
		"GET /f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n":                         501,
		"GET /f HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n":                                    417,
		"GET /f HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 20<<10) + "\r\n\r\n":          431,
		"GET /" + strings.Repeat("y", 20<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n":                  431,
		"GET /f HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 20<<10/6) + "\r\n":        431,
		"GET /f HTTP/1.1\r\nHost: x\r\nUser-Agent: " + strings.Repeat("y", 12<<10) + "\r\n\r\n": 200,
	} {
		resp, body := raw(t, s.addr, "GET", text)
		if resp.StatusCode != want || want != 200 && strings.Contains(body, "with") {
			t.Errorf("%.60q: %d %q, want %d", text, resp.StatusCode, body, want)
		}
	}
	if got := a.Last().UserAgent; len(a.All()) != 1 || len(got) != maxUserAgent {
		t.Errorf("the Answerer was called %d times, user agent of %d bytes", len(a.All()), len(got))
	}
}

func TestHTTP10AndMinimalHeadersAreServed(t *testing.T) {
	s := start(t, Config{}, &answers{F: served})
	for text, closes := range map[string]bool{
		"GET /f HTTP/1.0\r\n\r\n":                                     true,
		"GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n":           false,
		"GET /f HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":     true,
		"GET /f HTTP/1.1\r\nHost:\r\n\r\n":                            false,
		"GET /f HTTP/1.1\nHost: x\n\n":                                false,
		"GET /f HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n": false,
	} {
		resp, body := raw(t, s.addr, "GET", text)
		if resp.StatusCode != 200 || body != config || resp.ContentLength != int64(len(config)) || len(resp.TransferEncoding) > 0 || resp.Close != closes {
			t.Errorf("%q: %+v %q", text, resp, body)
		}
	}
}

// FuzzPath checks that each target gets one complete response that is no redirect and doesn't repeat the target, and that
// the Answerer receives no name with a control character and none over the limit.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/f", "//", "/%00", "/%zz", `/\`, "*", "http://x/y", "/a b", "/../..", "?x", "#", "/\r\nX: y", ""} {
		f.Add(s)
	}
	a := &answers{}
	a.F = func(provision.Request) provision.Answer { return provision.Answer{Outcome: provision.NotFound} }
	srv, err := New(Config{Listen: []string{":0"}, Now: fixed}, a, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			return // net/http's own refusal
		}
		w := &recorder{h: http.Header{}}
		a.Forget()
		srv.handle(w, req)
		if w.status != 404 || w.body.String() != bodyNotFound || w.h.Get("Location") != "" {
			t.Fatalf("%q: %d %v %q", target, w.status, w.h, w.body.String())
		}
		if name := a.Last().Name; filename.Problem(name, maxName) != "" {
			t.Fatalf("the Answerer received %q", name)
		}
	})
}
