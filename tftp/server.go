package tftp

import (
	"context"
	"errors"
)

// Server serves files over TFTP.
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

// Stats are counts since the start, of what the Observer isn't told.
type Stats struct {
	Active     int    // transfers and waiting requests now
	Duplicates uint64 // requests that repeat one that is being served
	Foreign    uint64 // requests from addresses that Config.Allow refuses
	Broadcast  uint64 // requests sent to a broadcast or multicast address
	Limited    uint64 // requests beyond MaxTransfers or MaxPerAddress
	Malformed  uint64 // packets that are no request
}

// Stats returns the counts.
func (s *Server) Stats() Stats { return Stats{} }

// Run opens the sockets, calls ready once, and serves until ctx ends. Then it reads no more, lets transfers go on for
// Config.Grace, and returns nil. The Observer isn't called after Run has returned.
func (s *Server) Run(ctx context.Context, ready func()) error {
	return errors.New("tftp: not written yet")
}
