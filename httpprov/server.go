package httpprov

import (
	"context"
	"errors"
)

// Server serves files over HTTP or HTTPS.
type Server struct {
	cfg     Config
	answer  Answerer
	observe Observer
}

// New makes a Server. All faults of the configuration are reported at once. Nothing is opened before Run.
func New(cfg Config, a Answerer, o Observer) (*Server, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, answer: a, observe: o}, nil
}

// Run opens the sockets, calls ready once, and serves until ctx ends. Then it accepts no more, lets answers go on for
// Config.Grace, and returns nil. The Observer isn't called after Run has returned.
func (s *Server) Run(ctx context.Context, ready func()) error {
	return errors.New(s.cfg.name() + ": not written yet")
}
