package fleetapi

import (
	"errors"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
)

// render renders the files of the devices that were changed, unless there are problems already, and adds those that can't be.
func (r *applying) render(e fleet.Edit) error {
	if r.problems.total > r.conflicts {
		return nil
	}
	err := r.Phones.ValidateRendering(e, r.affected)
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
