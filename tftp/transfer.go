package tftp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	pin "github.com/pin/tftp/v3"

	"plugtone/provision"
)

// key tells a repeated request from a new one. Its address is that of the phone.
type key struct {
	from netip.AddrPort
	name string
}

// transfer is a request from its admission to its end.
type transfer struct {
	id       uint64
	key      key
	from     netip.AddrPort
	asked    request
	front    *front
	local    netip.AddrPort
	req      provision.Request
	answer   provision.Answer // written by the worker under Server.mu
	size     int64
	deadline time.Time
	sent     atomic.Int64
	ending   atomic.Bool // the last block is on its way to a phone that has acknowledged something
	done     bool        // reported; guarded by Server.mu
}

// admit counts a request in, or says nil when it is a repetition or too much.
func (s *Server) admit(k key, r request) *transfer {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A phone that reuses its port may ask again before we have seen its last ACK: that is a new request (F15).
	if old := s.byKey[k]; old != nil && !old.ending.Load() {
		s.duplicates.Add(1)
		return nil
	}
	if len(s.byID) >= s.cfg.MaxTransfers || s.perAddr[k.from.Addr()] >= s.cfg.MaxPerAddress {
		s.limited.Add(1)
		return nil
	}
	s.lastID++
	t := &transfer{id: s.lastID, key: k, from: k.from, asked: r}
	s.byID[t.id], s.byKey[k] = t, t
	s.perAddr[k.from.Addr()]++
	return t
}

// finish counts a transfer out and reports it; only the first call does.
func (s *Server) finish(t *transfer, err error) {
	s.mu.Lock()
	if t.done {
		s.mu.Unlock()
		return
	}
	t.done = true
	delete(s.byID, t.id)
	if s.byKey[t.key] == t {
		delete(s.byKey, t.key)
	}
	if a := t.from.Addr(); s.perAddr[a] > 1 {
		s.perAddr[a]--
	} else {
		delete(s.perAddr, a)
	}
	answer := t.answer
	s.reports.Add(1)
	s.mu.Unlock()
	defer s.reports.Done()
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error("tftp: panic in observer", "panic", v)
		}
	}()
	s.observe(t.req, answer, t.sent.Load(), s.cfg.Now().Sub(t.req.Time), err)
}

// transfer is the library's read handler. It returns nil always: an error would be sent to the phone in words.
func (s *Server) transfer(name string, rf io.ReaderFrom) error {
	id, _ := strconv.ParseUint(name, 10, 64) // our own, see forLibrary
	s.mu.Lock()
	t := s.byID[id]
	s.mu.Unlock()
	if t != nil { // nil: the shutdown was faster
		s.finish(t, s.send(t, rf))
	}
	return nil
}

// send lets the library carry the file, and says how it ended.
func (s *Server) send(t *transfer, rf io.ReaderFrom) (err error) {
	defer t.closeContent()
	r := &reader{s: s, t: t, oack: t.asked.negotiated(t.size)}
	if t.answer.Content != nil {
		r.src = bufio.NewReaderSize(t.answer.Content, 32<<10)
	} else {
		r.src = bytes.NewReader(t.answer.Body)
	}
	defer func() {
		switch v := recover().(type) {
		case nil:
		case quit:
			if err = v.err; errors.Is(err, ErrTimeout) && r.eof && v.acked > 0 {
				err = nil // everything was sent and only the last ACK is missing (F09)
			}
		default:
			s.cfg.Log.Error("tftp: panic in transfer", "file", t.asked.name, "addr", t.from, "panic", v)
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	_, err = rf.ReadFrom(r)
	return err
}

// closeContent lets go of what the transfer reads from or writes to.
func (t *transfer) closeContent() {
	if t.answer.Upload != nil {
		t.answer.Upload.Abort() // nothing, when it has been kept
	}
	if t.answer.Content != nil {
		t.answer.Content.Close()
	}
}

// reader gives the library its bytes, and ends transfers that are too long or outlive the server.
type reader struct {
	s    *Server
	t    *transfer
	src  io.Reader
	oack bool // an OACK precedes the first block, so the first read means that the phone lives
	eof  bool
}

func (r *reader) Read(p []byte) (int, error) {
	if r.s.stopping.Load() {
		return 0, ErrStopped
	}
	if r.s.cfg.Now().After(r.t.deadline) { // F18
		return 0, ErrTooLong
	}
	n, err := r.src.Read(p)
	sent := r.t.sent.Add(int64(n))
	if err == io.EOF {
		r.eof = true
		r.t.ending.Store(r.oack || sent >= 512)
	}
	return n, err
}

// quit is what the hook panics with, so that the library sends no ERROR of its own (F02): it calls the hook first, and
// closes its socket on the way up to send, which recovers.
type quit struct {
	err   error
	acked int
}

// hook is told by the library how transfers end.
type hook struct{ s *Server }

// OnSuccess has nothing to do: send sees ReadFrom return.
func (hook) OnSuccess(pin.TransferStats) {}

// OnFailure runs inside of send, but for one case: a request that the library couldn't start, because there was no socket
// for it. Then the statistics are empty and we are in its accept loop.
func (h hook) OnFailure(stats pin.TransferStats, err error) {
	if stats.Filename == "" {
		h.s.unstarted(err)
		return
	}
	if errors.As(err, new(told)) {
		return // the library shall say it
	}
	panic(quit{why(err), stats.DatagramsAcked})
}

// unstarted ends the request that the library took last.
func (s *Server) unstarted(err error) {
	s.mu.Lock()
	t := s.byID[s.hand.last]
	s.mu.Unlock()
	if t != nil {
		t.closeContent()
		s.finish(t, fmt.Errorf("start transfer: %w", err))
	}
}

// why sorts the library's errors: ours come back as they are, the network's are of package net, and the rest is an ERROR
// packet of the phone, in whose text anything may stand.
func why(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, ErrStopped), errors.Is(err, ErrTooLong):
		return err
	case errors.As(err, &op) && op.Timeout():
		return ErrTimeout
	case errors.As(err, &op):
		return err
	}
	return fmt.Errorf("%w: %.80q", ErrAborted, err.Error())
}
