package leaseapi

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"plugtone/admin/advice"
	"plugtone/admin/client"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/leaseimport"
	"plugtone/provision/resolve"
)

// reserve writes the reservations into device records, in one change, and gives each its verdict. A client without a record gets one; what it
// was recognised as is taken over, and without that it has no vendor, so that only its address is kept. After is run with the records
// as they are then.
func (c Config) reserve(ctx context.Context, list []leaseimport.ForeignReservation, out *client.LeasesImported, after func(fleet.View) error) error {
	found, err := c.Discovered.DiscoveredPhones()
	if err != nil {
		return err
	}
	r := reserving{Config: c, found: found}
	action := fmt.Sprintf("import %d reservations", len(list))
	if len(list) == 1 {
		action = "import 1 reservation"
	}
	change, err := c.Writer().Change(ctx, fleet.Write{Action: action}, func(e fleet.Edit) error {
		r.written, out.Reservations = nil, nil // of the time before, when it runs again
		for _, l := range list {
			item := client.ImportedReservation{ForeignReservation: l}
			if err := r.one(e, &item); err != nil {
				return fmt.Errorf("reservation of %s: %w", l.IP, err)
			}
			out.Reservations = append(out.Reservations, item)
		}
		var err error
		if out.LeftOut, err = c.Phones.Rendering().Validate(e, r.written); err != nil {
			return err
		}
		return after(e)
	})
	var tried *writing.Answer
	if errors.As(err, &tried) {
		tried.LeftOut = out.LeftOut
		out.Preview, err = &tried.Preview, nil
	}
	if err != nil {
		return writing.Problem(err)
	}
	out.Change = change.ID
	if !out.DryRun {
		r.forget()
	}
	return nil
}

// reserving is one import of reservations.
type reserving struct {
	Config
	found   []fleet.Discovered
	written []dhcp.MAC // devices
}

// one decides one reservation, and writes it.
func (r *reserving) one(e fleet.Edit, item *client.ImportedReservation) error {
	refuse := func(v client.ReservationVerdict, format string, args ...any) error {
		item.Verdict, item.Reason = v, fmt.Sprintf(format, args...)
		return nil
	}
	if _, ours := r.Site().SubnetOf(item.IP); !ours || !item.IP.Is4() {
		return refuse(client.ReservationOutside, "address is in no subnet of the configuration")
	}
	d, err := e.DeviceByAny(item.MAC)
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		d, item.Verdict = r.device(item.ForeignReservation), client.ReservationNew
	case err != nil:
		return err
	case d.ReservedIP == item.IP:
		item.Device = d.MAC
		return refuse(client.ReservationSame, "")
	case d.ReservedIP.IsValid():
		return refuse(client.ReservationConflict, "the device %s has %s reserved here", d.MAC, d.ReservedIP)
	case d.Source != "":
		return refuse(client.ReservationConflict, "the record of %s comes from the PBX source %s", d.MAC, d.Source)
	default:
		item.Verdict = client.ReservationChanged
	}
	was := d.ReservedIP
	d.ReservedIP = item.IP
	if text := advice.Reservation(r.Site(), r.Leases.LeaseAt, d, was); text != "" {
		return refuse(client.ReservationConflict, "address %s", text)
	}
	var bad fleet.ValidationError
	if err := resolve.CheckDevice(e, r.Packs(), d); errors.As(err, &bad) {
		return refuse(client.ReservationConflict, "%s", bad[0].Error())
	} else if err != nil {
		return err
	}
	item.Device = d.MAC
	r.written = append(r.written, d.MAC)
	return e.PutDevice(d)
}

// device is the record of a client that has none.
func (r *reserving) device(l leaseimport.ForeignReservation) *fleet.Device {
	d := &fleet.Device{MAC: l.MAC, OtherMACs: l.OtherMACs, Label: dhcp.Printable(l.Hostname, fleet.MaxLabel), Enabled: true}
	if i := slices.IndexFunc(r.found, func(f fleet.Discovered) bool { return f.MAC == l.MAC }); i >= 0 {
		d.Vendor, d.Model = advice.Recognised(r.Packs(), r.found[i])
	}
	return d
}

// forget takes phones that have records now off the discovered list. The records are stored already, so an error is only logged.
func (r *reserving) forget() {
	for _, f := range r.found {
		if !slices.Contains(r.written, f.MAC) {
			continue
		}
		if err := r.Discovered.ForgetPhone(f.MAC); err != nil && !errors.Is(err, fleet.ErrNotFound) {
			r.Log.Warn("forget discovered phone", "mac", f.MAC, "err", err)
		}
	}
}
