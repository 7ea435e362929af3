package fleetapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
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

// applying is one apply.
type applying struct {
	fleets
	in    *ApplyInput
	doc   *apply.Document
	table *apply.Table

	compare *document.Comparer
	applied
}

// applied is what an apply has done in its edit, which may begin again.
type applied struct {
	out       client.Applied
	seen      map[string]map[string]string // kind and name to where it is
	affected  []dhcp.MAC
	servers   map[string]bool // registrars that were changed
	created   []dhcp.MAC      // devices
	problems  firsts[error]
	conflicts int // of the problems
	rows      firsts[client.RowVerdict]
	same      firsts[client.RowVerdict]
	again     []apply.Object // devices that were refused an address or a MAC because another had it
	done      int
}

// newApplying returns an apply of no records.
func newApplying(s fleets, in *ApplyInput) *applying {
	return &applying{fleets: s, in: in, compare: document.NewComparer()}
}

func newApplied() applied {
	return applied{seen: map[string]map[string]string{}, servers: map[string]bool{}, problems: firsts[error]{most: shownProblems},
		rows: firsts[client.RowVerdict]{most: shownVerdicts}, same: firsts[client.RowVerdict]{most: shownVerdicts}}
}

// total returns how many steps an apply has at most.
func (r *applying) total() int {
	if r.table != nil {
		return r.table.Steps()
	}
	return r.doc.Len()
}

func (r *applying) action() string {
	if r.doc != nil {
		return fmt.Sprintf("apply %d records", r.doc.Len())
	}
	text := fmt.Sprintf("apply %d rows", r.table.Len())
	if r.table.Format != "plugtone" {
		text += " of " + r.table.Format
	}
	return text
}

