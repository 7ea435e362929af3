package tftp

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plugtone/provision"
)

func TestF01TransferHasItsOwnPort(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file("x"))
	for _, opts := range [][]string{{"octet"}, {"octet", "blksize", "1024"}} {
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", opts...))
		if p.recv(5*time.Second) == nil || p.peer.Port() == s.addr.Port() || p.peer.Addr() != s.addr.Addr() {
			t.Errorf("%v: answered by %v", opts, p.peer)
		}
		p.fail(0, "enough")
	}
	// A file and an ERROR come from the address that received the request, although the route would give another.
	for _, opts := range [][]string{{"octet"}, {"octet", "blksize", "1024"}} {
		p := newPhone(t, "127.0.0.1")
		p.send(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), s.addr.Port()), rrq("f", opts...))
		if p.recv(5*time.Second) == nil || p.peer.Port() == s.addr.Port() || p.peer.Addr().String() != "127.0.0.9" {
			t.Errorf("%v: answered by %v", opts, p.peer)
		}
		p.fail(0, "enough")
	}
	n := start(t, Config{}, outcome(provision.NotFound))
	p := newPhone(t, "127.0.0.1")
	p.send(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), n.addr.Port()), rrq("f", "octet"))
	p.refused(n, 1)
	if p.peer.Addr().String() != "127.0.0.9" {
		t.Errorf("refused by %v", p.peer)
	}
	if r := n.reported(t); r.req.Local.Addr().String() != "127.0.0.9" {
		t.Errorf("local address %v", r.req.Local)
	}
}

func TestF02AckZeroStarts(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file("hello"))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet", "tsize", "0"))
	p.oack()
	p.ack(0)
	if got, blocks := p.rest(512); got != "hello" || blocks[0] != 1 {
		t.Errorf("%q %v", got, blocks)
	}
	if r := s.reported(t); r.err != nil || r.sent != 5 || r.ans.Outcome != provision.Served {
		t.Errorf("%+v", r)
	}
}

func TestF02ErrorAfterOACKEndsQuietly(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file("hello"))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet", "tsize", "0"))
	p.oack()
	p.fail(8, "size query only")
	if r := s.reported(t); !errors.Is(r.err, ErrAborted) || r.sent != 0 || r.ans.Outcome != provision.Aborted {
		t.Errorf("%+v", r)
	}
	p.silent(100 * time.Millisecond)
	p.send(s.addr, rrq("f", "octet")) // as PXE continues, from the same port
	if got, _ := p.rest(512); got != "hello" {
		t.Errorf("%q", got)
	}
}

func TestF03OptionsAreNegotiated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options []string
		want    map[string]string
	}{
		{[]string{"blksize", "1024"}, map[string]string{"blksize": "1024"}},
		{[]string{"blksize", "1428"}, map[string]string{"blksize": "1428"}},
		{[]string{"blksize", "8192"}, map[string]string{"blksize": "1468"}},
		{[]string{"BLKSIZE", "600", "TSize", "0"}, map[string]string{"blksize": "600", "tsize": "2000"}},
		{[]string{"tsize", "77"}, map[string]string{"tsize": "2000"}},
		{[]string{"tsize", "0", "multicast", "", "x", "y"}, map[string]string{"tsize": "2000"}},
		{[]string{"tsize", "0", "blksize", "ten"}, map[string]string{"tsize": "2000"}},
		{[]string{"tsize", "0", "blksize", "7"}, map[string]string{"tsize": "2000"}},
		{[]string{"tsize", "0", "blksize", "100"}, map[string]string{"tsize": "2000", "blksize": "100"}},
		{[]string{"tsize", "0", "blksize", "99999"}, map[string]string{"tsize": "2000"}},
		{[]string{"tsize", "0", "blksize"}, map[string]string{"tsize": "2000"}},
	} {
		s := start(t, Config{}, file(strings.Repeat("x", 2000)))
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", append([]string{"octet"}, c.options...)...))
		if got := p.oack(); !maps.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.options, got, c.want)
		}
		p.ack(0)
		size := 512
		fmt.Sscan(c.want["blksize"], &size)
		if got, _ := p.rest(size); len(got) != 2000 {
			t.Errorf("%v: %d bytes", c.options, len(got))
		}
	}
	// Nothing to agree to: no OACK at all.
	s := start(t, Config{}, file("hello"))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet", "timeout", "0", "blksize", "7", "windowsize", "65536"))
	if got, _ := p.rest(512); got != "hello" {
		t.Errorf("%q", got)
	}
}

