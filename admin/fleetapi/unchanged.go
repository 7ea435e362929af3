package fleetapi

import (
	"maps"
	"slices"
	"strings"

	"plugtone/admin/document"
	"plugtone/provision/apply"
	"plugtone/provision/fleet"
)

// unchanged reports whether a record is as its document has it already. What is stored has been checked, so that most records of a file
// that is applied again need no more than this. When it is not certain it returns false.
func (r *applying) unchanged(f fleet.View, o apply.Object, rec any) bool {
	switch rec := rec.(type) {
	case *fleet.Device:
		return r.compare.Describes(r.completed(f, o.Doc, rec), rec)
	case *fleet.Extension:
		doc := o.Doc
		if doc["registrar"] == "" {
			doc = maps.Clone(doc)
			delete(doc, "registrar")
		}
		return r.compare.Describes(doc, rec)
	}
	return false
}

// completed returns the document of a device with what the check of devices would fill in: the model's own vendor, positions of lines, the
// only registrar of an extension, areas of keys.
func (r *applying) completed(f fleet.View, doc document.Object, d *fleet.Device) document.Object {
	doc = maps.Clone(doc)
	doc["mac"] = d.MAC.String()
	if model, _ := doc["model"].(string); strings.Contains(model, "/") && doc["vendor"] == nil {
		if v, m, err := r.Packs().FindModel("", model); err == nil {
			doc["vendor"], doc["model"] = v.ID, m.Name
		}
	}
	completeItems(doc, "lines", func(i int, line map[string]any) {
		if number(line, "position", 0) == 0 {
			line["position"] = float64(i + 1)
		}
		extension, _ := line["extension"].(string)
		if line["registrar"] != nil || strings.Contains(extension, "@") {
			return
		}
		if all, err := f.ExtensionsNumbered(extension); err == nil && len(all) == 1 {
			line["registrar"] = all[0].Registrar
		}
	})
	completeItems(doc, "keys", func(_ int, key map[string]any) {
		if key["area"] == nil || key["area"] == "" {
			key["area"] = "line"
		}
	})
	return doc
}

// completeItems replaces the items of a list by copies that complete has changed.
func completeItems(doc document.Object, name string, complete func(i int, item map[string]any)) {
	items, _ := doc[name].([]any)
	if len(items) == 0 {
		return
	}
	items = slices.Clone(items)
	for i, item := range items {
		if m, ok := item.(map[string]any); ok {
			m = maps.Clone(m)
			complete(i, m)
			items[i] = m
		}
	}
	doc[name] = items
}
