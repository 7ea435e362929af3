// Package resolve checks records against the vendor packs and computes what a device's files are rendered from: its effective
// settings, keys, lines and phonebook, with what its model can't have left out and named.
//
// It is pure: it reads one view of the fleet and returns values. Which requester gets a file is decided by packages trust and provision.
package resolve

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// Origin is one effective setting and where its value comes from.
type Origin struct {
	Name   string `json:"name" doc:"name of the setting" example:"language"`
	Value  any    `json:"value,omitempty" doc:"effective value; absent for secrets" example:"\"de\""`
	From   string `json:"from" doc:"where the value comes from: default, site, subnet PREFIX, registrar NAME, profile NAME or device" example:"profile desk"`
	Secret bool   `json:"secret,omitempty" doc:"whether the value is a secret" example:"false"`
}

// layer is one place that settings come from. Later layers override earlier ones.
type layer struct {
	from   string
	values setting.Values
}

// defaultRecheck is how often phones poll for changes, besides the notifications they get.
const defaultRecheck = 24 * time.Hour

// resolved is what a device's files depend on, read from one revision of the fleet.
type resolved struct {
	device   *fleet.Device
	profiles []*fleet.Profile // the device's own last
	lines    []phonefile.Account
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
	if site.SyslogPort != 0 && subnet.NextServer.IsValid() {
		builtin["syslog_server"] = syslogServer(netip.AddrPortFrom(subnet.NextServer, site.SyslogPort))
	}
	layers := []layer{{"default", builtin}, {"provisioning.settings", site.Settings}}
	if subnet.Prefix.IsValid() {
		layers = append(layers, layer{"subnet " + subnet.Prefix.String(), subnet.Settings})
	}
	return layers
}

// syslogServer returns the address of a syslog server, with its port when that is not the usual one: some phones have no place for a port.
func syslogServer(a netip.AddrPort) string {
	if a.Port() == syslogPort {
		return a.Addr().String()
	}
	return a.String()
}

// syslogPort is the port of syslog over UDP (RFC 5426, 3.3).
const syslogPort = 514

// resolveDevice reads what the device's files depend on.
func resolveDevice(f fleet.View, packs *pack.Set, site *fleet.Site, subnet fleet.Subnet, d *fleet.Device) (*resolved, error) {
	r := &resolved{device: d, layers: siteLayers(site, subnet)}
	// A value that an operator sets by hand overrides the phone's own credentials.
	if vendor, _ := packs.Vendor(d.Vendor); GivesCredentials(vendor, site, subnet, d) {
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

// origins returns the effective settings with where each comes from, by name.
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

// packSettings returns the effective settings as templates see them.
func packSettings(layers []layer) map[string]any {
	out := map[string]any{}
	for _, o := range origins(layers) {
		// A value that the catalogue no longer allows (a record of another version) must not reach a template untyped.
		if d, ok := setting.Lookup(o.Name); ok && d.Typed(o.Value) {
			out[o.Name] = TemplateValue(o.Value)
		}
	}
	return out
}

// fitSettings returns the effective settings that a vendor's phones can have. The device's own were checked when the record was
// saved. Inherited ones are shared with phones of other vendors: those that this phone can't have are left out and named with
// the reason.
func fitSettings(vendor *pack.Vendor, model string, layers []layer) (fit map[string]any, left []string) {
	fit = packSettings(layers)
	for _, o := range origins(layers) {
		v, ok := fit[o.Name]
		if !ok {
			continue
		}
		if err := vendor.CheckSupport(model, o.Name); err != nil {
			if written(o) {
				left = append(left, fmt.Sprintf("setting %s of %s: %s", o.Name, ownerName(o.From), err))
			}
			continue
		}
		if o.From == "device" {
			continue
		}
		if err := vendor.CheckSetting(model, o.Name, v); err != nil {
			delete(fit, o.Name)
			left = append(left, fmt.Sprintf("setting %s of %s: %s", o.Name, o.From, err))
		}
	}
	return fit, left
}

// written reports whether an operator has written a setting, for phones that carry it. What firmware names is served, and
// needs no place in a file; of the time zone ZoneLeftOut reports more.
func written(o Origin) bool {
	return o.From != "default" && o.From != "credentials" && o.Name != "firmware" && o.Name != "time_zone"
}

func ownerName(from string) string {
	if from == "device" {
		return "the device"
	}
	return from
}

// TemplateValue turns a canonical value into the type that templates use.
func TemplateValue(v any) any {
	switch v := v.(type) {
	case setting.Duration:
		return time.Duration(v)
	case []string:
		return slices.Clone(v)
	}
	return v
}

// Settings returns the effective settings of a device as templates see them, all of them: also those that its model can't have.
func Settings(f fleet.View, packs *pack.Set, site *fleet.Site, subnet fleet.Subnet, d *fleet.Device) (map[string]any, error) {
	r, err := resolveDevice(f, packs, site, subnet, d)
	if err != nil {
		return nil, err
	}
	return packSettings(r.layers), nil
}

// Origins returns the effective settings of a device with where each comes from, by name. Secrets have no value.
func Origins(f fleet.View, packs *pack.Set, site *fleet.Site, subnet fleet.Subnet, d *fleet.Device) ([]Origin, error) {
	r, err := resolveDevice(f, packs, site, subnet, d)
	if err != nil {
		return nil, err
	}
	out := origins(r.layers)
	for i := range out {
		if out[i].Secret {
			out[i].Value = nil
		}
	}
	return out, nil
}
