// Package keys is the editor of a phone's keys, as a picture of them: for a phone, whose profiles' keys are shown beneath its own, and for a
// profile, with what models can't have.
package keys

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/admin/web/record"
	"plugtone/provision/fleet"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screens to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files, record.Parts, preview.Parts)
	s := screen{p}
	f.Handle("GET /phones/{mac}/keys", s.phone)
	f.Handle("POST /phones/{mac}/keys", s.editPhone)
	f.Handle("GET /phones/{mac}/keys/fill", s.fill)
	f.Handle("POST /phones/{mac}/keys/fill", s.doFill)
	f.Handle("GET /profiles/{name}/keys/fill", s.fill)
	f.Handle("POST /profiles/{name}/keys/fill", s.doFill)
	f.Handle("GET /profiles/{name}", s.profile)
	f.Handle("POST /profiles/{name}", s.editProfile)
	return err
}

// editor is what the template "keys" shows.
type editor struct {
	Form     *page.Form
	Draft    draft
	Saved    []fleet.Key // as they are stored
	Model    model
	Models   []page.Option // what a profile's picture may be of
	Areas    []area
	Chosen   *slot
	Fields   keyFields
	Others   []string // problems of no single key
	Effect   *preview.Preview
	Misfits  []misfit
	Action   string // address of the form
	FillURL  string // address of the form that fills from extensions
	Whose    string // "this phone" or "this profile"
	MayEdit  bool
	Inherits []string // profiles whose keys are shown beneath
}

// keyFields are the fields of the key that is edited.
type keyFields struct{ Type, Value, Label, Line, Follow, Pickup, Locked page.Field }

// layer is the keys that a record inherits from a profile.
type layer struct {
	Profile string
	Keys    []fleet.Key
}

