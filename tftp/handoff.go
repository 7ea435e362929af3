package tftp

import (
	"net"
	"sync"
	"time"
)

// handoff is the "socket" that the library reads: requests that the guard has let through. Nothing is ever written to it,
// since the library opens a socket of its own for each transfer.
type handoff struct {
	local  net.Addr
	ready  chan handed
	closed chan struct{}
	once   sync.Once
	last   uint64 // the request that the library took last; only its accept loop touches it
}

type handed struct {
	id     uint64
	packet []byte
	from   *net.UDPAddr
}

func newHandoff(local net.Addr) *handoff {
	return &handoff{local: local, ready: make(chan handed), closed: make(chan struct{})}
}

// give waits until the library takes h; it is false when the library takes no more.
func (c *handoff) give(h handed) bool {
	select {
	case c.ready <- h:
		return true
	case <-c.closed:
		return false
	}
}

// ReadFrom gives the library its next request.
func (c *handoff) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case h := <-c.ready:
		c.last = h.id
		return copy(p, h.packet), h.from, nil
	case <-c.closed:
		c.last = 0
		return 0, nil, net.ErrClosed
	}
}

// Close ends ReadFrom and give.
func (c *handoff) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// LocalAddr is what the library logs and parses at start.
func (c *handoff) LocalAddr() net.Addr { return c.local }

// WriteTo and the deadlines are never used in multi-port mode.
func (c *handoff) WriteTo([]byte, net.Addr) (int, error) { return 0, net.ErrClosed }
func (c *handoff) SetDeadline(time.Time) error           { return nil }
func (c *handoff) SetReadDeadline(time.Time) error       { return nil }
func (c *handoff) SetWriteDeadline(time.Time) error      { return nil }
