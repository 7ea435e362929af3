package changes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
)

// ChangedSince is the error of an undo when records are no longer as the change left them.
type ChangedSince struct {
	ID      uint64
	Records []string // device 00:15:65:12:34:56 ...
}

// shownRecords is how many records an error names.
const shownRecords = 10

func (e *ChangedSince) Error() string {
	list, more := e.Records, ""
	if len(list) > shownRecords {
		more = fmt.Sprintf(" and %d more", len(list)-shownRecords)
		list = list[:shownRecords]
	}
	return fmt.Sprintf("change %d can't be undone: changed since are %s%s", e.ID, strings.Join(list, ", "), more)
}

// Undo sets every record of a change back to what it was before. While records were changed since, it is a ChangedSince error
// unless force is set, which overwrites them. The phones' own credentials stay as they are: only a rotation changes them. It
// returns the devices that are there again or changed, and those whose files depend on another record that is. One may be there twice.
func Undo(e fleet.Edit, packs *pack.Set, id uint64, force bool) ([]dhcp.MAC, error) {
	if _, err := e.Change(id); err != nil {
		return nil, err
	}
	u := undo{Edit: e, packs: packs, id: id, kinds: map[string]bool{}, registrars: map[string]bool{}}
	if err := u.check(force); err != nil {
		return nil, err
	}
	if err := u.release(); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		kind string
		do   func(fleet.ChangedRecord) error
	}{
		{fleet.KindRegistrar, u.restore}, {fleet.KindExtension, u.restore}, {fleet.KindProfile, u.restore},
		{fleet.KindProfile, u.checkProfile},
		{fleet.KindExtension, u.remove}, // before the devices: their lines may mean another one by the number alone
		{fleet.KindDevice, u.restore},
		{fleet.KindProfile, u.remove}, {fleet.KindRegistrar, u.remove},
		{fleet.KindProfile, u.affected}, {fleet.KindExtension, u.affected},
		{fleet.KindExtension, u.unused}, {fleet.KindProfile, u.unused}, {fleet.KindRegistrar, u.unused},
	} {
		if err := u.each(step.kind, step.do); err != nil {
			return nil, err
		}
	}
	macs, err := fleet.DevicesOn(e, u.registrars)
	return append(u.devices, macs...), err
}

type undo struct {
	fleet.Edit
	packs   *pack.Set
	id      uint64
	kinds   map[string]bool // that the change has
	devices []dhcp.MAC

	registrars map[string]bool // that were put back
}

// each calls f with the records of a kind, "" for all.
func (u *undo) each(kind string, f func(fleet.ChangedRecord) error) error {
	if kind != "" && !u.kinds[kind] {
		return nil // reading a large change takes a second
	}
	for r, err := range u.ChangeRecords(u.id) {
		if err != nil {
			return err
		}
		if kind != "" && r.Kind != kind {
			continue
		}
		if err := f(r); errors.Is(err, fleet.ErrInUse) {
			return err // it names the record
		} else if err != nil {
			return fmt.Errorf("%s %s: %w", r.Kind, r.Name, err)
		}
	}
	return nil
}

