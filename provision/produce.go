package provision

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
	"plugtone/provision/resolve"
	"plugtone/provision/trust"
	"plugtone/provision/trust/httpauth"
	"plugtone/provision/uploads"
)

// producer decides which files a requester may have, and makes them.
type producer struct {
	records fleet.Records
	files   *os.Root       // nil: no static files
	uploads *uploads.Store // nil: none are accepted
	subnets fleet.SubnetFinder
	issuer  *httpauth.Issuer
	trust   *trust.Service

	upstream upstreams
}

// produce decides by the kind of the selected file whether this requester may have it, and makes its bytes.
func (s producer) produce(ctx context.Context, q *fileRequest) product {
	switch {
	case q.packMissing():
		return s.withoutPack(q)
	case isWrite(q.Method):
		return s.receive(q)
	case q.Method != "" && q.Method != http.MethodGet && q.Method != http.MethodHead:
		p := q.notFound("%s is not a method that files have", q.Method)
		p.Status = http.StatusMethodNotAllowed
		return p
	case q.file.match == nil:
		return s.unselected(q)
	}
	switch q.file.match.Kind {
	case phonefile.KindNone:
		return q.expected404()
	case phonefile.KindUpload:
		return s.sendUpload(q)
	case phonefile.KindCommon:
		return s.common(ctx, q)
	case phonefile.KindDevice, phonefile.KindPrivate:
		return s.guarded(ctx, q)
	case phonefile.KindFirmware:
		return s.firmware(q)
	case phonefile.KindStatic:
		return s.static(q, q.file.match.Name)
	}
	return q.internalError(fmt.Errorf("file %s of pack %s has the unknown kind %q", q.file.match.File.Name, q.file.match.Vendor, q.file.match.Kind))
}

// packMissing reports whether the requester is a proven phone whose vendor has no pack, such as one that was removed.
func (q *fileRequest) packMissing() bool {
	d := q.auth.device
	if d == nil || d.Vendor == "" {
		return false
	}
	_, ok := q.generation.packs.Vendor(d.Vendor)
	return !ok
}

// withoutPack answers a phone whose vendor has no pack. What is in the files folder is served. For any other name it is not known what the
// phone requests: "not found" could make it give up a file that it has.
func (s producer) withoutPack(q *fileRequest) product {
	own := *q
	q = &own
	q.file = selection{vendor: q.auth.device.Vendor, model: q.auth.device.Model}
	if len(q.name.Matches) == 0 && !isWrite(q.Method) {
		if p := s.static(q, q.name.Name); p.Outcome == Served {
			return p
		}
	}
	return q.internalError(fmt.Errorf("there is no vendor pack %q", q.auth.device.Vendor))
}

// guarded decides about a file that may hold secrets: only the phone that it is for may have it.
func (s producer) guarded(ctx context.Context, q *fileRequest) product {
	d, m := q.auth.device, q.file.match
	switch {
	case !q.auth.Proven:
		return s.refuse(q)
	case d == nil:
		return s.unassigned(q)
	case d.Vendor == "":
		return q.notFound("the device has no vendor: only its address is kept")
	case d.Vendor != m.Vendor:
		return q.notFound("%s is a file of %s, but the device's vendor is %s", q.name.Name, m.Vendor, d.Vendor)
	}
	up, err := s.upstream.of(q)
	switch {
	case err != nil:
		return q.internalError(err)
	case len(up.URLs) == 0 && m.File.Template == "":
		return q.notFound("%s has no contents yet", q.file.describe())
	}
	verdict := s.stepUp(q, len(up.URLs) == 0)
	if verdict.Action != trust.StepUpAccept {
		return s.refuseStepUp(q, verdict.Reason)
	}
	reason := q.auth.Reason
	if verdict.Reason != "" {
		reason += "; " + verdict.Reason
	}
	if len(up.URLs) > 0 {
		return s.upstream.answer(ctx, q, up, reason)
	}
	if m.File.MaxNumbers > 0 {
		on, err := s.phonebookOn(q)
		switch {
		case err != nil:
			return q.internalError(err)
		case !on:
			return s.withoutPhonebook(q)
		}
	}
	if !d.Enabled {
		reason = "the device is disabled: accounts and keys are cleared; " + reason
	}
	return s.render(q, false, reason)
}

// stepUp decides whether a weak proof, which a host with a borrowed MAC has as well, is enough for the guarded file. ours is whether
// the file is rendered here: one that a PBX renders gives the phone no credentials for this server.
func (s producer) stepUp(q *fileRequest, ours bool) trust.StepUpVerdict {
	d := q.auth.device
	v, ok := q.generation.packs.Vendor(d.Vendor)
	if !q.auth.Proof.Weak() || !ok { // nothing is rendered without a pack
		return trust.StepUpVerdict{}
	}
	n, _ := q.generation.site.SubnetOf(q.who.source.Addr)
	scheme := q.file.match.File.Challenge
	accepts := q.who.place().Accepts(trust.ProofCredentials)
	return s.trust.Weak(trust.WeakRequest{
		Time: q.Time, MAC: d.MAC, From: q.who.source.Addr, Place: q.who.place(), Proof: q.auth.Reason, File: q.Method + " " + q.name.Name,
		Since:     d.CreatedAt,
		CanSend:   ours && accepts && resolve.SendsCredentials(v, d.Model, q.generation.site.URLFor(n)),
		CanAnswer: accepts && (q.Transport == fleet.HTTPS && scheme != httpauth.None || q.Transport == fleet.HTTP && httpauth.IsDigest(scheme)),
		Wrong:     q.auth.wrongPassword(),
		Port:      trust.PortOf(q.who.lease()),
	}, q.commit)
}

