package tftp

import (
	"container/list"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"plugtone/provision"
)

// key tells a repeated request from a new one. Its address is that of the phone.
type key struct {
	from netip.AddrPort
	name string
}

// held is how many transfers one address has.
type held struct{ all, unknown int }

// stage is what a worker has to do for a transfer.
type stage uint8

const (
	stageAsked stage = iota // find the answer
	stageWork               // read from or write to the disk
	stageOver               // let go of what it holds and report it
)

// transfer is a request from its admission to its end. Whoever has it in hand, a worker or the loop, may change it; what
// others look at is marked.
type transfer struct {
	key      key
	asked    request
	front    *front
	local    netip.AddrPort
	req      provision.Request
	stage    stage
	deadline time.Time
	side     side
	err      error // why it is over

	loop    *loop     // which carries it
	sock    socket    // the transfer's alone, on a new port of the address that was asked (F01)
	tries   int       // how often the packet has been sent again
	again   time.Time // when it will be, or when the dallying ends
	alive   bool      // the phone has answered from where it says that it is
	dallies bool      // reported; only a repeated last block is answered
	unsent  error     // of the last packet, when the kernel refused it

	answer  provision.Answer // changed under Server.mu
	idle    *list.Element    // in Server.idle; guarded by Server.mu
	known   bool             // not among Server.unknown; guarded by Server.mu
	counted bool             // among the transfers; guarded by Server.mu
	done    bool             // reported; guarded by Server.mu

	sent   atomic.Int64
	ending atomic.Bool           // the last block is on its way to a phone that has acknowledged something
	ousted atomic.Pointer[error] // why its place has been given away; nil: it hasn't
}

// send sends the packet that is due. What the kernel doesn't take is as good as lost on the way: it will be sent again.
func (t *transfer) send() { t.unsent = t.sock.send(t.side.packet()) }

// hear is the protocol's, proof against panics: no packet may end the loop.
func (t *transfer) hear(p []byte) (next next, err error) {
	defer func() {
		if v := recover(); v != nil {
			next, err = end, fmt.Errorf("panic: %v", v)
		}
	}()
	return t.side.hear(p)
}

// letGo gives back what the transfer holds.
func (t *transfer) letGo() {
	t.sock.close()
	if t.side != nil {
		t.side.free()
	}
	if t.answer.Upload != nil {
		t.answer.Upload.Abort() // nothing, when it has been kept
	}
	if t.answer.Content != nil {
		t.answer.Content.Close()
	}
}

// admit counts a request in, or says nil when it is a repetition or too much. With other options it is a new request: some
// boot ROMs try one block size after the other, or ask for the size first, all from one port (F15).
func (s *Server) admit(k key, r request) *transfer {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A phone that reuses its port may ask again before we have seen its last ACK: that is a new request (F15).
	if old := s.byKey[k]; old != nil && !old.ending.Load() {
		if old.asked == r {
			s.duplicates.Add(1)
			return nil
		}
		if old.idle != nil { // else it goes on as long as it is alive: nobody may end it by a forged request
			s.oust(old, &ErrAnew)
		}
	}
	if !s.room(k.from.Addr()) {
		return nil
	}
	t := &transfer{key: k, asked: r, counted: true, known: true}
	s.active[t], s.byKey[k] = true, t
	s.count(t, 1, 0)
	s.transfers.Add(1)
	return t
}

// room tells whether one more request of an address has its place (F16). When there is none, the transfer that has waited
// longest for a phone's first sign of life gives up its own: it is forged, or its phone is gone. Server.mu is held.
func (s *Server) room(a netip.Addr) bool {
	own := s.perAddr[a].all >= s.cfg.MaxPerAddress
	if !own && len(s.active) < s.cfg.MaxTransfers {
		return true
	}
	return s.crowd(func(t *transfer) bool { return !own || t.key.from.Addr() == a })
}

// crowd takes the place of the transfer that has waited longest, of those that may be taken. Server.mu is held.
func (s *Server) crowd(may func(*transfer) bool) bool {
	s.limited.Add(1)
	for e := s.idle.Front(); e != nil; e = e.Next() {
		if t := e.Value.(*transfer); may(t) {
			s.oust(t, &ErrCrowded)
			return true
		}
	}
	return false
}

// oust gives a transfer's place away. The loop ends it. Server.mu is held.
func (s *Server) oust(t *transfer, why *error) {
	t.ousted.Store(why)
	s.discount(t)
}

// begun counts a transfer among those that wait for their phone. It is false when the requester isn't known, and those who
// aren't have all places that they may have: a file that anybody gets must not keep phones from their own.
func (s *Server) begun(t *transfer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.done {
		return false
	}
	if !t.answer.Known {
		a := t.key.from.Addr()
		own := s.perAddr[a].unknown >= (s.cfg.MaxPerAddress+1)/2
		if (own || s.unknown >= s.cfg.MaxUnknown) &&
			!s.crowd(func(t *transfer) bool { return !t.known && (!own || t.key.from.Addr() == a) }) {
			return false
		}
		t.known = false
		s.unknown++
		s.count(t, 0, 1)
	}
	t.idle = s.idle.PushBack(t)
	return true
}

