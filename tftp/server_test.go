package tftp

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	pin "github.com/pin/tftp/v3"

	"plugtone/provision"
)

// A request that the library can't start, for want of a socket, is counted out and reported, and its file closed.
func TestNoSocketForTransfer(t *testing.T) {
	var got []error
	s, err := New(Config{Listen: []string{":0"}, Now: time.Now}, file(""),
		func(_ provision.Request, _ provision.Answer, _ int64, _ time.Duration, err error) {
			got = append(got, err)
		})
	if err != nil {
		t.Fatal(err)
	}
	content := &stream{Reader: zeros{}}
	tr := s.admit(key{netip.MustParseAddrPort("10.0.0.1:1234"), "f"}, request{name: "f"})
	tr.answer = provision.Answer{Outcome: provision.Served, Content: content}
	go s.hand.give(handed{tr.id, []byte("\x00\x01"), &net.UDPAddr{}})
	if _, _, err := s.hand.ReadFrom(make([]byte, 516)); err != nil {
		t.Fatal(err)
	}
	full := errors.New("too many open files")
	hook{s}.OnFailure(pin.TransferStats{}, full)
	hook{s}.OnFailure(pin.TransferStats{}, full) // nothing is left to end
	if len(got) != 1 || !errors.Is(got[0], full) || s.Stats().Active != 0 || content.closed.Load() != 1 {
		t.Errorf("%v, %+v, closed %d times", got, s.Stats(), content.closed.Load())
	}
}

// pipe is a socket that isn't the kernel's.
type pipe struct {
	in, out chan []byte
	from    net.Addr
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
func (p *pipe) LocalAddr() net.Addr              { return &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 69} }

func TestAnySocket(t *testing.T) {
	p := &pipe{in: make(chan []byte), out: make(chan []byte, 1), closed: make(chan struct{}), from: &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}}
	a := outcome(provision.NotFound)
	start(t, Config{Conns: []net.PacketConn{p}}, a)
	p.in <- rrq("f", "octet")
	if got := <-p.out; !strings.HasPrefix(string(got), "\x00\x05\x00\x01") {
		t.Errorf("%q", got)
	}
	if q := a.all()[0]; q.From.String() != "10.0.0.1" || q.Local.String() != "10.0.0.2:69" || q.Transport != provision.TFTP {
		t.Errorf("%+v", q)
	}
}

// A socket that only fails ends the server in place of a core.
func TestDeadSocket(t *testing.T) {
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
func TestManyPhones(t *testing.T) {
	s := start(t, Config{}, file(strings.Repeat("x", 3000)))
	var phones sync.WaitGroup
	for range 60 {
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", "octet", "blksize", "1428"))
		phones.Go(func() {
			var got int
			for b := p.recv(5 * time.Second); b != nil; b = p.recv(5 * time.Second) {
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
