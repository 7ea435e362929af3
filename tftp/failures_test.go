package tftp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plugtone/provision"
)

func TestF17MalformedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file("hello"))
	for _, packet := range []string{
		"\x00\x01", "\x00\x01\x00", "\x00\x01\x00octet\x00", "\x00\x01name", "\x00\x01name\x00", "\x00\x00", "\x00\x07x\x00octet\x00", "\x00\x01\x00\x00\x00",
		"\x00\x01f\x00octet\x00" + strings.Repeat("a\x001\x00", 200),
	} {
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, []byte(packet))
		p.refused(s, 4)
	}
	for _, packet := range []string{"\x00\x01f\x00octet", "\x00\x01f\x00octet\x00tsize", "\x00\x01f\x00octet\x00\x00"} { // unterminated
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, []byte(packet))
		if got, _ := p.rest(512); got != "hello" {
			t.Errorf("%q: %q", packet, got)
		}
	}
}

func TestF18TransferEndsAfterItsTime(t *testing.T) {
	t.Parallel()
	for _, static := range []bool{false, true} {
		var late atomic.Int64
		at := time.Now()
		content := &stream{Reader: zeros{}}
		a := &answers{F: func(provision.Request) provision.Answer {
			if static {
				return provision.Answer{Outcome: provision.Served, Content: content, Size: 1 << 40}
			}
			return provision.Answer{Outcome: provision.Served, Body: make([]byte, 1<<20)}
		}}
		s := start(t, Config{Now: func() time.Time { return at.Add(time.Duration(late.Load())) }}, a)
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", "octet"))
		p.must(3)
		late.Store(int64(119 * time.Second))
		p.ack(1)
		p.must(3)
		late.Store(int64(121 * time.Second))
		p.ack(2)
		if static {
			p.must(3)
			late.Store(int64(31 * time.Minute))
			p.ack(3)
		}
		if r := s.reported(t); !errors.Is(r.err, ErrTooLong) {
			t.Errorf("static %v: %v", static, r.err)
		}
		p.silent(20 * time.Millisecond)
		if static && content.closed.Load() != 1 {
			t.Error("the file was not closed")
		}
	}
}

func TestF19BroadcastRequestsAreIgnored(t *testing.T) {
	t.Parallel()
	a := file("hello")
	s := start(t, Config{}, a)
	p := newPhone(t, "127.0.0.1")
	p.send(netip.AddrPortFrom(netip.MustParseAddr("127.255.255.255"), s.addr.Port()), rrq("f", "octet"))
	waitFor(t, func() bool { return s.Stats().Broadcast == 1 })
	p.silent(20 * time.Millisecond)
	if len(a.All()) != 0 {
		t.Error("answered")
	}
}

func TestPanicEndsOneTransfer(t *testing.T) {
	t.Parallel()
	content := &stream{Reader: broken{}}
	s := start(t, Config{}, &answers{F: func(r provision.Request) provision.Answer {
		switch r.Name {
		case "answer":
			panic("oops")
		case "empty":
			return provision.Answer{}
		case "read":
			return provision.Answer{Outcome: provision.Served, Content: content, Size: 1000}
		case "close":
			return provision.Answer{Outcome: provision.Served, Content: worse{content}, Size: 1000}
		}
		return provision.Answer{Outcome: provision.Served, Body: []byte("hello")}
	}})
	for _, name := range []string{"answer", "empty", "read", "close"} {
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq(name, "octet"))
		if r := s.reported(t); r.err == nil {
			t.Errorf("%s: %+v", name, r)
		}
		p.silent(20 * time.Millisecond)
	}
	if n := content.closed.Load(); n != 1 {
		t.Errorf("the file whose reading panicked was closed %d times", n)
	}
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet"))
	if got, _ := p.rest(512); got != "hello" {
		t.Errorf("%q", got)
	}
}

// worse panics when it is closed, too.
type worse struct{ *stream }

func (worse) Close() error { panic("closing") }

type broken struct{}

func (broken) Read([]byte) (int, error) { panic("disk") }

func TestObserverMayPanic(t *testing.T) {
	t.Parallel()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Conns: []net.PacketConn{c}, Now: time.Now}, file("hello"),
		func(provision.Request, provision.Answer, int64, time.Duration, error) { panic("observer") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, func() {}) }()
	p := newPhone(t, "127.0.0.1")
	for range 2 {
		p.send(c.LocalAddr().(*net.UDPAddr).AddrPort(), rrq("f", "octet"))
		p.rest(512)
		waitFor(t, func() bool { return s.Stats().Active == 0 })
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestShutdownLetsTransfersEnd(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file(strings.Repeat("x", 2000)))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet"))
	p.must(3)
	s.stop()
	p.ack(1)
	if got, _ := p.rest(512); len(got) != 1488 {
		t.Errorf("%d bytes", len(got))
	}
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	close(s.ended)
	if r := s.reported(t); r.err != nil {
		t.Error(r.err)
	}
}

func TestShutdownHasAnEnd(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	s := start(t, Config{Grace: 20 * time.Millisecond}, &answers{F: func(r provision.Request) provision.Answer {
		if r.Name == "hang" {
			<-hang
		}
		return provision.Answer{Outcome: provision.Served, Body: []byte("hello")}
	}})
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("hang", "octet"))
	p.send(s.addr, rrq("idle", "octet"))
	p.must(3)
	s.stop()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	close(s.ended)
	for range 2 {
		if r := s.reported(t); !errors.Is(r.err, ErrStopped) {
			t.Errorf("%s: %v", r.req.Name, r.err)
		}
	}
}

func TestNewReportsAllProblems(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Listen: []string{"nowhere"}, BlockSize: 9, Workers: -1, Resend: -1}, nil, nil)
	for _, want := range []string{`"nowhere"`, "no clock", "block size 9", "workers -1", "resend time", "no answerer"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestListenErrorNamesTheAddress(t *testing.T) {
	t.Parallel()
	p := newPhone(t, "127.0.0.1")
	s, err := New(Config{Listen: []string{p.c.LocalAddr().String()}, Now: time.Now}, file(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context(), func() { t.Error("ready") })
	if err == nil || !strings.HasPrefix(err.Error(), "tftp 127.0.0.1:") || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
}

// A requester that guesses names gets no reply, and its requests are reported.
func TestGuessedNamesGetNoReply(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: provision.Refused, Status: 404, Reason: "too many", Silent: true}
	}})
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("001565123456.cfg", "octet"))
	if r := s.reported(t); r.err != nil || r.ans.Outcome != provision.Refused {
		t.Errorf("%+v", r)
	}
	p.silent(50 * time.Millisecond)
}
