package document

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"plugtone/provision/fleet"
	"plugtone/store/storetest"
)

// TestDescribesAgreesWithTheMergedObjects draws records, and documents that have some of their members, some of them changed. A document
// of a record's own members describes it; one is never said to describe a record that it would change.
func TestDescribesAgreesWithTheMergedObjects(t *testing.T) {
	t.Run("device", rapid.MakeCheck(func(t *rapid.T) { compareDescribes(t, new(fleet.Device)) }))
	t.Run("extension", rapid.MakeCheck(func(t *rapid.T) { compareDescribes(t, new(fleet.Extension)) }))
}

func compareDescribes(t *rapid.T, rec any) {
	storetest.Fill(t, reflect.ValueOf(rec).Elem(), "record")
	was, err := ToObject(rec)
	if err != nil {
		t.Fatal(err)
	}
	was.StripReadOnly()
	doc := Copy(was)
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if rapid.IntRange(0, 3).Draw(t, "without "+name) == 0 {
			delete(doc, name)
		}
	}
	c := NewComparer()
	if !c.Describes(doc, rec) {
		t.Fatalf("%v does not describe %+v", doc, rec)
	}
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		doc = disturb(t, map[string]any(doc)).(map[string]any)
	}
	if same := Same(Merge(was, doc), was); c.Describes(doc, rec) && !same {
		t.Fatalf("%v is said to describe %+v", doc, rec)
	}
}

// disturb changes a value somewhere in a JSON value.
func disturb(t *rapid.T, v any) any {
	switch v := v.(type) {
	case Object:
		return disturb(t, map[string]any(v))
	case map[string]any:
		if len(v) == 0 || rapid.IntRange(0, 3).Draw(t, "add") == 0 {
			v[rapid.SampledFrom([]string{"label", "position", "password", "number", "x"}).Draw(t, "member")] = rapid.SampledFrom([]any{nil, "", "x", 1.0, false}).Draw(t, "value")
			return v
		}
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(v))).Draw(t, "name")
		switch rapid.IntRange(0, 3).Draw(t, "how") {
		case 0:
			delete(v, name)
		case 1:
			v[name] = nil
		default:
			v[name] = disturb(t, v[name])
		}
		return v
	case []any:
		if len(v) == 0 || rapid.Bool().Draw(t, "append") {
			return append(v, map[string]any{})
		}
		i := rapid.IntRange(0, len(v)-1).Draw(t, "item")
		v[i] = disturb(t, v[i])
		return v
	case string:
		return v + "x"
	case float64:
		return v + 1
	case bool:
		return !v
	}
	return "x"
}
