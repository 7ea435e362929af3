package provision

import (
	"fmt"

	"plugtone/provision/pack"
)

// bookOn tells whether the device's settings give it a phonebook. When that can't be told the answer is a fault already.
func (q *inquiry) bookOn() bool {
	on := false
	err := q.s.c.Records.View(func(f Fleet) error {
		subnet, _ := q.s.subnetFor(q.site, q.device.MAC, q.device)
		r, err := resolve(f, q.site, subnet, q.device)
		if err == nil {
			on = pack.BookOn(packSettings(r.layers))
		}
		return err
	})
	if err != nil {
		q.fault(fmt.Errorf("%w: %w", ErrFault, err))
	}
	return on
}

// noBook answers a phone that asks for a phonebook while it has none: with the operator's own file of that name, or in vain.
func (q *inquiry) noBook() {
	if q.answer.Err != nil {
		return
	}
	kind := q.answer.Kind
	q.open(q.match.Name)
	if q.answer.Outcome == NotFound {
		q.answer.Kind = kind
		q.inVain()
		q.answer.Reason += "; the setting phonebook is off"
	}
}