func TestF04DuplicateAcksCauseNoResend(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file(strings.Repeat("x", 5000)))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet"))
	for block := uint16(1); block <= 10; block++ {
		if b := p.must(3); uint16(b[2])<<8|uint16(b[3]) != block {
			t.Fatalf("got block %d, want %d", b[3], block)
		}
		p.ack(block)
		p.ack(block)
		p.ack(block - 1)
	}
	p.silent(100 * time.Millisecond)
	if r := s.reported(t); r.err != nil {
		t.Error(r.err)
	}
}

func TestF05PacketsAreSentAgain(t *testing.T) {
	t.Parallel()
	const body = 1500
	for k := 1; k <= 3; k++ {
		s := start(t, Config{Resend: 50 * time.Millisecond}, file(strings.Repeat("x", body)))
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", "octet"))
		got := 0
		for block, dropped := 1, false; block <= 3; {
			b := p.must(3)
			if int(b[3]) < block {
				continue // sent again while this test did not run for 50 ms
			}
			if int(b[3]) != block {
				t.Fatalf("got block %d, want %d", b[3], block)
			}
			if block == k && !dropped {
				dropped = true
				continue
			}
			got += len(b) - 4
			p.ack(uint16(block))
			block++
		}
		if r := s.reported(t); r.err != nil || got != body {
			t.Errorf("dropped %d: %d bytes, %v", k, got, r.err)
		}
	}
	if s, err := New(Config{Listen: []string{":0"}, Now: time.Now}, file(""), nil); err != nil || s.cfg.Resend != time.Second {
		t.Errorf("resend after %v, %v", s.cfg.Resend, err)
	}
}

func TestF06FilesOfEverySizeArriveWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 511, 512, 513, 1024} {
		s := start(t, Config{}, file(strings.Repeat("x", size)))
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", "octet"))
		got, blocks := p.rest(512)
		if len(got) != size || len(blocks) != size/512+1 {
			t.Errorf("%d bytes came as %d in %d blocks", size, len(got), len(blocks))
		}
	}
}

func TestF07BlockNumbersWrapToZero(t *testing.T) {
	t.Parallel()
	const blocks = 65540
	// The phone here takes each block as a new one: a busy machine must not make the server send one twice.
	s := start(t, Config{Resend: 20 * time.Second}, &answers{F: func(provision.Request) provision.Answer {
		c := &stream{Reader: io.LimitReader(zeros{}, blocks*512+7)}
		return provision.Answer{Outcome: provision.Served, Kind: "firmware", Content: c, Size: blocks*512 + 7}
	}})
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("big", "octet", "tsize", "0"))
	if o := p.oack(); o["tsize"] != fmt.Sprint(blocks*512+7) {
		t.Error(o)
	}
	p.ack(0)
	got, seen := p.rest(512)
	if len(got) != blocks*512+7 || seen[65534] != 65535 || seen[65535] != 0 || seen[65536] != 1 {
		t.Errorf("%d bytes, blocks %v", len(got), seen[65533:65538])
	}
	if r := s.reported(t); r.err != nil || r.sent != blocks*512+7 {
		t.Errorf("%+v", r)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// stream is a static file that counts calls of Close.
type stream struct {
	io.Reader
	closed atomic.Int32
}

func (*stream) Seek(int64, int) (int64, error) { return 0, errors.ErrUnsupported }
func (s *stream) Close() error                 { s.closed.Add(1); return nil }

func TestF08PacketsOfOtherPortsAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file(strings.Repeat("x", 1000)))
	p, other := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet"))
	p.must(3)
	other.send(p.peer, []byte("\x00\x04\x00\x01"))
	other.send(p.peer, []byte("\x00\x05\x00\x00die\x00"))
	if b := other.must(5); b[3] != 5 { // to the ACK; an ERROR is never answered
		t.Errorf("the other port got %q", b)
	}
	other.silent(50 * time.Millisecond)
	p.silent(50 * time.Millisecond)
	p.ack(1)
	if got, _ := p.rest(512); len(got) != 488 {
		t.Errorf("%d bytes", len(got))
	}
	if r := s.reported(t); r.err != nil {
		t.Error(r.err)
	}
}

func TestF09LastAckLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size, acks int
		oack       bool
		want       error
	}{
		{1000, 1, false, nil},       // the second of two blocks isn't acknowledged
		{100, 1, true, nil},         // the OACK is, the only block isn't
		{1000, 1, true, ErrTimeout}, // the second block was never sent
		{100, 0, false, ErrTimeout}, // may be a forged request
		{1024, 2, false, nil},       // the empty third block
		{1024, 1, false, ErrTimeout},
	} {
		s := start(t, Config{Resend: 200 * time.Millisecond, Retries: 2}, file(strings.Repeat("x", c.size)))
		p := newPhone(t, "127.0.0.1")
		opts := []string{"octet"}
		first := uint16(1)
		if c.oack {
			opts, first = append(opts, "tsize", "0"), 0
		}
		p.send(s.addr, rrq("f", opts...))
		for i := range c.acks {
			p.recv(5 * time.Second)
			p.ack(first + uint16(i))
		}
		if r := s.reported(t); !errors.Is(r.err, c.want) {
			t.Errorf("%+v: %v", c, r.err)
		}
	}
}

