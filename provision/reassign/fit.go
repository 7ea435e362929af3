package reassign

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

// fit takes from a device what its model can't have, and returns that and what its files have no place for, each with the reason.
// What was without effect on the phone before, which may be of another model, is not lost.
func (o Office) fit(was, d *fleet.Device) (lost []string, err error) {
	vendor, model, err := o.model(d)
	if err != nil {
		return nil, err
	}
	if vendor == nil {
		return o.unprovisioned(was, d), nil
	}
	d.Vendor, d.Model = vendor.ID, model
	if was.Vendor == d.Vendor && was.Model == d.Model {
		return nil, nil
	}
	lost = cut(vendor, d)
	if was.Vendor != d.Vendor && len(was.VendorSettings[was.Vendor]) > 0 {
		lost = append(lost, "vendor_settings of "+was.Vendor+": have no effect on "+vendor.Name)
	}
	before, err := o.leftOut(was)
	if err != nil {
		return nil, err
	}
	after, err := o.leftOut(d)
	if err != nil {
		return nil, err
	}
	for _, text := range after {
		if !slices.ContainsFunc(before, func(b string) bool { return subject(b) == subject(text) }) {
			lost = append(lost, text)
		}
	}
	for i := range lost {
		lost[i] = d.MAC.String() + ": " + lost[i]
	}
	return lost, nil
}

// model finds the pack and model of a device; a pack of nil is a device that only gets an address.
func (o Office) model(d *fleet.Device) (*pack.Vendor, string, error) {
	probe := &fleet.Device{MAC: d.MAC, Vendor: d.Vendor, Model: d.Model}
	if err := resolve.CheckDevice(o, o.Packs, probe); err != nil {
		return nil, "", err
	}
	v, _ := o.Packs.Vendor(probe.Vendor)
	return v, probe.Model, nil
}

// unprovisioned is what a device without a vendor loses: it gets no files.
func (o Office) unprovisioned(was, d *fleet.Device) []string {
	if was.Vendor == "" || len(d.Lines)+len(d.Keys)+len(d.Settings) == 0 {
		return nil
	}
	return []string{d.MAC.String() + ": has no vendor, so that it gets no files: lines, keys and settings have no effect"}
}

// cut removes what the model of a device can't have.
func cut(vendor *pack.Vendor, d *fleet.Device) (lost []string) {
	d.Lines = slices.DeleteFunc(d.Lines, func(l fleet.Line) bool {
		err := vendor.CheckLine(d.Model, l.Position)
		if err != nil {
			lost = append(lost, "line "+strconv.Itoa(l.Position)+" ("+l.String()+"): "+err.Error())
		}
		return err != nil
	})
	d.Keys = slices.DeleteFunc(d.Keys, func(k fleet.Key) bool {
		err := vendor.CheckKey(d.Model, k)
		if err != nil {
			lost = append(lost, "key "+k.String()+": "+err.Error())
		}
		return err != nil
	})
	d.Settings = maps.Clone(d.Settings)
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		var err error
		if name != "firmware" {
			err = vendor.CheckSupport(d.Model, name)
		}
		if err == nil {
			err = vendor.CheckSetting(d.Model, name, resolve.TemplateValue(d.Settings[name]))
		}
		if err != nil {
			delete(d.Settings, name)
			text := err.Error()
			if def, _ := setting.Lookup(name); def.IsSecret() {
				text = fmt.Sprintf("%s can't have this value", vendor.Name)
			}
			lost = append(lost, "setting "+name+": "+text)
		}
	}
	params := maps.Clone(d.VendorSettings[vendor.ID])
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if err := vendor.CheckExtra(d.Model, name, params[name]); err != nil {
			delete(params, name)
			lost = append(lost, "vendor setting "+name+": the files of the model can't hold it")
		}
	}
	if d.VendorSettings = maps.Clone(d.VendorSettings); params != nil {
		d.VendorSettings[vendor.ID] = params
	}
	return lost
}

func (o Office) leftOut(d *fleet.Device) ([]string, error) {
	if d.Vendor == "" {
		return nil, nil
	}
	left, _, err := resolve.LeftOut(o, o.Packs, o.Site, netip.Prefix{}, d, o.Now)
	return left, err
}

// subject is what a text is about, without the reason.
func subject(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[:i]
	}
	return text
}
