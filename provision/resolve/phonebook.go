package resolve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// maxPhonebook bounds the numbers in one phone's phonebook, also where its pack allows more: it is rendered again for each phone after
// every change.
const maxPhonebook = 5000

// AddPhonebook fills in the phonebook of a device whose settings enable it: its own contacts, those of its profiles, and the
// extensions of the registrars that its lines are on. What the phone has no room for is named.
func AddPhonebook(f fleet.View, vendor *pack.Vendor, d *fleet.Device, p *phonefile.Phone) (left []string, err error) {
	if !phonefile.PhonebookOn(p.Settings) || !d.Enabled {
		return nil, nil
	}
	most, ok := vendor.HasPhonebook(d.Model)
	if !ok {
		return []string{fmt.Sprintf("phonebook: %s has none that plugtone could fill", vendor.Name)}, nil
	}
	most = min(most, maxPhonebook)
	b := phonebook{most: most, seen: make(map[fleet.Contact]bool)}
	what := p.Settings["phonebook"]
	if what != "extensions" {
		profiles, err := fleet.ProfileChain(f, d.Profile)
		if err != nil {
			return nil, err
		}
		b.add(d.Contacts)
		for _, profile := range slices.Backward(profiles) {
			b.add(profile.Contacts)
		}
	}
	if what != "contacts" {
		if err := b.extensions(f, p.Lines); err != nil {
			return nil, err
		}
	}
	p.Contacts = b.sorted()
	if b.over > 0 {
		left = append(left, fmt.Sprintf("phonebook: %d contacts beyond the %d numbers that the phone takes", b.over, most))
	}
	return left, nil
}

// phonebook collects contacts up to a number of telephone numbers.
type phonebook struct {
	list    []fleet.Contact
	seen    map[fleet.Contact]bool
	numbers int
	most    int
	over    int // contacts for which there was no room
}

func (b *phonebook) add(list []fleet.Contact) {
	for _, c := range list {
		switch {
		case b.seen[c]:
		case b.numbers+c.Numbers() > b.most:
			b.over++
		default:
			b.seen[c] = true
			b.numbers += c.Numbers()
			b.list = append(b.list, c)
		}
	}
}

// extensions adds those on the registrars of the phone's lines. Extensions of other registrars stay private.
func (b *phonebook) extensions(f fleet.View, lines []phonefile.Account) error {
	registrars := make(map[string]bool)
	for _, l := range lines {
		registrars[l.Registrar.Name] = true
	}
	if len(registrars) == 0 {
		return nil
	}
	for e, err := range f.Extensions() {
		if err != nil {
			return err
		}
		if registrars[e.Registrar] {
			b.add([]fleet.Contact{{Name: cmp.Or(e.DisplayName, e.Number), Number: e.Number}})
		}
	}
	return nil
}

// sorted returns the contacts by name, as people look for them.
func (b *phonebook) sorted() []fleet.Contact {
	type entry struct {
		key string
		c   fleet.Contact
	}
	entries := make([]entry, len(b.list))
	for i, c := range b.list {
		entries[i] = entry{strings.ToLower(c.Name), c}
	}
	slices.SortStableFunc(entries, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.c.Name, y.c.Name), cmp.Compare(x.c.Number, y.c.Number))
	})
	out := make([]fleet.Contact, len(entries))
	for i, e := range entries {
		out[i] = e.c
	}
	return out
}
