package tftp

import (
	"container/list"
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
)

// Server serves files over TFTP.
type Server struct {
	cfg     Config
	answer  Answerer
	observe Observer

	queue     chan *transfer // what workers are to do; its room is that of all transfers, so that hardly anybody waits
	quit      chan struct{}  // closed when they are to do no more
	loops     []*loop
	turn      atomic.Uint32  // of the loops, for the next file from the disk
	transfers sync.WaitGroup // admitted and not yet reported
	dallying  atomic.Int64   // sockets that only repeat the last ACK of an upload

	mu      sync.Mutex
	active  map[*transfer]bool
	byKey   map[key]*transfer
	perAddr map[netip.Addr]held
	idle    *list.List // transfers whose phone hasn't been heard of, the oldest first
	unknown int        // transfers of requesters who aren't known to be phones with a record

	duplicates, foreign, broadcast, limited, malformed atomic.Uint64
}

// New makes a Server. All faults of the configuration are reported at once. Nothing is opened before Run, which may be
// called once.
func New(cfg Config, a Answerer, o Observer) (*Server, error) {
	cfg.setDefaults()
	err := cfg.check()
	if a == nil {
		err = errors.Join(err, errors.New("tftp: nobody to answer"))
	}
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = func(provision.Request, provision.Answer, int64, time.Duration, error) {}
	}
	return &Server{
		cfg: cfg, answer: a, observe: o,
		queue: make(chan *transfer, 2*cfg.MaxTransfers), quit: make(chan struct{}),
		active: map[*transfer]bool{}, byKey: map[key]*transfer{}, perAddr: map[netip.Addr]held{}, idle: list.New(),
	}, nil
}

// Stats are counts since the start, of what the Observer isn't told.
type Stats struct {
	Active     int    // transfers and waiting requests now
	Duplicates uint64 // requests that repeat one that is being served
	Foreign    uint64 // requests from addresses that Config.Allow refuses
	Broadcast  uint64 // requests sent to a broadcast or multicast address
	Limited    uint64 // requests beyond MaxTransfers, MaxPerAddress or MaxUnknown, whether they found a place or not
	Malformed  uint64 // packets that are no request
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	active := len(s.active)
	s.mu.Unlock()
	return Stats{
		Active: active, Duplicates: s.duplicates.Load(), Foreign: s.foreign.Load(),
		Broadcast: s.broadcast.Load(), Limited: s.limited.Load(), Malformed: s.malformed.Load(),
	}
}

