package tftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"plugtone/provision"
)

// text is a file in which each place looks different.
func text(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()[:size]
}

// streamed answers every request with a file from a disk.
func streamed(body string) *answers {
	return &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: provision.Served, Content: &stream{Reader: strings.NewReader(body)}, Size: int64(len(body))}
	}}
}

// block reads a DATA packet, which has to have this number.
func (p *phone) block(number uint16) string {
	p.t.Helper()
	b := p.must(3)
	if got := binary.BigEndian.Uint16(b[2:]); got != number {
		p.t.Fatalf("got block %d, want %d", got, number)
	}
	return string(b[4:])
}

// blocks reads DATA packets from..to.
func (p *phone) blocks(from, to uint16) (got string) {
	p.t.Helper()
	for n := from; n <= to; n++ {
		got += p.block(n)
	}
	return got
}

func TestF20WindowSizeIsNegotiated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options []string
		want    map[string]string
	}{
		{[]string{"windowsize", "1"}, map[string]string{"windowsize": "1"}},
		{[]string{"WindowSize", "16"}, map[string]string{"windowsize": "16"}},
		{[]string{"windowsize", "64", "blksize", "1468"}, map[string]string{"windowsize": "64", "blksize": "1468"}},
		{[]string{"windowsize", "65"}, map[string]string{"windowsize": "64"}},
		{[]string{"windowsize", "65535"}, map[string]string{"windowsize": "64"}},
		{[]string{"windowsize", "0", "tsize", "0"}, map[string]string{"tsize": "2000"}},
		{[]string{"windowsize", "65536", "tsize", "0"}, map[string]string{"tsize": "2000"}},
		{[]string{"windowsize", "-4", "tsize", "0"}, map[string]string{"tsize": "2000"}},
		{[]string{"windowsize", "four", "tsize", "0"}, map[string]string{"tsize": "2000"}},
		{[]string{"windowsize", "", "tsize", "0"}, map[string]string{"tsize": "2000"}},
	} {
		s := start(t, Config{}, file(text(2000)))
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", append([]string{"octet"}, c.options...)...))
		if got := p.oack(); !maps.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.options, got, c.want)
		}
		p.fail(0, "enough")
	}
	// A window is never larger than what is sent at once.
	s := start(t, Config{BlockSize: 32768}, file(text(2000)))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet", "blksize", "32768", "windowsize", "64"))
	if got := p.oack(); got["windowsize"] != "4" {
		t.Error(got)
	}
	p.fail(0, "enough")
	q := newPhone(t, "127.0.0.1")
	q.send(s.addr, rrq("f", "octet", "windowsize", "4", "windowsize", "4"))
	q.refused(s, 8)
}

// receive fetches a file in windows of the agreed size.
func (p *phone) receive(s *running, size, window int, mode string) string {
	p.t.Helper()
	p.send(s.addr, rrq("f", mode, "blksize", fmt.Sprint(size), "windowsize", fmt.Sprint(window)))
	p.oack()
	p.ack(0)
	var all strings.Builder
	for last, n := uint16(0), 0; ; {
		b := p.must(3)
		if got := binary.BigEndian.Uint16(b[2:]); got != last+1 {
			p.t.Fatalf("got block %d after %d", got, last)
		}
		last++
		all.Write(b[4:])
		n++
		if len(b)-4 < size {
			p.silent(0)
			p.ack(last)
			return all.String()
		}
		if n == window {
			p.ack(last)
			n = 0
		}
	}
}

func TestF20WindowsArriveWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ size, window, body int }{
		{512, 4, 0}, {512, 4, 1}, {512, 4, 511}, {512, 4, 512}, {512, 4, 2047}, {512, 4, 2048}, {512, 4, 2049}, {512, 4, 10_000},
		{512, 1, 10_000}, {1468, 64, 500_000}, {1428, 16, 16 * 1428}, {8, 64, 70_000 * 8}, {8, 3, 1001},
	} {
		body := text(c.body)
		for kind, a := range map[string]*answers{"rendered": file(body), "streamed": streamed(body)} {
			s := start(t, Config{Resend: 20 * time.Second}, a)
			p := newPhone(t, "127.0.0.1")
			if got := p.receive(s, c.size, c.window, "octet"); got != body {
				t.Errorf("%s %+v: %d bytes", kind, c, len(got))
			}
			if r := s.reported(t); r.err != nil || r.sent != int64(c.body) {
				t.Errorf("%s %+v: %+v", kind, c, r)
			}
		}
	}
	s := start(t, Config{}, file(text(3000)))
	p := newPhone(t, "127.0.0.1")
	if got := p.receive(s, 100, 8, "netascii"); got != strings.ReplaceAll(text(3000), "\n", "\r\n") {
		t.Errorf("netascii: %q", got)
	}
	if r := s.reported(t); r.sent != 3000 {
		t.Errorf("%d bytes", r.sent)
	}
}

