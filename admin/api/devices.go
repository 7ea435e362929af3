package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/advice"
	"plugtone/admin/client"
	"plugtone/admin/document"
	"plugtone/admin/masking"
	"plugtone/admin/paging"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
	"plugtone/provision/selector"
)

// devices has the operations on device records.
type devices struct{ *core }

// MACInput is the MAC of a phone in a URL.
type MACInput struct {
	MAC string `path:"mac" doc:"MAC address of the phone, with or without separators" example:"00:15:65:12:34:56"`
}

// Parse returns the MAC. Its error is an answer.
func (in MACInput) Parse() (dhcp.MAC, error) { return parseMAC("path.mac", in.MAC) }

func (s devices) register() {
	const path = "/devices/{mac}"
	huma.Register(s.api, access.Op(http.MethodGet, "/devices", "list-devices", "devices", "List devices", access.Viewer), s.list)
	create := access.Op(http.MethodPost, "/devices", "post-device", "devices", "Create a device", access.Operator)
	create.DefaultStatus = http.StatusCreated
	huma.Register(s.api, create, func(ctx context.Context, in *struct {
		writing.Input
		BodyInput
	}) (*recordOutput[client.Device], error) {
		return s.create(ctx, &in.BodyInput)
	})
	documentBody[client.Device](s.core, http.MethodPost, "/devices")
	huma.Register(s.api, access.Op(http.MethodGet, path, "get-device", "devices", "Read a device", access.Viewer),
		func(ctx context.Context, in *struct {
			MACInput
			ReadInput
		}) (*recordOutput[client.Device], error) {
			mac, err := in.Parse()
			if err != nil {
				return nil, err
			}
			return s.read(ctx, mac, in.ReadInput)
		})
	for _, method := range [...]string{http.MethodPut, http.MethodPatch} {
		huma.Register(s.api, access.Op(method, path, writeVerb(method)+"-device", "devices", writeSummary(method, "a device"), access.Operator),
			func(ctx context.Context, in *struct {
				MACInput
				writing.Precondition
				BodyInput
			}) (*recordOutput[client.Device], error) {
				mac, err := in.Parse()
				if err != nil {
					return nil, err
				}
				doc, err := in.document()
				if err != nil {
					return nil, err
				}
				return s.write(ctx, mac, in.Precondition, doc, method == http.MethodPatch)
			})
		documentBody[client.Device](s.core, method, path)
	}
	huma.Register(s.api, access.Op(http.MethodDelete, path, "delete-device", "devices", "Delete a device", access.Operator),
		func(ctx context.Context, in *struct {
			MACInput
			DeleteInput
		}) (*struct{}, error) {
			mac, err := in.Parse()
			if err != nil {
				return nil, err
			}
			return nil, s.remove(ctx, "device "+mac.String(), in.DeleteInput,
				func(f fleet.View) (uint64, error) { return revisionOf(f.Device(mac)) },
				func(e fleet.Edit) error { return e.DeleteDevice(mac) })
		})
}

// publicDevice is a device without secrets; see package masking.
func publicDevice(d fleet.Device, c access.Caller) client.Device {
	return client.Device{Device: masking.Device(d, c)}
}

type deviceListInput struct {
	paging.Input
	State   string `query:"state" enum:"never_seen,never_fetched,in_sync,stale,refused,disabled" doc:"only devices in this state" example:"stale"`
	Vendor  string `query:"vendor" doc:"only devices of this vendor, by id or alias" example:"yealink"`
	Profile string `query:"profile" doc:"only devices with this profile" example:"desk"`
	Where   string `query:"where" doc:"only devices for which all of these comma-separated conditions hold, FIELD=VALUE or FIELD!=VALUE with * for any text; the fields are mac vendor model profile state subnet label extension registrar location tag firmware source left_out overridden" example:"profile=desk,state!=in_sync"`
}

// selector returns the conditions of a list.
func (s devices) selector(in *deviceListInput) (selector.Selector, error) {
	if in.Vendor != "" {
		v, err := s.Packs().FindVendor(in.Vendor)
		if err != nil {
			return nil, problem.Field("query.vendor", in.Vendor, unknownMessage(err))
		}
		in.Vendor = v.ID
	}
	out, err := selector.Parse(in.Where)
	if err != nil {
		return nil, problem.From(err)
	}
	return out, nil
}

