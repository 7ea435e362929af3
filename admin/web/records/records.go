// Package records is the screens of profiles, extensions and registrars: their lists, and a form for each. The keys of a profile are edited by
// package keys.
package records

import (
	"context"
	"embed"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/admin/web/record"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screens to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files, record.Parts, preview.Parts)
	s := screen{p}
	f.Handle("GET /profiles", s.profiles)
	f.Handle("GET /profiles/{name}/settings", s.settings)
	f.Handle("POST /profiles/{name}/settings", s.saveSetting)
	f.Handle("GET /profiles/{name}/history", s.profileHistory)
	f.Handle("GET /profiles/{name}/contacts", s.contacts)
	f.Handle("POST /profiles/{name}/contacts", s.saveContacts)
	f.Handle("GET /registrars/{name}/settings", s.registrarSettings)
	f.Handle("POST /registrars/{name}/settings", s.saveRegistrarSetting)
	f.Handle("GET /extensions", s.extensions)
	f.Handle("GET /registrars", s.registrars)
	for _, k := range []kind{profileKind(), extensionKind(), registrarKind()} {
		f.Handle("GET "+k.Path+"/new", func(r *page.Request) error { return s.add(r, k) })
		f.Handle("POST "+k.Path+"/new", func(r *page.Request) error { return s.create(r, k) })
		edit := k.Path + "/{name}"
		if k.Path == "/profiles" { // that is its keys
			edit += "/edit"
		}
		f.Handle("GET "+edit, func(r *page.Request) error { return s.edit(r, k) })
		f.Handle("POST "+edit, func(r *page.Request) error { return s.save(r, k) })
		f.Handle("GET "+k.Path+"/{name}/delete", func(r *page.Request) error { return s.ask(r, k) })
		f.Handle("POST "+k.Path+"/{name}/delete", func(r *page.Request) error { return s.remove(r, k) })
	}
	return err
}

// kind is a kind of records with a form.
type kind struct {
	Path, One, Many string
	Add             string            // title of the form for a new record
	Admins          []string          // fields that only admins may change
	Fields          map[string]string // of the form, by members of the API that are called otherwise
	// fields returns the fields of the form; fresh is set for a new record.
	fields func(ctx context.Context, api *client.Client, f *page.Form, fresh bool) ([]page.Field, error)
	read   func(ctx context.Context, api *client.Client, id string) (stored, error)
	// write creates a record with the etag "new", else changes the members of set.
	write  func(ctx context.Context, api *client.Client, id string, set map[string]any, etag string) error
	remove func(ctx context.Context, api *client.Client, id string, force bool) error
	id     func(f *page.Form) string // name of a new record
	after  func(id string) string    // where to go when it is saved
}

// stored is a record as its form shows it.
type stored struct {
	Values url.Values
	ETag   string
	Source string   // the PBX source that it comes from
	Owned  []string // members that the source owns
}

type formView struct {
	page.Base
	Kind   kind
	Name   string // "" for a new one
	Form   *page.Form
	Fields []page.Field
	Source string
	Effect *preview.Preview
	Delete string // address
	Back   string
}

var errViewer = &client.Problem{Status: http.StatusForbidden, Detail: "changing records needs the role operator"}

func (s screen) add(r *page.Request, k kind) error {
	if !r.MayChange() {
		return errViewer
	}
	return s.show(r, &formView{Kind: k, Form: page.NewForm(url.Values{})}, nil)
}

func (s screen) show(r *page.Request, v *formView, owned []string) error {
	v.Title, v.Back = v.Kind.Add, v.Kind.Path
	if v.Name != "" {
		v.Title, v.Delete = v.Name, v.Kind.Path+"/"+url.PathEscape(v.Name)+"/delete"
	}
	var err error
	if v.Fields, err = v.Kind.fields(r.Context(), s.API, v.Form, v.Name == ""); err != nil {
		return err
	}
	admins := func(x page.Field) bool {
		return slices.Contains(v.Kind.Admins, x.Name) && r.Caller().Role < access.Admin
	}
	if v.Name == "" {
		v.Fields = slices.DeleteFunc(v.Fields, admins)
	}
	for i := range v.Fields {
		x := &v.Fields[i]
		switch {
		case !r.MayChange():
			x.ReadOnly, x.Required = true, false
		case admins(*x):
			x.ReadOnly, x.Hint = true, "Only the role admin changes it."
		case slices.Contains(owned, x.Name):
			x.ReadOnly, x.Hint = true, "Comes from the PBX and is changed there."
		}
	}
	return s.RenderStatus(r, v.Form.Status, "form", v)
}

