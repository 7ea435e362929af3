package tftp

import (
	"context"
	"fmt"

	"plugtone/provision"
	"plugtone/provision/filename"
)

// recovered ends a transfer that has panicked.
func recovered(s *Server, t *transfer) {
	v := recover()
	if v == nil {
		return
	}
	s.cfg.Log.Error("tftp: panic in transfer", "file", t.request.name, "addr", t.key.from, "panic", v)
	defer s.report(t, fmt.Errorf("panic: %v", v))
	defer func() { _ = recover() }() // what has panicked may do so again when it is closed
	t.release()
}

// serve sends an answer.
func (s *Server) serve(t *transfer, a provision.Answer) {
	s.limits.setAnswer(t, a)
	switch {
	case a.Outcome == provision.InternalError:
		s.report(t, a.Err) // nothing is sent: the phone retries
	case a.Silent:
		s.report(t, nil)
	case a.Outcome == provision.Received, a.Outcome == provision.Served && !t.request.write:
		err := ErrEvicted
		if s.limits.register(t) {
			err = s.start(t, a)
		}
		if err != nil {
			s.finish(t, err)
		}
	case t.request.write && a.Outcome == provision.Rejected:
		s.reject(t, errTooLarge, ErrNoUpload)
	case t.request.write:
		s.reject(t, errNoUploads, ErrNoUpload)
	default:
		s.reject(t, errNotFound, nil)
	}
}

// reject ends a transfer that does not begin. Its place is free before the ERROR leaves: a phone may repeat its request at once.
func (s *Server) reject(t *transfer, e errorPacket, err error) {
	t.release()
	s.limits.release(t)
	s.refuse(t.listener, e, t.local, t.key.from, t.leased || t.answer.Known)
	s.report(t, err)
}

// lookUp calls the Answerer. It recovers from panics and checks the outcome. The request of t stays as it is: at the end, drain reports
// transfers that wait for an answer.
func (s *Server) lookUp(ctx context.Context, t *transfer, waits func()) (a provision.Answer) {
	if why := filename.Problem(t.request.name, maxName); why != "" {
		return provision.Answer{Outcome: provision.NotFound, Reason: why, Status: 404}
	}
	defer func() {
		if v := recover(); v != nil {
			a = panicked(s, t, v)
		}
	}()
	r := t.req
	r.Waits = waits
	a = s.answer.Answer(ctx, r)
	switch a.Outcome {
	case provision.Served, provision.NotFound, provision.Expected404, provision.Refused, provision.Rejected, provision.InternalError:
	case provision.Received:
		if a.Upload == nil || r.Method != "PUT" {
			return internalError(fmt.Errorf("an upload in answer to %s", r.Method))
		}
	default:
		return internalError(fmt.Errorf("answer without an outcome (%q)", a.Outcome))
	}
	return a
}

// panicked is the answer when there was a panic instead.
func panicked(s *Server, t *transfer, v any) provision.Answer {
	s.cfg.Log.Error("tftp: panic in answer", "file", t.req.Name, "addr", t.req.From, "panic", v)
	return internalError(fmt.Errorf("panic: %v", v))
}

func internalError(err error) provision.Answer {
	return provision.Answer{Outcome: provision.InternalError, Reason: err.Error(), Status: 503, Err: err}
}
