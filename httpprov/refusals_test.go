package httpprov

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/provision"
)

func refused(change func(*provision.Answer)) *answers {
	return &answers{F: func(provision.Request) provision.Answer {
		a := provision.Answer{Outcome: provision.Refused, Status: 404, Reason: "no proof"}
		change(&a)
		return a
	}}
}

func TestEachChallengeIsSent(t *testing.T) {
	a := refused(func(a *provision.Answer) { a.Status, a.Challenge = 401, "Digest one\nDigest two" })
	s := start(t, Config{}, a)
	resp, body := get(t, s.addr, "/001565123456.cfg", "Authorization: Basic "+strings.Repeat("x", 3000))
	if resp.StatusCode != 401 || body != bodyLogin || strings.Join(resp.Header.Values("WWW-Authenticate"), "|") != "Digest one|Digest two" {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
	}
	if n := len(a.Last().Authorization); n != maxAuthorization {
		t.Errorf("%d bytes of the header are stored", n)
	}
	if resp, _ := get(t, s.addr, "/x", "Authorization: Digest a=b"); resp.StatusCode != 401 || a.Last().Authorization != "Digest a=b" {
		t.Errorf("%d %q", resp.StatusCode, a.Last().Authorization)
	}
	if resp, body := request(t, s.addr, "PUT", "/x", "Content-Length: 0"); resp.StatusCode != 401 || body != bodyLogin || len(resp.Header.Values("WWW-Authenticate")) != 2 {
		t.Errorf("PUT: %d %q %v", resp.StatusCode, body, resp.Header)
	}
}

// A locked-out requester gets no response: the connection is closed.
func TestLockedOutRequesterGetsNoResponse(t *testing.T) {
	s := start(t, Config{}, refused(func(a *provision.Answer) { a.Silent = true }))
	c, err := net.Dial("tcp4", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte("GET /x HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
		t.Errorf("answered with %s", resp.Status)
	}
	if r := <-s.reports; r.ans.Outcome != provision.Refused || r.sent != 0 {
		t.Errorf("%+v", r)
	}
}

// A requester in a phone network that guesses names gets the same response, delayed.
func TestRefusalsOfAGuesserAreDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Now: time.Now}, refused(func(a *provision.Answer) { a.Delay = 2 * time.Second }), nil)
		if err != nil {
			t.Fatal(err)
		}
		w := &pad{header: http.Header{}}
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://x/001565123456.cfg", nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s.handle(w, r)
		if took := time.Since(began); took != 2*time.Second || w.status != 404 || w.body != bodyNotFound {
			t.Errorf("%d %q after %v", w.status, w.body, took)
		}
	})
}

type pad struct {
	header http.Header
	status int
	body   string
}

func (r *pad) Header() http.Header { return r.header }
func (r *pad) WriteHeader(s int)   { r.status = s }
func (r *pad) Write(b []byte) (int, error) {
	r.body += string(b)
	return len(b), nil
}