func (s devices) list(ctx context.Context, in *deviceListInput) (*listOutput[client.Device], error) {
	where, err := s.selector(in)
	if err != nil {
		return nil, err
	}
	var after dhcp.MAC
	if in.Cursor != "" {
		text, err := paging.ReadCursor(in.Cursor)
		if err == nil {
			after, err = dhcp.ParseMAC(text)
		}
		if err != nil {
			return nil, paging.InvalidCursor(in.Cursor)
		}
	}
	out := &listOutput[client.Device]{}
	out.Body.Items = []client.Device{}
	for {
		found, end, err := s.scan(in, where, after)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if len(out.Body.Items) == in.Limit {
				out.Body.NextCursor = paging.Cursor(out.Body.Items[in.Limit-1].MAC.String())
				return out, nil
			}
			dev := publicDevice(d, access.Of(ctx))
			s.addStatus(ctx, &dev)
			if s.hasStatus(in, where, &d, dev.Status) {
				out.Body.Items = append(out.Body.Items, dev)
			}
			after = d.MAC
		}
		if end {
			return out, nil
		}
	}
}

// hasStatus reports whether the conditions on the status hold.
func (s devices) hasStatus(in *deviceListInput, where selector.Selector, d *fleet.Device, st *provision.Status) bool {
	if in.State != "" && (st == nil || st.State != in.State) {
		return false
	}
	if st == nil {
		return !where.NeedsStatus()
	}
	return where.MatchesStatus(s.Site(), d, *st)
}

// unknownMessage returns the message about an unknown vendor without its name, which the problem has already.
func unknownMessage(err error) string {
	var u *pack.Unknown
	if errors.As(err, &u) {
		return u.Message
	}
	return err.Error()
}

// scan returns the next devices whose records match, one more than a page has at most. end is set when there are no others.
func (s devices) scan(in *deviceListInput, where selector.Selector, after dhcp.MAC) (found []fleet.Device, end bool, err error) {
	err = s.view(func(f fleet.View) error {
		for d, err := range f.Devices(after) {
			if err != nil {
				return err
			}
			if !in.matches(d) || !where.MatchesRecord(d) {
				continue
			}
			if len(found) > in.Limit {
				return nil
			}
			found = append(found, *d)
		}
		end = true
		return nil
	})
	return found, end, err
}

func (in *deviceListInput) matches(d *fleet.Device) bool {
	if in.Vendor != "" && d.Vendor != in.Vendor || in.Profile != "" && d.Profile != in.Profile {
		return false
	}
	q := in.Query()
	if q == "" || contains(q, d.Label, d.Model, d.Vendor, d.Profile, d.Notes) || containsMAC(q, d.MAC) || containsMAC(q, d.OtherMACs...) {
		return true
	}
	if d.ReservedIP.IsValid() && contains(q, d.ReservedIP.String()) {
		return true
	}
	for _, l := range d.Lines {
		if contains(q, l.Extension) {
			return true
		}
	}
	return false
}

func (s devices) read(ctx context.Context, mac dhcp.MAC, in ReadInput) (*recordOutput[client.Device], error) {
	rec, err := readRecord(ctx, s.core, in, "device", func(d *fleet.Device) string { return d.MAC.String() },
		func(f fleet.View) (*fleet.Device, error) { return f.Device(mac) })
	if err != nil {
		return nil, err
	}
	dev := client.Device{Device: masking.WithLists(rec)}
	if !in.Reveal {
		dev = publicDevice(rec, access.Of(ctx))
	}
	s.addStatus(ctx, &dev)
	dev.Warnings = s.warnings(&rec)
	return recordAnswer(dev, rec.Revision, false), nil
}