func TestF10ModesAreOctetAndNetascii(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"octet": "a\nb\r", "OCTET": "a\nb\r", "Octet": "a\nb\r", "binary": "a\nb\r",
		"netascii": "a\r\nb\r\x00", "NetASCII": "a\r\nb\r\x00", "NETASCII": "a\r\nb\r\x00"} {
		s := start(t, Config{}, file("a\nb\r"))
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", mode, "tsize", "0"))
		if want == "a\nb\r" {
			p.oack()
			p.ack(0)
		}
		if got, _ := p.rest(512); got != want {
			t.Errorf("%s: %q, want %q", mode, got, want)
		}
	}
}

func TestF11RefusalsHaveErrorCodes(t *testing.T) {
	t.Parallel()
	for _, o := range []provision.Outcome{provision.NotFound, provision.Refused, provision.Expected404} {
		s := start(t, Config{}, outcome(o))
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("001565123456.cfg", "octet", "blksize", "1024"))
		p.refused(s, 1)
		p.silent(20 * time.Millisecond)
		if r := s.reported(t); r.ans.Outcome != o || r.err != nil {
			t.Errorf("%+v", r)
		}
	}
	s := start(t, Config{}, file("secret"))
	for packet, code := range map[string]byte{
		"\x00\x02log\x00octet\x00":                                   2,
		"\x00\x01f\x00mail\x00":                                      4,
		"\x00\x01f\x00octet\x00blksize\x00600\x00BlkSize\x00700\x00": 8,
		"\x00\x01f\x00octet\x00tsize\x000\x00tsize\x000\x00":         8,
		"\x00\x09": 4,
	} {
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, []byte(packet))
		p.refused(s, code)
	}
	if r := s.reported(t); r.req.Method != "PUT" || !errors.Is(r.err, ErrNoUpload) {
		t.Errorf("%+v", r)
	}
	// After an internal error nothing is sent, nor in reply to packets of other transfers.
	f := start(t, Config{}, outcome(provision.InternalError))
	p := newPhone(t, "127.0.0.1")
	p.send(f.addr, rrq("f", "octet"))
	p.send(f.addr, []byte("\x00\x03\x00\x01data"))
	p.send(f.addr, []byte("\x00\x04\x00\x01")) // some phones acknowledge an ERROR
	p.send(f.addr, []byte("\x00\x05\x00\x01no\x00"))
	p.send(f.addr, []byte("\x00"))
	if r := f.reported(t); r.ans.Outcome != provision.InternalError {
		t.Errorf("%+v", r)
	}
	p.silent(50 * time.Millisecond)
}

func TestF12NamesReachTheAnswererUnchanged(t *testing.T) {
	t.Parallel()
	a := outcome(provision.NotFound)
	s := start(t, Config{}, a)
	ask := func(name string) {
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq(name, "octet"))
		p.refused(s, 1)
	}
	// Names go to the Answerer as they are; this package opens no files.
	for _, name := range []string{"/etc/passwd", "../../etc/passwd", `..\..\boot.ini`, "//a//b", "./x", "a/../../b", `Communicator\x.xml`,
		"%2e%2e/x", "C:/x", " ", "\xff\xfe", strings.Repeat("x", 128)} {
		ask(name)
		if got := a.All(); got[len(got)-1].Name != name {
			t.Errorf("%q arrived as %q", name, got[len(got)-1].Name)
		}
	}
	n := len(a.All())
	for _, name := range []string{strings.Repeat("x", 129), "a\nb", "a\x7f", "\x1b[2J"} {
		ask(name)
	}
	if got := a.All(); len(got) != n {
		t.Errorf("requested %+v", got[n:])
	}
}

func TestF13CaseIsKept(t *testing.T) { // the Answerer matches MACs in either case; here nothing may be folded
	t.Parallel()
	a := file("x")
	s := start(t, Config{}, a)
	for _, name := range []string{"SEP001122AABBCC.cnf.xml", "sep001122aabbcc.cnf.xml", "spa504G.cfg", "00-15-65-12-34-56.cfg"} {
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq(name, "octet"))
		p.rest(512)
		if got := a.All(); got[len(got)-1].Name != name {
			t.Errorf("%q", got[len(got)-1].Name)
		}
	}
}

func TestF14UnknownOptionsAreLeftOut(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file("hello"))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet", "multicast", "", "rollover", "1", "blksize", "1024"))
	if o := p.oack(); len(o) != 1 || o["blksize"] != "1024" {
		t.Error(o)
	}
	p.fail(0, "enough")
}
