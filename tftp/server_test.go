package tftp

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"plugtone/provision"
	"plugtone/provision/fleet"
)

// A transfer that gets no socket is counted out and reported, and its file is closed. Nothing is sent, so the phone retries.
func TestNoSocketForTransfer(t *testing.T) {
	t.Parallel()
	p := &pipe{in: make(chan []byte), closed: make(chan struct{}), from: &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5},
		local: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 69}} // not an address of this machine
	content := &stream{Reader: zeros{}}
	s := start(t, Config{Conns: []net.PacketConn{p}}, &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: provision.Served, Content: content}
	}})
	p.in <- rrq("f", "octet")
	if r := s.reported(t); !errors.Is(r.err, syscall.EADDRNOTAVAIL) || s.Stats().Active != 0 || content.closed.Load() != 1 {
		t.Errorf("%v, %+v, closed %d times", r.err, s.Stats(), content.closed.Load())
	}
}

// pipe is a socket that isn't the kernel's.
type pipe struct {
	in, out chan []byte
	from    net.Addr
	local   net.Addr // nil: 10.0.0.2:69
	err     error

	once   sync.Once
	closed chan struct{}
}

func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	if p.err != nil {
		return 0, nil, p.err
	}
	select {
	case m := <-p.in:
		return copy(b, m), p.from, nil
	case <-p.closed:
		return 0, nil, net.ErrClosed
	}
}

func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	p.out <- append([]byte(nil), b...)
	return len(b), nil
}
func (p *pipe) SetReadDeadline(time.Time) error  { return p.Close() }
func (p *pipe) SetDeadline(time.Time) error      { return nil }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
func (p *pipe) Close() error                     { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipe) LocalAddr() net.Addr {
	if p.local != nil {
		return p.local
	}
	return &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 69}
}

func TestGivenSocketIsServed(t *testing.T) {
	t.Parallel()
	p := &pipe{in: make(chan []byte), out: make(chan []byte, 1), closed: make(chan struct{}), from: &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}}
	a := outcome(provision.NotFound)
	start(t, Config{Conns: []net.PacketConn{p}}, a)
	p.in <- rrq("f", "octet")
	if got := <-p.out; !strings.HasPrefix(string(got), "\x00\x05\x00\x01") {
		t.Errorf("%q", got)
	}
	if q := a.All()[0]; q.From.String() != "10.0.0.1" || q.Local.String() != "10.0.0.2:69" || q.Transport != fleet.TFTP {
		t.Errorf("%+v", q)
	}
}

// A socket that always fails ends the server instead of using a core.
func TestDeadSocketEndsTheServer(t *testing.T) {
	t.Parallel()
	p := &pipe{closed: make(chan struct{}), err: errors.New("dead")}
	s, err := New(Config{Conns: []net.PacketConn{p}, Now: time.Now}, file(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), func() {}); !errors.Is(err, p.err) || !strings.HasPrefix(err.Error(), "tftp 10.0.0.2:69: ") {
		t.Error(err)
	}
}

// A burst of phones at once is served whole.
func TestBurstOfPhonesIsServedWhole(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file(strings.Repeat("x", 3000)))
	var phones sync.WaitGroup
	for range 60 {
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", "octet", "blksize", "1428"))
		phones.Go(func() {
			var got int
			for b := p.recv(time.Minute); b != nil; b = p.recv(time.Minute) {
				if b[1] == 6 {
					p.ack(0)
					continue
				}
				p.ack(uint16(b[2])<<8 | uint16(b[3]))
				if got += len(b) - 4; len(b) < 1432 {
					break
				}
			}
			if got != 3000 {
				t.Errorf("%d bytes", got)
			}
		})
	}
	phones.Wait()
	for range 60 {
		if r := s.reported(t); r.err != nil {
			t.Error(r.err)
		}
	}
	if st := s.Stats(); st != (Stats{}) {
		t.Errorf("%+v", st)
	}
}

// The end of a shutdown doesn't wait for what a worker has taken from the queue meanwhile; and what had ended well is reported
// so.
func TestShutdownBesideWorkers(t *testing.T) {
	t.Parallel()
	for i := range 3000 {
		var reported, ended atomic.Int64
		s, err := New(Config{Conns: []net.PacketConn{nil}, Now: time.Now, Grace: time.Nanosecond}, file(""),
			func(_ provision.Request, _ provision.Answer, _ int64, _ time.Duration, err error) {
				reported.Add(1)
				if err == nil {
					ended.Add(1)
				}
			})
		if err != nil {
			t.Fatal(err)
		}
		n := 1 + i%24
		for range n {
			s.transfers.Add(1)
			s.queue <- &transfer{stage: stageFinish}
		}
		for range 4 {
			go s.worker(t.Context())
		}
		done := make(chan error)
		go func() { done <- s.drain(func() {}) }()
		select {
		case err := <-done:
			if got := [2]int64{reported.Load(), ended.Load()}; err != nil || got != [2]int64{int64(n), int64(n)} {
				t.Fatalf("%v, reported and ended %v of %d", err, got, n)
			}
		case <-time.After(time.Minute):
			t.Fatalf("round %d: the server does not end", i)
		}
	}
}

// A file from a disk arrives whole, however it is read.
func TestFilesFromADisk(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 511, 512, chunkSize - 1, chunkSize, chunkSize + 1, 300_000} {
		path := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(path, []byte(text(size)), 0o600))
		a := &answers{F: func(provision.Request) provision.Answer {
			f, err := os.Open(path)
			must(t, err)
			return provision.Answer{Outcome: provision.Served, Content: f, Size: int64(size)}
		}}
		s := start(t, Config{Resend: 20 * time.Second}, a)
		for _, window := range []int{1, 16} {
			p := newPhone(t, "127.0.0.1")
			if got := p.receive(s, 512, window, "octet"); got != text(size) {
				t.Errorf("%d bytes, windows of %d: got %d bytes", size, window, len(got))
			}
			if r := s.reported(t); r.err != nil || r.sent != int64(size) {
				t.Errorf("%d bytes, windows of %d: %+v", size, window, r)
			}
		}
	}
}
