package resolve

import (
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// WithoutSecrets returns the phone for files that any requester may fetch. A pack refuses to render secrets there; what isn't
// in the phone can't be rendered at all.
func WithoutSecrets(p phonefile.Phone) phonefile.Phone {
	settings := make(map[string]any, len(p.Settings))
	for name, v := range p.Settings {
		if _, secret := v.(setting.Secret); !secret {
			settings[name] = v
		}
	}
	p.Settings = settings
	p.Extra = map[string]string{}
	p.Lines, p.Keys = nil, nil
	return p
}

// Masked returns the phone with *** in place of every secret. All parameters of vendor_settings are masked.
func Masked(p phonefile.Phone) phonefile.Phone {
	const mask = "***"
	lines := make([]phonefile.Account, len(p.Lines))
	for i, l := range p.Lines {
		if l.Password != "" {
			l.Password = mask
		}
		lines[i] = l
	}
	p.Lines = lines
	settings := make(map[string]any, len(p.Settings))
	for name, v := range p.Settings {
		if s, secret := v.(setting.Secret); secret && s != "" {
			v = setting.Secret(mask)
		}
		settings[name] = v
	}
	p.Settings = settings
	extra := make(map[string]string, len(p.Extra))
	for name, v := range p.Extra {
		// The names don't show which parameters are secret: one vendor's password is P34.
		if v != "" {
			v = mask
		}
		extra[name] = v
	}
	p.Extra = extra
	return p
}
