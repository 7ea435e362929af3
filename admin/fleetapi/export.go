package fleetapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/admin/document"
	"plugtone/admin/masking"
	"plugtone/admin/problem"
	"plugtone/dhcp"
	"plugtone/provision/apply"
	"plugtone/provision/fleet"
	"plugtone/provision/selector"
)

func (s fleets) registerExport() {
	get := access.Op(http.MethodGet, "/export", "export", "fleet", "Read many records, so that apply takes them", access.Viewer)
	get.Responses = map[string]*huma.Response{"200": {Description: "The records", Content: map[string]*huma.MediaType{
		"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(typeOf[client.FleetDocument](), true, "FleetDocument")},
		"text/csv":         {},
	}}}
	huma.Register(s.api, get, s.export)
}

type exportInput struct {
	api.RevealInput
	Where  string   `query:"where" doc:"only devices for which these conditions hold, as in the list of devices, and no other records" example:"profile=desk"`
	MACs   []string `query:"mac,explode" maxItems:"1000" doc:"only these devices, and no other records" example:"[\"00:15:65:12:34:56\"]"`
	Format string   `query:"format" enum:"json,csv" default:"json" doc:"json: all kinds of records; csv: devices, one a row" example:"csv"`
}

func (s fleets) export(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	if err := access.MayReveal(ctx, in.Reveal); err != nil {
		return nil, err
	}
	if in.Reveal {
		note := fleet.AuditEntry{Time: s.Now(), Actor: access.Of(ctx).Name, From: access.Of(ctx).From, Action: "export with secrets",
			Records: []fleet.AuditRecord{{Kind: "fleet", Change: "revealed"}}}
		if err := s.Audit.RecordAudit(note); err != nil {
			return nil, problem.From(err)
		}
	}
	where, err := selector.Parse(in.Where)
	if err != nil {
		return nil, problem.From(err)
	}
	x := exporter{fleets: s, caller: access.Of(ctx), reveal: in.Reveal, where: where, named: len(in.MACs) > 0}
	switch {
	case x.named && where != nil:
		err = problem.Field("query.mac", "", "names devices, and where does too; use one of them")
	case x.named:
		x.selected, err = s.named(in.MACs)
	case where != nil:
		x.selected, err = s.Index.Select(ctx, where)
	}
	if err != nil {
		return nil, problem.From(err)
	}
	write, contentType := x.document, "application/json"
	if in.Format == "csv" {
		write, contentType = x.table, "text/csv; charset=utf-8"
	}
	// An error before the first byte is answered; later ones end the connection, so that the client sees that the export is incomplete.
	if err := s.view(func(f fleet.View) error { return nil }); err != nil {
		return nil, err
	}
	done, err := x.grantExport(ctx)
	if err != nil {
		return nil, problem.From(err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer done()
		c.SetHeader("Content-Type", contentType)
		w := bufio.NewWriter(c.BodyWriter())
		err := s.Records.View(func(f fleet.View) error { return write(w, f) })
		if err == nil {
			err = w.Flush()
		}
		if err != nil {
			s.Log.Error("export failed", "err", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// exporter writes records.
type exporter struct {
	fleets
	caller access.Caller
	reveal bool
	where  selector.Selector // nil: all records
	named  bool              // devices are named by their MACs

	selected []dhcp.MAC // devices for which where holds, or that are named
}

// named parses the MACs of a query, whose devices must exist.
func (s fleets) named(texts []string) (macs []dhcp.MAC, err error) {
	err = s.Records.View(func(f fleet.View) error {
		for _, text := range texts {
			mac, err := dhcp.ParseMAC(text)
			if err != nil {
				return problem.Field("query.mac", text, problem.MACForms)
			}
			if _, err := f.Device(mac); err != nil {
				return err
			}
			macs = append(macs, mac)
		}
		return nil
	})
	return macs, err
}

// devices yields the devices that are exported: those of a PBX source, which come from there, only when they are named.
func (x exporter) devices(f fleet.View) iter.Seq2[*fleet.Device, error] {
	return func(yield func(*fleet.Device, error) bool) {
		list := f.Devices(dhcp.MAC{})
		if x.where != nil || x.named {
			list = fleet.DevicesOf(f, x.selected)
		}
		for d, err := range list {
			if err == nil && d.Source != "" && !x.named && !x.where.Names("source") {
				continue
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

func (x exporter) table(w io.Writer, f fleet.View) error {
	devices := x.devices(f)
	if x.caller.Role < access.Operator {
		devices = withoutVendorSettings(devices)
	}
	return apply.WriteTable(w, devices, x.reveal)
}

// withoutVendorSettings yields devices as a table shows them to viewers: it has no cell for a masked value, which apply would store.
func withoutVendorSettings(list iter.Seq2[*fleet.Device, error]) iter.Seq2[*fleet.Device, error] {
	return func(yield func(*fleet.Device, error) bool) {
		for d, err := range list {
			if err == nil {
				d.VendorSettings = nil
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

func (x exporter) document(w io.Writer, f fleet.View) error {
	if _, err := fmt.Fprintf(w, "{\"private\":%v", !x.reveal); err != nil {
		return err
	}
	if x.where != nil || x.named {
		if err := x.deviceSection(w, f); err != nil {
			return err
		}
		_, err := io.WriteString(w, "}\n")
		return err
	}
	err := section(w, "registrars", f.Registrars(), func(r *fleet.Registrar) any {
		if x.reveal {
			return r
		}
		return masking.Registrar(*r)
	})
	if err == nil {
		err = section(w, "extensions", f.Extensions(), func(e *fleet.Extension) any {
			if x.reveal {
				return e
			}
			return masking.Extension(*e)
		})
	}
	if err == nil {
		err = section(w, "profiles", f.Profiles(), func(p *fleet.Profile) any {
			if x.reveal {
				return p
			}
			return masking.Profile(*p, x.caller)
		})
	}
	if err == nil {
		err = x.deviceSection(w, f)
	}
	if err == nil {
		_, err = io.WriteString(w, "}\n")
	}
	return err
}

func (x exporter) deviceSection(w io.Writer, f fleet.View) error {
	return section(w, "devices", x.devices(f), func(d *fleet.Device) any {
		if x.reveal {
			return masking.WithLists(*d)
		}
		out := masking.Device(*d, x.caller)
		out.Credentials = nil
		return out
	})
}

// section writes a list of records without the members that a write ignores, one a line.
func section[T any](w io.Writer, name string, list iter.Seq2[*T, error], public func(*T) any) error {
	if _, err := fmt.Fprintf(w, ",\n%q:[", name); err != nil {
		return err
	}
	sep := "\n"
	for v, err := range list {
		if err != nil {
			return err
		}
		doc, err := document.ToObject(public(v))
		if err != nil {
			return err
		}
		doc.StripReadOnly()
		b, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, sep+string(b)); err != nil {
			return err
		}
		sep = ",\n"
	}
	_, err := io.WriteString(w, "]")
	return err
}
