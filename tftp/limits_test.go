package tftp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/provision"
	"plugtone/provision/trust"
)

func TestF15DuplicateWhileRendering(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	a := &answers{F: func(provision.Request) provision.Answer {
		<-goOn
		return provision.Answer{Outcome: provision.Served, Body: []byte("hello")}
	}}
	s := start(t, Config{}, a)
	p := newPhone(t, "127.0.0.1")
	for range 3 {
		p.send(s.addr, rrq("f", "octet"))
	}
	other := newPhone(t, "127.0.0.1") // another phone, the same file: no duplicate
	other.send(s.addr, rrq("f", "octet"))
	waitFor(t, func() bool { return s.Stats().Duplicates == 2 && s.Stats().Active == 2 })
	close(goOn)
	for _, q := range []*phone{p, other} {
		if got, _ := q.rest(512); got != "hello" {
			t.Errorf("%q", got)
		}
		q.silent(50 * time.Millisecond)
	}
	s.reported(t)
	s.reported(t)
	if n := len(a.All()); n != 2 {
		t.Errorf("answered %d times", n)
	}
	// The key is dropped with the end of its transfer: the same port may be used again.
	p.send(s.addr, rrq("f", "octet"))
	if got, _ := p.rest(512); got != "hello" {
		t.Errorf("%q", got)
	}
}

// A phone that received its last block may send a new request from the same port before its ACK has arrived, or without an ACK.
func TestF15NewRequestBeforeLastAck(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, file(strings.Repeat("x", 700)))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet"))
	p.must(3)
	p.ack(1)
	p.must(3)
	old := p.peer
	p.send(s.addr, rrq("f", "octet"))
	if b := p.must(3); b[3] != 1 || p.peer == old {
		t.Errorf("block %d from %v", b[3], p.peer)
	}
	p.fail(0, "enough")
	p.peer = old
	p.fail(0, "enough")
}

// A boot ROM tries several block sizes from the same port, and requests the size before the file. Each request is answered at once, and
// the transfer it replaces is not resent.
func TestF15OtherOptionsAreANewRequest(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Resend: time.Second}, file(strings.Repeat("x", 700)))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet", "tsize", "0", "blksize", "4096"))
	p.oack()
	first := p.peer
	for _, size := range []string{"2048", "1024"} {
		p.send(s.addr, rrq("f", "octet", "blksize", size))
		for p.oack(); p.peer == first; p.oack() { // sent again before the new request was read
		}
		if r := s.reported(t); !errors.Is(r.err, ErrSuperseded) || r.sent != 0 {
			t.Errorf("%+v", r)
		}
		first = p.peer
	}
	p.ack(0)
	p.must(3)
	p.send(s.addr, rrq("f", "octet")) // one that is alive continues
	b := p.must(3)
	for p.peer == first {
		b = p.must(3)
	}
	if len(b) != 4+512 {
		t.Errorf("a block of %d bytes", len(b)-4)
	}
	p.fail(0, "enough")
	p.peer = first
	p.ack(1)
	for want := 2; want > 0; want-- {
		r := s.reported(t)
		if done := r.sent == 700; done != (r.err == nil) || !done && !errors.Is(r.err, ErrAborted) {
			t.Errorf("%+v", r)
		}
	}
	if st := s.Stats(); st.Active != 0 || st.Duplicates != 0 {
		t.Errorf("%+v", st)
	}
}

func TestF16OnePacketAndItsResends(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Resend: 20 * time.Millisecond}, file(strings.Repeat("x", 100_000)))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet"))
	if r := s.reported(t); !errors.Is(r.err, ErrTimeout) {
		t.Error(r.err)
	}
	n := 0
	for p.recv(300*time.Millisecond) != nil {
		n++
	}
	if n != 6 {
		t.Errorf("%d packets to a client that never answers, want 1 and 5 resends", n)
	}
}

