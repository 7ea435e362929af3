package tftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"plugtone/provision"
	"plugtone/provision/provisiontest"
)

type answers = provisiontest.Answers

// file answers every request with the same bytes.
func file(body string) *answers {
	return &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: provision.Served, Kind: "device", Body: []byte(body), Size: int64(len(body))}
	}}
}

func outcome(o provision.Outcome) *answers {
	return &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: o, Reason: "because /etc/passwd", Name: "001565123456.cfg"}
	}}
}

// report is a call of the Observer.
type report struct {
	req  provision.Request
	ans  provision.Answer
	sent int64
	err  error
}

// running is a server under test.
type running struct {
	*Server
	addr    netip.AddrPort
	reports chan report
	stop    context.CancelFunc
	ended   chan error
}

// start runs a server on a loopback port until the test ends.
func start(t testing.TB, cfg Config, a Answerer) *running {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	r := &running{addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port),
		reports: make(chan report, 10000)}
	cfg.Conns = append(cfg.Conns, c)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Resend == 0 {
		cfg.Resend = 20 * time.Second // nothing is repeated where a test does not want it
	}
	r.Server, err = New(cfg, a, func(q provision.Request, a provision.Answer, sent int64, _ time.Duration, err error) {
		select {
		case r.reports <- report{q, a, sent, err}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	r.stop, r.ended = provisiontest.Run(t, r.Run)
	return r
}

// reported waits for the next report.
func (r *running) reported(t testing.TB) report {
	t.Helper()
	select {
	case p := <-r.reports:
		return p
	case <-time.After(time.Minute):
		t.Fatal("nothing was reported")
		return report{}
	}
}

// phone is a client written from RFC 1350, independent of this package.
type phone struct {
	t    testing.TB
	c    *net.UDPConn
	peer netip.AddrPort // the TID of the last packet
	room []byte         // for a packet
}

// newPhone opens a socket on a loopback address.
func newPhone(t testing.TB, ip string) *phone {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &phone{t: t, c: c, room: make([]byte, 65536)}
}

func (p *phone) send(to netip.AddrPort, b []byte) {
	p.t.Helper()
	if _, err := p.c.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Fatal(err)
	}
}

// rrq returns a read request for a name; strs are mode, then options.
func rrq(name string, strs ...string) []byte {
	return []byte("\x00\x01" + name + "\x00" + strings.Join(strs, "\x00") + "\x00")
}

// recv reads the next packet, nil when there is none in time.
func (p *phone) recv(wait time.Duration) []byte {
	p.t.Helper()
	p.c.SetReadDeadline(time.Now().Add(wait))
	n, from, err := p.c.ReadFromUDPAddrPort(p.room)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.peer = from
	return bytes.Clone(p.room[:n])
}

// must reads the next packet, which has to be of kind op.
func (p *phone) must(op uint16) []byte {
	p.t.Helper()
	b := p.recv(time.Minute)
	if len(b) < 2 || binary.BigEndian.Uint16(b) != op {
		p.t.Fatalf("got %q, want opcode %d", b, op)
	}
	return b
}

// silent fails when a packet arrives.
func (p *phone) silent(wait time.Duration) {
	p.t.Helper()
	if b := p.recv(wait); b != nil {
		p.t.Errorf("got %q, want silence", b)
	}
}

func (p *phone) ack(block uint16) {
	p.t.Helper()
	p.send(p.peer, binary.BigEndian.AppendUint16([]byte{0, 4}, block))
}

func (p *phone) fail(code byte, text string) {
	p.t.Helper()
	p.send(p.peer, []byte("\x00\x05\x00"+string(code)+text+"\x00"))
}

// rest receives a file from its first DATA on, and returns the numbers of its blocks.
func (p *phone) rest(size int) (string, []uint16) {
	p.t.Helper()
	var all []byte
	var blocks []uint16
	for {
		b := p.must(3)
		blocks = append(blocks, binary.BigEndian.Uint16(b[2:]))
		all = append(all, b[4:]...)
		p.ack(blocks[len(blocks)-1])
		if len(b)-4 < size {
			return string(all), blocks
		}
	}
}

// oack reads the options agreed to.
func (p *phone) oack() map[string]string {
	p.t.Helper()
	f := strings.Split(strings.TrimSuffix(string(p.must(6)[2:]), "\x00"), "\x00")
	opts := map[string]string{}
	for ; len(f) >= 2; f = f[2:] {
		opts[f[0]] = f[1]
	}
	return opts
}

// refused reads an ERROR, which has to come from the port that received the request.
func (p *phone) refused(s *running, code byte) {
	p.t.Helper()
	b := p.must(5)
	if b[3] != code || p.peer.Port() != s.addr.Port() || strings.Contains(string(b), "/") || b[len(b)-1] != 0 {
		p.t.Errorf("got %q from %v, want code %d from port %d", b, p.peer, code, s.addr.Port())
	}
}

var waitFor = provisiontest.WaitFor

// newTestLoop returns a loop without transfers.
func newTestLoop(t testing.TB) *loop {
	t.Helper()
	l, err := newLoop(&Server{cfg: Config{Resend: time.Second, Now: time.Now}}, nil)
	must(t, err)
	t.Cleanup(func() { must(t, l.close()) })
	return l
}
