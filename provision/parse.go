package provision

import (
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/phonefile"
)

// parsedName is a requested name and the files of the packs that it may mean.
type parsedName struct {
	Name    string            // cleaned
	Matches []phonefile.Match // shared: must not be changed
	MAC     dhcp.MAC          // in the name; zero when there is none
	cached  bool
}

// parse cleans a name as a phone sent it and looks up which files of which vendors it may mean.
func (g *generation) parse(raw string) (parsedName, error) {
	name, err := phonefile.CleanName(raw)
	if err != nil {
		return parsedName{Name: phonefile.ShownName(raw)}, err
	}
	n := parsedName{Name: name}
	if n.Matches, n.cached = g.names.Get(name); !n.cached {
		n.Matches = g.packs.Resolve(name)
	}
	for _, m := range n.Matches { // packs that claim the same name read the same MAC in it
		if !m.MAC.IsZero() {
			n.MAC = m.MAC
			break
		}
	}
	return n, nil
}

// confirm caches the name once the requester has proved itself: names of others could push out those that a whole site
// requests each day. Without proof the cache must save no time, as a quick refusal would show that a phone has requested the
// name before.
func (g *generation) confirm(n parsedName, proven, uncached bool) parsedName {
	switch {
	case proven && !n.cached && !uncached:
		g.names.Put(n.Name, n.Matches, 1)
	case !proven && n.cached:
		n.Matches = g.packs.Resolve(n.Name)
	}
	return n
}

// vendors returns the vendors that have a file of the name.
func (n *parsedName) vendors() []string {
	var out []string
	for _, m := range n.Matches {
		if !slices.Contains(out, m.Vendor) {
			out = append(out, m.Vendor)
		}
	}
	return out
}

// guarded reports whether a file that the name may mean is one that only its phone may have.
func (n *parsedName) guarded() bool { return slices.ContainsFunc(n.Matches, isGuarded) }

// isGuarded reports whether only the phone itself may have the file.
func isGuarded(m phonefile.Match) bool {
	return m.Kind == phonefile.KindDevice || m.Kind == phonefile.KindPrivate
}