// The server sends a window, and no more before it is acknowledged.
func TestF20NoMoreThanAWindow(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Resend: 20 * time.Second}, file(text(20*512)))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet", "windowsize", "4"))
	p.oack()
	p.silent(20 * time.Millisecond)
	p.ack(0)
	p.blocks(1, 4)
	p.silent(20 * time.Millisecond)
	p.ack(4)
	p.blocks(5, 8)
	p.silent(20 * time.Millisecond)
	p.fail(0, "enough")
}

func TestF21WindowContinuesAfterTheBlockAcknowledged(t *testing.T) {
	t.Parallel()
	for kind, a := range map[string]*answers{"rendered": file(text(9 * 512)), "streamed": streamed(text(9 * 512))} {
		s := start(t, Config{Resend: 20 * time.Second}, a)
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", "octet", "windowsize", "4"))
		p.oack()
		p.ack(0)
		got := p.blocks(1, 4)[:1024]
		p.ack(2) // 3 was lost
		p.ack(2) // repeated for each of those after it
		p.ack(1) // late
		got += p.blocks(3, 6)
		p.silent(20 * time.Millisecond)
		p.ack(6)
		got += p.blocks(7, 10)
		p.ack(10)
		if got != text(9*512) {
			t.Errorf("%s: %q", kind, got)
		}
		if r := s.reported(t); r.err != nil || r.sent != 9*512 {
			t.Errorf("%s: %+v", kind, r)
		}
	}
}

// When no ACK arrives, the window is sent again from the last one that did.
func TestF21WindowIsSentAgainAfterALostAck(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Resend: 3 * time.Second}, streamed(text(7*512)))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet", "windowsize", "4"))
	p.oack()
	p.ack(0)
	p.blocks(1, 4)
	p.ack(3)
	p.blocks(4, 7)
	p.blocks(4, 7)
	p.ack(7)
	if got := p.block(8); got != "" {
		t.Errorf("the last block is %q", got)
	}
	p.ack(8)
	if r := s.reported(t); r.err != nil || r.sent != 7*512 {
		t.Errorf("%+v", r)
	}
}

// A repeated ACK causes no resend while the transfer continues: each would double all that follows. Without another ACK it means that
// the first block of the window was lost, and is answered long before the timeout.
func TestF22RepeatedAckCausesNoResend(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Resend: 10 * time.Second}, file(text(11*512)))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet", "windowsize", "4"))
	p.oack()
	p.ack(0)
	p.ack(0)
	p.blocks(1, 4)
	p.ack(4)
	p.ack(4)
	p.blocks(5, 8)
	p.silent(20 * time.Millisecond)
	if b := p.recv(20 * time.Second); b == nil || binary.BigEndian.Uint16(b[2:]) != 5 {
		t.Fatalf("got %q, want block 5 again", b)
	}
	p.blocks(6, 8)
	p.ack(8)
	p.blocks(9, 12)
	p.ack(12)
	if r := s.reported(t); r.err != nil || r.sent != 11*512 {
		t.Errorf("%+v", r)
	}
}

func TestF23TimeoutIsNegotiated(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"1": "1", "7": "7", "255": "255", "0": "", "256": "", "-1": "", "x": "", "": ""} {
		s := start(t, Config{}, file("hello"))
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("f", "octet", "tsize", "0", "TimeOut", value))
		if o := p.oack(); o["timeout"] != want || o["tsize"] != "5" {
			t.Errorf("timeout %q: %v", value, o)
		}
		p.fail(0, "enough")
	}
	s := start(t, Config{Resend: 10 * time.Millisecond}, file("hello"))
	p := newPhone(t, "127.0.0.1")
	sent := time.Now()
	p.send(s.addr, rrq("f", "octet", "timeout", "1"))
	p.oack()
	p.oack()
	if took := time.Since(sent); took < time.Second {
		t.Errorf("sent again after %v, want the second that was requested", took)
	}
	p.ack(0)
	if got, _ := p.rest(512); got != "hello" {
		t.Errorf("%q", got)
	}
}

