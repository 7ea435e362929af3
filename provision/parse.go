package provision

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"plugtone/dhcp"
	"plugtone/provision/pack"
)

// parsedName is a requested name and the files of the packs that it may mean.
type parsedName struct {
	Name    string       // cleaned
	Matches []pack.Match // shared: must not be changed
	MAC     dhcp.MAC     // in the name; zero when there is none
	cached  bool
}

// parse cleans a name as a phone sent it and looks up which files of which vendors it may mean.
func (g *generation) parse(raw string) (parsedName, error) {
	name, err := cleanName(raw)
	if err != nil {
		return parsedName{Name: shownName(raw)}, err
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
func (g *generation) confirm(n parsedName, proven bool) parsedName {
	switch {
	case proven && !n.cached:
		g.names.Put(n.Name, n.Matches, 1)
	case !proven && n.cached:
		n.Matches = g.packs.Resolve(n.Name)
	}
	return n
}

// vendors returns the vendors that have a file of the name.
func (n parsedName) vendors() []string {
	var out []string
	for _, m := range n.Matches {
		if !slices.Contains(out, m.Vendor) {
			out = append(out, m.Vendor)
		}
	}
	return out
}

// guarded reports whether a file that the name may mean is one that only its phone may have.
func (n parsedName) guarded() bool { return slices.ContainsFunc(n.Matches, isGuarded) }

// isGuarded reports whether only the phone itself may have the file.
func isGuarded(m pack.Match) bool { return m.Kind == pack.KindDevice || m.Kind == pack.KindPrivate }

// maxFileName is the longest file name that is looked at. The longest that a pack knows has some 80 characters.
const maxFileName = 255

// cleanName brings a file name as phones send it into the form in which it is looked up: no leading slash, no doubled
// slashes, no backslashes. Names that no phone asks for are refused with the reason.
func cleanName(name string) (string, error) {
	if len(name) > maxFileName {
		return "", fmt.Errorf("file name has %d bytes; the longest looked at has %d", len(name), maxFileName)
	}
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("file name %.60q is not UTF-8", name)
	}
	if i := strings.IndexFunc(name, unicode.IsControl); i >= 0 {
		return "", fmt.Errorf("file name %.60q has a control character", name)
	}
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' })
	kept := parts[:0]
	for _, p := range parts {
		switch p {
		case ".":
		case "..":
			return "", fmt.Errorf("file name %.60q leads out of its folder", name)
		default:
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		return "", fmt.Errorf("file name %.60q names no file", name)
	}
	return strings.Join(kept, "/"), nil
}

// shownName is a name that was refused, as logs and timelines may show it.
func shownName(name string) string {
	const most = 80
	cut := len(name) > most
	if cut {
		name = name[:most]
	}
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
	if cut {
		name += "..."
	}
	return name
}