// Run opens the sockets, calls ready once, and serves until ctx ends. Then it reads no more, lets transfers go on for
// Config.Grace, and returns nil. The Observer isn't called after Run has returned.
func (s *Server) Run(ctx context.Context, ready func()) error {
	fronts, err := s.open(ctx)
	defer func() {
		for _, f := range fronts {
			f.conn.Close()
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
	failed := make(chan error, len(fronts))
	for _, f := range fronts {
		readers.Go(func() {
			if err := s.read(f); err != nil {
				failed <- err
			}
		})
	}
	ready()
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	for _, f := range fronts {
		f.interrupt()
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
	done := make(chan struct{})
	go func() {
		s.transfers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-grace.C:
		giveUp()
	}
	err := s.closeLoops()
	close(s.quit)
	s.empty()
	// What is left is in the hands of workers that wait for an answer: whatever it will be, the transfer is over.
	s.mu.Lock()
	rest := slices.Collect(maps.Keys(s.active))
	s.mu.Unlock()
	for _, t := range rest {
		s.finish(t, ErrStopped)
	}
	<-done
	return err
}

// empty ends what no worker has taken. Workers may still take some of it meanwhile, so it must not wait for any.
func (s *Server) empty() {
	for {
		select {
		case t := <-s.queue:
			if t.stage != stageOver {
				t.err = ErrStopped
			}
			s.over(t, t.err)
		default:
			return
		}
	}
}

// open takes the given sockets and opens the others. What it returns is to be closed, also beside an error.
func (s *Server) open(ctx context.Context) (fronts []*front, err error) {
	for _, c := range s.cfg.Conns {
		fronts = append(fronts, newFront(c))
	}
	for _, addr := range s.cfg.Listen {
		var lc net.ListenConfig
		c, err := lc.ListenPacket(ctx, "udp4", addr)
		if err != nil {
			return fronts, fmt.Errorf("tftp %s: %w", addr, err)
		}
		fronts = append(fronts, newFront(c))
	}
	return fronts, nil
}

// read is the loop of one socket.
func (s *Server) read(f *front) error {
	const patience = 100 // errors in a row: the socket is dead, and reading on would spin
	for bad := 0; ; {
		p, from, local, unicast, err := f.read()
		switch {
		case err != nil && ended(err):
			return nil
		case err != nil:
			if bad++; bad == patience {
				return fmt.Errorf("tftp %s: %w", f.local, err)
			}
		default:
			bad = 0
			s.receive(f, p, from, local, unicast)
		}
	}
}

// receive looks at one packet: refuse it, drop it, or let it wait for a worker.
func (s *Server) receive(f *front, p []byte, from, local netip.AddrPort, unicast bool) {
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
			f.write(refused.packet(), local, from)
		}
		return
	}
	if t := s.admit(key{from, r.name}, r); t != nil {
		t.front, t.local = f, local
		t.req = provision.Request{Time: s.cfg.Now(), Transport: provision.TFTP, Method: "GET", Name: r.name, From: from.Addr(), Local: local}
		if r.write {
			t.req.Method, t.req.Size = "PUT", r.size
		}
		s.queue <- t
	}
}

// worker does what may take time.
func (s *Server) worker(ctx context.Context) {
	for {
		select {
		case t := <-s.queue:
			s.handle(ctx, t)
		case <-s.quit:
			return
		}
	}
}

// handle takes a transfer one step further, proof against what panics in files and folders.
func (s *Server) handle(ctx context.Context, t *transfer) {
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error("tftp: panic in transfer", "file", t.asked.name, "addr", t.key.from, "panic", v)
			defer s.finish(t, fmt.Errorf("panic: %v", v))
			defer func() { _ = recover() }() // what has panicked may do so again when it is closed
			t.letGo()
		}
	}()
	switch t.stage {
	case stageAsked:
		s.serve(ctx, t)
	case stageWork:
		s.work(t)
	case stageOver:
		s.over(t, t.err)
	}
}

// serve asks for the answer and sees that it is sent.
func (s *Server) serve(ctx context.Context, t *transfer) {
	var a provision.Answer
	if why := badName(t.asked.name); why != "" {
		a = provision.Answer{Outcome: provision.NotFound, Reason: why, Status: 404}
	} else {
		a = s.ask(ctx, t.req)
	}
	s.mu.Lock()
	t.answer = a // finish may be called from drain meanwhile
	s.mu.Unlock()
	switch {
	case a.Outcome == provision.Fault:
		s.finish(t, a.Err) // silence: the phone asks again
	case a.Silent:
		s.finish(t, nil)
	case a.Outcome == provision.Received, a.Outcome == provision.Served && !t.asked.write:
		err := ErrCrowded
		if s.begun(t) {
			err = s.start(t, a)
		}
		if err != nil {
			s.over(t, err)
		}
	case t.asked.write:
		t.letGo()
		why := refuseUpload
		if a.Outcome == provision.Rejected {
			why = refuseLarge
		}
		s.refuse(t, why, ErrNoUpload)
	default:
		s.refuse(t, refuseNotFound, nil)
	}
}

func (s *Server) refuse(t *transfer, r refusal, err error) {
	t.front.write(r.packet(), t.local, t.key.from)
	s.finish(t, err)
}

// ask is Answer, proof against panics and against answers that say nothing.
func (s *Server) ask(ctx context.Context, r provision.Request) (a provision.Answer) {
	defer func() {
		if v := recover(); v != nil {
			a = fault(fmt.Errorf("panic: %v", v))
			s.cfg.Log.Error("tftp: panic in answer", "file", r.Name, "addr", r.From, "panic", v)
		}
	}()
	a = s.answer.Answer(ctx, r)
	switch a.Outcome {
	case provision.Served, provision.NotFound, provision.Expected404, provision.Refused, provision.Rejected, provision.Fault:
	case provision.Received:
		if a.Upload == nil || r.Method != "PUT" {
			return fault(fmt.Errorf("an upload in answer to %s", r.Method))
		}
	default:
		return fault(fmt.Errorf("answer without an outcome (%q)", a.Outcome))
	}
	return a
}

func fault(err error) provision.Answer {
	return provision.Answer{Outcome: provision.Fault, Reason: err.Error(), Status: 503, Err: err}
}
