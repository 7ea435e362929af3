package provision

import (
	"slices"

	"plugtone/provision/pack"
)

// agentKey is what an identity by user agent depends on.
type agentKey struct {
	packs *pack.Set
	agent string
}

// identifyAgent is what the user agent alone tells. Phones send the same one again and again.
func (s *Service) identifyAgent(packs *pack.Set, agent string) pack.Identity {
	if agent == "" || len(agent) > 512 {
		return pack.Identity{}
	}
	key := agentKey{packs, agent}
	if id, ok := s.agents.Get(key); ok {
		return id
	}
	id := packs.Identify(pack.Evidence{UserAgent: agent})
	s.agents.Put(key, id, 1)
	return id
}

// choose picks one of the readings of the name: the record's vendor for a phone that proved itself, else what the
// requester can be recognised as. For a requester without proof only the name and its MAC count, so that the answer is
// a function of what is asked for and not of who is known.
func (q *inquiry) choose() {
	if len(q.matches) == 0 {
		q.recognise()
		return
	}
	if q.verdict.Proven && q.device != nil && q.device.Vendor != "" {
		q.match = q.pick(q.device.Vendor, q.device.Model)
		q.answer.Vendor, q.answer.Model = q.device.Vendor, q.device.Model
		if q.match != nil {
			q.answer.Kind = string(q.match.Kind)
			return
		}
		// What holds no secrets is served to a phone that is not what its record says, as to any other.
		if m := q.pick(q.matches[0].Vendor, ""); len(q.vendors()) == 1 && m.Kind != pack.KindDevice && m.Kind != pack.KindPrivate {
			q.match = m
			q.answer.Kind = string(m.Kind)
		}
		return
	}
	id := q.identity()
	if q.match = q.pick(id.Vendor, id.Model); q.match == nil && len(q.vendors()) == 1 {
		q.match = q.pick(q.matches[0].Vendor, "")
	}
	if q.match == nil {
		return
	}
	q.answer.Vendor, q.answer.Kind, q.answer.Model = q.match.Vendor, string(q.match.Kind), q.match.Model
	if q.answer.Model == "" && id.Vendor == q.match.Vendor {
		q.answer.Model = id.Model
	}
}

// recognise says whose phone asks for a name that no pack claims: such a file may lie in its vendor's folder.
func (q *inquiry) recognise() {
	if q.verdict.Proven && q.device != nil {
		q.answer.Vendor, q.answer.Model = q.device.Vendor, q.device.Model
		return
	}
	id := q.identity()
	q.answer.Vendor, q.answer.Model = id.Vendor, id.Model
}

// identity is what the requester is held to be, from the evidence that may count. The name itself is left out: it is
// what has to be read.
func (q *inquiry) identity() pack.Identity {
	e := pack.Evidence{MAC: q.named()}
	guarded := slices.ContainsFunc(q.matches, func(m pack.Match) bool {
		return m.Kind == pack.KindDevice || m.Kind == pack.KindPrivate
	})
	if q.verdict.Proven || !guarded {
		e.UserAgent = q.r.UserAgent
		if q.lease != nil {
			e.VendorClass, e.Hostname = q.lease.VendorClass, q.lease.Hostname
			if e.MAC.IsZero() {
				e.MAC = q.lease.MAC
			}
		}
		if e.MAC.IsZero() {
			e.MAC = q.r.As
		}
	}
	return q.packs.Identify(e)
}

func (q *inquiry) vendors() []string {
	var out []string
	for _, m := range q.matches {
		if !slices.Contains(out, m.Vendor) {
			out = append(out, m.Vendor)
		}
	}
	return out
}

// pick is the vendor's reading of the name that fits the model best.
func (q *inquiry) pick(vendor, model string) *pack.Match {
	var best *pack.Match
	score := 0
	for i := range q.matches {
		m := &q.matches[i]
		if m.Vendor != vendor {
			continue
		}
		fits := 1
		switch {
		case model != "" && (m.Model == model || slices.Contains(m.Models, model)):
			fits = 3
		case len(m.Models) == 0 && m.Model == "":
			fits = 2
		}
		if fits > score {
			best, score = m, fits
		}
	}
	return best
}