// count changes how many transfers the requester's address has. Server.mu is held.
func (s *Server) count(t *transfer, all, unknown int) {
	a := t.key.from.Addr()
	h := s.perAddr[a]
	h.all += all
	h.unknown += unknown
	if s.perAddr[a] = h; h == (held{}) {
		delete(s.perAddr, a)
	}
}

// heard notes that a phone is where it says.
func (s *Server) heard(t *transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlist(t)
}

func (s *Server) unlist(t *transfer) {
	if t.idle != nil {
		s.idle.Remove(t.idle)
		t.idle = nil
	}
}

// release gives up a transfer's place, before it is reported.
func (s *Server) release(t *transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discount(t)
}

// discount counts a transfer out. Server.mu is held.
func (s *Server) discount(t *transfer) {
	if !t.counted {
		return
	}
	t.counted = false
	s.unlist(t)
	delete(s.active, t)
	if s.byKey[t.key] == t {
		delete(s.byKey, t.key)
	}
	s.count(t, -1, 0)
	if !t.known {
		s.unknown--
		s.count(t, 0, -1)
	}
}

// finish counts a transfer out and reports it; only the first call does.
func (s *Server) finish(t *transfer, err error) {
	s.mu.Lock()
	s.discount(t)
	if t.done {
		s.mu.Unlock()
		return
	}
	t.done = true
	answer := t.answer
	s.mu.Unlock()
	defer s.transfers.Done()
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error("tftp: panic in observer", "panic", v)
		}
	}()
	s.observe(t.req, answer, t.sent.Load(), s.cfg.Now().Sub(t.req.Time), err)
}

// start opens a transfer's socket, sends the first packet and gives it to the loop.
func (s *Server) start(t *transfer, a provision.Answer) error {
	t.deadline = t.req.Time.Add(s.cfg.TransferTime)
	if t.asked.write {
		t.side = newReceiver(t.asked, a.Upload, s.cfg.BlockSize)
	} else {
		size := int64(len(a.Body))
		if a.Content != nil {
			size, t.deadline = a.Size, t.req.Time.Add(s.cfg.StaticTime)
		}
		from := newSender(t.asked, a.Body, a.Content, size, s.cfg.BlockSize)
		t.side = from
		if err := from.begin(); err != nil {
			return err
		}
	}
	var err error
	t.loop = s.loops[0] // what is rendered is short and in memory: one loop finds more to do at once than two would
	if a.Content != nil {
		t.loop = s.loops[int(s.turn.Add(1))%len(s.loops)]
	}
	if t.sock, err = openSocket(t.local.Addr(), t.key.from); err != nil {
		return err
	}
	return s.goOn(t, s.cfg.Resend)
}

// goOn sends the packet that is due and lets the loop wait for what the phone says to it.
func (s *Server) goOn(t *transfer, wait time.Duration) error {
	t.send()
	t.tries, t.again = 0, s.cfg.Now().Add(wait)
	return t.loop.add(t)
}

// work is the slow part of a transfer. The last ACK of an upload leaves only when its file is kept, so that a phone which
// believes that it is, is right; should that ACK be lost, the socket lingers to repeat it (RFC 1350, 6).
func (s *Server) work(t *transfer) {
	err := t.side.work()
	if err == nil && t.asked.write && t.side.whole() {
		if err = s.keep(t, nil); err == nil {
			s.dally(t)
			return
		}
	}
	if err == nil {
		t.sent.Store(t.side.bytes())
		t.ending.Store(t.side.whole())
		err = s.goOn(t, s.cfg.Resend)
	}
	if err != nil {
		s.over(t, err)
	}
}

// dally acknowledges the last block of an upload, and again for a while. These sockets have no place among the transfers, so
// there are at most a quarter as many: whoever uploads without a pause must not take all sockets that there are.
func (s *Server) dally(t *transfer) {
	t.dallies = true
	s.finish(t, nil)
	if s.dallying.Add(1) > max(int64(s.cfg.MaxTransfers)/4, 1) {
		t.send()
		s.depart(t)
		return
	}
	if s.goOn(t, s.cfg.Resend*time.Duration(s.cfg.Retries)) != nil {
		s.depart(t)
	}
}

// depart ends the dallying.
func (s *Server) depart(t *transfer) {
	t.sock.close()
	s.dallying.Add(-1)
}

// keep ends an upload, well or with err.
func (s *Server) keep(t *transfer, err error) error {
	a := t.answer
	err = a.Receive(err)
	t.sent.Store(a.Size)
	s.mu.Lock()
	t.answer = a
	s.mu.Unlock()
	return err
}

// over ends a transfer.
func (s *Server) over(t *transfer, err error) {
	if t.answer.Upload != nil && err != nil {
		err = s.keep(t, err)
	}
	t.tell(err)
	t.letGo()
	s.finish(t, err)
}

// tell sends the phone an ERROR when it is its own file that is the matter. Faults of ours are silence.
func (t *transfer) tell(err error) {
	var r refusal
	switch {
	case t.sock.fd == 0:
		return
	case errors.Is(err, provision.ErrTooLarge):
		r = refuseLarge
	case errors.Is(err, provision.ErrUploadRoom):
		r = refuseRoom
	default:
		return
	}
	_ = t.sock.send(r.packet())
}