// members returns the entries of a form, as the API takes them: an empty one clears the member. A password that is not typed stays.
func (s screen) members(r *page.Request, k kind, f *page.Form, fresh bool) (map[string]any, error) {
	fields, err := k.fields(r.Context(), s.API, f, fresh)
	set := map[string]any{}
	for _, x := range fields {
		switch text := f.Get(x.Name); {
		case slices.Contains(k.Admins, x.Name) && r.Caller().Role < access.Admin:
		case x.Type == "password" && text == "", fresh && text == "":
		case text == "":
			set[x.Name] = nil
		case x.Type == "number":
			set[x.Name] = number(text)
		case x.Type == "textarea": // one value a line
			set[x.Name] = strings.Fields(text)
		default:
			set[x.Name] = text
		}
	}
	return set, err
}

func (s screen) create(r *page.Request, k kind) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	set, err := s.members(r, k, f, true)
	if err != nil {
		return err
	}
	id := k.id(f)
	if id == "" {
		f.Status, f.Message = http.StatusUnprocessableEntity, "the name is missing"
		return s.show(r, &formView{Kind: k, Form: f}, nil)
	}
	if err := k.write(r.Context(), s.API, id, set, "new"); err != nil {
		if !f.Fail(err, k.Fields) {
			return err
		}
		return s.show(r, &formView{Kind: k, Form: f}, nil)
	}
	r.Note("ok", "The "+k.One+" "+id+" was added.")
	return r.Redirect(k.after(id))
}

func (s screen) edit(r *page.Request, k kind) error {
	x, err := k.read(r.Context(), s.API, r.PathValue("name"))
	if err != nil {
		return err
	}
	x.Values.Set("etag", x.ETag)
	return s.show(r, &formView{Kind: k, Name: r.PathValue("name"), Form: page.NewForm(x.Values), Source: x.Source}, x.Owned)
}

func (s screen) save(r *page.Request, k kind) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	x, err := k.read(r.Context(), s.API, name)
	if err != nil {
		return err
	}
	set, err := s.members(r, k, f, false)
	if err != nil {
		return err
	}
	for _, m := range x.Owned {
		delete(set, m)
	}
	v := &formView{Kind: k, Name: name, Form: f, Source: x.Source}
	err = k.write(r.Context(), s.API.Writing(client.Write{DryRun: f.Get("step") == "preview"}), name, set, f.Get("etag"))
	if v.Effect, err = preview.Tried(err, nil); err == nil && v.Effect == nil {
		r.Note("ok", "The "+k.One+" "+name+" was saved. Its phones fetch the change at the next resync or restart.")
		return r.Redirect(k.after(name))
	}
	err = f.FailWrite(err, k.Fields, x.ETag, func() *page.Conflict {
		var members []string
		for m := range x.Values {
			if !strings.HasSuffix(m, "password") {
				members = append(members, m+"="+strings.ReplaceAll(m, "_", " "))
			}
		}
		slices.Sort(members)
		return page.Compare("", f.Values, x.Values, members...)
	})
	if err != nil {
		return err
	}
	return s.show(r, v, x.Owned)
}

type deleteView struct {
	page.Base
	Kind   kind
	Name   string
	Form   *page.Form
	Effect *preview.Preview
	Used   bool     // others use it: it is deleted with force only
	Users  []string // which
}

// ask shows what becomes of the phones when a record is deleted.
func (s screen) ask(r *page.Request, k kind) error {
	return s.delete(r, k, page.NewForm(url.Values{}), client.Write{DryRun: true})
}

func (s screen) remove(r *page.Request, k kind) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	return s.delete(r, k, f, client.Write{})
}

func (s screen) delete(r *page.Request, k kind, f *page.Form, w client.Write) error {
	if !r.MayChange() {
		return errViewer
	}
	v := &deleteView{Kind: k, Name: r.PathValue("name"), Form: f}
	v.Title = "Delete the " + k.One + " " + v.Name
	err := k.remove(r.Context(), s.API.Writing(w), v.Name, f.Get("force") != "")
	if client.IsConflict(err) && w.DryRun {
		f.Fail(err, nil)
		v.Used, f.Status = true, http.StatusOK
		if _, users, ok := strings.Cut(f.Message, "\n"); ok {
			v.Users, f.Message = strings.Split(users, "\n"), ""
		}
		err = k.remove(r.Context(), s.API.Writing(w), v.Name, true)
	}
	if v.Effect, err = preview.Tried(err, nil); err == nil && v.Effect == nil {
		r.Note("ok", "The "+k.One+" "+v.Name+" was deleted.")
		return r.Redirect(k.Path)
	}
	if err != nil && !f.Fail(err, nil) {
		return err
	}
	return s.RenderStatus(r, f.Status, "delete", v)
}
