package registration

import (
	"slices"
	"strings"

	"plugtone/provision/pbxroute"
)

// domains are the SIP domains of a PBX: the same number may be an account of each.
type domains struct {
	own     string   // the registrar's domain in lower case; "" when it is not known
	listed  bool     // the PBX has had contacts in it, so that its name at the PBX is this one
	others  []string // domains beside it; none while it is not listed
	foreign bool     // the PBX has several domains, and none is the registrar's
}

// next sorts the domains of a further list of contacts.
func (d domains) next(list []pbxroute.Contact, own string) domains {
	own = strings.ToLower(own)
	out := domains{own: own, listed: own != "" && own == d.own && d.listed}
	seen := map[string]bool{"": true}
	for _, c := range list {
		name := strings.ToLower(c.Domain)
		if seen[name] {
			continue
		}
		seen[name] = true
		if name == own {
			out.listed = true
		} else {
			out.others = append(out.others, name)
		}
	}
	if !out.listed {
		out.foreign, out.others = len(out.others) > 1, nil
	}
	return out
}

// ours reports whether an account of a domain can be one of the registrar.
func (d domains) ours(domain string) bool {
	return !slices.Contains(d.others, strings.ToLower(domain))
}
