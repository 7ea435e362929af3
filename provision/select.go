package provision

import (
	"slices"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/trust/httpauth"
)

// selection is the file of a vendor that a requested name means, and the phone that it is for.
type selection struct {
	match         *phonefile.Match // nil: no pack has the name, or several do and nothing selects one
	vendor, model string
	kind          string
}

// selectFile selects one of the files that the name may mean: that of the record's vendor for a phone that proved itself, else
// that of the vendor the requester is recognized as. For a requester without proof only the name and its MAC count, so that
// the answer depends on what is requested and not on which phones are known.
func selectFile(q *fileRequest) selection {
	name, auth := &q.name, &q.auth
	d := auth.device
	switch {
	case len(name.Matches) == 0 && auth.Proven && d != nil:
		return selection{vendor: d.Vendor, model: d.Model} // the file may lie in the vendor's folder
	case len(name.Matches) == 0:
		id := identity(q)
		return selection{vendor: id.Vendor, model: id.Model}
	case auth.Proven && d != nil && d.Vendor != "":
		if m := name.bestMatch(d.Vendor, d.Model); m != nil {
			return selection{match: m, vendor: d.Vendor, model: d.Model, kind: string(m.Kind)}
		}
		return selectFor(d, name, identity(q).Vendor)
	}
	id := identity(q)
	m := name.bestMatch(id.Vendor, id.Model)
	if m == nil && len(name.vendors()) == 1 {
		if m = name.bestMatch(name.Matches[0].Vendor, ""); id.Vendor != "" && m.Kind == phonefile.KindFirmware {
			return selection{vendor: id.Vendor, model: id.Model} // no phone of this vendor installs it
		}
	}
	if m == nil {
		return selection{}
	}
	sel := selection{match: m, vendor: m.Vendor, model: m.Model, kind: string(m.Kind)}
	if sel.model == "" && id.Vendor == m.Vendor {
		sel.model = id.Model
	}
	return sel
}

// selectFor selects a file for a proven phone whose vendor has none of the name. recognized is the vendor that it presents itself as.
func selectFor(d *fleet.Device, name *parsedName, recognized string) selection {
	sel := selection{vendor: d.Vendor, model: d.Model}
	m := name.bestMatch(recognized, "")
	switch {
	case m != nil && m.Kind == phonefile.KindFirmware:
		sel.match = m // a phone that presents itself as the vendor that would install it
	case len(name.vendors()) == 1 && !name.guarded() && name.Matches[0].Kind != phonefile.KindFirmware:
		// What holds no secrets is served to a phone that contradicts its record. Firmware of another vendor is a file like any other.
		sel.match = name.bestMatch(name.Matches[0].Vendor, "")
	}
	if sel.match != nil {
		sel.kind = string(sel.match.Kind)
	}
	return sel
}

// identity is what the requester is recognized as, from the evidence that may count. The name is left out: its meaning is
// what has to be found.
func identity(q *fileRequest) pack.Identity {
	e := pack.Evidence{MAC: q.name.MAC}
	if q.auth.Proven || !q.name.guarded() {
		e.UserAgent = q.UserAgent
		if l := q.who.lease(); l != nil {
			e.VendorClass, e.Hostname = l.VendorClass, l.Hostname
			e.MAC = firstMAC(e.MAC, l.MAC)
		}
		e.MAC = firstMAC(e.MAC, q.As)
	}
	return q.generation.packs.Identify(e)
}

// bestMatch returns the vendor's file of the name that fits the model best; nil without one.
func (n *parsedName) bestMatch(vendor, model string) *phonefile.Match {
	var best *phonefile.Match
	score := 0
	for i := range n.Matches {
		m := &n.Matches[i]
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

// challengeScheme is how the phone that may have this name can be challenged. It depends on name and OUI alone.
func challengeScheme(r Request, packs *pack.Set, name parsedName) string {
	if !r.isHTTP() {
		return httpauth.None
	}
	id := packs.Identify(pack.Evidence{MAC: name.MAC})
	if m := name.bestMatch(id.Vendor, id.Model); m != nil {
		return m.File.Challenge
	}
	// Several vendors have the name and it is not known which is meant: each of them supports what most of them support.
	scheme := httpauth.None
	for _, m := range name.Matches {
		switch c := m.File.Challenge; {
		case httpauth.IsDigest(c):
			return httpauth.Digest
		case c != httpauth.None:
			scheme = c
		}
	}
	return scheme
}

// describe names the file and its vendor and, where the pack has it, what it means to the phone not to get it.
func (s selection) describe() string {
	text := s.match.File.Name + " of " + s.match.Vendor
	if s.match.File.Missing != "" {
		text += " (" + s.match.File.Missing + ")"
	}
	return text
}

// isForOtherModel reports whether the file is requested by other models than the device's.
func (s selection) isForOtherModel(d *fleet.Device) bool {
	return d.Model != "" && len(s.match.Models) > 0 && !slices.Contains(s.match.Models, d.Model)
}
