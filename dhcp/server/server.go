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
	"plugtone/dhcp/engine"
	"plugtone/dhcp/netif"
	"plugtone/dhcp/wire"
)

// pollEvery is how often interfaces are listed even though the kernel reported no change: its messages may get lost,
// and where it refuses to send them this is all there is.
const pollEvery = 15 * time.Second

// commitTimeout is how long a server that stops waits for leases that are being written.
const commitTimeout = 2 * time.Second

// Server serves port 67 of one network namespace.
type Server struct {
	cfg     Config
	leases  Leases
	process func(j *job, done func(*dhcp.Decision, error)) // decides: runEngine, except in tests
	runtime atomic.Pointer[runtimeConfig]

	links   linkState
	sock    *socket
	sender  sender
	prober  *prober
	rogues  *rogueScan
	routes  *netif.Routes
	repeats repeatLimit
	// priorities are those that were served first, with any relay.
	priorities repeatLimit
	buffers    sync.Pool     // of *[packetSize]byte
	reload     chan struct{} // holds a token when the served interfaces may have changed

	// deliver sends a reply and keeps nothing of it. It is sender.send; tests without sockets replace it.
	deliver        func(to wire.Destination, client dhcp.MAC, payload []byte, in *netif.Interface) error
	pendingCommits sync.WaitGroup
}

// runtimeConfig is what a reload replaces.
type runtimeConfig struct {
	engine *engine.Engine
	names  map[string]bool // of the interfaces that are served
}

// guarded are the interfaces on which another server would be a rogue: none where this server hands out no leases.
func (c *runtimeConfig) guarded() map[string]bool {
	if c.engine != nil && !c.engine.Leases() {
		return nil
	}
	return c.names
}

// New checks cfg and returns a server that decides with e about leases. It opens nothing.
func New(cfg Config, e *engine.Engine, leases Leases) (*Server, error) {
	err := cfg.check()
	if leases == nil {
		err = errors.Join(err, errors.New("dhcp server: no lease table"))
	}
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, leases: leases, prober: newProber(cfg.InNetns), reload: make(chan struct{}, 1)}
	s.process = s.runEngine
	s.repeats.seed, s.priorities.seed = maphash.MakeSeed(), maphash.MakeSeed() // clients must not be able to choose their slot
	s.links.log = cfg.Log
	s.sender.links, s.sender.fallback = &s.links, cfg.Observer.fallback
	s.deliver = s.sender.send
	s.rogues = newRogueScan(s)
	s.Use(e, cfg.Interfaces)
	return s, nil
}

// Use changes engine and interfaces, for a reload. Requests under way are finished with what they began with.
func (s *Server) Use(e *engine.Engine, interfaces []string) {
	names := map[string]bool{}
	for _, n := range interfaces {
		names[n] = true
	}
	s.runtime.Store(&runtimeConfig{engine: e, names: names})
	select {
	case s.reload <- struct{}{}:
	default:
	}
}

// Run opens the sockets, calls ready and serves until ctx ends. Errors of opening name the program that has the port, or which
// capability is missing. Run may be called once.
func (s *Server) Run(ctx context.Context, ready func()) error {
	if err := s.open(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var tasks sync.WaitGroup
	tasks.Go(func() { s.watch(ctx) })
	failed := make(chan error, 1)
	tasks.Go(func() { failed <- s.receiver(ctx).run(ctx) })
	ready()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop()
	s.sock.interrupt()
	tasks.Wait()
	s.prober.close()
	return errors.Join(err, s.close())
}

// receiver returns the reader of the socket.
func (s *Server) receiver(ctx context.Context) *receiver {
	return &receiver{
		sock: s.sock, observer: &s.cfg.Observer, log: s.cfg.Log, now: s.cfg.Now,
		classify: s.classify, serve: func(p *packet, busy bool) { s.serve(ctx, p, busy) }, write: s.leases.WriteQueued, delay: delay,
		queue: newPacketQueue(s.cfg.Queue),
	}
}

// open opens all sockets, in the network namespace where the server belongs.
func (s *Server) open() error {
	err := s.cfg.InNetns(func() (err error) {
		if s.sock, err = openSocket(dhcp.ServerPort); err != nil {
			return err
		}
		if err = s.links.open(); err != nil {
			return errors.Join(fmt.Errorf("dhcp server: %w", err), s.sock.Close())
		}
		s.sender.open(s.cfg.InNetns, s.cfg.Log)
		return nil
	})
	if err != nil {
		return err
	}
	s.sender.sock = s.sock
	s.prober.unable = s.sender.frames == nil
	if s.sock.buffer < readBuffer {
		s.cfg.Log.Info("dhcp receive buffer is small: a flood overflows it early; sysctl net.core.rmem_max raises it",
			"bytes", s.sock.buffer, "wanted", readBuffer)
	}
	s.routes = netif.NewRoutes(s.cfg.InNetns)
	for name := range s.runtime.Load().names {
		if s.links.snapshot().ByName[name] == nil {
			s.cfg.Log.Warn("dhcp interface is not there yet", "iface", name)
		}
	}
	return nil
}

// watch follows changes of interfaces, and runs the search for other servers.
func (s *Server) watch(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	changed := make(chan struct{}, 1)
	defer s.rogues.close()
	s.rogues.follow(ctx) // before the first scan: the listeners report its answers
	tasks.Go(func() { s.watchNetlink(ctx, changed) })
	if s.cfg.ScanEvery > 0 {
		tasks.Go(func() { s.rogues.scanLoop(ctx, s.cfg.ScanEvery) })
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.reload:
		case <-changed:
			s.links.refresh("netlink")
			s.cfg.Observer.linksChanged()
		case <-poll.C:
			s.routes.Invalidate()
			s.links.refresh("poll")
			s.cfg.Observer.linksChanged()
		}
		s.sender.retain(s.links.snapshot())
		s.rogues.follow(ctx)
	}
}

// watchNetlink puts a token into changed whenever the kernel reports a change of links, addresses or routes, and once at the beginning.
func (s *Server) watchNetlink(ctx context.Context, changed chan<- struct{}) {
	err := netif.Watch(ctx, s.cfg.InNetns, func() {
		s.routes.Invalidate()
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	if err != nil {
		s.cfg.Log.Warn("dhcp interfaces are polled", "every", pollEvery, "err", err)
	}
}

// close waits for leases that are being written, so that their ACKs are sent, and closes the sockets.
func (s *Server) close() error {
	done := make(chan struct{})
	go func() {
		s.pendingCommits.Wait()
		close(done)
	}()
	timeout := time.NewTimer(commitTimeout)
	defer timeout.Stop()
	select {
	case <-done:
	case <-timeout.C:
		// The disk hangs. The UDP socket fails to send late replies, which is counted; the packet sockets stay open,
		// because a late reply could use their descriptors after they belong to another file.
		s.cfg.Log.Warn("dhcp leases are still being written, their replies are lost")
		return s.sock.Close()
	}
	s.links.close()
	return errors.Join(s.sock.Close(), s.sender.close())
}