// flood sends n requests that are never acknowledged.
func (p *phone) flood(s *running, n int) {
	p.t.Helper()
	before := s.Stats()
	for i := range n {
		p.send(s.addr, rrq(fmt.Sprint("f", i), "octet"))
		if sent := uint64(i + 1); sent%100 == 0 || i+1 == n { // the kernel's buffer is not what is tested
			waitFor(p.t, func() bool {
				st := s.Stats()
				return uint64(st.Active-before.Active)+st.Limited-before.Limited == sent
			})
		}
	}
}

// authenticated answers every request with the same bytes, as to an authenticated phone with a record.
func authenticated(body string) *answers {
	return &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: provision.Served, Kind: "device", Body: []byte(body), Size: int64(len(body)), Proof: trust.ProofLease, Known: true}
	}}
}

// hello fetches a file of one block.
func (p *phone) hello(s *running) {
	p.t.Helper()
	p.send(s.addr, rrq("own", "octet"))
	if got, _ := p.rest(512); got != "hello" {
		p.t.Errorf("%q", got)
	}
	for r := s.reported(p.t); r.req.Name != "own"; r = s.reported(p.t) {
		if !errors.Is(r.err, ErrEvicted) {
			p.t.Errorf("%s: %v", r.req.Name, r.err)
		}
	}
}

// A flood of idle requests reaches the limits of one address and of all. Phones are still served, at other addresses and at its own.
func TestF16FloodDelaysNoPhone(t *testing.T) {
	s := start(t, Config{Resend: time.Minute, Grace: time.Millisecond}, authenticated("hello"))
	newPhone(t, "127.0.0.2").flood(s, 5000)
	if st := s.Stats(); st.Active != 512 || st.Limited != 5000-512 {
		t.Errorf("%+v", st)
	}
	newPhone(t, "127.0.0.3").hello(s)
	newPhone(t, "127.0.0.2").hello(s)
	newPhone(t, "127.0.0.4").flood(s, 600)
	newPhone(t, "127.0.0.5").flood(s, 600)
	if st := s.Stats(); st.Active != 1024 {
		t.Errorf("%+v", st)
	}
	newPhone(t, "127.0.0.6").hello(s)
	newPhone(t, "127.0.0.2").hello(s)
}

// mixed answers "own" as to an authenticated phone, and every other name as to any client.
func mixed() *answers {
	own, others := authenticated("hello"), file(strings.Repeat("x", 1000))
	return &answers{F: func(r provision.Request) provision.Answer {
		if r.Name == "own" {
			return own.F(r)
		}
		return others.F(r)
	}}
}

// Transfers of public files cannot use the places of authenticated phones, not even behind the same address.
func TestF16PublicTransfersTakeNoPhonesPlaces(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Resend: time.Minute, Grace: time.Millisecond}, mixed())
	var all []*phone
	for i := range 600 { // alive: each has acknowledged a block, and could go on for half an hour
		p := newPhone(t, fmt.Sprint("127.0.0.", 2+i%2))
		p.send(s.addr, rrq("ringtone.wav", "octet"))
		if i < 512 {
			p.must(3)
			p.ack(1)
			p.must(3)
			all = append(all, p)
		}
	}
	waitFor(t, func() bool { st := s.Stats(); return st.Limited == 600-512 && st.Active == 512 })
	newPhone(t, "127.0.0.2").hello(s)
	newPhone(t, "127.0.0.9").hello(s)
	for _, p := range all {
		p.ack(2)
	}
	waitFor(t, func() bool { return s.Stats().Active == 0 })
}

func TestF16UnknownBehindOneAddress(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Resend: time.Minute, Grace: time.Millisecond}, mixed())
	for i := range 300 {
		p := newPhone(t, "127.0.0.7")
		p.send(s.addr, rrq("ringtone.wav", "octet"))
		if i < 256 {
			p.must(3)
			p.ack(1)
			p.must(3)
		}
	}
	waitFor(t, func() bool { st := s.Stats(); return st.Limited == 300-256 && st.Active == 256 })
	newPhone(t, "127.0.0.7").hello(s)
}

