package provision

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
)

// Answer answers one file request. It is the one call behind every file that leaves.
func (s *Service) Answer(ctx context.Context, r Request) Answer {
	q := fileRequest{Request: r, commit: true}
	p := s.answer(ctx, &q)
	return s.recorder.recordOutcome(&q, &p)
}

// preview answers without recording anything: without a transport as the phone r.As would be answered.
func (s *Service) preview(ctx context.Context, r Request) exchange {
	r.Transport = cmp.Or(r.Transport, fleet.Preview)
	q := &fileRequest{Request: r}
	return exchange{q, s.answer(ctx, q)}
}

// answer decides whether a file may leave and produces it. Each stage takes what the stages before it found and returns a
// value; none changes anything of another's.
//
// The requester is found out first, from its own address; what it requests is only compared with that. So the record of a
// phone that didn't prove itself is never read, and no answer can reveal whether there is one.
func (s *Service) answer(ctx context.Context, q *fileRequest) product {
	if q.Time.IsZero() {
		q.Time = s.c.Now()
	}
	q.generation = s.current()
	q.name.Name = phonefile.ShownName(q.Name)
	if err := ctx.Err(); err != nil {
		return q.internalError(err)
	}
	var err error
	if q.name, err = q.generation.parse(q.Name); err != nil { // which files may be meant?
		return q.notFound("%s", err)
	}
	q.who = s.authorizer.identify(q)                         // what is known of the requester?
	if q.auth, err = s.authorizer.authorize(q); err != nil { // is it proved to be a phone, and which?
		return q.internalError(err)
	}
	q.name = q.generation.confirm(q.name, q.auth.Proven, q.Uncached)
	q.file = selectFile(q)          // which vendor's file is it?
	p := s.producer.produce(ctx, q) // may this requester have it, and what are its bytes?
	return s.producer.limit(q, p)   // has it requested too many phones' files without proof, or tried too many passwords?
}

// fileRequest is a request with what the stages found. Only answer writes to it: a stage reads it and returns its own part. It is large, and
// stays on the stack of Answer: no function may store its address, or give it to one that runs under an interface.
type fileRequest struct {
	Request
	generation *generation
	commit     bool // it is a real one: what it uses up of a limit is counted

	name parsedName    // parse
	who  requester     // identify
	auth authorization // authorize
	file selection     // selectFile
}

// product is what produce made of a request.
type product struct {
	Answer
	rendering *rendering // how the bytes were made; nil when none were rendered
}

// exchange is a request with its answer, for those who show it.
type exchange struct {
	*fileRequest
	product
}

// blank is an answer with all that is known of the request, and no outcome.
func (q *fileRequest) blank() product {
	return product{Answer: Answer{
		Name: q.name.Name, Firmware: q.who.agent.Firmware, MAC: q.auth.about, Vendor: q.file.vendor, Model: q.file.model, Kind: q.file.kind,
		Recognised: q.recognised(), Proof: q.auth.Proof, Known: q.auth.known(),
	}}
}

// recognised returns the vendor that the user agent of a proven phone names when its record names another.
func (q *fileRequest) recognised() string {
	if q.auth.device == nil {
		return ""
	}
	return q.who.agent.Contradicts(q.auth.device.Vendor)
}

func (q *fileRequest) notFound(format string, args ...any) product {
	p := q.blank()
	p.Outcome, p.Status, p.Reason = NotFound, http.StatusNotFound, fmt.Sprintf(format, args...)
	return p
}

// expected404 answers a name that phones request although nothing is there.
func (q *fileRequest) expected404() product {
	p := q.blank()
	p.Outcome, p.Status, p.Reason = Expected404, http.StatusNotFound, "not found, as expected: "+q.file.describe()
	return p
}

// internalError is the answer when neither the requester nor the operator is the cause: the phone is to try again.
func (q *fileRequest) internalError(err error) product {
	p := q.blank()
	p.Answer.fail(err)
	return p
}

// fail makes an internal error of an answer.
func (a *Answer) fail(err error) {
	a.Outcome, a.Status, a.Err, a.Reason = InternalError, http.StatusServiceUnavailable, err, "internal error: "+strings.TrimPrefix(err.Error(), fleet.ErrInternal.Error()+": ")
	a.Body, a.Size, a.ETag, a.Digest = nil, 0, "", ""
}

// discard closes a static file that will not be read.
func (a *Answer) discard() {
	if a.Content != nil {
		_ = a.Content.Close() // it was only read from: nothing can be lost
		a.Content = nil
	}
}

// isHTTP reports whether the requester can be challenged.
func (r Request) isHTTP() bool { return r.Transport == fleet.HTTP || r.Transport == fleet.HTTPS }

// until prints a time for a reason.
func until(t time.Time) string { return t.UTC().Format(time.RFC3339) }
