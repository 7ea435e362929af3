package resolve

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// readLines reads the accounts, and gives the registrar of the first line: its settings are the phone's.
func (r *resolved) readLines(f fleet.View) (first *fleet.Registrar, err error) {
	for _, l := range r.device.Lines {
		if !l.On() {
			continue // the phone's file clears the position
		}
		e, err := f.Extension(l.Extension, l.Registrar)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", l.Position, err)
		}
		if e.Registrar == "" {
			r.leftOut = append(r.leftOut, fmt.Sprintf("line %d: extension %s has no registrar", l.Position, e.Number))
			continue
		}
		reg, err := f.Registrar(e.Registrar)
		if err != nil {
			return nil, fmt.Errorf("line %d: extension %s: %w", l.Position, e.Number, err)
		}
		if first == nil {
			first = reg
		}
		shared := l.Shared
		if !shared && r.hasSharedLine(l.Position) {
			users, err := f.DevicesWith(e.Number, e.Registrar)
			if err != nil {
				return nil, err
			}
			shared = len(users) > 1
		}
		r.lines = append(r.lines, account(l, e, reg, shared))
	}
	return first, nil
}

// hasSharedLine reports whether a key of the device makes the line a shared one.
func (r *resolved) hasSharedLine(position int) bool {
	return slices.ContainsFunc(r.device.Keys, func(k fleet.Key) bool {
		return k.Type == "shared_line" && (k.Line == position || k.Line == 0 && position == 1)
	})
}

func account(l fleet.Line, e *fleet.Extension, reg *fleet.Registrar, shared bool) phonefile.Account {
	label := cmp.Or(l.Label, e.DisplayName, e.Number)
	auth := e.AuthUser
	if auth == "" {
		auth = e.Number
	}
	return phonefile.Account{
		Position:    l.Position,
		Number:      e.Number,
		DisplayName: e.DisplayName,
		AuthUser:    auth,
		Password:    e.Password,
		Label:       label,
		Voicemail:   e.Voicemail,
		Shared:      shared,
		Registrar: l.Override.Apply(fleet.Registrar{
			Name:                reg.Name,
			Host:                reg.Host,
			Port:                reg.Port,
			Transport:           reg.Transport,
			OutboundProxy:       reg.OutboundProxy,
			BackupHost:          reg.BackupHost,
			SIPDomain:           reg.SIPDomain,
			BackupOutboundProxy: reg.BackupOutboundProxy,
			RegisterExpires:     reg.RegisterExpires,
		}),
	}
}

// fitLines leaves out lines that the model doesn't have, as after a change of model by a newer pack.
func (r *resolved) fitLines(vendor *pack.Vendor) []phonefile.Account {
	var out []phonefile.Account
	may := limitsOf(vendor, r.device)
	for _, l := range r.lines {
		if err := may.line(l.Position); err != nil {
			r.leftOut = append(r.leftOut, fmt.Sprintf("line %d: %s", l.Position, err))
			continue
		}
		out = append(out, l)
	}
	return out
}

// settingsOffLines returns the settings of a phone that its files carry for some of its lines only, with the reason.
func settingsOffLines(m *phonefile.Model, p phonefile.Phone) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		if _, whole := m.SettingLack(name); whole {
			continue
		}
		for _, l := range p.Lines {
			if why, lacks := m.SettingLackOn(name, l.Position); lacks {
				out = append(out, strings.TrimSuffix(fmt.Sprintf("setting %s: not for line %d: %s", name, l.Position, why), ": "))
			}
		}
	}
	return out
}
