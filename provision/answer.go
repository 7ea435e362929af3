package provision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/trust"
	"plugtone/provision/trust/httpauth"
)

// inquiry is one request on its way to its answer.
type inquiry struct {
	s        *Service
	r        Request
	packs    *pack.Set
	site     *fleet.Site
	now      time.Time
	revision uint64

	matches []pack.Match
	agent   pack.Identity // what the user agent alone tells
	lease   *dhcp.Lease
	place   trust.Place
	sent    *httpauth.Credentials // credentials that came along; nil without
	stale   bool                  // they answer a challenge of long ago
	tried   bool                  // they are such that a password was compared
	retire  bool                  // the phone has used its new password
	verdict trust.Verdict
	device  *fleet.Device // of the proven phone; nil when it has no record
	match   *pack.Match
	subnet  fleet.Subnet
	answer  Answer
	made    *made // what was rendered, for those who want to render it again
}

// Answer answers one file request. It is the one call behind every file that leaves.
//
// Who asks is found out first, from the requester's own address; what it asks for is only compared with that. So the
// record of a phone that didn't prove itself is never looked at, and no answer can tell whether there is one.
func (s *Service) Answer(ctx context.Context, r Request) Answer {
	r.real = true
	q := s.inquire(ctx, r)
	s.settle(q)
	return q.answer
}

// inquire finds the answer and changes nothing.
func (s *Service) inquire(ctx context.Context, r Request) *inquiry {
	if r.Time.IsZero() {
		r.Time = s.c.Now()
	}
	q := &inquiry{s: s, r: r, packs: s.c.Packs(), site: s.c.Site(), now: r.Time}
	q.answer.Name = shownName(r.Name)
	if err := ctx.Err(); err != nil {
		q.fault(err)
		return q
	}
	name, err := cleanName(r.Name)
	if err != nil {
		q.notFound("%s", err)
		return q
	}
	q.answer.Name = name
	readings, read := s.names.Get(nameKey{q.packs, name})
	if !read {
		readings = q.packs.Resolve(name)
	}
	q.matches = readings
	q.agent = s.identifyAgent(q.packs, r.UserAgent)
	q.answer.Firmware = q.agent.Firmware
	if err := q.authorize(); err != nil {
		q.fault(err)
		return q
	}
	switch {
	case q.verdict.Proven && !read:
		// Names that nobody proven asks for could push out those that a whole site asks for each day.
		s.names.Put(nameKey{q.packs, name}, readings, 1)
	case !q.verdict.Proven && read:
		// A phone has asked for it before, which shall not be seen by how quick the refusal is.
		q.matches = q.packs.Resolve(name)
	}
	q.choose()
	q.decide()
	q.limit()
	return q
}

// nameKey is what the readings of a name depend on. The readings are shared: nobody may change them.
type nameKey struct {
	packs *pack.Set
	name  string
}

// Recorded tells whether a device has mac as its own or another of its MACs; not when the records can't be read. It takes
// as long for one that none has: what is noted of a refusal may stand before the requester's next answer.
func (s *Service) Recorded(mac dhcp.MAC) bool {
	if d, _, ok := s.atHand(mac); ok {
		return d != nil
	}
	var d *fleet.Device
	err := s.c.Records.View(func(f fleet.View) error {
		var err error
		d, err = s.keep(f, mac, candidate)
		return err
	})
	return err == nil && d != nil
}

// candidate returns the record of mac, or nil; then it has read another one instead.
func candidate(f fleet.View, mac dhcp.MAC) (*fleet.Device, error) {
	d, err := f.DeviceByAny(mac)
	if !errors.Is(err, fleet.ErrNotFound) {
		return d, err
	}
	_, err = deviceOrNext(f, mac)
	return nil, err
}

// recorded is the record of the device that has mac, or nil. It is shared: nobody may change it.
func (s *Service) recorded(f fleet.View, mac dhcp.MAC) (*fleet.Device, error) {
	return s.keep(f, mac, func(f fleet.View, mac dhcp.MAC) (*fleet.Device, error) {
		d, err := f.DeviceByAny(mac)
		if errors.Is(err, fleet.ErrNotFound) {
			return nil, nil
		}
		return d, err
	})
}

// keep reads a record that isn't at hand.
func (s *Service) keep(f fleet.View, mac dhcp.MAC, read func(fleet.View, dhcp.MAC) (*fleet.Device, error)) (*fleet.Device, error) {
	key := deviceKey{mac, f.Revision()}
	if d, ok := s.devices.Get(key); ok {
		return d, nil
	}
	d, err := read(f, mac)
	if err != nil {
		return nil, err
	}
	s.devices.Put(key, d, 1)
	return d, nil
}

// macsOf lists the device's MACs, its own first; without a record there is the one.
func macsOf(mac dhcp.MAC, d *fleet.Device) []dhcp.MAC {
	if d == nil {
		return []dhcp.MAC{mac}
	}
	return append([]dhcp.MAC{d.MAC}, d.OtherMACs...)
}

// decide turns the chosen reading of the name into the answer.
func (q *inquiry) decide() {
	if writes(q.r.Method) {
		q.upload()
		return
	}
	if q.r.Method != "" && q.r.Method != http.MethodGet && q.r.Method != http.MethodHead {
		q.notFound("%s is not a method that files have", q.r.Method)
		q.answer.Status = http.StatusMethodNotAllowed
		return
	}
	if q.match == nil {
		q.unmatched()
		return
	}
	switch q.match.Kind {
	case pack.KindNone:
		q.inVain()
	case pack.KindUpload:
		q.uploaded()
	case pack.KindCommon:
		q.common()
	case pack.KindDevice, pack.KindPrivate:
		q.personal()
	case pack.KindFirmware:
		q.firmware()
	case pack.KindStatic:
		q.static(q.match.Name)
	default:
		q.fault(fmt.Errorf("file %s of pack %s has the unknown kind %q", q.match.File.Name, q.match.Vendor, q.match.Kind))
	}
}

