package provision

import (
	"errors"
	"fmt"
	"net/http"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/internal/regularfile"
	"plugtone/provision/pack"
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

// writes tells whether a method carries a file to us.
func writes(method string) bool { return method == http.MethodPut || method == http.MethodPost }

// upload decides about a file that a phone wants to write. Only the device itself may, and only what its pack declares;
// "open" lets anybody read and nobody write. Whoever is refused learns nothing from it: refusals of those without proof
// are a function of the name.
func (q *inquiry) upload() {
	declared := false
	for _, m := range q.matches {
		declared = declared || m.Kind == pack.KindUpload
	}
	switch {
	case !declared:
		q.notFound("%s: no pack takes uploads of %s", q.r.Method, q.answer.Name)
		q.answer.Status = http.StatusMethodNotAllowed
		return
	case !q.verdict.Proven:
		q.refuse()
		return
	case q.verdict.Proof == trust.ProofOpen || q.verdict.Proof == trust.ProofPreview:
		q.refuse()
		q.answer.Reason = "uploads need a proof; " + q.verdict.Reason
		return
	case !q.keeps():
		q.answer.Status = http.StatusMethodNotAllowed
		return
	case q.s.uploads == nil:
		q.notFound("there is no folder for uploads")
		q.answer.Status = http.StatusMethodNotAllowed
		return
	}
	most := q.match.File.Max
	if q.r.Size > most {
		q.reject(fmt.Errorf("%w: %d bytes, of at most %d", uploads.ErrTooLarge, q.r.Size, most))
		return
	}
	u, err := q.s.uploads.Begin(q.device.MAC, q.match.Name, most)
	switch {
	case errors.Is(err, fleet.ErrInternal):
		q.fault(err)
	case err != nil:
		q.reject(err)
	default:
		q.answer.Outcome, q.answer.Upload = Received, u
		q.answer.Reason = fmt.Sprintf("upload of %s, at most %d bytes; %s", q.because(), most, q.verdict.Reason)
	}
}

// keeps tells whether the proven phone has a record that lets it have uploads of the name, else it answers why not.
func (q *inquiry) keeps() bool {
	switch {
	case q.device == nil:
		q.notFound("there is no device record for %s", q.verdict.MAC)
	case !q.device.Enabled:
		q.notFound("the device is disabled")
	case q.match == nil || q.match.Kind != pack.KindUpload || q.match.Vendor != q.device.Vendor:
		q.notFound("%s is not an upload of %s, the device's vendor", q.answer.Name, q.device.Vendor)
	default:
		return true
	}
	return false
}

// reject answers a phone whose upload can't be taken as it is.
func (q *inquiry) reject(err error) {
	q.answer.Outcome, q.answer.Status, q.answer.Reason = Rejected, http.StatusRequestEntityTooLarge, err.Error()
}

// uploaded gives a phone back what it uploaded. Most phones ask before they have uploaded anything, so that to anybody
// else the answer is what such a phone gets, and doesn't count as a refusal.
func (q *inquiry) uploaded() {
	if !q.verdict.Proven || q.device == nil || !q.device.Enabled || q.device.Vendor != q.match.Vendor {
		q.inVain()
		return
	}
	if book := q.match.File.PhonebookFile; book != nil && q.bookOn() {
		m := *q.match
		m.File, m.Kind = book, book.Kind
		q.match, q.answer.Kind = &m, string(book.Kind)
		q.serve(false, "the phonebook, instead of what the phone uploaded; "+q.verdict.Reason)
		return
	}
	switch {
	case q.answer.Err != nil:
		return
	case q.s.uploads == nil:
		q.inVain()
		return
	}
	f, info, err := q.s.uploads.Open(q.device.MAC, q.match.Name)
	switch {
	case err == nil:
		q.serveFile(f, info, "uploads/"+q.device.MAC.Hex()+"/"+q.match.Name)
	case regularfile.IsAbsent(err):
		q.inVain()
	default:
		q.fault(fmt.Errorf("%w: uploads/%s: %w", fleet.ErrInternal, q.device.MAC.Hex(), err))
	}
}

// inVain answers what phones ask for in vain by design.
func (q *inquiry) inVain() {
	q.answer.Outcome, q.answer.Status = Expected404, http.StatusNotFound
	q.answer.Reason = "phones ask for it in vain: " + q.because()
}

// Receive ends an upload whose bytes have all been written, or failed with err, and says in the answer what became of it.
// What it returns is nil when the file is kept.
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
		a.Outcome, a.Status, a.Err, a.Reason = Fault, http.StatusServiceUnavailable, err, "fault: "+err.Error()
	case errors.Is(err, uploads.ErrTooLarge) || errors.Is(err, uploads.ErrNoRoom):
		a.Outcome, a.Status, a.Reason = Rejected, http.StatusRequestEntityTooLarge, err.Error()
	default:
		a.Outcome, a.Status, a.Reason = Rejected, http.StatusBadRequest, "the upload ended early"
	}
	return err
}