// layers returns the keys of a profile and its parents, the nearest first.
func (s screen) layers(ctx context.Context, name string) ([]layer, error) {
	var out []layer
	for name != "" && len(out) < 32 { // the API refuses circles
		p, _, err := s.API.Profiles().Get(ctx, name, false)
		if client.IsNotFound(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		out = append(out, layer{p.Name, p.Keys})
		name = p.Parent
	}
	return out, nil
}

// Dirty returns how many keys are not as they are stored.
func (e *editor) Dirty() int {
	n := 0
	for _, k := range e.Draft.Keys {
		if !slices.Contains(e.Saved, k) {
			n++
		}
	}
	for _, k := range e.Saved {
		if e.Draft.index(place{k.Area, k.Slot}) < 0 {
			n++
		}
	}
	return n
}

// paint fills in the picture. below are the keys that the record inherits, left is what its phone does not get, owned what a source owns.
func (s screen) paint(ctx context.Context, e *editor, below []layer, left []string, owned func(place) bool) {
	slots := map[place]slot{}
	for _, l := range slices.Backward(below) {
		e.Inherits = append(e.Inherits, "profile "+l.Profile)
		for _, k := range l.Keys {
			slots[place{k.Area, k.Slot}] = slot{place: place{k.Area, k.Slot}, Key: k, From: l.Profile}
		}
	}
	for _, k := range e.Draft.Keys {
		p := place{k.Area, k.Slot}
		slots[p] = slot{place: p, Key: k, Own: true, Hides: slots[p].From, Source: owned(p), Changed: !slices.Contains(e.Saved, k)}
	}
	for _, text := range left {
		p, why := leftOutAt(text)
		if x, ok := slots[p]; ok && !x.Changed {
			x.Problem = why
			slots[p] = x
		}
	}
	for field, text := range e.Form.Problems {
		if at, ok := strings.CutPrefix(field, "key "); ok {
			if x, ok := slots[parsePlace(at)]; ok {
				x.Problem = text
				slots[x.place] = x
			}
		}
	}
	if e.Draft.At != (place{}) {
		x, ok := slots[e.Draft.At]
		if !ok {
			x = slot{place: e.Draft.At}
		}
		x.Chosen = true
		slots[x.place] = x
	}
	names := map[string]string{}
	for p, x := range slots {
		x.Name = s.nameOf(ctx, x.Key, names)
		slots[p] = x
		if x.Chosen {
			e.Chosen = &x
		}
	}
	if e.Chosen != nil && e.Chosen.Empty() && e.Chosen.Slot > e.Model.Areas[e.Chosen.Area] {
		delete(slots, e.Chosen.place) // it has been removed, and the model has no such slot
		e.Chosen, e.Draft.At = nil, place{}
	}
	e.Areas = paint(e.Model, slots)
	if e.Chosen != nil {
		e.fields()
	}
}

// nameOf returns what is beside a key: its label, or the name that it follows.
func (s screen) nameOf(ctx context.Context, k fleet.Key, names map[string]string) string {
	if k.LabelSource == fleet.LabelExtension && k.Value != "" {
		name, ok := names[k.Value]
		if !ok && len(names) < 200 {
			if x, _, err := s.API.Extensions().Get(ctx, k.Value, false); err == nil { // without an extension the label stays
				name = x.DisplayName
			}
			names[k.Value] = name
		}
		if name != "" {
			return name
		}
	}
	return k.Label
}

// fields builds the fields of the chosen key. What is another record's is not in them: a key without a type is inherited.
func (e *editor) fields() {
	v, k := url.Values{}, fleet.Key{}
	if e.Chosen.Own {
		k = e.Chosen.Key
	}
	v.Set("type", k.Type)
	v.Set("value", k.Value)
	v.Set("label", k.Label)
	v.Set("pickup_code", k.PickupCode)
	if k.Line > 0 {
		v.Set("line", fmt.Sprint(k.Line))
	}
	for name, on := range map[string]bool{"follow": k.LabelSource == fleet.LabelExtension, "locked": k.Locked} {
		if on {
			v.Set(name, "on")
		}
	}
	f := page.NewForm(v)
	none := "No key"
	if e.Chosen.From != "" || e.Chosen.Hides != "" {
		none = "As in profile " + e.Chosen.From + e.Chosen.Hides
	}
	types := e.Model.Types
	if len(types) == 0 {
		types = fleet.KeyTypes()
	}
	e.Fields = keyFields{
		Type: f.Select("type", "Type", typeOptions(types, k.Type, none)), Value: f.Text("value", "Number or address"), Label: f.Text("label", "Label"),
		Follow: f.Check("follow", "Label follows the name of the extension"), Line: f.Number("line", "Line", "Empty: the first one."),
		Pickup: f.Text("pickup_code", "Pickup code", "Dialled before the number to pick up its call."), Locked: f.Check("locked", "The user may not change it"),
	}
}

// send saves the draft, or tries to. It reports whether it is saved.
func (e *editor) send(step string, patch func(client.Write, map[string]any, string) error) (saved bool, err error) {
	err = patch(client.Write{DryRun: step != "save", Summary: step == "check", Message: e.Form.Get("message")}, map[string]any{"keys": e.Draft.Keys}, e.Form.Get("etag"))
	var dry *client.DryRun
	if errors.As(err, &dry) && step == "check" {
		return false, nil
	}
	if e.Effect, err = preview.Tried(err, nil); err == nil {
		return e.Effect == nil, nil
	}
	if step == "check" && client.IsPrecondition(err) {
		return false, nil // it is shown when the keys are saved
	}
	e.fail(err)
	if e.Form.Status == 200 {
		return false, err
	}
	return false, nil
}

// fail puts the problems of an error to the keys that they are about.
func (e *editor) fail(err error) {
	fields := map[string]string{}
	var p *client.Problem
	if !errors.As(err, &p) {
		return
	}
	for i, k := range e.Draft.Keys {
		name := "key " + place{k.Area, k.Slot}.String()
		e.Form.Values.Set(name, "")
		for _, d := range p.Errors {
			member := strings.TrimPrefix(d.Location, "body.")
			if at := fmt.Sprintf("keys[%d]", i); member == at || strings.HasPrefix(member, at+".") {
				fields[member] = name
			}
		}
	}
	e.Form.Fail(err, fields)
}
