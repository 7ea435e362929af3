package resolve

import (
	"net/netip"
	"slices"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
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

// Secrets returns the secrets that the phone's files have: passwords of lines, secret settings, and of vendor_settings what has the name of a
// secret. Those of fewer than four characters are left out: they are parts of too many texts.
func Secrets(p phonefile.Phone) []string {
	var out []string
	add := func(s string) {
		if len(s) >= 4 && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, l := range p.Lines {
		add(string(l.Password))
	}
	for _, v := range p.Settings {
		if s, secret := v.(setting.Secret); secret {
			add(string(s))
		}
	}
	for name, v := range p.Extra {
		if fleet.LooksSecret(name) {
			add(v)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) }) // what is a part of another is masked after it
	return out
}

// SecretsOf is Secrets of a device in a subnet; none when its record can't be resolved.
func SecretsOf(records fleet.Records, packs *pack.Set, site *fleet.Site, subnet netip.Prefix, d *fleet.Device, now time.Time) (out []string) {
	_ = records.View(func(f fleet.View) error {
		p, _, err := Phone(f, packs, site, subnet, d, now)
		if err == nil {
			out = Secrets(p)
		}
		return err
	})
	return out
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
