// Package peers lets the members of a cluster read from each other what each has of its own. Both sides of a connection have the certificate
// that they have registered in etcd, and accept no other. Its names and times do not matter: a clock that is wrong at a start keeps
// no member out, and a certificate ends when its member leaves or registers another.
package peers

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/merging"
	"plugtone/admin/problem"
	"plugtone/store/etcd"
	"plugtone/store/seal"
)

// Config is what a member needs to answer others, and to be answered.
type Config struct {
	Name    string // of this member
	Pair    tls.Certificate
	Keys    *seal.Ring                   // of the cluster
	Members func() ([]etcd.Member, bool) // as registered
	Log     *slog.Logger
}

// Peers are the other members. Its methods may be called from any goroutine.
type Peers struct {
	cfg         Config
	certificate string // as it is registered
	api         atomic.Pointer[http.Handler]
	below       atomic.Pointer[below]
	transport   *http.Transport
	copying     *http.Transport // for what is copied: an answer may take long
}

// New returns the other members of a cluster.
func New(c Config) *Peers {
	p := &Peers{cfg: c, certificate: register(c.Keys, c.Name, c.Pair)}
	p.transport = &http.Transport{DialTLSContext: p.dial, MaxConnsPerHost: mostCalls, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
		ResponseHeaderTimeout: answerTime, MaxResponseHeaderBytes: 16 << 10}
	p.copying = &http.Transport{DialTLSContext: p.dial, MaxConnsPerHost: mostCalls, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 16 << 10}
	return p
}

// Limits of what other members, and those who pretend to be one, may cost this one.
const (
	dialTime   = 2 * time.Second  // for a connection with its handshake: a dial goes on when the call that wanted it has ended
	answerTime = 5 * time.Second  // until an answer begins
	mostCalls  = 8                // at a time to one member
	mostBytes  = 8 << 20          // of an answer
	mostCopied = 16<<20 + 1<<10   // of a file that is copied
	mostConns  = 512              // at a time from others, members or not; more wait
	readTime   = 5 * time.Second  // for a request, or a handshake
	writeTime  = 10 * time.Second // for an answer
)

// Certificate returns what is registered of this member.
func (p *Peers) Certificate() string { return p.certificate }

// Answer makes h answer the requests of other members. Their caller is in the context, and h checks its role.
func (p *Peers) Answer(h http.Handler) { p.api.Store(&h) }

// below answers what has a path that begins so.
type below struct {
	path string
	http.Handler
}

// AnswerBelow makes h answer the GET requests of other members whose path begins so.
func (p *Peers) AnswerBelow(path string, h http.Handler) { p.below.Store(&below{path, h}) }

// Copying returns what sends such requests to a member; scheme and host of their URL are replaced. An answer may take as long as the context of
// the request allows.
func (p *Peers) Copying(name string) http.RoundTripper { return route{name, p.copying, mostCopied} }

// Self implements merging.Members.
func (p *Peers) Self() string { return p.cfg.Name }

// Others implements merging.Members.
func (p *Peers) Others() (out []merging.Other) {
	list, _ := p.cfg.Members()
	for _, m := range list {
		o := merging.Other{Name: m.Name}
		switch {
		case m.Name == p.cfg.Name:
			continue
		case !m.Alive:
			o.Problem = "it does not run, or does not reach etcd"
		case m.Address == "":
			o.Problem = "it has registered no address"
		default:
			o.API = client.Over(route{m.Name, p.transport, mostBytes})
		}
		out = append(out, o)
	}
	return out
}

// route sends requests to one member.
type route struct {
	name string
	over *http.Transport
	most int64 // bytes of an answer
}

// RoundTrip implements http.RoundTripper.
func (r route) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.URL.Scheme, q.URL.Host, q.Host = "https", r.name, ""
	res, err := r.over.RoundTrip(q)
	if err != nil {
		return nil, plain(err)
	}
	res.Body = &limited{ReadCloser: res.Body, left: r.most, most: r.most}
	return res, nil
}

// plain returns what an operator needs of an error of a connection.
func plain(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && errors.As(err, &op):
		return fmt.Errorf("no plugtone listens for other members at %s: see cluster.listen and cluster.advertise there", op.Addr)
	case errors.As(err, &op) && op.Op == "dial" && !op.Timeout():
		return fmt.Errorf("%s is not reachable: %w", op.Addr, op.Err)
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Errorf("it refuses the certificate of this member: the two may have different clusters, or etcd's list of members is not the same for both: %w", err)
	}
	return err
}