// run makes the change, all or nothing.
func (r *applying) run(ctx context.Context, progress func(done int)) (client.Applied, error) {
	c, _, err := r.edit(ctx, fleet.Write{Action: r.action()}, func(e fleet.Edit) ([]dhcp.MAC, error) {
		r.applied = newApplied()
		step := func(o apply.Object, p *apply.Problem) error {
			r.done++
			progress(r.done)
			if err := ctx.Err(); err != nil {
				return err
			}
			if p != nil {
				r.bad(o.Order, p.Place, p.Value, p.Message)
				return nil
			}
			o.Doc = maps.Clone(o.Doc)
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
		if err == nil && r.problems.total == 0 && r.in.Prune {
			err = r.prune(e)
		}
		if err != nil {
			return nil, err
		}
		if err := r.render(e); err != nil {
			return nil, err
		}
		if writing.OptionsOf(ctx).DryRun && r.problems.total == r.conflicts {
			return nil, nil // the conflicts are in the rows
		}
		return nil, r.verdict()
	})
	var tried *writing.Answer
	if errors.As(err, &tried) {
		r.rows.fill(r.same)
		tried.Same, tried.Conflicts = r.out.Same, r.conflicts
		tried.Rows, tried.MoreRows = r.rows.values()
	}
	r.out.Rows, r.out.More = r.rows.values()
	if err != nil {
		return r.out, writing.WithLeftOut(err, r.out.LeftOut)
	}
	slices.SortFunc(r.created, compareMACs)
	r.forget(r.created)
	r.out.Change = c.ID
	return r.out, nil
}

// bad adds a problem to the answer. order is the position of its record in the file.
func (r *applying) bad(order int, place, value, message string) {
	d := &huma.ErrorDetail{Location: "body." + place, Message: message}
	if value != "" {
		d.Value = client.Shorten(value)
	}
	r.problems.add(order, d)
}

// conflict adds a problem that is not of the record itself: another record has what it is to get.
func (r *applying) conflict(o apply.Object, member, value, message string) {
	r.bad(o.Order, o.Where(member), value, message)
	r.conflicts++
	reason := strings.TrimSpace(member + " " + value + " " + message)
	r.rows.add(o.Order, client.RowVerdict{Row: o.Place, Kind: o.Kind, Name: nameOf(o), Verdict: verdictConflict, Reason: reason})
}

// Verdicts that no single record has.
const (
	verdictConflict = "conflict"
	verdictDeleted  = "deleted"
)

// verdict returns the answer that names all problems, nil when there are none.
func (r *applying) verdict() error {
	shown, more := r.problems.values()
	if len(shown) == 0 {
		return nil
	}
	text := fmt.Sprintf("%d problems; nothing was changed", r.problems.total)
	if r.problems.total == 1 {
		text = "1 problem; nothing was changed"
	}
	if more > 0 {
		text += fmt.Sprintf("; the first %d are named", shownProblems)
	}
	return huma.Error422UnprocessableEntity(text, shown...)
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
			r.conflict(o, keyMember(o.Kind), name, "is in "+at+" already")
			return nil
		}
	}
	rec, err := recordNamed(e, o.Kind, nameOf(o))
	if err != nil {
		return err
	}
	if rec.source == "" && r.unchanged(e, o, rec.value) {
		r.out.Same++
		r.same.add(o.Order, client.RowVerdict{Row: o.Place, Kind: o.Kind, Name: nameOf(o), Verdict: string(api.Same)})
		return nil
	}
	doc, kept, err := withoutOwned(rec, o.Doc)
	if err != nil {
		return err
	}
	name, v, macs, err := r.editor.Apply(e, o.Kind, doc)
	if err != nil {
		return r.failed(o, err, first)
	}
	r.affected = append(r.affected, macs...)
	row := client.RowVerdict{Row: o.Place, Kind: o.Kind, Name: name, Verdict: string(v), Reason: kept.reason()}
	switch v {
	case api.Same:
		if kept.source == "" {
			r.out.Same++
		} else {
			r.out.Skipped++
		}
		if row.Reason == "" {
			r.same.add(o.Order, row)
			return nil
		}
		row.Verdict = verdictConflict
	case api.New:
		r.out.New++
		if mac, err := dhcp.ParseMAC(name); err == nil && o.Kind == fleet.KindDevice {
			r.created = append(r.created, mac)
		}
	case api.Changed:
		r.out.Changed++
		if o.Kind == fleet.KindRegistrar {
			r.servers[name] = true
		}
	}
	r.rows.add(o.Order, row)
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
		r.bad(o.Order, o.Where(keyMember(o.Kind)), "", model.Detail)
		return nil
	}
	for _, d := range model.Errors {
		value, _ := d.Value.(string)
		member := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body"), ".")
		if isTaken(d) && belongsToOther(d.Message) {
			r.conflict(o, member, value, d.Message)
			continue
		}
		r.bad(o.Order, o.Where(member), value, d.Message)
	}
	return nil
}

// isTaken reports whether a problem is that another device has the address or MAC.
func isTaken(d *huma.ErrorDetail) bool {
	return d.Location == "body.reserved_ip" || strings.HasPrefix(d.Location, "body.other_macs") || d.Location == "body.mac"
}

// belongsToOther reports whether the message about an address or a MAC is that another device, client or this server has it.
func belongsToOther(message string) bool {
	return slices.ContainsFunc([]string{"belongs to device ", "is reserved for device ", "is one of the other_macs of device ", "is leased to ", "is this server's own "},
		func(start string) bool { return strings.HasPrefix(message, start) })
}

// retry applies the devices again that were refused because another device had what they are to get: it may have lost it since. Devices that are
// to get each other's lose theirs first.
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
		r.bad(o.Order, o.Where("server"), server, "is the host, SIP domain or name of no registrar: "+strings.Join(names, ", "))
		return false, nil
	}
	_, err := e.Extension(number, registrar)
	o.Doc["registrar"] = registrar
	if errors.Is(err, fleet.ErrNotFound) {
		return true, nil
	}
	return false, err
}
