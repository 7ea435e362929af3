package provision

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/internal/regularfile"
	"plugtone/provision/phonefile"
	"plugtone/provision/trust"
	"plugtone/provision/uploads"
)

// Certificate is what a client certificate has proved: it chains to the file that the configuration names for Vendor,
// and its subject names MAC. The holder has shown in the TLS handshake that it has the key.
type Certificate struct {
	Vendor string
	Also   []string // further vendors whose files hold the same root
	MAC    dhcp.MAC
}

// isWrite reports whether a method sends a file to the server.
func isWrite(method string) bool { return method == http.MethodPut || method == http.MethodPost }

// receive decides about a file that a phone wants to write. Only the device itself may, and only what its pack declares: an open
// network lets any requester read and none write. A refusal without proof depends on the name alone.
func (s producer) receive(q *fileRequest) product {
	methodNotAllowed := func(format string, args ...any) product {
		p := q.notFound(format, args...)
		p.Status = http.StatusMethodNotAllowed
		return p
	}
	d, m := q.auth.device, q.file.match
	switch {
	case !slices.ContainsFunc(q.name.Matches, func(m phonefile.Match) bool { return m.Kind == phonefile.KindUpload }):
		return methodNotAllowed("%s: no pack takes uploads of %s", q.Method, q.name.Name)
	case !q.auth.Proven:
		return s.refuse(q)
	case q.auth.Proof == trust.ProofOpen || q.auth.Proof == trust.ProofPreview:
		p := s.refuse(q)
		p.Reason = "uploads need a proof; " + q.auth.Reason
		return p
	case d == nil:
		return methodNotAllowed("there is no device record for %s", q.auth.MAC)
	case !d.Enabled:
		return methodNotAllowed("the device is disabled")
	case m == nil || m.Kind != phonefile.KindUpload || m.Vendor != d.Vendor:
		return methodNotAllowed("%s is not an upload of %s, the device's vendor", q.name.Name, d.Vendor)
	case s.uploads == nil:
		return methodNotAllowed("there is no folder for uploads")
	}
	return s.beginUpload(q)
}

// beginUpload makes room for an upload that is allowed.
func (s producer) beginUpload(q *fileRequest) product {
	p, most := q.blank(), q.file.match.File.Max
	if q.Size > most {
		p.reject(fmt.Errorf("%w: %d bytes, of at most %d", uploads.ErrTooLarge, q.Size, most))
		return p
	}
	u, err := s.uploads.Begin(q.auth.device.MAC, q.file.match.Name, most)
	switch {
	case errors.Is(err, fleet.ErrInternal):
		return q.internalError(err)
	case err != nil:
		p.reject(err)
	default:
		p.Outcome, p.Upload = Received, u
		p.Reason = fmt.Sprintf("upload of %s, at most %d bytes; %s", q.file.describe(), most, q.auth.Reason)
	}
	return p
}

// reject answers a phone whose upload can't be stored as it is.
func (a *Answer) reject(err error) {
	a.Outcome, a.Status, a.Reason = Rejected, http.StatusRequestEntityTooLarge, err.Error()
}

// sendUpload gives a phone back what it uploaded. Most phones request it before they have uploaded anything, so that any other
// requester gets the answer of such a phone, which doesn't count as a refusal.
func (s producer) sendUpload(q *fileRequest) product {
	d, m := q.auth.device, *q.file.match
	if !q.auth.Proven || d == nil || !d.Enabled || d.Vendor != m.Vendor {
		return q.expected404()
	}
	if m.File.PhonebookFile != nil {
		on, err := s.phonebookOn(q)
		if err != nil {
			return q.internalError(err)
		}
		if on {
			m.File, m.Kind = m.File.PhonebookFile, m.File.PhonebookFile.Kind
			own := *q
			q = &own
			q.file.match, q.file.kind = &m, string(m.Kind)
			return s.render(q, false, "the phonebook, instead of what the phone uploaded; "+q.auth.Reason)
		}
	}
	if s.uploads == nil {
		return q.expected404()
	}
	f, info, err := s.uploads.Open(d.MAC, m.Name)
	place := "uploads/" + d.MAC.Hex() + "/" + m.Name
	switch {
	case regularfile.IsAbsent(err):
		return q.expected404()
	case err != nil:
		return q.internalError(fmt.Errorf("%w: %s: %w", fleet.ErrInternal, place, err))
	}
	// What a phone wrote may hold secrets as well.
	up, err := s.upstream.of(q)
	if verdict := s.stepUp(q, err == nil && len(up.URLs) == 0); verdict.Action != trust.StepUpAccept {
		_ = f.Close() // it was only opened
		return s.refuseStepUp(q, verdict.Reason)
	}
	return q.serveFile(f, f.Size(), info, place)
}

// Receive ends an upload whose bytes have all been written, or that failed with err, and sets the outcome. It returns nil when
// the file is stored.
func (a *Answer) Receive(err error) error {
	if a.Upload == nil {
		return err
	}
	a.Size = a.Upload.Size()
	if err == nil {
		err = a.Upload.Commit()
	}
	a.Upload.Abort()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fleet.ErrInternal):
		a.fail(err)
	case errors.Is(err, uploads.ErrTooLarge) || errors.Is(err, uploads.ErrNoRoom):
		a.reject(err)
	default:
		a.Outcome, a.Status, a.Reason = Rejected, http.StatusBadRequest, "the upload ended early"
	}
	return err
}
