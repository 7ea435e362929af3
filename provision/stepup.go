package provision

import (
	"net/http"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
	"plugtone/provision/trust"
	"plugtone/provision/trust/httpauth"
)

// stepUp decides whether the requester's weak proof, which a host with a borrowed MAC has as well, is enough for a guarded
// file. It reports false when it is not: the answer is then a refusal or a challenge.
func (q *inquiry) stepUp() bool {
	if !q.verdict.Proof.Weak() {
		return true
	}
	v, ok := q.packs.Vendor(q.device.Vendor)
	if !ok {
		return true // nothing is rendered without a pack
	}
	n, _ := q.site.SubnetOf(q.source().Addr)
	scheme := q.match.File.Challenge
	accepts := q.place.Accepts(trust.ProofCredentials)
	verdict := q.s.trust.Weak(trust.WeakRequest{
		Time: q.now, MAC: q.device.MAC, From: q.source().Addr, Place: q.place, Proof: q.verdict.Reason, File: q.r.Method + " " + q.answer.Name,
		Since:     q.device.CreatedAt,
		CanSend:   accepts && resolve.SendsCredentials(v, q.device.Model, q.site.URLFor(n)),
		CanAnswer: accepts && (q.r.Transport == fleet.HTTPS && scheme != httpauth.None || q.r.Transport == fleet.HTTP && httpauth.IsDigest(scheme)),
		Wrong:     q.wrongPassword(),
		Port:      portOf(q.lease),
	}, q.r.real)
	if verdict.Action == trust.StepUpAccept {
		if verdict.Reason != "" {
			q.verdict.Reason += "; " + verdict.Reason
		}
		return true
	}
	q.answer.Outcome, q.answer.Status, q.answer.Reason, q.answer.Proof = Refused, http.StatusNotFound, verdict.Reason, ""
	if q.r.Transport == fleet.HTTP || q.r.Transport == fleet.HTTPS {
		q.challenge(scheme)
	}
	return false
}

// historyOf reads what a phone's fetches have shown.
func historyOf(fetches func(dhcp.MAC) ([]fleet.Fetch, error), mac dhcp.MAC) (h trust.History, err error) {
	all, err := fetches(mac)
	if err != nil {
		return h, err
	}
	var port fleet.Fetch
	for _, f := range all {
		if f.Port != "" && !f.Time.Before(port.Time) {
			port = f
		}
		if f.OwnProof.After(h.OwnProof) {
			h.OwnProof = f.OwnProof
		}
		if f.Given.After(h.Given) {
			h.Given = f.Given
		}
	}
	h.Port = port.Port
	return h, nil
}

// recordServed remembers what a guarded file that leaves shows of its phone.
func (s *Service) recordServed(q *inquiry) {
	p := q.verdict.Proof
	if q.device == nil || !p.Weak() && !p.Own() || q.answer.Outcome != Served || !q.guarded() {
		return
	}
	served := trust.Served{Time: q.now, MAC: q.device.MAC, From: q.source().Addr, Proof: p, Port: portOf(q.lease), Since: q.device.CreatedAt}
	if v, ok := q.packs.Vendor(q.device.Vendor); ok && q.match.Kind == pack.KindDevice && q.r.Method != "HEAD" {
		served.Given = q.device.Enabled && v.Supports(q.device.Model, "provisioning_password") && resolve.GivesCredentials(v, q.site, q.subnet, q.device)
	}
	h := s.trust.Record(served)
	q.answer.Port, q.answer.OwnProof, q.answer.Given = served.Port, h.OwnProof, h.Given
}