// When all transfers are active a further request is dropped silently, and all of them complete.
func TestF16ActiveTransfersAreNotEvicted(t *testing.T) {
	t.Parallel()
	s := start(t, Config{MaxTransfers: 4, MaxPerAddress: 2, MaxUnknown: 4}, authenticated(strings.Repeat("x", 1000)))
	var all []*phone
	for _, ip := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4"} {
		p := newPhone(t, ip)
		p.send(s.addr, rrq("f", "octet"))
		p.must(3)
		p.ack(1)
		p.must(3)
		all = append(all, p)
	}
	for _, ip := range []string{"127.0.0.2", "127.0.0.5"} {
		p := newPhone(t, ip)
		p.send(s.addr, rrq("f", "octet"))
		p.silent(50 * time.Millisecond)
	}
	if st := s.Stats(); st.Limited != 2 || st.Active != 4 {
		t.Errorf("%+v", st)
	}
	for _, p := range all {
		p.ack(2)
		if r := s.reported(t); r.err != nil {
			t.Error(r.err)
		}
	}
}

func TestF16AddressesThatAreNotAllowedGetNoReply(t *testing.T) {
	t.Parallel()
	a := file("hello")
	s := start(t, Config{Allow: func(a netip.Addr) bool { return a.String() == "127.0.0.1" }}, a)
	foreign := newPhone(t, "127.0.0.2")
	foreign.send(s.addr, rrq("f", "octet"))
	foreign.send(s.addr, []byte("\x00\x09junk"))
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, rrq("f", "octet"))
	p.rest(512)
	foreign.silent(20 * time.Millisecond)
	if n, st := len(a.All()), s.Stats(); n != 1 || st.Foreign != 2 {
		t.Errorf("%d answers, %+v", n, st)
	}
}

// A phone may send a new request as soon as it has an ERROR: the first request has ended.
func TestF15RequestAtOnceAfterError(t *testing.T) {
	t.Parallel()
	s := start(t, Config{}, outcome(provision.NotFound))
	p := newPhone(t, "127.0.0.1")
	for range 3000 {
		p.send(s.addr, rrq("f", "octet"))
		p.refused(s, 1)
	}
	if st := s.Stats(); st.Duplicates != 0 {
		t.Errorf("%+v", st)
	}
}

// A phone that has ended a transfer by an ERROR and repeats its request is answered at once, whichever packet is read first.
func TestF15RequestAtOnceAfterAbort(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Resend: time.Minute}, file("hello"))
	p := newPhone(t, "127.0.0.1")
	for range 1000 {
		p.send(s.addr, rrq("f", "octet", "tsize", "0"))
		p.oack()
		p.fail(8, "size query only")
	}
}

// TestAnswersThatWaitHoldUpNoOther: while requests wait for a PBX, others work in their place.
func TestAnswersThatWaitHoldUpNoOther(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	a := &answers{F: func(r provision.Request) provision.Answer {
		if r.Name == "slow" {
			r.Waits()
			<-goOn
		}
		return provision.Answer{Outcome: provision.Served, Body: []byte(r.Name)}
	}}
	s := start(t, Config{Workers: 1}, a)
	var waiting []*phone
	for range 5 {
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, rrq("slow", "octet"))
		waiting = append(waiting, p)
	}
	waitFor(t, func() bool { return len(a.All()) == 5 })
	other := newPhone(t, "127.0.0.1")
	other.send(s.addr, rrq("fast", "octet"))
	if got, _ := other.rest(512); got != "fast" {
		t.Errorf("%q", got)
	}
	close(goOn)
	for _, p := range waiting {
		if got, _ := p.rest(512); got != "slow" {
			t.Errorf("%q", got)
		}
	}
	other = newPhone(t, "127.0.0.1") // from the same port it may be taken for a repetition, if its ACK is read later
	other.send(s.addr, rrq("fast", "octet"))
	if got, _ := other.rest(512); got != "fast" {
		t.Errorf("afterwards %q", got)
	}
}
