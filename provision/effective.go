package provision

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// Origin is one effective setting and where its value comes from.
type Origin struct {
	Name   string `json:"name"`
	Value  any    `json:"value,omitempty"` // absent for secrets
	From   string `json:"from"`            // default, site, subnet 10.20.0.0/22, registrar main, profile reception, device
	Secret bool   `json:"secret,omitempty"`
}

// layer is one place that settings come from. Later layers win.
type layer struct {
	from   string
	values setting.Values
}

// defaultRecheck is how often phones look for changes that nobody told them of.
const defaultRecheck = 24 * time.Hour

// resolved is everything that a device's files depend on, read from one revision of the fleet.
type resolved struct {
	device   *fleet.Device
	profiles []*fleet.Profile // the device's own last
	lines    []pack.Account
	layers   []layer
	leftOut  []string
}

// siteLayers are the layers that hold for every phone in the subnet.
func siteLayers(site *fleet.Site, subnet fleet.Subnet) []layer {
	builtin := setting.Values{"recheck_interval": setting.Duration(defaultRecheck)}
	if site.TimeZone != "" {
		builtin["time_zone"] = site.TimeZone
	}
	if len(subnet.NTPServers) > 0 {
		servers := make([]string, 0, 2)
		for _, a := range subnet.NTPServers[:min(2, len(subnet.NTPServers))] {
			servers = append(servers, a.String())
		}
		builtin["ntp_servers"] = servers
	}
	layers := []layer{{"default", builtin}, {"provisioning.settings", site.Settings}}
	if subnet.Prefix.IsValid() {
		layers = append(layers, layer{"subnet " + subnet.Prefix.String(), subnet.Settings})
	}
	return layers
}

// resolve reads what the device's files depend on.
func resolve(f fleet.View, packs *pack.Set, site *fleet.Site, subnet fleet.Subnet, d *fleet.Device) (*resolved, error) {
	r := &resolved{device: d, layers: siteLayers(site, subnet)}
	// What an operator sets by hand wins.
	if vendor, _ := packs.Vendor(d.Vendor); givesCredentials(vendor, site, subnet, d) {
		r.layers = slices.Insert(r.layers, 1, credentialsLayer(d.Credentials))
	}
	registrar, err := r.readLines(f)
	if err != nil {
		return nil, err
	}
	if registrar != nil {
		r.layers = append(r.layers, layer{"registrar " + registrar.Name, registrar.Settings})
	}
	if r.profiles, err = fleet.ProfileChain(f, d.Profile); err != nil {
		return nil, err
	}
	for _, p := range r.profiles {
		r.layers = append(r.layers, layer{"profile " + p.Name, p.Settings})
	}
	r.layers = append(r.layers, layer{"device", d.Settings})
	return r, nil
}

// credentialsLayer is the settings that write the credentials into the phone.
func credentialsLayer(c *trust.Credentials) layer {
	return layer{"credentials", setting.Values{"provisioning_user": c.User, "provisioning_password": setting.Secret(c.Password.Reveal())}}
}

// readLines reads the accounts, and gives the registrar of the first line: its settings are the phone's.
func (r *resolved) readLines(f fleet.View) (first *fleet.Registrar, err error) {
	for _, l := range r.device.Lines {
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
		shared := false
		if r.hasSharedLine(l.Position) {
			users, err := f.DevicesWith(e.Number, e.Registrar)
			if err != nil {
				return nil, err
			}
			shared = len(users) > 1
		}
		r.lines = append(r.lines, packLine(l, e, reg, shared))
	}
	return first, nil
}

// hasSharedLine tells whether a key of the device says that the line is shared.
func (r *resolved) hasSharedLine(position int) bool {
	return slices.ContainsFunc(r.device.Keys, func(k fleet.Key) bool {
		return k.Type == "shared_line" && (k.Line == position || k.Line == 0 && position == 1)
	})
}

func packLine(l fleet.Line, e *fleet.Extension, reg *fleet.Registrar, shared bool) pack.Account {
	label := e.DisplayName
	if label == "" {
		label = e.Number
	}
	auth := e.AuthUser
	if auth == "" {
		auth = e.Number
	}
	return pack.Account{
		Position:    l.Position,
		Number:      e.Number,
		DisplayName: e.DisplayName,
		AuthUser:    auth,
		Password:    e.Password,
		Label:       label,
		Voicemail:   e.Voicemail,
		Shared:      shared,
		Registrar: fleet.Registrar{
			Name:            reg.Name,
			Host:            reg.Host,
			Port:            reg.Port,
			Transport:       reg.Transport,
			OutboundProxy:   reg.OutboundProxy,
			BackupHost:      reg.BackupHost,
			RegisterExpires: reg.RegisterExpires,
		},
	}
}

