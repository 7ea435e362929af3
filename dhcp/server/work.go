package server

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/netip"
	"runtime/debug"
	"time"

	"plugtone/dhcp"
)

// work is what a worker has to do: a new packet, or a job to go on with after a probe.
type work struct {
	packet *packet
	job    *job
}

// job is a request on its way to a decision.
type job struct {
	use  *inUse
	req  *dhcp.Request
	link *dhcp.Link
	in   *iface
	at   time.Time
	err  error // of the disk, when it refused this request's lease
}

// Offsets in a BOOTP packet (RFC 951).
const (
	offXID    = 4
	offCIAddr = 12
	offGIAddr = 24
	offCHAddr = 28
)

// probeTime is how long after a packet came in a probe may still begin, so that all of them together end within 500 ms.
const probeTime = 50 * time.Millisecond

// accept takes a packet if it is ours, and reports whether it did. When there are few, waking a worker would cost more than
// the work; no step waits for anything, and as long as no worker has work a client's packets stay in order.
func (s *Server) accept(ctx context.Context, p *packet, few bool) bool {
	if !s.wanted(p) {
		s.cfg.Observer.dropped(DropInterface, 1)
		return false
	}
	if few && s.waiting.Load() == 0 {
		s.step(ctx, work{packet: p}, false)
		return true
	}
	return s.enqueue(macOf(p.buf[:p.n]), work{packet: p})
}

// enqueue hands work to its client's worker, unless that has too much already.
func (s *Server) enqueue(mac dhcp.MAC, w work) bool {
	s.waiting.Add(1)
	select {
	case s.lane(mac) <- w:
		return true
	default:
		s.waiting.Add(-1)
		s.cfg.Observer.dropped(DropQueue, 1)
		return false
	}
}

// lane chooses the worker by chaddr, so that the packets of one client stay in order.
func (s *Server) lane(mac dhcp.MAC) chan work {
	return s.queues[maphash.Comparable(s.seed, mac)%uint64(len(s.queues))]
}

// wanted tells whether a packet is ours to answer: from a link that is served, from a relay, or from a client behind a
// router that knows us already.
func (s *Server) wanted(p *packet) bool {
	now := s.links.now.Load()
	if now.byIndex[p.ifindex] == nil {
		now = s.rescan("packet from a new interface") // its link was made a moment ago
	}
	link := now.byIndex[p.ifindex]
	b := p.buf[:p.n]
	if link == nil || len(b) >= offCHAddr && s.ours([4]byte(b[offXID:])) && now.ownsMAC(macOf(b)) {
		return false
	}
	if s.use.Load().names[link.name] || len(b) < offCHAddr {
		return true
	}
	relayed := [4]byte(b[offGIAddr:]) != [4]byte{}
	return relayed || [4]byte(b[offCIAddr:]) != [4]byte{} && now.owns(p.dst)
}

func (s *Server) ours(xid [4]byte) bool {
	_, ok := s.asking.Load(xid)
	return ok
}

func macOf(b []byte) (m dhcp.MAC) {
	if len(b) >= offCHAddr+len(m) {
		m = dhcp.MAC(b[offCHAddr:])
	}
	return m
}

// spare returns a packet buffer that nobody uses.
func (s *Server) spare() *packet {
	if p, ok := s.pool.Get().(*packet); ok {
		return p
	}
	return new(packet)
}

// work is one worker: it serves until its queue is closed.
func (s *Server) work(ctx context.Context, queue <-chan work) {
	for n := 1; ; n++ {
		w, more := <-queue
		if !more {
			return
		}
		s.step(ctx, w, len(queue) > cap(queue)/2)
		if s.waiting.Add(-1); len(queue) == 0 || n%batchSize == 0 {
			s.leases.Flush()
		}
	}
}

// step does one piece of work.
func (s *Server) step(ctx context.Context, w work, busy bool) {
	defer s.recover()
	if w.packet == nil {
		s.decide(ctx, w.job)
		return
	}
	j := s.decode(w.packet, busy)
	s.pool.Put(w.packet)
	if j != nil {
		s.decide(ctx, j)
	}
}

// recover keeps a fault of ours to one packet.
func (s *Server) recover() {
	if r := recover(); r != nil {
		s.cfg.Observer.dropped(DropPanic, 1)
		s.cfg.Log.Error("dhcp packet: panic", "err", fmt.Sprint(r), "stack", string(debug.Stack()))
	}
}