// refuse is the answer to a requester without proof: the same for phones that exist, are disabled or are unknown. Whether it is
// challenged follows from where it is, its protocol, and the pack that the name and its OUI select.
func (s producer) refuse(q *fileRequest) product {
	p := q.blank()
	p.Outcome, p.Status, p.Reason = Refused, http.StatusNotFound, q.auth.Reason
	s.challenge(q, &p.Answer, challengeScheme(q.Request, q.generation.packs, q.name))
	return p
}

// refuseStepUp is the answer to a phone whose weak proof is not enough.
func (s producer) refuseStepUp(q *fileRequest, reason string) product {
	p := q.blank()
	p.Outcome, p.Status, p.Reason, p.Proof = Refused, http.StatusNotFound, reason, ""
	if q.isHTTP() {
		s.challenge(q, &p.Answer, q.file.match.File.Challenge)
	}
	return p
}

// challenge makes the requester log in, where that is a proof.
func (s producer) challenge(q *fileRequest, a *Answer, scheme string) {
	if scheme == httpauth.None || !q.who.place().Accepts(trust.ProofCredentials) {
		return
	}
	a.Status = http.StatusUnauthorized
	a.Challenge = s.issuer.Challenge(scheme, q.Time, q.who.source.Addr, q.auth.login.stale)
}

// unassigned answers a phone that proved itself and has no record.
func (s producer) unassigned(q *fileRequest) product {
	m := q.file.match
	if q.generation.site.UnknownPhones != fleet.UnknownHold || m.File.Template == "" || m.Kind != phonefile.KindDevice {
		return q.notFound("there is no device record for %s", q.auth.MAC)
	}
	return s.render(q, true, "there is no device record: the waiting configuration; "+q.auth.Reason)
}

// common serves a file that any requester may have. A phone that proved itself gets it with its own settings.
func (s producer) common(ctx context.Context, q *fileRequest) product {
	m, d := q.file.match, q.auth.device
	own := q.auth.Proven && d != nil && d.Vendor == m.Vendor
	if own {
		switch up, err := s.upstream.of(q); {
		case err != nil:
			return q.internalError(err)
		case len(up.URLs) > 0:
			return s.upstream.answer(ctx, q, up, "common file of "+m.Vendor)
		}
	}
	if m.File.Template == "" {
		return s.static(q, m.Name)
	}
	p := s.render(q, !own, "common file of "+m.Vendor)
	if own && p.Outcome == Served && q.file.isForOtherModel(d) {
		p.Reason += fmt.Sprintf("; it is the file of %s, but the device's model is %s", strings.Join(m.Models, ", "), d.Model)
	}
	return p
}

// unselected answers a name that no pack has, or that several have without any sign which is meant.
func (s producer) unselected(q *fileRequest) product {
	if len(q.name.Matches) == 0 {
		return s.static(q, q.name.Name)
	}
	vendors := make([]string, 0, len(q.name.Matches))
	expected, foreign := true, q.file.vendor != ""
	for _, m := range q.name.Matches {
		vendors = append(vendors, m.Vendor)
		expected = expected && m.Kind == phonefile.KindNone
		foreign = foreign && m.Kind == phonefile.KindFirmware && m.Vendor != q.file.vendor
	}
	names, d := strings.Join(slices.Compact(vendors), ", "), q.auth.device
	switch {
	case foreign: // firmware of other vendors only: to this phone a file like any other
		return s.static(q, q.name.Name)
	case q.auth.Proven && d != nil && d.Vendor != "":
		return q.notFound("%s is a file of %s, but the device's vendor is %s", q.name.Name, names, d.Vendor)
	case expected:
		p := q.notFound("not found, as expected: %s of %s", q.name.Name, names)
		p.Outcome = Expected404
		return p
	case q.name.guarded() && !q.auth.Proven:
		return s.refuse(q)
	}
	return q.notFound("%s is a file of %s, and the vendor of the requesting phone is not known", q.name.Name, names)
}

// requestSubnet returns the subnet that the file is rendered for: the requester's, else the phone's own.
func (s producer) requestSubnet(q *fileRequest, anonymous bool) (fleet.Subnet, error) {
	site := q.generation.site
	if q.Subnet.IsValid() {
		n, ok := site.SubnetByPrefix(q.Subnet)
		if !ok {
			return n, fmt.Errorf("%s is not one of the subnets", q.Subnet)
		}
		return n, nil
	}
	if n, ok := site.SubnetOf(q.who.source.Addr); ok {
		return n, nil
	}
	device := q.auth.device
	if anonymous && q.Transport != fleet.Preview {
		device = nil
	}
	n, _ := s.subnets.Find(site, q.As, device)
	return n, nil
}