// check compares all records with what the change left.
func (u *undo) check(force bool) error {
	since := &ChangedSince{ID: u.id}
	err := u.each("", func(r fleet.ChangedRecord) error {
		u.kinds[r.Kind] = true
		now, err := current(u, r)
		if err != nil {
			return err
		}
		same, err := equal(now, r.After)
		if err == nil && !same {
			same, err = equal(now, r.Before) // it is undone already
		}
		if err == nil && !same {
			since.Records = append(since.Records, r.Kind+" "+r.Name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(since.Records) > 0 && !force {
		return since
	}
	return nil
}

// release deletes the devices that the change created, and takes from the others what a device may have to get back: an address
// or a MAC that only one can have.
func (u *undo) release() error {
	return u.each(fleet.KindDevice, func(r fleet.ChangedRecord) error {
		now, err := current(u, r)
		if err != nil || now == nil {
			return err
		}
		if same, err := equal(now, r.Before); err != nil || same {
			return err
		}
		d := now.Device
		if r.Before == nil {
			return u.DeleteDevice(d.MAC)
		}
		if !d.ReservedIP.IsValid() && len(d.OtherMACs) == 0 {
			return nil
		}
		d.ReservedIP, d.OtherMACs = netip.Addr{}, nil
		return u.PutDevice(d)
	})
}

// restore puts a record back that was there before, unless it is there.
func (u *undo) restore(r fleet.ChangedRecord) error {
	now, err := current(u, r)
	if err != nil {
		return err
	}
	if same, err := equal(now, r.Before); err != nil || same {
		return err
	}
	switch b := r.Before; {
	case b == nil:
		return nil
	case b.Registrar != nil:
		u.registrars[b.Registrar.Name] = true
		return errors.Join(fleet.CheckRegistrar(b.Registrar), u.PutRegistrar(b.Registrar))
	case b.Extension != nil:
		if b.Extension.Registrar != "" { // one whose registrar was deleted is restored as it was
			if err := fleet.CheckExtension(u, b.Extension); err != nil {
				return err
			}
		}
		return u.PutExtension(b.Extension)
	case b.Profile != nil:
		return u.PutProfile(b.Profile) // its parent may follow: checkProfile checks it
	}
	d := r.Before.Device
	if err := resolve.CheckDevice(u, u.packs, d); err != nil {
		return err
	}
	u.devices = append(u.devices, d.MAC)
	return u.PutDevice(d)
}

// checkProfile checks a profile that was put back.
func (u *undo) checkProfile(r fleet.ChangedRecord) error {
	if r.Before == nil {
		return nil
	}
	return resolve.CheckProfile(u, u.packs, r.Before.Profile)
}

// affected adds the devices that use a profile or an extension that was put back.
func (u *undo) affected(r fleet.ChangedRecord) (err error) {
	var macs []dhcp.MAC
	switch b := r.Before; {
	case b == nil:
	case b.Profile != nil:
		macs, err = fleet.DevicesUsing(u, b.Profile.Name)
	case b.Extension != nil:
		macs, err = u.DevicesWith(b.Extension.Number, b.Extension.Registrar)
	}
	u.devices = append(u.devices, macs...)
	return err
}

// unused refuses a record that remove has deleted and that others still use.
func (u *undo) unused(r fleet.ChangedRecord) error {
	if r.Before != nil {
		return nil
	}
	use := &fleet.InUse{What: r.Kind + " " + r.Name}
	var macs []dhcp.MAC
	var err error
	switch r.Kind {
	case fleet.KindExtension:
		number, registrar := fleet.ParseExtension(r.Name)
		macs, err = u.DevicesWith(number, registrar)
	case fleet.KindProfile:
		macs, err = u.DevicesWithProfile(r.Name)
		for p, perr := range u.Profiles() {
			if err = errors.Join(err, perr); perr == nil && p.Parent == r.Name {
				use.Users = append(use.Users, "profile "+p.Name)
			}
		}
	case fleet.KindRegistrar:
		for x, xerr := range u.Extensions() {
			if err = errors.Join(err, xerr); xerr == nil && x.Registrar == r.Name {
				use.Users = append(use.Users, "extension "+x.Number)
			}
		}
	}
	for _, mac := range macs {
		use.Users = append(use.Users, "device "+mac.String())
	}
	if err != nil || len(use.Users) == 0 {
		return err
	}
	return use
}

// remove deletes a record that the change created.
func (u *undo) remove(r fleet.ChangedRecord) error {
	if r.Before != nil {
		return nil
	}
	now, err := current(u, r)
	switch {
	case err != nil || now == nil:
		return err
	case now.Extension != nil:
		return u.DeleteExtension(now.Extension.Number, now.Extension.Registrar)
	case now.Profile != nil:
		return u.DeleteProfile(now.Profile.Name)
	}
	return u.DeleteRegistrar(now.Registrar.Name)
}

// current reads the record as it is now, nil when there is none.
func current(f fleet.View, r fleet.ChangedRecord) (*fleet.Record, error) {
	out := &fleet.Record{}
	var err error
	switch r.Kind {
	case fleet.KindDevice:
		var mac dhcp.MAC
		if mac, err = dhcp.ParseMAC(r.Name); err == nil {
			out.Device, err = f.Device(mac)
		}
	case fleet.KindExtension:
		number, registrar := fleet.ParseExtension(r.Name)
		out.Extension, err = f.Extension(number, registrar)
	case fleet.KindRegistrar:
		out.Registrar, err = f.Registrar(r.Name)
	case fleet.KindProfile:
		out.Profile, err = f.Profile(r.Name)
	default:
		err = fmt.Errorf("%w: record of kind %q", fleet.ErrInternal, r.Kind)
	}
	if errors.Is(err, fleet.ErrNotFound) {
		return nil, nil
	}
	return out, err
}

// equal compares two records but for what every write sets and for the phones' credentials.
func equal(a, b *fleet.Record) (bool, error) {
	if a == nil || b == nil {
		return a == nil && b == nil, nil
	}
	ja, err := json.Marshal(bare(a))
	if err != nil {
		return false, err
	}
	jb, err := json.Marshal(bare(b))
	return bytes.Equal(ja, jb), err
}

func bare(r *fleet.Record) any {
	switch {
	case r.Device != nil:
		d := *r.Device
		d.Revision, d.CreatedAt, d.UpdatedAt, d.Credentials = 0, time.Time{}, time.Time{}, nil
		return d
	case r.Extension != nil:
		x := *r.Extension
		x.Revision, x.CreatedAt, x.UpdatedAt = 0, time.Time{}, time.Time{}
		return x
	case r.Registrar != nil:
		x := *r.Registrar
		x.Revision, x.CreatedAt, x.UpdatedAt = 0, time.Time{}, time.Time{}
		return x
	}
	p := *r.Profile
	p.Revision, p.CreatedAt, p.UpdatedAt = 0, time.Time{}, time.Time{}
	return p
}
