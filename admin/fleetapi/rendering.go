package fleetapi

import (
	"errors"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
)

// render renders the files of the devices that the changed records affect, unless there are problems already. It adds those that can't be rendered, and
// what the devices newly do not get.
func (r *applying) render(e fleet.Edit) (err error) {
	if r.problems.total > r.conflicts {
		return nil
	}
	macs, err := fleet.DevicesOn(e, r.servers)
	if err != nil {
		return err
	}
	r.affected = append(r.affected, macs...)
	r.out.LeftOut, err = r.Phones.Rendering().Validate(e, r.affected)
	var invalid fleet.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	for i, p := range invalid {
		place := p.Field
		if mac, member, ok := resolve.RenderedDevice(p.Field); ok {
			place = "device " + mac.String() + ", " + member
			if row := r.seen[fleet.KindDevice][mac.String()]; row != "" && !strings.HasPrefix(place, row) {
				place = row + ", " + place
			}
		}
		r.bad(r.done+i, place, p.Value, p.Problem())
	}
	return nil
}