// decode reads a packet; nil when there is nothing to decide.
func (s *Server) decode(p *packet, busy bool) *job {
	now := s.links.now.Load()
	in := now.byIndex[p.ifindex]
	if in == nil {
		return nil // its interface is gone
	}
	req, err := dhcp.Decode(p.buf[:p.n])
	if err != nil {
		ev := &dhcp.Event{Time: p.at, Interface: in.name, Verdict: dhcp.VerdictMalformed, Reason: err.Error()}
		s.cfg.Observer.decided(ev, s.cfg.Now().Sub(p.at))
		return nil
	}
	if req.Type == dhcp.MessageTypeDiscover && s.echoes.again(req, in.index, p.at) {
		s.cfg.Observer.dropped(DropRepeated, 1)
		return nil
	}
	link := &dhcp.Link{
		Interface: in.name, Addrs: in.addrs, Host: now.host, Source: p.src, Dest: p.dst, MTU: in.mtu,
		NoProbe: busy || s.probes.busy(),
	}
	link.LocalAddr, link.ReversePathMismatch = s.reach(in, req, p.src.Addr())
	return &job{use: s.use.Load(), req: req, link: link, in: in, at: p.at}
}

// reach is our address as the relay or a routed client sees it, the link's own address for others; and whether it is another link
// that leads there.
func (s *Server) reach(in *iface, req *dhcp.Request, src netip.Addr) (own netip.Addr, elsewhere bool) {
	to := req.GIAddr
	if !to.IsValid() {
		to = req.CIAddr
	}
	if !to.IsValid() {
		to = src
	}
	if !to.IsValid() || to.IsUnspecified() {
		return netip.Addr{}, false
	}
	for _, p := range in.addrs {
		if p.Contains(to) {
			return p.Addr(), false
		}
	}
	w := s.routes.towards(to)
	return w.from, w.from.IsValid() && w.ifindex != in.index
}

// decide has a request decided and its reply sent, at once or when its lease is on disk.
func (s *Server) decide(ctx context.Context, j *job) {
	s.late.Add(1)
	s.leases.Serve(j.use.engine, j.req, j.link, func(d *dhcp.Decision, err error) {
		defer s.late.Done()
		defer s.recover()
		switch {
		case err == nil && d.Probe.IsValid():
			s.probe(ctx, j, d)
		case err != nil && !j.link.NoWrite && d.Reply != nil:
			s.decide(ctx, j.unwritten(err)) // perhaps what is on disk already will do
		default:
			s.answer(j, d, err)
			s.inquire(ctx, j, &d.Event)
		}
	})
}

// answer sends the reply of a decision, if it has one, and tells the observer.
func (s *Server) answer(j *job, d *dhcp.Decision, err error) {
	ev := &d.Event
	if err != nil {
		// Never a NAK for a fault of ours: the client tries again.
		ev.Verdict, ev.Reason, ev.Reply = dhcp.VerdictInternalError, "nothing sent: "+err.Error(), nil
	} else if j.err != nil && d.Reply == nil {
		ev.Verdict, ev.Reason = dhcp.VerdictInternalError, "nothing sent: "+j.err.Error()
	} else if d.Reply != nil {
		room := s.spare()
		defer s.pool.Put(room)
		payload, dropped := d.Reply.Encode(room.buf[:0], j.link.MTU)
		if ev.Dropped = dropped; len(dropped) > 0 {
			ev.Reason += fmt.Sprintf("; no room for the options %d", dropped)
		}
		if err := s.deliver(dhcp.ReplyDestination(j.req, d.Reply, j.link), payload, j.in); err != nil {
			s.cfg.Observer.dropped(DropSend, 1)
			ev.Verdict, ev.Reason = dhcp.VerdictInternalError, ev.Reason+"; reply not sent: "+err.Error()
		}
	}
	s.cfg.Observer.decided(ev, s.cfg.Now().Sub(j.at))
}

// probe asks aside whether the address is in use, and lets the same worker go on with the request afterwards.
func (s *Server) probe(ctx context.Context, j *job, d *dhcp.Decision) {
	addr := d.Probe
	done := func(a answer) {
		defer s.recover()
		if ctx.Err() == nil { // else it was cut short: nothing was learned
			s.probed(j, d, a)
		}
		// The queues stay open until all probes have ended.
		s.enqueue(j.req.MAC, work{job: j.again(s.cfg.Now().Sub(j.at) > probeTime)})
	}
	if s.probes.start(ctx, addr, s.probeLink(j, addr), done) {
		s.cfg.Observer.decided(&d.Event, s.cfg.Now().Sub(j.at))
		return
	}
	s.decide(ctx, j.again(true)) // a rush has begun since the packet came in: nobody waits for a probe then
}

// again is the same request to be decided once more.
func (j *job) again(noProbe bool) *job {
	next, link := *j, *j.link
	link.NoProbe = link.NoProbe || noProbe
	next.link = &link
	return &next
}

// unwritten is the same request to be decided once more, without anything to be written.
func (j *job) unwritten(err error) *job {
	next, link := *j, *j.link
	link.NoWrite = true
	next.link, next.err = &link, err
	return &next
}

// probeLink is where to ask by ARP for addr; nil when it is behind a relay.
func (s *Server) probeLink(j *job, addr netip.Addr) *iface {
	if j.req.GIAddr.IsValid() || j.in.mac.IsZero() {
		return nil
	}
	if !j.in.attached(addr) {
		return nil
	}
	return j.in
}
