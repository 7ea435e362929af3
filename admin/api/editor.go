package api

import (
	"errors"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/document"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// Editor applies documents of records within an edit, by the rules of the operations on single records.
type Editor struct{ s *core }

// NewEditor returns an Editor. The operations of Register must be registered with the API before it is used: it reads their
// schemas.
func NewEditor(api huma.API, c Config) Editor {
	return Editor{&core{Config: c, api: api, writer: c.Writer()}}
}

// Verdict is what became of a document.
type Verdict string

// The verdicts.
const (
	New     Verdict = "new"
	Same    Verdict = "same"
	Changed Verdict = "changed"
)

// Apply creates the record that a document describes, or changes the members that the document has; null removes one. It returns
// the record's name and the devices whose files depend on it; not those of a registrar, which take a reading of all extensions.
func (x Editor) Apply(e fleet.Edit, kind string, doc document.Object) (name string, v Verdict, macs []dhcp.MAC, err error) {
	switch kind {
	case fleet.KindRegistrar:
		name, err = textOf(doc, "name")
		if err == nil {
			update := registrars{x.s}.update(name, writing.Precondition{}, doc, true)
			update.affects = nil
			v, macs, err = applied(x.s, e, update)
		}
	case fleet.KindProfile:
		name, err = textOf(doc, "name")
		if err == nil {
			v, macs, err = applied(x.s, e, profiles{x.s}.update(name, writing.Precondition{}, doc, true))
		}
	case fleet.KindExtension:
		var number string
		if number, err = textOf(doc, "number"); err != nil {
			break
		}
		registrar, _ := doc["registrar"].(string)
		name = (&fleet.Line{Extension: number, Registrar: registrar}).String()
		update, _ := extensions{x.s}.update(name, number, registrar, writing.Precondition{}, doc, true)
		v, macs, err = applied(x.s, e, update)
	case fleet.KindDevice:
		var mac dhcp.MAC
		if name, err = textOf(doc, "mac"); err == nil {
			mac, err = parseMAC("body.mac", name)
		}
		if err == nil {
			name = mac.String()
			doc["mac"] = name
			v, macs, err = applied(x.s, e, devices{x.s}.update(mac, writing.Precondition{}, doc, true))
		}
	default:
		err = fmt.Errorf("%w: record of kind %q", fleet.ErrInternal, kind)
	}
	return name, v, macs, err
}

// textOf returns a member that names the record.
func textOf(doc document.Object, member string) (string, error) {
	text, ok := doc[member].(string)
	if !ok || text == "" {
		return "", problem.Field("body."+member, "", "is needed, as text")
	}
	return text, nil
}

func applied[T any](s *core, e fleet.Edit, w recordUpdate[T]) (Verdict, []dhcp.MAC, error) {
	w.create = true
	rec, created, err := w.apply(s, e)
	switch {
	case errors.Is(err, writing.ErrUnchanged):
		return Same, nil, nil
	case err != nil:
		return "", nil, err
	}
	var macs []dhcp.MAC
	if w.affects != nil {
		if macs, err = w.affects(e, rec); err != nil {
			return "", nil, err
		}
	}
	if created {
		return New, macs, nil
	}
	return Changed, macs, nil
}
