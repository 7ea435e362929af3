package server

import (
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/netif"
	"plugtone/dhcp/wire"
)

// probeDeadline is how long after a packet came in a probe may still begin, so that all its probes end within 500 ms.
const probeDeadline = 50 * time.Millisecond

// job is a request on its way to a decision.
type job struct {
	runtime *runtimeConfig
	req     *dhcp.Request
	link    *dhcp.Link
	in      *netif.Interface
	at      time.Time
	class   *engine.Classification // classification of its sender; nil before the first decision
	diskErr error                  // why the first attempt to write its lease failed
	probed  bool                   // it waited for the result of a probe
}

// again is the same request to be decided once more, with the link as change leaves it.
func (j *job) again(change func(*dhcp.Link)) *job {
	next, link := *j, *j.link
	change(&link)
	next.link = &link
	return &next
}

// unwritten is the same request to be decided once more, without a lease to be written.
func (j *job) unwritten(err error) *job {
	next := j.again(func(l *dhcp.Link) { l.NoWrite = true })
	next.diskErr = err
	return next
}

// serve decodes one packet and decides about it. When busy, no conflict probes are started.
func (s *Server) serve(ctx context.Context, p *packet, busy bool) {
	defer s.recover()
	if j := s.decode(p, busy); j != nil {
		s.decide(ctx, j)
	}
}

// recover keeps a panic to one packet.
func (s *Server) recover() {
	if r := recover(); r != nil {
		s.cfg.Observer.dropped(DropPanic, 1)
		s.cfg.Log.Error("dhcp packet: panic", "err", fmt.Sprint(r), "stack", string(debug.Stack()))
	}
}

// decode reads a packet; nil when there is nothing to decide.
func (s *Server) decode(p *packet, busy bool) *job {
	now := s.links.snapshot()
	in := now.ByIndex[p.ifindex]
	if in == nil {
		return nil // its interface is gone
	}
	req, err := wire.Decode(p.bytes())
	if err != nil {
		ev := &dhcp.Event{Time: p.at, Interface: in.Name, Verdict: dhcp.VerdictMalformed, Reason: err.Error()}
		s.cfg.Observer.decided(ev, s.cfg.Now().Sub(p.at))
		return nil
	}
	link := &dhcp.Link{
		Interface: in.Name, Addrs: in.Addrs, Host: now.Addrs, Source: p.src, Dest: p.dst, MTU: in.MTU,
		Overloaded: busy, NoProbe: s.prober.busy(), Sharing: s.cfg.Sharing(),
	}
	link.LocalAddr, link.ReversePathMismatch = s.localAddr(in, req, p.src.Addr())
	return &job{runtime: s.runtime.Load(), req: req, link: link, in: in, at: p.at}
}

// localAddr returns this host's address as the relay, the routed client or the attached client sees it, and whether the
// kernel's route there leaves by another link than the receiving one.
func (s *Server) localAddr(in *netif.Interface, req *dhcp.Request, src netip.Addr) (local netip.Addr, mismatch bool) {
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
	for _, p := range in.Addrs {
		if p.Contains(to) {
			return p.Addr(), false
		}
	}
	route := s.routes.Lookup(to)
	return route.Source, route.Source.IsValid() && route.IfIndex != in.Index
}

// runEngine classifies the sender of a request, without the lock of the lease table, and has the engine decide under it.
func (s *Server) runEngine(j *job, done func(*dhcp.Decision, error)) {
	e := j.runtime.engine
	if j.class == nil {
		j.class = e.Classify(j.req, j.link)
	}
	s.leases.Serve(func(now time.Time, leases *leasetable.Leases) dhcp.Decision {
		return e.Decide(now, j.req, j.link, j.class, leases)
	}, done)
}

// decide has a request decided, and replies at once or when its lease is on disk.
func (s *Server) decide(ctx context.Context, j *job) {
	s.pendingCommits.Add(1)
	s.process(j, func(d *dhcp.Decision, err error) {
		defer s.pendingCommits.Done()
		defer s.recover()
		switch {
		case err == nil && d.Probe.IsValid():
			s.probe(ctx, j, d)
		case err != nil && !j.link.NoWrite && d.Reply != nil:
			s.decide(ctx, j.unwritten(err)) // a lease that is on disk already can be acknowledged
		default:
			s.reply(j, d, err)
			s.checkConflict(ctx, j, &d.Event)
		}
	})
}

// reply sends the reply of a decision, if it has one, and reports the decision. After an internal error nothing but the
// ACK of a lease that is on disk already is sent, never a NAK: the client tries again.
func (s *Server) reply(j *job, d *dhcp.Decision, err error) {
	ev := &d.Event
	ev.Probed = j.probed
	if err == nil && j.diskErr != nil && (d.Reply == nil || d.Reply.Type != dhcp.MessageTypeAck) {
		err = j.diskErr
	}
	switch {
	case err != nil:
		ev.Verdict, ev.Reason, ev.Reply = dhcp.VerdictInternalError, "nothing sent: "+err.Error(), nil
	case d.Reply != nil:
		s.transmit(j, d.Reply, ev)
	}
	s.cfg.Observer.decided(ev, s.cfg.Now().Sub(j.at))
}

// transmit encodes and sends a reply, and notes in ev what went wrong.
func (s *Server) transmit(j *job, r *dhcp.Reply, ev *dhcp.Event) {
	buf := s.getBuffer()
	defer s.buffers.Put(buf)
	payload, left := wire.Encode(r, buf[:0], j.link.MTU)
	if ev.Dropped = left; len(left) > 0 {
		ev.Reason += fmt.Sprintf("; no room for the options %d", left)
	}
	to, client := wire.ReplyDestination(j.req, r, j.link), j.req.MAC
	if to.Addr.Addr() == j.req.GIAddr {
		client = dhcp.MAC{}
	}
	if err := s.deliver(to, client, payload, j.in); err != nil {
		s.cfg.Observer.dropped(DropSend, 1)
		ev.Verdict, ev.Reason = dhcp.VerdictInternalError, ev.Reason+"; reply not sent: "+err.Error()
	}
}

// getBuffer returns an unused buffer for a reply.
func (s *Server) getBuffer() *[packetSize]byte {
	if b, ok := s.buffers.Get().(*[packetSize]byte); ok {
		return b
	}
	return new([packetSize]byte)
}