// because says which vendor's file this is and, where the pack tells, what it means to the phone not to get it.
func (q *inquiry) because() string {
	text := q.match.File.Name + " of " + q.match.Vendor
	if q.match.File.Missing != "" {
		text += " (" + q.match.File.Missing + ")"
	}
	return text
}

// unmatched answers a name that no pack claims, or that several do and nothing tells which is meant.
func (q *inquiry) unmatched() {
	if len(q.matches) == 0 {
		q.static(q.answer.Name)
		return
	}
	vendors := make([]string, 0, len(q.matches))
	guarded, inVain := false, true
	for _, m := range q.matches {
		vendors = append(vendors, m.Vendor)
		guarded = guarded || m.Kind == pack.KindDevice || m.Kind == pack.KindPrivate
		inVain = inVain && m.Kind == pack.KindNone
	}
	names := strings.Join(slices.Compact(vendors), ", ")
	switch {
	case q.verdict.Proven && q.device != nil && q.device.Vendor != "":
		q.notFound("%s is a file of %s, but the device's vendor is %s", q.answer.Name, names, q.device.Vendor)
	case inVain:
		q.answer.Outcome, q.answer.Status = Expected404, http.StatusNotFound
		q.answer.Reason = "phones ask for it in vain: " + q.answer.Name + " of " + names
	case guarded && !q.verdict.Proven:
		q.refuse()
	default:
		q.notFound("%s is a file of %s, and nothing tells which vendor's phone asks", q.answer.Name, names)
	}
}

// common serves a file that everybody may have. Only a phone that proved itself gets it with its own settings.
func (q *inquiry) common() {
	if q.match.File.Template == "" {
		q.static(q.match.Name)
		return
	}
	own := q.verdict.Proven && q.device != nil && q.device.Vendor == q.match.Vendor
	q.serve(!own, "common file of "+q.match.Vendor)
	if own && q.answer.Outcome == Served && q.otherModel() {
		q.answer.Reason += fmt.Sprintf("; it is the file of %s, but the device's model is %s", strings.Join(q.match.Models, ", "), q.device.Model)
	}
}

// otherModel tells whether the file is asked for by other models than the device's record says.
func (q *inquiry) otherModel() bool {
	return q.device.Model != "" && len(q.match.Models) > 0 && !slices.Contains(q.match.Models, q.device.Model)
}

// personal serves a file that may hold secrets.
func (q *inquiry) personal() {
	switch {
	case !q.verdict.Proven:
		q.refuse()
	case q.device == nil:
		q.unassigned()
	case q.device.Vendor == "":
		q.notFound("the device has no vendor: only its address is kept")
	case q.device.Vendor != q.match.Vendor:
		q.notFound("%s is a file of %s, but the device's vendor is %s", q.answer.Name, q.match.Vendor, q.device.Vendor)
	case q.match.File.Template == "":
		q.notFound("%s has no contents yet", q.because())
	case !q.stepUp(): // it has refused
	case q.match.File.MaxNumbers > 0 && !q.bookOn():
		q.noBook()
	case !q.device.Enabled:
		q.serve(false, "the device is disabled: accounts and keys are cleared; "+q.verdict.Reason)
	default:
		q.serve(false, q.verdict.Reason)
	}
}

// unassigned answers a phone that proved who it is and has no record.
func (q *inquiry) unassigned() {
	if q.site.UnknownPhones != fleet.UnknownHold || q.match.File.Template == "" || q.match.Kind != pack.KindDevice {
		q.notFound("there is no device record for %s", q.verdict.MAC)
		return
	}
	q.serve(true, "there is no device record: the waiting configuration; "+q.verdict.Reason)
}

// refuse is the answer to a requester without proof: the same for phones that exist, are disabled or were never heard of.
// Whether it is asked to log in follows from where it is, how it asks, and the pack that the name and its OUI choose.
func (q *inquiry) refuse() {
	q.answer.Outcome, q.answer.Status, q.answer.Reason = Refused, http.StatusNotFound, q.verdict.Reason
	q.challenge(q.scheme())
}

// challenge asks the requester to log in, where that is a proof.
func (q *inquiry) challenge(scheme string) {
	if scheme == httpauth.None || !q.place.Accepts(trust.ProofCredentials) {
		return
	}
	q.answer.Status = http.StatusUnauthorized
	q.answer.Challenge = q.s.issuer.Challenge(scheme, q.now, q.r.From.Unmap(), q.stale)
}

func (q *inquiry) notFound(format string, args ...any) {
	q.answer.Outcome, q.answer.Status, q.answer.Reason = NotFound, http.StatusNotFound, fmt.Sprintf(format, args...)
}

// fault is the answer when something of ours went wrong: the phone shall try again.
func (q *inquiry) fault(err error) {
	q.answer.Outcome, q.answer.Status, q.answer.Err = Fault, http.StatusServiceUnavailable, err
	q.answer.Reason = "fault: " + err.Error()
	q.answer.Body, q.answer.Size, q.answer.ETag, q.answer.Digest = nil, 0, "", ""
}
