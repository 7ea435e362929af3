package httpprov

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/provision"
)

// Server serves files over HTTP or HTTPS.
type Server struct {
	cfg     Config
	answer  Answerer
	observe Observer

	mu       sync.Mutex
	stopped  bool           // Run is about to return: the Observer is called no more
	reports  sync.WaitGroup // running calls of the Observer
	limits   *connLimiter
	stopping atomic.Bool // the grace time of the shutdown has ended
}

// New makes a Server. All problems of the configuration are reported at once. Nothing is opened before Run, which may be
// called once.
func New(cfg Config, a Answerer, o Observer) (*Server, error) {
	cfg.setDefaults()
	err := cfg.check()
	if a == nil {
		err = errors.Join(err, fmt.Errorf("%s: no answerer", cfg.name()))
	}
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = func(provision.Request, provision.Answer, int64, time.Duration, error) {}
	}
	return &Server{cfg: cfg, answer: a, observe: o, limits: newConnLimiter(&cfg)}, nil
}

// Run opens the sockets, calls ready once, and serves until ctx ends. Then it accepts no more, continues running answers for
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
		s.stopping.Store(true)
		giveUp()
		srv.Close()
	}
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.reports.Wait()
	return err
}

// open takes the given sockets and opens the others. What it returns is to be closed, also when it returns an error.
func (s *Server) open(ctx context.Context) ([]net.Listener, error) {
	listeners := append([]net.Listener(nil), s.cfg.Listeners...)
	for _, addr := range s.cfg.Listen {
		lc := net.ListenConfig{KeepAlive: -1} // IdleTime and the others end connections of hosts that are gone
		l, err := lc.Listen(ctx, "tcp4", addr)
		if err != nil {
			return listeners, fmt.Errorf("%s %s: %w", s.cfg.name(), addr, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// server returns net/http's server, without its mux, HTTP/2 and its own answer to OPTIONS.
func (s *Server) server(answering context.Context) *http.Server {
	srv := &http.Server{
		Handler:                      http.HandlerFunc(s.handle),
		DisableGeneralOptionsHandler: true,
		TLSConfig:                    s.cfg.TLS,
		ReadHeaderTimeout:            s.cfg.HeaderTime,
		ReadTimeout:                  s.cfg.ReadTime,
		WriteTimeout:                 s.cfg.WriteTime,
		IdleTimeout:                  s.cfg.IdleTime,
		MaxHeaderBytes:               s.cfg.HeaderBytes - 4096, // net/http allows 4096 more
		ErrorLog:                     slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
		BaseContext:                  func(net.Listener) context.Context { return answering },
		ConnContext:                  s.limits.withConnInfo,
		ConnState:                    s.connState,
		Protocols:                    new(http.Protocols),
	}
	srv.Protocols.SetHTTP1(true)
	return srv
}

func (s *Server) serve(srv *http.Server, l net.Listener) error {
	var err error
	if s.cfg.TLS != nil {
		err = srv.ServeTLS(watchedListener{l}, "", "")
	} else {
		err = srv.Serve(replyListener{l})
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s %s: %w", s.cfg.name(), l.Addr(), err)
}
