package fleetapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/admin/document"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/apply"
	"plugtone/provision/fleet"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

func compareMACs(a, b dhcp.MAC) int { return bytes.Compare(a[:], b[:]) }

// How much of a large apply is answered.
const (
	shownProblems = 1000
	shownVerdicts = 1000
)

// memoryFactor is how many bytes an apply takes for each byte of its body: the changed pages of the store and the change itself.
const memoryFactor = 16

// applying is one apply.
type applying struct {
	fleets
	in    *ApplyInput
	doc   *apply.Document
	table *apply.Table

	out      client.Applied
	seen     map[string]map[string]string // kind and name to where it is
	affected []dhcp.MAC
	created  []dhcp.MAC // devices
	problems []error
	faulty   int
	again    []apply.Object // devices that want an address or a MAC that another had then
	done     int
}

func (r *applying) total() int {
	if r.table != nil {
		return r.table.Len()
	}
	return r.doc.Len()
}

func (r *applying) action() string {
	text := fmt.Sprintf("apply %d records", r.total())
	if r.table != nil {
		text = fmt.Sprintf("apply %d rows", r.total())
		if r.table.Format != "plugtone" {
			text += " of " + r.table.Format
		}
	}
	return text
}

// run makes the change, all or nothing.
func (r *applying) run(ctx context.Context, progress func(done int)) (client.Applied, error) {
	if r.Memory != nil {
		defer r.Memory(int64(len(r.in.RawBody)) * memoryFactor)()
	}
	c, err := r.edit(ctx, fleet.Write{Action: r.action()}, func(e fleet.Edit) ([]dhcp.MAC, error) {
		step := func(o apply.Object, p *apply.Problem) error {
			r.done++
			progress(r.done)
			if err := ctx.Err(); err != nil {
				return err
			}
			if p != nil {
				r.bad(p.Place, p.Value, p.Message)
				return nil
			}
			return r.object(e, o, true)
		}
		var err error
		if r.table != nil {
			err = r.table.Objects(finder(e), step)
		} else {
			err = r.doc.Objects(step)
		}
		if err == nil {
			err = r.retry(e)
		}
		if err == nil && r.faulty == 0 && r.in.Prune {
			err = r.prune(e)
		}
		if err != nil {
			return nil, err
		}
		return r.affected, r.verdict()
	})
	var tried *writing.Answer
	if errors.As(err, &tried) {
		tried.Same = r.out.Same
	}
	if err != nil {
		return r.out, err
	}
	slices.SortFunc(r.created, compareMACs)
	r.forget(r.created)
	r.out.Change = c.ID
	return r.out, nil
}

// finder returns a function that reads a device, nil when there is none.
func finder(f fleet.View) func(dhcp.MAC) (*fleet.Device, error) {
	return func(mac dhcp.MAC) (*fleet.Device, error) {
		d, err := f.Device(mac)
		if errors.Is(err, fleet.ErrNotFound) {
			return nil, nil
		}
		return d, err
	}
}

// bad adds a problem to the answer.
func (r *applying) bad(place, value, message string) {
	r.faulty++
	if len(r.problems) == shownProblems {
		return
	}
	d := &huma.ErrorDetail{Location: "body." + place, Message: message}
	if value != "" {
		d.Value = client.Shorten(value)
	}
	r.problems = append(r.problems, d)
}

// verdict returns the answer that names all problems, nil when there are none.
func (r *applying) verdict() error {
	if r.faulty == 0 {
		return nil
	}
	text := fmt.Sprintf("%d problems; nothing was changed", r.faulty)
	if r.faulty == 1 {
		text = "1 problem; nothing was changed"
	}
	if r.faulty > shownProblems {
		text += fmt.Sprintf("; the first %d are named", shownProblems)
	}
	return huma.Error422UnprocessableEntity(text, r.problems...)
}

// object applies one record. first is false when it is tried again.
func (r *applying) object(e fleet.Edit, o apply.Object, first bool) error {
	if o.Missing {
		missing, err := r.missing(e, &o)
		if err != nil || !missing {
			return err
		}
	}
	if name := nameOf(o); first && name != "" {
		if at, twice := r.see(o, name); twice {
			r.bad(o.Where(keyMember(o.Kind)), name, "is in "+at+" already")
			return nil
		}
	}
	doc := document.Copy(document.Object(o.Doc))
	owned, err := withoutOwned(e, o.Kind, nameOf(o), doc)
	if err != nil {
		return err
	}
	name, v, macs, err := r.editor.Apply(e, o.Kind, doc)
	if err != nil {
		return r.failed(o, err, first)
	}
	r.affected = append(r.affected, macs...)
	switch v {
	case api.Same:
		if owned {
			r.out.Skipped++
		} else {
			r.out.Same++
		}
		return nil
	case api.New:
		r.out.New++
		if mac, err := dhcp.ParseMAC(name); err == nil && o.Kind == fleet.KindDevice {
			r.created = append(r.created, mac)
		}
	case api.Changed:
		r.out.Changed++
	}
	if len(r.out.Rows) < shownVerdicts {
		r.out.Rows = append(r.out.Rows, client.RowVerdict{Row: o.Place, Kind: o.Kind, Name: name, Verdict: string(v)})
	} else {
		r.out.More++
	}
	return nil
}

