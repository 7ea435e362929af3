package tftp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/provision"
	"plugtone/provision/fleet"
)

// Server serves files over TFTP.
type Server struct {
	cfg     Config
	answer  Answerer
	observe Observer
	limits  *limiter

	queue     chan *transfer // work for workers, with room for all transfers, so that senders hardly ever wait
	quit      chan struct{}  // closed when workers are to end
	loops     []*loop
	turn      atomic.Uint32  // of the loops, for the next file from the disk
	transfers sync.WaitGroup // admitted and not yet reported
	dallying  atomic.Int64   // sockets that only repeat the last ACK of an upload

	reading sync.Mutex // held while a loop reads requests
	closing bool       // no more are to be read; under reading
	failed  chan error // why reading has ended

	foreign, broadcast, malformed, refusalsDropped atomic.Uint64
}

// New makes a Server. All problems of the configuration are reported at once. Nothing is opened before Run, which may be
// called once.
func New(cfg Config, a Answerer, o Observer) (*Server, error) {
	cfg.setDefaults()
	err := cfg.check()
	if a == nil {
		err = errors.Join(err, errors.New("tftp: no answerer"))
	}
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = func(provision.Request, provision.Answer, int64, time.Duration, error) {}
	}
	s := &Server{cfg: cfg, answer: a, observe: o, queue: make(chan *transfer, 2*cfg.MaxTransfers), quit: make(chan struct{}), failed: make(chan error, 1)}
	s.limits = newLimiter(&s.cfg)
	return s, nil
}

// Stats are counts since the start, of what the Observer does not receive.
type Stats struct {
	Active          int    // transfers and waiting requests now
	Duplicates      uint64 // requests that repeat one that is being served
	Foreign         uint64 // requests from addresses that Config.Allow refuses
	Broadcast       uint64 // requests sent to a broadcast or multicast address
	Limited         uint64 // requests beyond a limit, whether they found a place or not
	Malformed       uint64 // packets that are no request
	RefusalsDropped uint64 // ERROR packets that were not sent, because too many wait for hosts that do not answer ARP
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	active, duplicates, limited := s.limits.counts()
	return Stats{
		Active: active, Duplicates: duplicates, Foreign: s.foreign.Load(), Broadcast: s.broadcast.Load(),
		Limited: limited, Malformed: s.malformed.Load(), RefusalsDropped: s.refusalsDropped.Load(),
	}
}

// Run opens the sockets, calls ready once, and serves until ctx ends. Then it reads no more, continues transfers for
// Config.Grace, and returns nil. The Observer isn't called after Run has returned.
func (s *Server) Run(ctx context.Context, ready func()) error {
	listeners, err := s.open(ctx)
	defer func() {
		for _, l := range listeners {
			l.close()
		}
	}()
	if err != nil {
		return err
	}
	answering, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	if err := s.makeLoops(listeners); err != nil {
		return err
	}
	for range s.cfg.Workers {
		go s.worker(answering)
	}
	var readers sync.WaitGroup
	for _, l := range listeners {
		if l.conn != nil {
			readers.Go(func() {
				for s.readOne(l) == nil {
				}
			})
		}
	}
	ready()
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	s.reading.Lock()
	s.closing = true
	s.reading.Unlock()
	for _, l := range listeners {
		l.interrupt()
	}
	readers.Wait()
	return errors.Join(err, s.drain(giveUp))
}

// makeLoops starts a loop for each thread that may run Go code, up to a few: one does what a gigabit link can carry. The first one reads the requests.
func (s *Server) makeLoops(listeners []*listener) error {
	requests := slices.DeleteFunc(slices.Clone(listeners), func(l *listener) bool { return l.conn != nil })
	for range min(runtime.GOMAXPROCS(0), 4) {
		l, err := newLoop(s, requests)
		if err != nil {
			return errors.Join(err, s.closeLoops())
		}
		s.loops = append(s.loops, l)
		requests = nil
	}
	for _, l := range s.loops {
		l.done.Go(l.run)
	}
	return nil
}