// origins is the effective settings with where each comes from, by name.
func origins(layers []layer) []Origin {
	by := map[string]Origin{}
	for _, l := range layers {
		for name, v := range l.values {
			if v == nil {
				continue
			}
			d, _ := setting.Lookup(name)
			_, secret := v.(setting.Secret)
			by[name] = Origin{Name: name, Value: v, From: l.from, Secret: secret || d.IsSecret()}
		}
	}
	out := make([]Origin, 0, len(by))
	for _, name := range slices.Sorted(maps.Keys(by)) {
		out = append(out, by[name])
	}
	return out
}

// packSettings is the effective settings as templates see them.
func packSettings(layers []layer) map[string]any {
	out := map[string]any{}
	for _, o := range origins(layers) {
		// What no catalogue entry takes any more (a record of another version) must not reach a template untyped.
		if d, ok := setting.Lookup(o.Name); ok && d.Typed(o.Value) {
			out[o.Name] = packValue(o.Value)
		}
	}
	return out
}

// fitSettings is the effective settings that a vendor's phones can have. What the device itself says has been checked when
// it was saved; of what it shares with others, phones of other vendors too, the values that it can't have are left out and
// named with the reason.
func fitSettings(vendor *pack.Vendor, model string, layers []layer) (fit map[string]any, left []string) {
	fit = packSettings(layers)
	for _, o := range origins(layers) {
		v, ok := fit[o.Name]
		if !ok {
			continue
		}
		// What holds for a whole site is for those who have it; what is said of this phone, or of some like it, was meant for it.
		if own := o.From == "device" || strings.HasPrefix(o.From, "profile "); own && o.Name != "firmware" && !vendor.Supports(model, o.Name) {
			left = append(left, fmt.Sprintf("setting %s of %s: no way is known to set it on %s; vendor_settings may have one", o.Name, ofWhom(o.From), cmp.Or(model, vendor.Name)))
		}
		if o.From == "device" {
			continue
		}
		if err := vendor.CheckSettingCached(model, o.Name, v); err != nil {
			delete(fit, o.Name)
			left = append(left, fmt.Sprintf("setting %s of %s: %s", o.Name, o.From, err))
		}
	}
	return fit, left
}

func ofWhom(from string) string {
	if from == "device" {
		return "the device"
	}
	return from
}

// packValue turns a canonical value into the type that templates know.
func packValue(v any) any {
	switch v := v.(type) {
	case setting.Duration:
		return time.Duration(v)
	case []string:
		return slices.Clone(v)
	}
	return v
}

// effectiveKeys joins the keys of profiles and device; per slot the device's wins, then the nearest profile's. Keys of a
// profile that the model can't have are left out and named with the reason.
func (r *resolved) effectiveKeys(vendor *pack.Vendor) []fleet.Key {
	type slot struct {
		area string
		n    int
	}
	type entry struct {
		key  fleet.Key
		from string
	}
	by := map[slot]entry{}
	for _, p := range r.profiles {
		for _, k := range p.Keys {
			by[slot{k.Area, k.Slot}] = entry{k, p.Name}
		}
	}
	for _, k := range r.device.Keys {
		by[slot{k.Area, k.Slot}] = entry{k, ""}
	}
	var keys []fleet.Key
	from := map[slot]string{}
	for at, e := range by {
		keys = append(keys, e.key)
		from[at] = e.from
	}
	fleet.SortKeys(keys)
	var out []fleet.Key
	for _, k := range keys {
		whose := "the device"
		if name := from[slot{k.Area, k.Slot}]; name != "" {
			whose = "profile " + name
		}
		if err := vendor.CheckKey(r.device.Model, k); err != nil {
			r.leftOut = append(r.leftOut, fmt.Sprintf("key %s of %s: %s", k, whose, err))
			continue
		}
		if k.Line > 0 && !slices.ContainsFunc(r.lines, func(l pack.Account) bool { return l.Position == k.Line }) {
			r.leftOut = append(r.leftOut, fmt.Sprintf("key %s of %s: the phone has it, but no account on line %d to use it with", k, whose, k.Line))
		}
		out = append(out, k)
	}
	return out
}

// extra joins the vendor's own parameters: profiles first, the device last.
func (r *resolved) extra(vendor string) map[string]string {
	out := map[string]string{}
	for _, p := range r.profiles {
		maps.Copy(out, p.VendorSettings[vendor])
	}
	maps.Copy(out, r.device.VendorSettings[vendor])
	return out
}
