package record

import (
	"errors"

	"plugtone/admin/client"
	"plugtone/provision/impact"
)

// shownPhones is how many phones the template "effect" lists.
const shownPhones = 50

// Effect is what a change would do, for the template "effect".
type Effect struct {
	impact.Preview
	Shown []impact.Phone
	Rest  int  // phones that are not shown
	One   bool // the files of one phone only: its name is not repeated
}

// EffectOf returns the effect that the error of a dry run has. Any other error is returned as it is.
func EffectOf(err error) (*Effect, error) {
	var dry *client.DryRun
	if !errors.As(err, &dry) {
		return nil, err
	}
	e := &Effect{Preview: dry.Preview}
	e.Shown = e.Items[:min(len(e.Items), shownPhones)]
	e.Rest = e.Phones - len(e.Shown)
	e.One = e.Phones == 1
	return e, nil
}

// Later is when a change arrives on phones, as the end of a message.
const Later = "The phone fetches it at the next resync or restart."
