package peers

import (
	"net"
	"net/netip"
	"sync"
)

// mostOfOne is how many connections one address may have at a time. A member has at most 2*mostCalls; several may be behind one address.
const mostOfOne = 128

// perAddress is a listener that closes connections of an address that has too many, so that one host can't take the places of all others.
type perAddress struct {
	net.Listener

	mu    sync.Mutex
	conns map[netip.Addr]int
}

func limitPerAddress(l net.Listener) *perAddress {
	return &perAddress{Listener: l, conns: map[netip.Addr]int{}}
}

// Accept implements net.Listener.
func (l *perAddress) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err == nil && l.count(from.Addr(), 1) {
			return &countedConn{Conn: c, leave: sync.OnceFunc(func() { l.count(from.Addr(), -1) })}, nil
		}
		_ = c.Close() // nothing was read of it
	}
}

// count adds n to the connections of an address. ok is false when it would have too many.
func (l *perAddress) count(a netip.Addr, n int) (ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n += l.conns[a]; n > mostOfOne {
		return false
	}
	if l.conns[a] = n; n == 0 {
		delete(l.conns, a)
	}
	return true
}

// countedConn is counted until it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