// dataOnly sends a block and waits for nothing.
func (p *phone) dataOnly(block uint16, body string) {
	p.t.Helper()
	p.send(p.peer, append(binary.BigEndian.AppendUint16([]byte{0, 3}, block), body...))
}

// acked reads an ACK, which has to be for this block.
func (p *phone) acked(block uint16) {
	p.t.Helper()
	if b := p.must(4); binary.BigEndian.Uint16(b[2:]) != block {
		p.t.Fatalf("ACK %d, want %d", binary.BigEndian.Uint16(b[2:]), block)
	}
}

func TestF20UploadInWindows(t *testing.T) {
	t.Parallel()
	for _, blocks := range []int{1, 3, 4, 5, 8, 70, 66_000} {
		body := text(blocks*8 - 3)
		a, dir := uploadStore(t, 1<<20)
		s := start(t, Config{Resend: 20 * time.Second}, a)
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, wrq("a.log", "octet", "blksize", "8", "windowsize", "4"))
		if o := p.oack(); o["windowsize"] != "4" {
			t.Fatal(o)
		}
		for n := 1; n <= blocks; n++ {
			p.dataOnly(uint16(n), body[(n-1)*8:min(n*8, len(body))])
			if n%4 == 0 || n == blocks {
				p.acked(uint16(n))
			}
		}
		if got := stored(t, dir); got != fmt.Sprintf("a.log=%d", len(body)) {
			t.Errorf("%d blocks: stored %q", blocks, got)
		}
		if r := s.reported(t); r.err != nil || r.sent != int64(len(body)) {
			t.Errorf("%d blocks: %+v", blocks, r)
		}
	}
}

func TestF21UploadWithLosses(t *testing.T) {
	t.Parallel()
	a, dir := uploadStore(t, 1<<20)
	s := start(t, Config{Resend: 20 * time.Second}, a)
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, wrq("a.log", "octet", "blksize", "8", "windowsize", "4"))
	p.oack()
	p.dataOnly(1, "11111111")
	p.dataOnly(3, "33333333") // 2 was lost
	p.acked(1)
	p.dataOnly(4, "44444444") // no second ACK for the same loss
	p.silent(20 * time.Millisecond)
	p.dataOnly(3, "33333333") // 2 was lost again
	p.acked(1)
	p.dataOnly(2, "22222222")
	p.dataOnly(3, "33333333")
	p.dataOnly(4, "44444444")
	p.dataOnly(5, "55555555")
	p.acked(5)
	for n := uint16(2); n < 5; n++ { // the ACK was lost: all come again
		p.dataOnly(n, "xxxxxxxx")
	}
	p.silent(20 * time.Millisecond)
	p.dataOnly(5, "xxxxxxxx")
	p.acked(5)
	p.dataOnly(6, "66")
	p.acked(6)
	p.dataOnly(6, "66")
	p.acked(6)
	if got := stored(t, dir); got != "a.log=42" {
		t.Errorf("stored %q", got)
	}
	if r := s.reported(t); r.err != nil {
		t.Error(r.err)
	}
}

// When the rest of a window does not arrive, what did is acknowledged after the timeout.
func TestF21UploadThatStallsWithinAWindow(t *testing.T) {
	t.Parallel()
	a, _ := uploadStore(t, 1<<20)
	s := start(t, Config{Resend: 2 * time.Second}, a)
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, wrq("a.log", "octet", "blksize", "8", "windowsize", "4"))
	p.oack()
	p.dataOnly(1, "11111111")
	p.dataOnly(2, "22222222")
	p.acked(2)
	p.fail(0, "enough")
	if r := s.reported(t); !errors.Is(r.err, ErrAborted) {
		t.Errorf("%+v", r)
	}
}

// Where the kernel does not split, the packets are the same.
func TestWindowWithoutSegmentation(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file(""))
	p := newPhone(t, "127.0.0.1")
	for _, plain := range []bool{false, true} {
		sock, err := openSocket(s.addr.Addr(), unmap(p.c.LocalAddr().(*net.UDPAddr).AddrPort()))
		if err != nil {
			t.Fatal(err)
		}
		sock.plain = plain
		if err := sock.send([]byte("onetwosix7"), 3); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"one", "two", "six", "7"} {
			if got := p.recv(5 * time.Second); string(got) != want {
				t.Errorf("plain %v: got %q, want %q", plain, got, want)
			}
		}
		sock.close()
	}
}
