package phonefile

import (
	"plugtone/provision/fleet"

	"strings"
	"sync"
)

// ModelList is the models of one vendor.
type ModelList struct {
	list    []*Model // by name
	byName  map[string]*Model
	generic *Model // for phones of which only the vendor is known
}

// NewModelList makes a list of models in this order. vendor is the vendor's name, as errors about generic give it; generic
// for phones of which only the vendor is known.
func NewModelList(vendor string, list []*Model, generic *Model) *ModelList {
	m := &ModelList{list: list, byName: make(map[string]*Model), generic: generic}
	generic.vendor = vendor
	for _, x := range list {
		x.vendor = vendor
		x.empty = sync.OnceValue(x.emptySlots)
		for _, name := range append([]string{x.Name}, x.Aliases...) {
			m.byName[Fold(name)] = x
		}
	}
	return m
}

// Fold makes names of models comparable: SPA-942, spa942 and SPA 942 are the same, T46U and SIP-T46U are not.
func Fold(name string) string { return string(appendFold(make([]byte, 0, len(name)), name)) }

func appendFold(out []byte, name string) []byte {
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || c == '_' || c == ' ':
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		case c >= 0x80: // no model is called so, but a phone may send anything
			return []byte(strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name)))
		default:
			out = append(out, c)
		}
	}
	return out
}

// Models returns the models by name.
func (m *ModelList) Models() []*Model { return m.list }

// Model returns the model with a name or an alias, in any case and with or without dashes.
func (m *ModelList) Model(name string) (*Model, bool) {
	var room [48]byte // longer than any name
	x, ok := m.byName[string(appendFold(room[:0], name))]
	return x, ok
}

// Generic returns the model for phones of which only the vendor is known: it has everything that some model
// has.
func (m *ModelList) Generic() *Model { return m.generic }

// ModelOrGeneric returns the named model, or the generic one.
func (m *ModelList) ModelOrGeneric(name string) *Model {
	if x, ok := m.Model(name); ok {
		return x
	}
	return m.generic
}

// ModelNames returns the names of the models in their order.
func (m *ModelList) ModelNames() []string {
	names := make([]string, len(m.list))
	for i, x := range m.list {
		names[i] = x.Name
	}
	return names
}

// CheckLine returns why a model can't have this line position. model may be "": then any model's lines will do.
func (m *ModelList) CheckLine(model string, position int) error {
	return m.ModelOrGeneric(model).CheckLine(position)
}

// CheckKey returns why a model can't have a key. model may be "": then any model's keys will do.
func (m *ModelList) CheckKey(model string, k fleet.Key) error {
	return m.ModelOrGeneric(model).CheckKey(k)
}
