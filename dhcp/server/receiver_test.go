package server

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// receiverFixture is a receiver on a port of the loopback interface. It serves each packet by passing on its first byte.
type receiverFixture struct {
	*receiver
	served chan byte
	client net.Conn
	ended  chan error
	stop   func()
}

func newReceiverFixture(t *testing.T, write func(), change ...func(*receiver)) *receiverFixture {
	t.Helper()
	sock, err := openSocket(0)
	if err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(sock.FD)
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp4", (&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*unix.SockaddrInet4).Port}).String())
	if err != nil {
		t.Fatal(err)
	}
	f := &receiverFixture{served: make(chan byte, 10), client: client, ended: make(chan error, 1)}
	f.receiver = &receiver{
		sock: sock, observer: &Observer{}, log: logTo(t), now: time.Now, queue: newPacketQueue(8),
		classify: func(*packet) priority { return unknownClient }, serve: func(p *packet, _ bool) { f.served <- p.buf[0] }, write: write, delay: delay,
	}
	for _, c := range change {
		c(f.receiver)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.stop = func() { cancel(); sock.interrupt() }
	go func() { f.ended <- f.run(ctx) }()
	t.Cleanup(func() { client.Close() })
	return f
}

func (f *receiverFixture) send(t *testing.T, b byte) {
	t.Helper()
	if _, err := f.client.Write([]byte{b}); err != nil {
		t.Fatal(err)
	}
}

// TestReadingGoesOnWhileAWriteHangs: another goroutine takes over. The first stops reading when its write ends, and a write that
// hangs does not keep the server from stopping.
func TestReadingGoesOnWhileAWriteHangs(t *testing.T) {
	hang, written := make(chan struct{}), make(chan struct{}, 10)
	var writes atomic.Int32
	f := newReceiverFixture(t, func() {
		if writes.Add(1)%2 == 1 {
			<-hang
		}
		written <- struct{}{}
	})
	for want := byte(1); want <= 3; want++ {
		f.send(t, want)
		if got := receive(t, f.served); got != want {
			t.Errorf("packet %d is served, want %d", got, want)
		}
		if want == 2 {
			receive(t, written)
		}
	}
	hang <- struct{}{}
	receive(t, written)
	f.stop()
	if err := receive(t, f.ended); err != nil {
		t.Error(err)
	}
	if err := f.sock.Close(); err != nil {
		t.Error(err)
	}
	close(hang)
}

// TestStopEndsAWaitingRead: and the socket can still send.
func TestStopEndsAWaitingRead(t *testing.T) {
	f := newReceiverFixture(t, func() {})
	f.send(t, 1)
	receive(t, f.served)
	f.stop()
	if err := receive(t, f.ended); err != nil {
		t.Error(err)
	}
	to := f.client.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := f.sock.send(0, to.Addr(), to, []byte{9}); err != nil {
		t.Error(err)
	}
	b := make([]byte, 1)
	if _, err := f.client.Read(b); err != nil || b[0] != 9 {
		t.Errorf("%v %v", b, err)
	}
	if err := f.sock.Close(); err != nil {
		t.Error(err)
	}
	if err := f.sock.send(0, to.Addr(), to, []byte{9}); err == nil {
		t.Error("a closed socket sends")
	}
}

// TestWatchNeverWaitsForItself: run takes the tokens, and may be what leaves one.
func TestWatchNeverWaitsForItself(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		r := &receiver{watch: make(chan struct{}, 1)}
		r.watch <- struct{}{}
		r.beWatched()
	})
}

// TestReceiveBufferPassesTheSystemsLimit: with CAP_NET_ADMIN the server has its whole buffer, whatever net.core.rmem_max is.
func TestReceiveBufferPassesTheSystemsLimit(t *testing.T) {
	s := newNetwork(t)
	limit, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	s.ok(err)
	most, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	s.ok(err)
	s.ok(s.pbx.Do(func() error {
		sock, err := openSocket(67)
		if err != nil {
			return err
		}
		defer sock.Close()
		err = sock.setBuffer(most + 4096)
		if sock.buffer != most+4096 {
			t.Errorf("%d bytes were granted, want %d", sock.buffer, most+4096)
		}
		return err
	}))
}
