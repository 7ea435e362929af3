package httpprov

import (
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"plugtone/provision"
)

// crowd knows all connections, and whose place goes to another when there are too many: that of the one which has waited
// longest without being in the middle of an answer to a phone that has proved who it is. So neither a slow-loris nor
// downloads of what anybody gets, nor connections that are only kept, are in the way of phones.
type crowd struct {
	most, own int           // connections in all, and of one address
	patience  time.Duration // how long a connection waits before its place may be taken
	now       func() time.Time

	mu      sync.Mutex
	conns   map[net.Conn]*ends
	hosts   map[netip.Addr]*host
	waiting list.List // of *ends, the one that has waited longest first
	turned  uint64
}

// host is one address.
type host struct {
	conns   int
	waiting list.List // of *ends, as in crowd
}

func newCrowd(c *Config) *crowd {
	return &crowd{most: c.MaxConns, own: c.MaxPerAddress, patience: c.Patience, now: c.Now, conns: map[net.Conn]*ends{}, hosts: map[netip.Addr]*host{}}
}

// Stats are counts of what the Observer isn't told.
type Stats struct {
	Conns      int    // connections now
	TurnedAway uint64 // connections since the start that were closed because of MaxConns or MaxPerAddress
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.crowd.mu.Lock()
	defer s.crowd.mu.Unlock()
	return Stats{Conns: len(s.crowd.conns), TurnedAway: s.crowd.turned}
}

// ends are the two ends of a connection, kept in its context so that they are read once, and what the client's certificate
// proves, which is looked at once for all requests, and again when the authorities have changed.
type ends struct {
	from, local netip.AddrPort

	mu          sync.Mutex
	cas         *ClientCAs
	certificate *provision.Certificate

	// Guarded by crowd.mu.
	conn       net.Conn
	since      time.Time     // waiting
	all, ofOne *list.Element // in crowd.waiting and host.waiting; nil: not waiting
}

// withEnds counts a new connection in and puts its ends into its context. Those that are too many are closed before a byte of
// them is read: it is called in the accept loop, so no other is accepted before the count is right.
func (c *crowd) withEnds(ctx context.Context, conn net.Conn) context.Context {
	e := &ends{conn: conn, from: addrPort(conn.RemoteAddr()), local: addrPort(conn.LocalAddr())}
	for _, other := range c.enter(e) {
		abandon(other)
	}
	return context.WithValue(ctx, endsKey{}, e)
}

// connState counts connections out.
func (c *crowd) connState(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.conns[conn]; e != nil {
		c.leave(e)
	}
}

// abandon closes a connection at once: TLS would try to say goodbye first, to somebody who may not listen.
func abandon(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	// It is of no use any more, whatever closing it says.
	_ = c.Close()
}

// enter counts a new connection in, and returns those that have to be closed, if need be itself.
func (c *crowd) enter(e *ends) (closed []net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[e.from.Addr()]
	if h == nil {
		h = &host{}
	}
	for _, full := range []struct {
		is      bool
		waiting *list.List
	}{{h.conns >= c.own, &h.waiting}, {len(c.conns) >= c.most, &c.waiting}} {
		if !full.is || len(closed) > 0 {
			continue
		}
		c.turned++
		victim := c.oldest(full.waiting)
		if victim == nil {
			return []net.Conn{e.conn}
		}
		closed = append(closed, victim)
	}
	c.hosts[e.from.Addr()] = h
	h.conns++
	c.conns[e.conn] = e
	c.queue(e)
	return closed
}

// oldest takes the place of the one that has waited longest, nil when none has waited for long. crowd.mu is held.
func (c *crowd) oldest(waiting *list.List) net.Conn {
	first := waiting.Front()
	if first == nil {
		return nil
	}
	e := first.Value.(*ends)
	if c.now().Sub(e.since) < c.patience {
		return nil
	}
	c.leave(e)
	return e.conn
}

// leave counts a connection out. crowd.mu is held.
func (c *crowd) leave(e *ends) {
	c.unqueue(e)
	delete(c.conns, e.conn)
	h := c.hosts[e.from.Addr()]
	if h.conns--; h.conns == 0 {
		delete(c.hosts, e.from.Addr())
	}
}

// queue lets a connection wait, unless it does or is gone. crowd.mu is held.
func (c *crowd) queue(e *ends) {
	if e.all != nil || c.conns[e.conn] != e {
		return
	}
	e.since = c.now()
	e.all, e.ofOne = c.waiting.PushBack(e), c.hosts[e.from.Addr()].waiting.PushBack(e)
}

// unqueue ends that. crowd.mu is held.
func (c *crowd) unqueue(e *ends) {
	if e.all == nil {
		return
	}
	c.waiting.Remove(e.all)
	c.hosts[e.from.Addr()].waiting.Remove(e.ofOne)
	e.all, e.ofOne = nil, nil
}

// keep makes sure that a connection stays while its phone, which has proved who it is, is answered.
func (c *crowd) keep(e *ends) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unqueue(e)
}

// answered lets a connection wait for the next request, as the last in the queue.
func (c *crowd) answered(e *ends) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unqueue(e)
	c.queue(e)
}

// proves is what a client's certificates prove by these authorities.
func (e *ends) proves(peer []*x509.Certificate, cas *ClientCAs, now time.Time) *provision.Certificate {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cas != cas {
		e.cas, e.certificate = cas, cas.Verify(peer, now)
	}
	return e.certificate
}

type endsKey struct{}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