func (s *Server) closeLoops() error {
	var errs []error
	for _, l := range s.loops {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// drain waits for the transfers, and after the grace time reports the rest as stopped.
func (s *Server) drain(giveUp func()) error {
	grace := time.NewTimer(s.cfg.Grace)
	defer grace.Stop()
	ended := make(chan struct{})
	go func() {
		s.transfers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-grace.C:
		giveUp()
	}
	err := s.closeLoops()
	close(s.quit)
	s.empty()
	// The remaining transfers belong to workers that wait for an answer. They end now.
	s.limits.mu.Lock()
	rest := slices.Collect(maps.Keys(s.limits.active))
	s.limits.mu.Unlock()
	for _, t := range rest {
		s.report(t, ErrStopped)
	}
	<-ended
	return err
}

// empty ends what no worker has taken. Workers may still take some of it meanwhile, so it must not wait for any.
func (s *Server) empty() {
	for {
		select {
		case t := <-s.queue:
			if t.stage != stageFinish {
				t.err = ErrStopped
			}
			s.finish(t, t.err)
		default:
			return
		}
	}
}

// open takes the given sockets and opens the others. What it returns is to be closed, also beside an error.
func (s *Server) open(ctx context.Context) (listeners []*listener, err error) {
	conns := slices.Clone(s.cfg.Conns)
	for _, addr := range s.cfg.Listen {
		var lc net.ListenConfig
		c, listenErr := lc.ListenPacket(ctx, "udp4", addr)
		if listenErr != nil {
			err = fmt.Errorf("tftp %s: %w", addr, listenErr)
			break
		}
		conns = append(conns, c)
	}
	for _, c := range conns {
		l, problem := newListener(c)
		listeners, err = append(listeners, l), errors.Join(err, problem)
	}
	return listeners, err
}

// readReady reads some packets of a listener, as transfers wait meanwhile. It returns false when there is no more to be read.
func (s *Server) readReady(l *listener) bool {
	s.reading.Lock() // what is read is admitted before Run waits for the last transfer
	defer s.reading.Unlock()
	for range 8 {
		if s.closing {
			return false
		}
		switch err := s.readOne(l); err {
		case nil:
		case unix.EAGAIN:
			return true
		default:
			return false
		}
	}
	return true
}

// readOne reads a packet. An error ends reading, but for EAGAIN; many in a row end Run: the socket is dead, and reading on would spin.
func (s *Server) readOne(l *listener) error {
	const maxErrors = 100
	p, from, local, unicast, err := l.read()
	switch {
	case err == unix.EAGAIN || err != nil && interrupted(err):
		return err
	case err == nil:
		l.bad = 0
		s.receive(l, p, from, local, unicast)
		return nil
	}
	if l.bad++; l.bad < maxErrors {
		return nil
	}
	select {
	case s.failed <- fmt.Errorf("tftp %s: %w", l.local, err):
	default: // another one has failed
	}
	return err
}

// receive refuses or drops a packet, or queues it as a request.
func (s *Server) receive(l *listener, p []byte, from, local netip.AddrPort, unicast bool) {
	switch {
	case !unicast: // RFC 1123, 4.2.3.4
		s.broadcast.Add(1)
		return
	case from.Port() == 0 || !s.cfg.Allow(from.Addr()):
		s.foreign.Add(1)
		return
	}
	r, refused, ok := parse(p)
	if !ok {
		s.malformed.Add(1)
		if refused.code != 0 {
			s.refuse(l, refused, local, from, s.limits.leased(from.Addr()))
		}
		return
	}
	s.accept(l, r, from, local)
}

// accept queues a request, unless it is a repetition or beyond the limits.
func (s *Server) accept(l *listener, r request, from, local netip.AddrPort) {
	now := s.cfg.Now()
	t := s.limits.admit(key{from, r.name}, r, now)
	if t == nil {
		return
	}
	s.transfers.Add(1)
	t.listener, t.local = l, local
	t.req = provision.Request{Time: now, Transport: fleet.TFTP, Method: "GET", Name: r.name, From: from.Addr(), Local: local}
	if r.write {
		t.req.Method, t.req.Size = "PUT", r.size
	}
	s.queue <- t
}

// refuse sends an ERROR, if that is possible without waiting.
func (s *Server) refuse(l *listener, e errorPacket, local, to netip.AddrPort, phone bool) {
	if !l.refuse(e, local, to, s.limits.refusalShare(to.Addr(), phone)) {
		s.refusalsDropped.Add(1)
	}
}

// worker does what may take time. While it waits for a PBX another one works in its place, and it ends afterwards.
func (s *Server) worker(ctx context.Context) {
	for {
		select {
		case t := <-s.queue:
			replaced := false
			s.step(ctx, t, func() {
				if !replaced {
					replaced = true
					go s.worker(ctx)
				}
			})
			if replaced {
				return
			}
		case <-s.quit:
			return
		}
	}
}

// step takes a transfer one stage further. It calls waits before it waits for a PBX. It recovers from panics in files and folders.
func (s *Server) step(ctx context.Context, t *transfer, waits func()) {
	defer recovered(s, t)
	switch t.stage {
	case stageAnswer:
		s.serve(t, s.lookUp(ctx, t, waits))
	case stageIO:
		s.doIO(t)
	case stageFinish:
		s.finish(t, t.err)
	}
}
