package httpprov

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"plugtone/provision"
	"plugtone/provision/provisiontest"
)

type answers = provisiontest.Answers

// report is a call of the Observer.
type report struct {
	req  provision.Request
	ans  provision.Answer
	sent int64
	err  error
}

// running is a server under test.
type running struct {
	*Server
	addr    string
	reports chan report
	stop    context.CancelFunc
	ended   chan error
}

// start runs a server on a loopback port until the test ends.
func start(t testing.TB, cfg Config, a Answerer) *running {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listeners = append(cfg.Listeners, l)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &running{addr: l.Addr().String(), reports: make(chan report, 10000)}
	r.Server, err = New(cfg, a, func(q provision.Request, a provision.Answer, sent int64, _ time.Duration, err error) {
		select {
		case r.reports <- report{q, a, sent, err}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	r.stop, r.ended = provisiontest.Run(t, r.Run)
	return r
}

// raw sends bytes as they are and reads one response. method is the request's, for the body.
func raw(t testing.TB, addr, method, text string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.60q: %v", text, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%.60q: body: %v", text, err)
	}
	return resp, string(body)
}

// get requests a target with further header lines.
func get(t testing.TB, addr, target string, headers ...string) (*http.Response, string) {
	t.Helper()
	return request(t, addr, "GET", target, headers...)
}

func request(t testing.TB, addr, method, target string, headers ...string) (*http.Response, string) {
	t.Helper()
	text := method + " " + target + " HTTP/1.1\r\nHost: x\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	return raw(t, addr, method, text+"\r\n")
}

const config = "account.1.password = secret\n"

// served is an answer with a rendered file.
func served(provision.Request) provision.Answer {
	return provision.Answer{Outcome: provision.Served, Kind: "device", Name: "001565123456.cfg", Body: []byte(config),
		Size: int64(len(config)), MediaType: "text/plain", ETag: `"abc"`}
}

// Stats are counts of connections.
type Stats struct {
	Conns      int    // connections now
	TurnedAway uint64 // connections since the start that were closed because of MaxConns or MaxPerAddress
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return Stats{Conns: len(s.limits.conns), TurnedAway: s.limits.evicted}
}
