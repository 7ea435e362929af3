package tftp

import (
	"container/list"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"plugtone/provision"
	"plugtone/provision/uploads"
)

// stage is what a worker has to do for a transfer.
type stage uint8

const (
	stageAnswer stage = iota // look up the answer
	stageIO                  // read from or write to the disk
	stageFinish              // free what it holds and report it
)

// transfer is a request from its admission to its end. One goroutine at a time works on it, a worker or the loop; fields that
// others read are marked.
type transfer struct {
	key      key
	request  request
	listener *listener
	local    netip.AddrPort
	leased   bool // the result of Config.Leased when the request came
	req      provision.Request
	stage    stage
	deadline time.Time
	endpoint endpoint
	err      error // why it ended

	loop    *loop     // which waits for its packets
	number  int       // among those of the loop
	sock    socket    // of this transfer alone, on a new port of the address that received the request (F01)
	tries   int       // how often the packets have been sent again
	again   time.Time // when it will be, or when the dallying ends
	alive   bool      // the peer has answered from where it claims to be
	dallies bool      // reported; only a repeated last block is answered
	unsent  error     // of the last packets, when the kernel refused them

	// Guarded by limiter.mu.
	answer   provision.Answer
	idle     *list.Element // in limiter.idle
	unproven bool          // counted in limiter.unproven
	counted  bool          // in limiter.active
	reported bool
	repeated bool // the same request has come again

	sent    atomic.Int64
	ending  atomic.Bool           // the last block is on its way to a phone that has acknowledged something
	evicted atomic.Pointer[error] // why its place was given to another; nil: it was not
}

// packetBuffers hold the packets of a window while they are sent.
var packetBuffers = newChunks(maxWindowBytes + 4*maxWindow)

// send sends the packets that are due. What the kernel refuses counts as lost and will be resent.
func (t *transfer) send() {
	buf := packetBuffers.Get().(*[]byte)
	packets, size := t.endpoint.packets((*buf)[:0])
	t.unsent = t.sock.send(packets, size)
	packetBuffers.Put(buf)
}

// interval returns the silence after which packets are sent again (F05), or what the phone has set as timeout (F23).
func (t *transfer) interval(c *Config) time.Duration {
	if t.request.timeout > 0 {
		return time.Duration(t.request.timeout) * time.Second
	}
	return c.Resend * time.Duration(1+t.tries/2)
}

// handle passes a packet to the endpoint. It recovers from panics: no packet may end the loop.
func (t *transfer) handle(p []byte) (next action, err error) {
	defer func() {
		if v := recover(); v != nil {
			next, err = done, fmt.Errorf("panic: %v", v)
		}
	}()
	return t.endpoint.handle(p)
}

// release frees what the transfer holds.
func (t *transfer) release() {
	t.sock.close()
	if t.endpoint != nil {
		t.endpoint.free()
	}
	if t.answer.Upload != nil {
		t.answer.Upload.Abort() // does nothing once the file is stored
	}
	if t.answer.Content != nil {
		t.answer.Content.Close()
	}
}

// sendError sends an ERROR when the phone's own file is the reason. Internal errors are silence.
func (t *transfer) sendError(err error) {
	var e errorPacket
	switch {
	case t.sock.fd == 0:
		return
	case errors.Is(err, uploads.ErrTooLarge):
		e = errTooLarge
	case errors.Is(err, uploads.ErrNoRoom):
		e = errNoSpace
	default:
		return
	}
	_ = t.sock.sendTo(e.bytes(), &t.sock.peer)
}

// start opens a transfer's socket, sends the first packet and gives it to the loop.
func (s *Server) start(t *transfer, a provision.Answer) error {
	t.deadline = t.req.Time.Add(s.cfg.TransferTime)
	if t.request.write {
		t.endpoint = newReceiver(t.request, a.Upload, s.cfg.BlockSize)
	} else {
		size := int64(len(a.Body))
		if a.Content != nil {
			size, t.deadline = a.Size, t.req.Time.Add(s.cfg.StaticTime)
		}
		from := newSender(t.request, a.Body, a.Content, size, s.cfg.BlockSize)
		t.endpoint = from
		if err := from.begin(); err != nil {
			return err
		}
	}
	var err error
	t.loop = s.loops[0] // rendered files are short and in memory: one loop finds more to do at once than two would
	if a.Content != nil {
		t.loop = s.loops[int(s.turn.Add(1))%len(s.loops)]
	}
	if t.sock, err = t.loop.socket(t.local.Addr(), t.key.from); err != nil {
		return err
	}
	return s.proceed(t)
}

// proceed sends the packets that are due and lets the loop wait for the peer's answer.
func (s *Server) proceed(t *transfer) error {
	t.send()
	t.tries = 0
	t.again = s.cfg.Now().Add(t.interval(&s.cfg))
	if t.dallies {
		t.again = t.again.Add(s.cfg.Resend * time.Duration(s.cfg.Retries-1))
	}
	return t.loop.add(t)
}

// doIO is the slow part of a transfer. The last ACK of an upload leaves only when its file is stored. Should that ACK be lost,
// the socket lingers to repeat it (RFC 1350, 6).
func (s *Server) doIO(t *transfer) {
	err := t.endpoint.io()
	if err == nil && t.request.write && t.endpoint.complete() {
		if err = s.endUpload(t, nil); err == nil {
			s.dally(t)
			return
		}
	}
	if err == nil {
		t.sent.Store(t.endpoint.bytes())
		t.ending.Store(t.endpoint.complete())
		err = s.proceed(t)
	}
	if err != nil {
		s.finish(t, err)
	}
}

// dally acknowledges the last block of an upload, and again for a while. These sockets have no place among the transfers, so
// there are at most a quarter as many: uploads without a pause must not take all sockets that there are.
func (s *Server) dally(t *transfer) {
	t.dallies = true
	s.report(t, nil)
	if s.dallying.Add(1) > max(int64(s.cfg.MaxTransfers)/4, 1) {
		t.send()
		s.endDally(t)
		return
	}
	if s.proceed(t) != nil {
		s.endDally(t)
	}
}

func (s *Server) endDally(t *transfer) {
	t.sock.close()
	s.dallying.Add(-1)
}

// endUpload stores an upload, or discards it because of err.
func (s *Server) endUpload(t *transfer, err error) error {
	a := t.answer
	err = a.Receive(err)
	t.sent.Store(a.Size)
	s.limits.setAnswer(t, a)
	return err
}

// finish ends a transfer. Its place is free before the last packet is sent, because the peer may send a new request at once.
func (s *Server) finish(t *transfer, err error) {
	if t.answer.Upload != nil && err != nil {
		err = s.endUpload(t, err)
	}
	s.limits.release(t)
	t.sendError(err)
	t.release()
	s.report(t, err)
}

// report counts a transfer out and calls the Observer; only the first call does.
func (s *Server) report(t *transfer, err error) {
	answer, first := s.limits.report(t)
	if !first {
		return
	}
	defer s.transfers.Done()
	if answer.Outcome == provision.Served && errors.Is(err, ErrAborted) {
		answer.Outcome = provision.Aborted
	}
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error("tftp: panic in observer", "panic", v)
		}
	}()
	s.observe(t.req, answer, t.sent.Load(), s.cfg.Now().Sub(t.req.Time), err)
}
