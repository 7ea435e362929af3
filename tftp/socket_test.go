package tftp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// boundTo returns the address and port that a socket has.
func boundTo(t *testing.T, s socket) netip.AddrPort {
	t.Helper()
	name, err := unix.Getsockname(s.fd)
	must(t, err)
	a := name.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
}

// F01: a socket that was used before has another address, a port that can't be foreseen, and nothing of what it received.
func TestUsedSocketIsLikeANewOne(t *testing.T) {
	t.Parallel()
	l := newTestLoop(t)
	p := newPhone(t, "127.0.0.1")
	peer := p.c.LocalAddr().(*net.UDPAddr).AddrPort()
	ports := map[uint16]bool{}
	for n, addr := range []string{"127.0.0.1", "127.0.0.9", "0.0.0.0", "127.0.0.1"} {
		spare := slices.Clone(l.spare)
		s, err := l.socket(netip.MustParseAddr(addr), peer)
		must(t, err)
		at := boundTo(t, s)
		if used := slices.Contains(spare, s.fd); at.Addr().String() != addr || used != (n > 0) {
			t.Fatalf("bound to %s, wanted address %s; used before: %v", at, addr, used)
		}
		ports[at.Port()] = true
		if got, _, err := s.recv(make([]byte, 10)); err != unix.EAGAIN {
			t.Errorf("%d bytes of what came before, %v", got, err)
		}
		must(t, s.send([]byte("hello"), 512))
		if got := p.recv(5 * time.Second); string(got) != "hello" || p.peer.Port() != at.Port() {
			t.Errorf("%q from %s", got, p.peer)
		}
		p.send(p.peer, []byte("too late"))
		l.save(&s)
		other, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		if err != nil {
			t.Fatalf("the port is still in use: %v", err)
		}
		other.Close()
	}
	if len(ports) < 2 { // one may come again by chance
		t.Errorf("always port %v", ports)
	}
}

// A packet that comes before its transfer was added waits in the socket, and a loop that waits is woken by what is added.
func TestPacketBeforeItsTransferIsAdded(t *testing.T) {
	t.Parallel()
	l := newTestLoop(t)
	p := newPhone(t, "127.0.0.1")
	s, err := l.socket(netip.MustParseAddr("127.0.0.1"), p.c.LocalAddr().(*net.UDPAddr).AddrPort())
	must(t, err)
	defer s.close()
	p.send(boundTo(t, s), []byte("\x00\x04\x00\x00"))
	if l.poll.look() || !l.mayWait() {
		t.Fatal("a socket without a transfer is waited for")
	}
	must(t, l.add(&transfer{sock: s}))
	if !l.poll.wait() {
		t.Error("the loop isn't woken")
	}
	if l.collect(); !l.poll.look() || !l.poll.ready(0) {
		t.Error("the packet of a transfer that was added is not found")
	}
	l.leave(l.mine[0])
}

// Only a socket whose peer has received everything is used again: what was sent to a host that does not answer still fills its buffer.
func TestSocketsOfFailedTransfersAreClosed(t *testing.T) {
	t.Parallel()
	spare := func(s *running) int {
		l := s.loops[0]
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.spare)
	}
	s := start(t, Config{Resend: 20 * time.Millisecond}, file("x"))
	silent := newPhone(t, "127.0.0.1")
	silent.send(s.addr, rrq("f", "octet"))
	aborting := newPhone(t, "127.0.0.1")
	aborting.send(s.addr, rrq("f", "octet"))
	aborting.must(3)
	aborting.fail(0, "enough")
	for range 2 {
		s.reported(t)
	}
	if n := spare(s); n != 0 {
		t.Errorf("%d sockets of transfers that failed", n)
	}
	s = start(t, Config{Resend: 10 * time.Second}, file("x")) // a block that is sent again is one that may not have arrived
	p := newPhone(t, "127.0.0.1")
	for n := range 3 {
		p.send(s.addr, rrq(fmt.Sprint(n), "octet"))
		p.rest(512)
		s.reported(t)
	}
	if n := spare(s); n != 1 {
		t.Errorf("%d sockets after three transfers", n)
	}
}

// A worker whose answer came after the server has ended sends nothing: the number of the listener's socket may be another's.
func TestClosedListenerSendsNothing(t *testing.T) {
	t.Parallel()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(t, err)
	l, err := newListener(c)
	must(t, err)
	p := newPhone(t, "127.0.0.1")
	to := p.c.LocalAddr().(*net.UDPAddr).AddrPort()
	if !l.refuse(errNotFound, l.local, to, 100) {
		t.Fatal("nothing is sent")
	}
	l.close()
	if l.refuse(errNotFound, l.local, to, 100) {
		t.Error("a closed listener sends")
	}
}
