package fleetapi

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plugtone/admin/document"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// keptMembers are members of a record that a PBX source owns and that a document has with other values: they stay as they are.
type keptMembers struct {
	source  string // "" for a record that is made by hand
	members []string
}

func (k keptMembers) reason() string {
	if len(k.members) == 0 {
		return ""
	}
	return strings.Join(k.members, ", ") + ": what the PBX source " + k.source + " has stays as it is"
}

// withoutOwned returns a document without what its record has from a PBX source: that changes with the source only.
func withoutOwned(rec storedRecord, given document.Object) (doc document.Object, kept keptMembers, err error) {
	if rec.source == "" {
		return maps.Clone(given), kept, nil
	}
	was, err := document.ToObject(rec.value)
	doc = document.Copy(given)
	return doc, keptMembers{rec.source, keepMembers(doc, was, rec.members)}, err
}

// storedRecord is a record as it is stored, nil when there is none, with its PBX source and the members that come from there.
type storedRecord struct {
	value   any
	source  string
	members []string
}

// recordNamed returns the record with a name.
func recordNamed(f fleet.View, kind, name string) (storedRecord, error) {
	switch kind {
	case fleet.KindExtension:
		// FindExtension would look for similar numbers of each extension that is new. An error is reported by the write.
		number, registrar := fleet.ParseExtension(name)
		all, err := f.ExtensionsNumbered(number)
		i := slices.IndexFunc(all, func(x *fleet.Extension) bool { return registrar == "" || x.Registrar == registrar })
		if err != nil || i < 0 || registrar == "" && len(all) > 1 {
			return storedRecord{}, nil
		}
		return storedRecord{all[i], all[i].Source, fleet.OwnedMembers()}, nil
	case fleet.KindProfile:
		p, err := f.Profile(name)
		if err != nil {
			return storedRecord{}, ignoreMissing(err)
		}
		return storedRecord{p, p.Source, p.SourceMembers}, nil
	case fleet.KindDevice:
		mac, err := dhcp.ParseMAC(name)
		if err != nil {
			return storedRecord{}, nil
		}
		d, err := f.Device(mac)
		if err != nil {
			return storedRecord{}, ignoreMissing(err)
		}
		return storedRecord{d, d.Source, d.SourceMembers}, nil
	}
	return storedRecord{}, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fleet.ErrNotFound) {
		return nil
	}
	return err
}

// keepMembers puts what the record has from its source in the place of what the document has. It returns the members that the document
// has with other values.
func keepMembers(doc, was document.Object, members []string) (differ []string) {
	differ = append(differ, keepItems(doc, was, "lines", members, func(item map[string]any, i int) string {
		return fleet.LineMember(number(item, "position", i+1))
	})...)
	differ = append(differ, keepItems(doc, was, "keys", members, func(item map[string]any, _ int) string {
		area, _ := item["area"].(string)
		return fleet.KeyMember(cmp.Or(area, "line"), number(item, "slot", 0))
	})...)
	settings, _ := doc["settings"].(map[string]any)
	if settings == nil {
		delete(doc, "settings") // null would remove those of the source too
	}
	had, _ := was["settings"].(map[string]any)
	for _, m := range members {
		in, of, name := map[string]any(doc), map[string]any(was), m
		if x, ok := strings.CutPrefix(m, "settings."); ok {
			in, of, name = settings, had, x
		}
		if value, given := in[name]; given && !document.SameValue(value, of[name]) && !(m == "model" && sameModel(value, was)) {
			differ = append(differ, m)
		}
		delete(in, name)
	}
	return differ
}

// sameModel reports whether VENDOR/MODEL is that of the record.
func sameModel(value any, was document.Object) bool {
	text, _ := value.(string)
	return strings.EqualFold(text, fmt.Sprint(was["vendor"], "/", was["model"]))
}

// keepItems replaces the items of a list that the source owns by those that the record has, and returns the members that were others. A
// document without the list leaves it as it is. member returns what the item is called among the members of the source.
func keepItems(doc, was document.Object, name string, members []string, member func(item map[string]any, i int) string) (differ []string) {
	value, given := doc[name]
	items, isList := value.([]any)
	if !given || !isList && value != nil {
		return nil // the check of the document reports what is no list
	}
	var out []any
	asGiven := map[string]map[string]any{}
	for i, item := range items {
		m, _ := item.(map[string]any)
		if id := member(m, i); slices.Contains(members, id) {
			asGiven[id] = m
		}
	}
	had, _ := was[name].([]any)
	for i, item := range had {
		m, _ := item.(map[string]any)
		id := member(m, i)
		if !slices.Contains(members, id) {
			continue
		}
		out = append(out, item)
		if !agrees(asGiven[id], m) {
			differ = append(differ, id)
		}
	}
	for i, item := range items {
		m, _ := item.(map[string]any)
		if !slices.Contains(members, member(m, i)) {
			out = append(out, item)
		}
	}
	doc[name] = out
	return differ
}

// agrees reports whether all that a document has of an item is as the item is. An item that it does not have differs.
func agrees(given, item map[string]any) bool {
	for name, v := range given {
		if !document.SameValue(v, item[name]) && !(name == "area" || name == "position") {
			return false
		}
	}
	return given != nil
}

// number returns a member of an item that is a number, otherwise when it has none.
func number(item map[string]any, name string, otherwise int) int {
	if n, ok := item[name].(float64); ok && n != 0 {
		return int(n)
	}
	return otherwise
}
