package httpprov

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"plugtone/provision"
)

// Server serves files over HTTP or HTTPS.
type Server struct {
	cfg     Config
	answer  Answerer
	observe Observer

	mu      sync.Mutex
	stopped bool           // Run is about to return: nobody is told any more
	reports sync.WaitGroup // observers being told
	conns   int
	perAddr map[netip.Addr]int
	turned  uint64
}

// New makes a Server. All faults of the configuration are reported at once. Nothing is opened before Run, which may be
// called once.
func New(cfg Config, a Answerer, o Observer) (*Server, error) {
	cfg.setDefaults()
	err := cfg.check()
	if a == nil {
		err = errors.Join(err, fmt.Errorf("%s: nobody to answer", cfg.name()))
	}
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = func(provision.Request, provision.Answer, int64, time.Duration, error) {}
	}
	return &Server{cfg: cfg, answer: a, observe: o, perAddr: map[netip.Addr]int{}}, nil
}

// Stats are counts of what the Observer isn't told.
type Stats struct {
	Conns      int    // connections now
	TurnedAway uint64 // connections since the start beyond MaxConns or MaxPerAddress, closed unread
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Conns: s.conns, TurnedAway: s.turned}
}

// Run opens the sockets, calls ready once, and serves until ctx ends. Then it accepts no more, lets answers go on for
// Config.Grace, and returns nil. The Observer isn't called after Run has returned.
func (s *Server) Run(ctx context.Context, ready func()) error {
	listeners, err := s.open(ctx)
	if err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return err
	}
	answering, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	srv := s.server(answering)
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- s.serve(srv, l) }()
	}
	ready()
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	grace, cancel := context.WithTimeout(answering, s.cfg.Grace)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		giveUp()
		srv.Close()
	}
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.reports.Wait()
	return err
}

// open takes the given sockets and opens the others. What it returns is to be closed, also beside an error.
func (s *Server) open(ctx context.Context) ([]net.Listener, error) {
	listeners := append([]net.Listener(nil), s.cfg.Listeners...)
	for _, addr := range s.cfg.Listen {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp4", addr)
		if err != nil {
			return listeners, fmt.Errorf("%s %s: %w", s.cfg.name(), addr, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// server is net/http's, without its mux, HTTP/2 and its own answer to OPTIONS.
func (s *Server) server(answering context.Context) *http.Server {
	srv := &http.Server{
		Handler:                      http.HandlerFunc(s.handle),
		DisableGeneralOptionsHandler: true,
		TLSConfig:                    s.cfg.TLS,
		ReadHeaderTimeout:            s.cfg.HeaderTime,
		ReadTimeout:                  s.cfg.ReadTime,
		WriteTimeout:                 s.cfg.WriteTime,
		IdleTimeout:                  s.cfg.IdleTime,
		MaxHeaderBytes:               s.cfg.HeaderBytes - 4096, // net/http allows 4096 more than it is told
		ErrorLog:                     slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
		BaseContext:                  func(net.Listener) context.Context { return answering },
		ConnContext:                  withEnds,
		ConnState:                    s.connState,
		Protocols:                    new(http.Protocols),
	}
	srv.Protocols.SetHTTP1(true)
	return srv
}

func (s *Server) serve(srv *http.Server, l net.Listener) error {
	var err error
	if s.cfg.TLS != nil {
		err = srv.ServeTLS(l, "", "")
	} else {
		err = srv.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s %s: %w", s.cfg.name(), l.Addr(), err)
}

// connState counts connections, and closes those that are too many before a byte of them is read. It is called in the
// accept loop for a new connection, so no other is accepted before the count is right.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	if state != http.StateNew && state != http.StateClosed {
		return
	}
	a := addrPort(c.RemoteAddr()).Addr()
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateClosed {
		s.conns--
		if s.perAddr[a]--; s.perAddr[a] <= 0 {
			delete(s.perAddr, a)
		}
		return
	}
	s.conns++
	s.perAddr[a]++
	if s.conns > s.cfg.MaxConns || s.perAddr[a] > s.cfg.MaxPerAddress {
		s.turned++
		c.Close()
	}
}

// ends are the two ends of a connection, kept in its context so that they are read once, and what the client's certificate
// proves, which is looked at once for all requests, and again when the authorities have changed.
type ends struct {
	from, local netip.AddrPort

	mu          sync.Mutex
	cas         *ClientCAs
	certificate *provision.Certificate
}

// proves is what a client's certificates prove by these authorities.
func (e *ends) proves(peer []*x509.Certificate, cas *ClientCAs, now time.Time) *provision.Certificate {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cas != cas {
		e.cas, e.certificate = cas, cas.Verify(peer, now)
	}
	return e.certificate
}

type endsKey struct{}

func withEnds(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, endsKey{}, &ends{from: addrPort(c.RemoteAddr()), local: addrPort(c.LocalAddr())})
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
