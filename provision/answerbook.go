package provision

import (
	"fmt"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// bookOn tells whether the device's settings give it a phonebook. When that can't be told the answer is a fault already.
func (q *inquiry) bookOn() bool {
	settings, err := q.settings()
	if err != nil {
		q.fault(fmt.Errorf("%w: %w", fleet.ErrInternal, err))
		return false
	}
	return pack.PhonebookOn(settings)
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