// limited is a body that ends with an error after so many bytes.
type limited struct {
	io.ReadCloser
	left, most int64
}

func (l *limited) Read(b []byte) (n int, err error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("its answer is longer than %d MiB", l.most>>20)
	}
	n, err = l.ReadCloser.Read(b[:min(int64(len(b)), l.left)])
	l.left -= int64(n)
	return n, err
}

// dial connects to the member that addr names, and accepts its registered certificate alone.
func (p *Peers) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	m, err := p.member(name)
	if err != nil {
		return nil, err
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTime}, Config: &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{p.cfg.Pair},
		InsecureSkipVerify: true, // VerifyConnection decides
		VerifyConnection: func(s tls.ConnectionState) error {
			if p.has(m, s) {
				return nil
			}
			return fmt.Errorf("what answers at %s has not the certificate that member %s has registered", m.Address, name)
		},
	}}
	return d.DialContext(ctx, network, m.Address)
}

// member returns a registered member.
func (p *Peers) member(name string) (etcd.Member, error) {
	list, _ := p.cfg.Members()
	for _, m := range list {
		if m.Name == name {
			return m, nil
		}
	}
	return etcd.Member{}, fmt.Errorf("%s is no member", name)
}

// has reports whether the other side of a connection has the certificate that m has registered.
func (p *Peers) has(m etcd.Member, s tls.ConnectionState) bool {
	der, err := registered(p.cfg.Keys, m.Name, m.Certificate)
	return err == nil && len(s.PeerCertificates) > 0 && bytes.Equal(der, s.PeerCertificates[0].Raw)
}

// errStranger is the answer to a connection that no member made.
var errStranger = errors.New("no member of the cluster has registered this certificate")

// caller returns the member that made a connection.
func (p *Peers) caller(s tls.ConnectionState) (string, error) {
	list, _ := p.cfg.Members()
	for _, m := range list {
		if p.has(m, s) {
			return m.Name, nil
		}
	}
	return "", errStranger
}

// readable are the paths that members read from each other.
var readable = regexp.MustCompile(`^/api/v1/(status|discovered|devices/[0-9A-Fa-f:.-]+/timeline)$`)

// forgettable are the paths that members delete at each other.
var forgettable = regexp.MustCompile(`^/api/v1/discovered/[0-9A-Fa-f:.-]+$`)

// role returns with which role members may make a request; false: they may not.
func role(r *http.Request) (access.Role, bool) {
	switch {
	case r.Method == http.MethodGet && readable.MatchString(r.URL.Path):
		return access.Viewer, true
	case r.Method == http.MethodDelete && forgettable.MatchString(r.URL.Path):
		return access.Operator, true
	}
	return 0, false
}

// Serve answers other members until ctx ends. It closes l.
func (p *Peers) Serve(ctx context.Context, l net.Listener) error {
	s := &http.Server{
		Handler: p, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(p.cfg.Log.Handler(), slog.LevelDebug),
	}
	t := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{p.cfg.Pair}, ClientAuth: tls.RequireAnyClientCert,
		VerifyConnection: func(s tls.ConnectionState) error { _, err := p.caller(s); return err },
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	err := s.Serve(tls.NewListener(netutil.LimitListener(limitPerAddress(l), mostConns), t))
	p.transport.CloseIdleConnections()
	p.copying.CloseIdleConnections()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// ServeHTTP implements http.Handler. A member that left is refused on connections that it made before.
func (p *Peers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, err := p.caller(*r.TLS)
	as, may := role(r)
	h, copies := p.api.Load(), p.below.Load()
	switch {
	case err != nil:
		problem.Write(w, http.StatusForbidden, err.Error())
		return
	case copies != nil && r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, copies.path):
		copies.ServeHTTP(w, r)
		return
	case !may:
		problem.Write(w, http.StatusForbidden, "members do not request this from each other")
		return
	case h == nil:
		w.Header().Set("Retry-After", problem.RetryAfter)
		problem.Write(w, http.StatusServiceUnavailable, "this member starts")
		return
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr) // "" when it has none
	r = r.WithContext(access.With(r.Context(), access.Caller{Name: "member:" + name, Role: as, From: host}))
	query := r.URL.Query()
	query.Set("member", "local")
	u := *r.URL
	u.RawQuery = url.Values(query).Encode()
	r.URL = &u
	(*h).ServeHTTP(w, r)
}
