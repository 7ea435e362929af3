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

	"plugtone/provision"
	"plugtone/provision/filename"
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
	s := &Server{cfg: cfg, answer: a, observe: o, queue: make(chan *transfer, 2*cfg.MaxTransfers), quit: make(chan struct{})}
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
			l.conn.Close()
		}
	}()
	if err != nil {
		return err
	}
	if err := s.makeLoops(); err != nil {
		return err
	}
	answering, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	for range s.cfg.Workers {
		go s.worker(answering)
	}
	var readers sync.WaitGroup
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		readers.Go(func() {
			if err := s.read(l); err != nil {
				failed <- err
			}
		})
	}
	ready()
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	for _, l := range listeners {
		l.interrupt()
	}
	readers.Wait()
	return errors.Join(err, s.drain(giveUp))
}

// makeLoops makes a loop for each processor, up to a few: one does what a gigabit link can carry.
func (s *Server) makeLoops() error {
	for range min(runtime.GOMAXPROCS(0), 4) {
		l, err := newLoop(s)
		if err != nil {
			return errors.Join(err, s.closeLoops())
		}
		s.loops = append(s.loops, l)
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
	for _, c := range s.cfg.Conns {
		listeners = append(listeners, newListener(c))
	}
	for _, addr := range s.cfg.Listen {
		var lc net.ListenConfig
		c, err := lc.ListenPacket(ctx, "udp4", addr)
		if err != nil {
			return listeners, fmt.Errorf("tftp %s: %w", addr, err)
		}
		listeners = append(listeners, newListener(c))
	}
	return listeners, nil
}

// read reads the packets of one listener.
func (s *Server) read(l *listener) error {
	const maxErrors = 100 // in a row: the socket is dead, and reading on would spin
	for bad := 0; ; {
		p, from, local, unicast, err := l.read()
		switch {
		case err != nil && interrupted(err):
			return nil
		case err != nil:
			if bad++; bad == maxErrors {
				return fmt.Errorf("tftp %s: %w", l.local, err)
			}
		default:
			bad = 0
			s.receive(l, p, from, local, unicast)
		}
	}
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
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error("tftp: panic in transfer", "file", t.request.name, "addr", t.key.from, "panic", v)
			defer s.report(t, fmt.Errorf("panic: %v", v))
			defer func() { _ = recover() }() // what has panicked may do so again when it is closed
			t.release()
		}
	}()
	switch t.stage {
	case stageAnswer:
		s.serve(ctx, t, waits)
	case stageIO:
		s.doIO(t)
	case stageFinish:
		s.finish(t, t.err)
	}
}

// serve looks up the answer and sends it. The request of t stays as it is: at the end, drain reports transfers that wait for an answer.
func (s *Server) serve(ctx context.Context, t *transfer, waits func()) {
	var a provision.Answer
	if why := filename.Problem(t.request.name, maxName); why != "" {
		a = provision.Answer{Outcome: provision.NotFound, Reason: why, Status: 404}
	} else {
		req := t.req
		req.Waits = waits
		a = s.lookUp(ctx, req)
	}
	s.limits.setAnswer(t, a)
	switch {
	case a.Outcome == provision.InternalError:
		s.report(t, a.Err) // nothing is sent: the phone retries
	case a.Silent:
		s.report(t, nil)
	case a.Outcome == provision.Received, a.Outcome == provision.Served && !t.request.write:
		err := ErrEvicted
		if s.limits.register(t) {
			err = s.start(t, a)
		}
		if err != nil {
			s.finish(t, err)
		}
	case t.request.write && a.Outcome == provision.Rejected:
		s.reject(t, errTooLarge, ErrNoUpload)
	case t.request.write:
		s.reject(t, errNoUploads, ErrNoUpload)
	default:
		s.reject(t, errNotFound, nil)
	}
}

// reject ends a transfer that does not begin. Its place is free before the ERROR leaves: a phone may repeat its request at once.
func (s *Server) reject(t *transfer, e errorPacket, err error) {
	t.release()
	s.limits.release(t)
	s.refuse(t.listener, e, t.local, t.key.from, t.leased || t.answer.Known)
	s.report(t, err)
}

// lookUp calls the Answerer. It recovers from panics and checks the outcome.
func (s *Server) lookUp(ctx context.Context, r provision.Request) (a provision.Answer) {
	defer func() {
		if v := recover(); v != nil {
			a = internalError(fmt.Errorf("panic: %v", v))
			s.cfg.Log.Error("tftp: panic in answer", "file", r.Name, "addr", r.From, "panic", v)
		}
	}()
	a = s.answer.Answer(ctx, r)
	switch a.Outcome {
	case provision.Served, provision.NotFound, provision.Expected404, provision.Refused, provision.Rejected, provision.InternalError:
	case provision.Received:
		if a.Upload == nil || r.Method != "PUT" {
			return internalError(fmt.Errorf("an upload in answer to %s", r.Method))
		}
	default:
		return internalError(fmt.Errorf("answer without an outcome (%q)", a.Outcome))
	}
	return a
}

func internalError(err error) provision.Answer {
	return provision.Answer{Outcome: provision.InternalError, Reason: err.Error(), Status: 503, Err: err}
}
