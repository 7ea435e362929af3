package fleetapi

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"plugtone/admin/document"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// withoutOwned removes from a document what its record has from a PBX source: that changes with the source only. owned is true when the record has a
// source. name is that of the record.
func withoutOwned(f fleet.View, kind, name string, doc document.Object) (owned bool, err error) {
	switch kind {
	case fleet.KindExtension:
		// FindExtension would look for similar numbers of each extension that is new. An error is reported by the write.
		number, registrar := fleet.ParseExtension(name)
		all, err := f.ExtensionsNumbered(number)
		i := slices.IndexFunc(all, func(x *fleet.Extension) bool { return registrar == "" || x.Registrar == registrar })
		if err != nil || i < 0 || all[i].Source == "" || registrar == "" && len(all) > 1 {
			return false, nil
		}
		for _, member := range fleet.OwnedMembers() {
			delete(doc, member)
		}
		return true, nil
	case fleet.KindProfile:
		p, err := f.Profile(name)
		if err != nil || p.Source == "" {
			return false, ignoreMissing(err)
		}
		was, err := document.ToObject(p)
		keepMembers(doc, was, p.SourceMembers)
		return true, err
	case fleet.KindDevice:
		mac, err := dhcp.ParseMAC(name)
		if err != nil {
			return false, nil
		}
		d, err := f.Device(mac)
		if err != nil || d.Source == "" {
			return false, ignoreMissing(err)
		}
		was, err := document.ToObject(d)
		keepMembers(doc, was, d.SourceMembers)
		return true, err
	}
	return false, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fleet.ErrNotFound) {
		return nil
	}
	return err
}

// keepMembers puts what the record has from its source in the place of what the document has.
func keepMembers(doc, was document.Object, members []string) {
	keepItems(doc, was, "lines", func(item map[string]any, i int) bool {
		return slices.Contains(members, fleet.LineMember(number(item, "position", i+1)))
	})
	keepItems(doc, was, "keys", func(item map[string]any, _ int) bool {
		area, _ := item["area"].(string)
		return slices.Contains(members, fleet.KeyMember(cmp.Or(area, "line"), number(item, "slot", 0)))
	})
	settings, _ := doc["settings"].(map[string]any)
	if settings == nil {
		delete(doc, "settings") // null would remove those of the source too
	}
	for _, m := range members {
		if name, ok := strings.CutPrefix(m, "settings."); ok {
			delete(settings, name)
			continue
		}
		delete(doc, m)
	}
}

// keepItems replaces the items of a list that the source owns by those that the record has. A document without the list leaves it as it is.
func keepItems(doc, was document.Object, name string, owned func(item map[string]any, i int) bool) {
	value, given := doc[name]
	items, isList := value.([]any)
	if !given || !isList && value != nil {
		return // the check of the document reports what is no list
	}
	var out []any
	add := func(items []any, take bool) {
		for i, item := range items {
			if m, _ := item.(map[string]any); owned(m, i) == take {
				out = append(out, item)
			}
		}
	}
	had, _ := was[name].([]any)
	add(had, true)
	add(items, false)
	doc[name] = out
}

// number returns a member of an item that is a number, otherwise when it has none.
func number(item map[string]any, name string, otherwise int) int {
	if n, ok := item[name].(float64); ok && n != 0 {
		return int(n)
	}
	return otherwise
}
