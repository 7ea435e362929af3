// Package httpprov serves phones' files over HTTP and HTTPS. It is for connections, requests and limits, and not for the files:
// every name goes to an Answerer, and its answer is sent whole, in ranges, as "not modified", refused or put off.
//
// There is no ServeMux here, because it redirects paths that are not clean, and phones do not follow redirects. A path reaches the
// Answerer as the phone meant it: unescaped, with its double slashes, backslashes and dots.
//
// Refused by net/http before this package sees the request, with a short fixed text that never repeats it, and unseen by
// the Observer:
//   - a request line that is not METHOD SP TARGET SP HTTP/x.y, so also a path with a bare space: 400
//   - a target that is neither a path that begins with a slash nor an absolute URL, so also one that begins with a
//     backslash; a control character in it; an escape that isn't % and two hex digits: 400
//   - HTTP/1.1 without a Host header or with two, a malformed Host, header name or value: 400
//   - headers beyond the limit (Config.HeaderBytes): 431
//   - HTTP versions other than 1.x: 505; a Transfer-Encoding other than chunked: 501; an Expect other than
//     100-continue: 417
//   - a plain HTTP request on an HTTPS listener: 400
//
// When there are too many connections, one is closed: of the address that holds most of them, then of the network that does, then the one
// that has waited longest; never one in which a known phone (provision.Answer.Known) is being answered. Addresses with a lease
// (Config.Leased) have a quarter of the connections for themselves. So neither a slow client nor many connections delay phones.
//
// Over HTTPS a phone may present its factory certificate. It is never required, and what it proves is part of the request
// (ClientCAs.Verify). A certificate that crypto/tls cannot parse, such as one with a DSA key, ends the handshake.
package httpprov

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"plugtone/provision"
	"plugtone/provision/fleet"
)

// Answerer returns what is to be sent for a name. provision.Service is one.
type Answerer interface {
	Answer(ctx context.Context, r provision.Request) provision.Answer
}

// Observer is called once for each request, when it has ended. sent counts bytes of the body that were written, took the time
// from the handler's start. err is nil when everything requested was written. Observers are called from many goroutines
// and must not wait.
type Observer func(r provision.Request, a provision.Answer, sent int64, took time.Duration, err error)

// ErrNoUpload is what Observer receives for PUT, POST and other methods with a body that is not accepted.
var ErrNoUpload = errors.New("the upload is not accepted")

// Config is what a Server needs. Zero values of numbers and durations mean the default named beside them.
type Config struct {
	Listen    []string       // TCP addresses, ":80"; IPv4 only
	Listeners []net.Listener // sockets already open, used beside Listen and closed by Run
	TLS       *tls.Config    // not nil: HTTPS on all of them
	// ClientCAs returns the authorities of phones' own certificates, which are requested according to TLS.ClientAuth; nil: none
	// proves anything.
	ClientCAs func() *ClientCAs
	// Leased reports whether an address is leased to a phone; nil: it is not known. It must not wait.
	Leased func(netip.Addr) bool
	// Handshake is called for each TLS handshake that failed; nil: they are not reported. It must not wait.
	Handshake func(Handshake)
	Now       func() time.Time // the clock; must be given
	// ClockWrong reports whether the clock is known to be wrong: then no certificate of a phone counts as ended; nil: it never is.
	ClockWrong func() bool
	Log        *slog.Logger // nil: no log

	MaxConns      int           // 4096: connections in all
	MaxPerAddress int           // 256: of which one address may hold; a whole site can be one address
	MinIdle       time.Duration // 1s: how long a connection waits, also in an unproven answer, before it may be closed for one of an address that holds no less
	HeaderBytes   int           // 16 KiB: request line and headers
	HeaderTime    time.Duration // 10s: to send them
	ReadTime      time.Duration // 30s: to send the whole request
	WriteTime     time.Duration // 1m: to take a rendered file, or each MiB of a streamed one
	IdleTime      time.Duration // 30s: a kept connection without a request
	RetryAfter    time.Duration // 30s: when a phone should retry after an internal error
	Grace         time.Duration // 5s: how long running answers go on at shutdown
}

func (c *Config) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.MaxConns, 4096)
	def(&c.MaxPerAddress, 256)
	def(&c.HeaderBytes, 16<<10)
	dur(&c.MinIdle, time.Second)
	dur(&c.HeaderTime, 10*time.Second)
	dur(&c.ReadTime, 30*time.Second)
	dur(&c.WriteTime, time.Minute)
	dur(&c.IdleTime, 30*time.Second)
	dur(&c.RetryAfter, 30*time.Second)
	dur(&c.Grace, 5*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// check returns all problems of the configuration at once.
func (c *Config) check() error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(c.name()+": "+format, args...))
	}
	if len(c.Listen)+len(c.Listeners) == 0 {
		problem("no address to listen on")
	}
	for _, l := range c.Listen {
		if _, err := net.ResolveTCPAddr("tcp4", l); err != nil {
			problem("listen address %q is not an IPv4 address and port: %w", l, err)
		}
	}
	if c.Now == nil {
		problem("no clock")
	}
	if c.TLS != nil && len(c.TLS.Certificates) == 0 && c.TLS.GetCertificate == nil && c.TLS.GetConfigForClient == nil {
		problem("no certificate")
	}
	if c.HeaderBytes < 8<<10 {
		problem("header limit of %d bytes is below 8192", c.HeaderBytes)
	}
	for _, n := range []struct {
		name string
		n    int
	}{{"max connections", c.MaxConns}, {"max per address", c.MaxPerAddress}} {
		if n.n < 1 {
			problem("%s %d is less than 1", n.name, n.n)
		}
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"min idle", c.MinIdle}, {"header", c.HeaderTime}, {"read", c.ReadTime}, {"write", c.WriteTime}, {"idle", c.IdleTime}, {"retry after", c.RetryAfter}, {"grace", c.Grace}} {
		if d.d < 0 {
			problem("%s time %v is negative", d.name, d.d)
		}
	}
	return errors.Join(problems...)
}

// name returns the name of this server in errors and metrics.
func (c *Config) name() string {
	if c.TLS != nil {
		return string(fleet.HTTPS)
	}
	return string(fleet.HTTP)
}
