package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// CheckProfile brings the profile into its canonical form and reports every problem that can be found without vendor packs
// as ValidationError. VendorSettings is left alone. resolve.CheckProfile checks the whole record.
func CheckProfile(fleet View, p *Profile) error {
	var bad ValidationError
	bad.Name("name", p.Name)
	if p.Parent != "" {
		if err := checkParents(fleet, &bad, p); err != nil {
			return err
		}
	}
	TrimKeys(p.Keys)
	bad.Keys(p.Keys)
	bad.Contacts(p.Contacts)
	p.Settings = bad.Settings(p.Settings)
	bad.Upstream(p)
	SortKeys(p.Keys)
	return bad.Err()
}

// checkParents reports a parent that isn't there or leads back to p. A parent may have a parent in turn.
func checkParents(fleet View, bad *ValidationError, p *Profile) error {
	if p.Parent == p.Name {
		bad.Add("parent", p.Parent, "is the profile itself")
		return nil
	}
	chain := p.Name + " > " + p.Parent
	seen := map[string]bool{p.Name: true}
	for name := p.Parent; name != ""; {
		if seen[name] {
			bad.Add("parent", p.Parent, "leads back to the profile: %s", chain)
			return nil
		}
		seen[name] = true
		parent, err := fleet.Profile(name)
		if errors.Is(err, ErrNotFound) {
			bad.Add("parent", name, "%s", NoSuchProfile(fleet, name))
			return nil
		}
		if err != nil {
			return err
		}
		if name = parent.Parent; name != "" {
			chain += " > " + name
		}
	}
	if len(seen) > MaxParents {
		bad.Add("parent", p.Parent, "the chain %s is longer than %d", chain, MaxParents)
	}
	return nil
}

// MaxParents bounds a chain of profiles, the first included.
const MaxParents = 8

// NoSuchProfile returns the message that a profile doesn't exist, with the names that look like it, or with all where they are few.
func NoSuchProfile(fleet View, name string) string {
	var names []string
	for p, err := range fleet.Profiles() {
		if err != nil {
			break
		}
		names = append(names, p.Name)
	}
	switch near := Nearest(name, names); {
	case near != "" || len(names) > 10:
		return "no such profile" + near
	case len(names) == 0:
		return "no such profile; there is none yet"
	}
	return "no such profile; there are " + strings.Join(names, ", ")
}

// ProfileChain returns a profile and its parents, the oldest first. A loop, which CheckProfile refuses, ends the chain.
func ProfileChain(f View, name string) ([]*Profile, error) {
	var chain []*Profile
	for name != "" && len(chain) < MaxParents {
		p, err := f.Profile(name)
		if errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("profile %s: %w", name, err)
		}
		if err != nil {
			return nil, err
		}
		chain = append(chain, p)
		name = p.Parent
	}
	slices.Reverse(chain)
	return chain, nil
}
