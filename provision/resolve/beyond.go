package resolve

import (
	"fmt"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// limits are how many lines and keys a device may have.
type limits struct {
	model *phonefile.Model
	open  bool // more than the pack states are let through: its numbers are not certain, or the operator allows it
}

func limitsOf(vendor *pack.Vendor, d *fleet.Device) limits {
	m := vendor.ModelOrGeneric(d.Model)
	return limits{m, m.Uncertain || d.BeyondModel}
}

// line returns why the device can't have a line at this position.
func (l limits) line(position int) error {
	err := l.model.CheckLine(position)
	switch {
	case err == nil || l.open:
		return nil
	case position >= 1:
		return fmt.Errorf("%w; beyond_model lets more through", err)
	}
	return err
}

// key returns why the device can't have a key. A key of a profile is for many models: it is let through only in areas that
// this one has.
func (l limits) key(k fleet.Key, own bool) error {
	err := l.model.CheckKey(k)
	if err == nil {
		return nil
	}
	beyond := l.model.CheckKeyBeyond(k)
	switch {
	case beyond != nil:
		return err
	case l.open && (own || l.model.Areas()[k.Area] > 0):
		return nil
	case l.open:
		return err
	}
	return fmt.Errorf("%w; beyond_model lets more through", err)
}

// Beyond returns the lines and keys of a phone that are more than its pack states of the model, and are still written.
func Beyond(vendor *pack.Vendor, p phonefile.Phone) []string {
	m := vendor.ModelOrGeneric(p.Model)
	reason := "more are let through for this device"
	if m.Uncertain {
		reason = "that is not certain"
	}
	var out []string
	for _, l := range p.Lines {
		if err := m.CheckLine(l.Position); err != nil {
			out = append(out, fmt.Sprintf("%s, as far as is known; %s", err, reason))
		}
	}
	for _, k := range p.Keys {
		if err := m.CheckKey(k); err != nil {
			out = append(out, fmt.Sprintf("key %s: %s, as far as is known; %s", k, err, reason))
		}
	}
	return out
}