func (s devices) create(ctx context.Context, in *BodyInput) (*recordOutput[client.Device], error) {
	doc, err := in.document()
	if err != nil {
		return nil, err
	}
	text, ok := doc["mac"].(string)
	if !ok {
		return nil, problem.Field("body.mac", "", "is needed, as text")
	}
	mac, err := parseMAC("body.mac", text)
	if err != nil {
		return nil, s.invalid(doc, text)
	}
	out, err := s.write(ctx, mac, writing.Precondition{IfNoneMatch: "*"}, doc, false)
	var status huma.StatusError
	if errors.As(err, &status) && status.GetStatus() == http.StatusPreconditionFailed {
		return nil, huma.Error409Conflict(fmt.Sprintf("device %s exists already", mac))
	}
	return out, err
}

// invalid returns the answer to a new device with an invalid MAC, which also names its other problems.
func (s devices) invalid(doc document.Object, text string) error {
	w := s.update(dhcp.MAC{}, writing.Precondition{}, doc, false)
	w.bad.Add("mac", text, problem.MACForms)
	w.key = nil
	delete(doc, "mac")
	return s.view(func(f fleet.View) error {
		_, err := w.build(s.core, f, nil)
		return err
	})
}

func (s devices) update(mac dhcp.MAC, pre writing.Precondition, doc document.Object, patch bool) recordUpdate[fleet.Device] {
	return recordUpdate[fleet.Device]{
		noun: "device " + mac.String(), pre: pre, body: doc, patch: patch, wire: reflect.TypeFor[client.Device](),
		key:     map[string]string{"mac": mac.String()},
		find:    func(f fleet.View) (*fleet.Device, error) { return f.Device(mac) },
		prepare: prepareDevice,
		check:   s.check,
		put:     func(e fleet.Edit, d *fleet.Device) error { return e.PutDevice(d) },
		affects: func(_ fleet.View, d *fleet.Device) ([]dhcp.MAC, error) { return []dhcp.MAC{d.MAC}, nil },
	}
}

// recentEntries is how much of a timeline is searched for what a phone was recognised as.
const recentEntries = 50

// warnings returns what contradicts the record of a device. They are no reason to fail: without the timeline there are fewer.
func (s devices) warnings(d *fleet.Device) []string {
	entries, err := s.Events.Timeline(d.MAC, recentEntries)
	if err != nil {
		s.Log.Warn("device warnings", "mac", d.MAC, "err", err)
	}
	return advice.Vendor(s.Packs(), d, entries)
}

// check checks a device, and its reservation against the leases.
func (s devices) check(f fleet.View, d *fleet.Device) error {
	var bad fleet.ValidationError
	if err := resolve.CheckDevice(f, s.Packs(), d); err != nil && !errors.As(err, &bad) {
		return err
	}
	var had netip.Addr
	if old, err := f.Device(d.MAC); err == nil {
		had = old.ReservedIP
	}
	if text := advice.Reservation(s.Site(), s.Leases.LeaseAt, d, had); text != "" {
		bad.Add("reserved_ip", d.ReservedIP.String(), "%s", text)
	}
	return bad.Err()
}

func (s devices) write(ctx context.Context, mac dhcp.MAC, pre writing.Precondition, doc document.Object, patch bool) (*recordOutput[client.Device], error) {
	rec, created, err := s.update(mac, pre, doc, patch).run(ctx, s.core)
	if err != nil {
		return nil, problem.From(err)
	}
	if created {
		// A phone with a record is not listed as discovered. The record is stored already, so an error is only logged.
		if err := s.Discovered.ForgetPhone(mac); err != nil && !errors.Is(err, fleet.ErrNotFound) {
			s.Log.Warn("forget discovered phone", "mac", mac, "err", err)
		}
	}
	dev := publicDevice(*rec, access.Of(ctx))
	s.addStatus(ctx, &dev)
	dev.Warnings = s.warnings(rec)
	return recordAnswer(dev, rec.Revision, created), nil
}

// prepareDevice replaces absent and empty members by what they mean.
func prepareDevice(_ fleet.View, doc document.Object) error {
	if doc["enabled"] == nil {
		doc["enabled"] = true
	}
	if doc["reserved_ip"] == "" {
		delete(doc, "reserved_ip")
	}
	return nil
}
