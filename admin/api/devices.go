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
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
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
	create := access.Op(http.MethodPost, "/devices", "post-device", "devices", "Create a device", access.Operator)
	create.DefaultStatus = http.StatusCreated
	huma.Register(s.api, create, func(ctx context.Context, in *struct {
		writing.Input
		BodyInput
	}) (*recordOutput[client.Device], error) {
		return s.create(ctx, &in.BodyInput)
	})
	documentBody[client.Device](s.core, http.MethodPost, "/devices")
	registerRecord[client.Device](s.core, "/devices/{mac}", "device", "a", s.read, s.write, s.delete)
}

// publicDevice is a device without secrets; see package masking.
func publicDevice(d fleet.Device, c access.Caller) client.Device {
	return client.Device{Device: masking.Device(d, c)}
}

type deviceRead struct {
	MACInput
	ReadInput
}

func (s devices) read(ctx context.Context, in *deviceRead) (*recordOutput[client.Device], error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	rec, err := readRecord(ctx, s.core, in.ReadInput, "device", func(d *fleet.Device) string { return d.MAC.String() },
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
	out, err := s.save(ctx, mac, writing.Precondition{IfNoneMatch: "*"}, doc, false)
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
	var old *fleet.Device
	return recordUpdate[fleet.Device]{
		noun: "device " + mac.String(), own: mac, pre: pre, body: doc, patch: patch, wire: reflect.TypeFor[client.Device](),
		key: map[string]string{"mac": mac.String()},
		find: func(f fleet.View) (_ *fleet.Device, err error) {
			old, err = f.Device(mac)
			return old, err
		},
		prepare: prepareDevice,
		check:   s.check,
		put: func(e fleet.Edit, d *fleet.Device) error {
			if err := fleet.CheckOwnedDevice(old, d); err != nil {
				return err
			}
			return e.PutDevice(d)
		},
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
	return append(advice.Vendor(s.Packs(), d, entries), s.missingFiles(d)...)
}

// missingFiles returns warnings about files that the device's settings name and that are not there.
func (s devices) missingFiles(d *fleet.Device) (warnings []string) {
	vendor, ok := s.Packs().Vendor(d.Vendor)
	if !ok {
		return nil
	}
	site := s.Site()
	subnet, ok := site.SubnetOf(d.ReservedIP)
	if leases := s.Leases.LeasesOf(d.MAC); len(leases) > 0 && leases[0].State == dhcp.LeaseActive {
		subnet, ok = site.SubnetOf(leases[0].Addr)
	}
	if !ok {
		subnet, _ = site.FirstProvisioning()
	}
	err := s.Records.View(func(f fleet.View) error {
		origins, err := resolve.Origins(f, s.Packs(), site, subnet, d)
		warnings = advice.Files(s.Files, vendor, d.Model, origins)
		return err
	})
	if err != nil {
		s.Log.Warn("files of settings", "mac", d.MAC, "err", err)
	}
	return warnings
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

type deviceWrite struct {
	MACInput
	writing.Precondition
	BodyInput
}

func (s devices) write(ctx context.Context, in *deviceWrite, patch bool) (*recordOutput[client.Device], error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	doc, err := in.document()
	if err != nil {
		return nil, err
	}
	return s.save(ctx, mac, in.Precondition, doc, patch)
}

func (s devices) save(ctx context.Context, mac dhcp.MAC, pre writing.Precondition, doc document.Object, patch bool) (*recordOutput[client.Device], error) {
	rec, created, _, err := s.update(mac, pre, doc, patch).run(ctx, s.core)
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

type deviceDelete struct {
	MACInput
	DeleteInput
}

func (s devices) delete(ctx context.Context, in *deviceDelete) (*struct{}, error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	return nil, s.remove(ctx, "device "+mac.String(), in.DeleteInput,
		func(f fleet.View) (uint64, error) { return revisionOf(f.Device(mac)) },
		func(e fleet.Edit) error { return e.DeleteDevice(mac) })
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
