package server

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/dhcp"
)

// Server serves one daemon's port 67.
type Server struct {
	cfg    Config
	leases Leases
	use    atomic.Pointer[inUse]

	links   *links
	sock    *socket
	raw     *rawSender  // nil without CAP_NET_RAW
	near    *nearSender // nil likewise
	probes  *prober
	routes  *routes
	queues  []chan work
	waiting atomic.Int64 // work that was queued and is not done
	seed    maphash.Seed // clients must not be able to choose their worker
	pool    sync.Pool    // of *packet
	asking  sync.Map     // transaction ids of our own DISCOVERs
	echoes  echoes
	look    chan struct{} // holds a token when the interfaces to be listened on may have changed

	// deliver sends a reply and keeps nothing of it: send, unless a fuzz test must not talk to the world.
	deliver func(to dhcp.Destination, payload []byte, in *iface) error
	late    sync.WaitGroup
}

// inUse is what a reload changes.
type inUse struct {
	engine *dhcp.Engine
	names  map[string]bool // of the interfaces that are served
}

// New checks cfg and returns a server that decides with e about leases. It opens nothing.
func New(cfg Config, e *dhcp.Engine, leases Leases) (*Server, error) {
	err := cfg.check()
	if leases == nil {
		err = errors.Join(err, errors.New("dhcp server: no lease table"))
	}
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, leases: leases, probes: newProber(cfg.Within), seed: maphash.MakeSeed(), look: make(chan struct{}, 1)}
	s.echoes.seed = s.seed
	s.deliver = s.send
	s.Use(e, cfg.Interfaces)
	for range cfg.Workers {
		s.queues = append(s.queues, make(chan work, cfg.Queue))
	}
	return s, nil
}

// Use changes engine and interfaces, for a reload. Packets under way are finished with what they began with.
func (s *Server) Use(e *dhcp.Engine, interfaces []string) {
	names := map[string]bool{}
	for _, n := range interfaces {
		names[n] = true
	}
	s.use.Store(&inUse{engine: e, names: names})
	select {
	case s.look <- struct{}{}:
	default:
	}
}

// Run serves until ctx ends, and calls ready when it does. It opens its sockets itself; the errors of that say who has
// the port, or which capability is missing. Run may be called once.
func (s *Server) Run(ctx context.Context, ready func()) error {
	if err := s.open(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var tasks, workers sync.WaitGroup
	for _, q := range s.queues {
		workers.Go(func() { s.work(ctx, q) })
	}
	tasks.Go(func() { s.watch(ctx) })
	failed := make(chan error, 1)
	tasks.Go(func() { failed <- s.read(ctx) })
	ready()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop()
	s.sock.interrupt()
	tasks.Wait()
	s.probes.close()
	for _, q := range s.queues {
		close(q)
	}
	workers.Wait()
	return errors.Join(err, s.close())
}

// open opens everything that the loop needs, in the namespace where the server belongs.
func (s *Server) open() error {
	err := s.cfg.Within(func() (err error) {
		if s.sock, err = openSocket(dhcp.ServerPort); err != nil {
			return err
		}
		if s.links, err = openLinks(); err != nil {
			return errors.Join(fmt.Errorf("dhcp server: %w", err), s.sock.close())
		}
		if s.raw, err = openRaw(s.cfg.Within); err != nil {
			s.cfg.Log.Warn("dhcp replies go by broadcast: frames of our own can't be sent", "err", err)
			s.raw = nil
			return nil
		}
		if s.near, err = openNear(); err != nil {
			s.cfg.Log.Warn("dhcp replies to attached hosts share the socket of all others", "err", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.routes = newRoutes(s.cfg.Within)
	for name := range s.use.Load().names {
		if s.links.now.Load().byName[name] == nil {
			s.cfg.Log.Warn("dhcp interface is not there yet", "iface", name)
		}
	}
	return nil
}

// close waits for the commits under way, whose ACKs still shall leave, and closes the sockets.
func (s *Server) close() error {
	done := make(chan struct{})
	go func() {
		s.late.Wait()
		close(done)
	}()
	patience := time.NewTimer(2 * time.Second)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		// A disk that hangs. Its replies meet a closed socket, which counts like any reply that can't leave; the packet
		// socket stays open, for its descriptor could be somebody else's by then.
		s.cfg.Log.Warn("dhcp leases are still being written, their replies are lost")
		return s.sock.close()
	}
	s.links.close()
	err := s.sock.close()
	if s.raw != nil {
		err = errors.Join(err, s.raw.close())
	}
	if s.near != nil {
		err = errors.Join(err, s.near.close())
	}
	return err
}