// see notes where a record is. twice is true when it had been listed before.
func (r *applying) see(o apply.Object, name string) (at string, twice bool) {
	if r.seen[o.Kind] == nil {
		r.seen[o.Kind] = map[string]string{}
	}
	at, twice = r.seen[o.Kind][name]
	if !twice {
		r.seen[o.Kind][name] = o.Place
	}
	return at, twice && !o.Missing
}

// nameOf returns the name of a record as its document has it, "" when that is no name.
func nameOf(o apply.Object) string {
	text, _ := o.Doc[keyMember(o.Kind)].(string)
	switch o.Kind {
	case fleet.KindDevice:
		mac, err := dhcp.ParseMAC(text)
		if err != nil {
			return ""
		}
		return mac.String()
	case fleet.KindExtension:
		registrar, _ := o.Doc["registrar"].(string)
		return fleet.Line{Extension: text, Registrar: registrar}.String()
	}
	return text
}

func keyMember(kind string) string {
	switch kind {
	case fleet.KindDevice:
		return "mac"
	case fleet.KindExtension:
		return "number"
	}
	return "name"
}

// failed notes the problems of a record. An error that is not the record's ends the apply.
func (r *applying) failed(o apply.Object, err error, first bool) error {
	var model *huma.ErrorModel
	if !errors.As(problem.From(err), &model) || model.Status >= http.StatusInternalServerError {
		return fmt.Errorf("%s: %w", o.Place, err)
	}
	if first && o.Kind == fleet.KindDevice && slices.ContainsFunc(model.Errors, isTaken) {
		r.again = append(r.again, o)
		return nil
	}
	if len(model.Errors) == 0 || model.Status != http.StatusUnprocessableEntity {
		r.bad(o.Where(keyMember(o.Kind)), "", model.Detail)
		return nil
	}
	for _, d := range model.Errors {
		value, _ := d.Value.(string)
		r.bad(o.Where(strings.TrimPrefix(strings.TrimPrefix(d.Location, "body"), ".")), value, d.Message)
	}
	return nil
}

// isTaken reports whether a problem is that another device has the address or MAC.
func isTaken(d *huma.ErrorDetail) bool {
	return d.Location == "body.reserved_ip" || strings.HasPrefix(d.Location, "body.other_macs") || d.Location == "body.mac"
}

// retry applies the devices again that wanted what another device had then: it may have given it up since. Devices that want
// each other's let go first.
func (r *applying) retry(e fleet.Edit) error {
	for _, o := range r.again {
		text, _ := o.Doc["mac"].(string)
		mac, err := dhcp.ParseMAC(text)
		if err != nil {
			continue
		}
		d, err := e.Device(mac)
		if errors.Is(err, fleet.ErrNotFound) || err == nil && !d.ReservedIP.IsValid() && d.OtherMACs == nil {
			continue
		}
		if err != nil {
			return err
		}
		// Members that the document does not name are put back.
		for member, value := range map[string]any{"reserved_ip": d.ReservedIP, "other_macs": d.OtherMACs} {
			if _, given := o.Doc[member]; !given && !isZero(value) {
				o.Doc[member] = value
			}
		}
		d.ReservedIP, d.OtherMACs = netip.Addr{}, nil
		if err := e.PutDevice(d); err != nil {
			return err
		}
	}
	for _, o := range r.again {
		normalized, err := document.ToObject(o.Doc)
		if err != nil {
			return err
		}
		o.Doc = normalized
		if err := r.object(e, o, false); err != nil {
			return err
		}
	}
	return nil
}

func isZero(v any) bool { return reflect.ValueOf(v).IsZero() }

// missing reports whether the account of a PBX's table does not exist yet, and names its registrar: the one whose host, SIP domain
// or name is the server of the table, or the only one.
func (r *applying) missing(e fleet.Edit, o *apply.Object) (bool, error) {
	server, _ := o.Doc["server"].(string)
	number, _ := o.Doc["number"].(string)
	delete(o.Doc, "server")
	var names []string
	registrar := ""
	for reg, err := range e.Registrars() {
		if err != nil {
			return false, err
		}
		names = append(names, reg.Name)
		if server != "" && slices.Contains([]string{reg.Host, reg.SIPDomain, reg.Name}, server) {
			registrar = reg.Name
		}
	}
	if registrar == "" && len(names) == 1 {
		registrar = names[0]
	}
	if registrar == "" {
		r.bad(o.Where("server"), server, "is the host, SIP domain or name of no registrar: "+strings.Join(names, ", "))
		return false, nil
	}
	_, err := e.Extension(number, registrar)
	o.Doc["registrar"] = registrar
	if errors.Is(err, fleet.ErrNotFound) {
		return true, nil
	}
	return false, err
}
