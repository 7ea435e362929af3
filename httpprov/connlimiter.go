package httpprov

import (
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

// connLimiter counts connections and decides which one is closed when there are too many. Connections of leased addresses have
// a share of their own, and the others the rest. In a full share a connection is closed of the address that holds most of them,
// else of the network that does, else the one that has waited longest. One in which a phone that has proved its identity is
// being answered is never closed.
type connLimiter struct {
	perAddr int           // connections of one address
	minIdle time.Duration // how long a connection waits before it may be closed for one of an address that holds no less
	now     func() time.Time
	leased  func(netip.Addr) bool

	mu               sync.Mutex
	conns            map[net.Conn]*connInfo
	addrs            map[netip.Addr]int
	phones, everyone *connPool
	evicted          uint64
}

// reservedPerAddr is how many connections of a leased address belong to the phones' share.
const reservedPerAddr = 8

func newConnLimiter(c *Config) *connLimiter {
	l := &connLimiter{perAddr: c.MaxPerAddress, minIdle: c.MinIdle, now: c.Now, leased: c.Leased, conns: map[net.Conn]*connInfo{}, addrs: map[netip.Addr]int{}}
	reserved := 0
	if l.leased != nil {
		reserved = c.MaxConns / 4
	}
	l.phones, l.everyone = newConnPool(reserved), newConnPool(c.MaxConns-reserved)
	return l
}

// connInfo describes a connection. It is stored in the connection's context, so that the addresses are parsed once, and so is what
// the client's certificate proves: it is verified once for all requests, and again when the authorities have changed.
type connInfo struct {
	from, local netip.AddrPort

	mu          sync.Mutex
	cas         *ClientCAs
	certificate *provision.Certificate

	// Guarded by connLimiter.mu.
	conn net.Conn
	pool *connPool // nil: not counted, or not any more
	poolEntry
}

// withConnInfo counts a new connection and puts its connInfo into its context. Those that are too many are closed before a byte of
// them is read: it is called in the accept loop, so no other is accepted before the count is right.
func (l *connLimiter) withConnInfo(ctx context.Context, conn net.Conn) context.Context {
	e := &connInfo{conn: conn, from: addrPort(conn.RemoteAddr()), local: addrPort(conn.LocalAddr())}
	if closed := l.add(e); closed != nil {
		abort(closed)
	}
	return context.WithValue(ctx, connInfoKey{}, e)
}

// connState counts connections out.
func (l *connLimiter) connState(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.conns[conn]; e != nil {
		l.remove(e)
	}
}

// abort closes a connection without a TLS close notification, for which the client might not listen.
func abort(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	// It is of no use any more, also when closing it fails.
	_ = c.Close()
}

// add counts a new connection in, and returns the one that has to be closed for it, which may be itself, or nil.
func (l *connLimiter) add(e *connInfo) net.Conn {
	a := e.from.Addr()
	leased := l.leased != nil && l.leased(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	pool := l.everyone
	if leased && l.phones.conns < l.phones.max && l.phones.held(a) < reservedPerAddr {
		pool = l.phones
	}
	var victim *connInfo
	switch {
	case l.addrs[a] >= l.perAddr:
		victim = l.idle(pool.oldestOf(a))
	case pool.conns < pool.max:
		l.count(e, pool)
		return nil
	default:
		if victim = pool.heaviest(a); victim == nil {
			victim = l.idle(pool.oldest())
		}
	}
	l.evicted++
	if victim == nil {
		return e.conn
	}
	l.remove(victim)
	l.count(e, pool)
	return victim.conn
}

// count counts a connection in.
func (l *connLimiter) count(e *connInfo, pool *connPool) {
	l.conns[e.conn] = e
	l.addrs[e.from.Addr()]++
	pool.add(e, l.now())
}

// idle returns a connection if it has waited for long enough to be closed, else nil.
func (l *connLimiter) idle(e *connInfo) *connInfo {
	if e == nil || l.now().Sub(e.since) < l.minIdle {
		return nil
	}
	return e
}

// remove counts a connection out. connLimiter.mu is held.
func (l *connLimiter) remove(e *connInfo) {
	a := e.from.Addr()
	if l.addrs[a]--; l.addrs[a] == 0 {
		delete(l.addrs, a)
	}
	delete(l.conns, e.conn)
	e.pool.remove(e)
}

// protect keeps a connection open while its phone, which has proved its identity, is answered.
func (l *connLimiter) protect(e *connInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.unqueue()
}

// answered lets a connection wait for the next request, as the last in the queue.
func (l *connLimiter) answered(e *connInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.pool != nil {
		e.unqueue()
		e.pool.queue(e, l.now())
	}
}

// proves returns what a client's certificates prove by these authorities.
func (e *connInfo) proves(peer []*x509.Certificate, cas *ClientCAs, now time.Time) *provision.Certificate {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cas != cas {
		e.cas, e.certificate = cas, cas.Verify(peer, now)
	}
	return e.certificate
}

type connInfoKey struct{}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
