package pack

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"plugtone/provision/setting"
	"plugtone/provision/tz"
)

// view is what templates see as their dot. provision/vendors/README.md lists its fields.
type view struct {
	MAC, MACUpper, MACColon      string
	Vendor, Model, Label         string
	Enabled, Assigned            bool
	URL, URLBare, Scheme, Server string
	CAURL, CACert                string
	Host                         string
	Port                         int
	Path                         string
	Vars                         map[string]string
	Lines, AllLines              []*lineView
	Keys                         []*keyView
	Expansions                   []expansionView
	TZ                           *tz.Zone
	Phonebook                    string // its name; "" while it is off
	Contacts                     []contactView

	model    *Model
	slots    map[string][]*keyView
	ownAreas map[string]bool // areas with slots of this phone's own
	settings map[string]any
	vendor   *Vendor
}

type lineView struct {
	N                             int
	Bound                         bool
	Number, DisplayName, AuthUser string
	Password                      Secret
	Label, Voicemail              string
	Shared                        bool
	Registrar, Host, Transport    string
	Port                          int
	OutboundProxy, OutboundHost   string
	OutboundPort                  int
	BackupHost                    string
	BackupPort                    int
	Expires                       int
	model                         *Model // of a line that isn't bound, unless the model is made for one phone
}

type keyView struct {
	Area               string
	Slot               int
	Type, Value, Label string
	Line               int
	Code, Text         string
	Module, Index      int
	Account            *lineView
	model              *Model
}

type expansionView struct {
	N     int
	Name  string // of the module, as the pack calls it
	Area  string
	Slots []*keyView
	Used  bool // a key is set
	model *Model
	plain bool // no slot holds anything, and the model is not made for one phone
}

// Is reports whether the model is called so or belongs to a family called so.
func (v *view) Is(name string) bool { return v.model.is(name) }

// Line gives one line position.
func (v *view) Line(n int) (*lineView, error) {
	if n < 1 || n > len(v.AllLines) {
		return nil, fmt.Errorf("line %d: %s has lines 1 to %d", n, v.Model, len(v.AllLines))
	}
	return v.AllLines[n-1], nil
}

// Slots gives every key of an area, set or not.
func (v *view) Slots(area string) ([]*keyView, error) {
	if !slices.Contains(keyAreas(), area) && !expansionArea.MatchString(area) {
		return nil, fmt.Errorf("key area %q is none of %s, expansion1 to expansion6", area, strings.Join(keyAreas(), ", "))
	}
	return v.slots[area], nil
}

var expansionArea = regexp.MustCompile(`^expansion[1-6]$`)

// syntheticFor gives the model that stands for a phone of unknown model the lines and keys that every model has, and those
// that the phone uses, and no more: clearing what the largest model has would fill the file with parameters that the
// phone doesn't know.
func (m *Model) syntheticFor(p Phone) *Model {
	out := *m
	out.synthetic, out.empty = true, nil
	out.Lines, out.Keys = m.minimum.lines, make(map[string]int)
	maps.Copy(out.Keys, m.minimum.keys)
	for _, l := range p.Lines {
		out.Lines = max(out.Lines, min(l.Position, m.Lines))
	}
	modules := 0
	for _, k := range p.Keys {
		out.Lines = max(out.Lines, min(k.Line, m.Lines))
		if n, ok := strings.CutPrefix(k.Area, "expansion"); ok {
			module, _ := strconv.Atoi(n)
			modules = max(modules, min(module, m.Expansion.Modules))
			continue
		}
		out.Keys[k.Area] = max(out.Keys[k.Area], min(k.Slot, m.Keys[k.Area]))
	}
	out.Keys["line"] = max(out.Keys["line"], min(out.Lines, m.Keys["line"]))
	out.Expansion.Modules = modules
	if modules == 0 {
		out.Expansion = Expansion{}
	}
	return &out
}

// newView resolves everything that templates may print. With common set nothing of the single phone is in it.
func (v *Vendor) newView(p Phone, m *Model, common bool) (*view, error) {
	if m == v.generic {
		m = m.syntheticFor(p)
	}
	out := &view{Vendor: v.ID, Model: m.Name, Vars: m.Vars, Enabled: p.Enabled, Assigned: p.Assigned, model: m, vendor: v,
		settings: make(map[string]any, len(p.Settings))}
	if err := out.setServer(p.ServerURL); err != nil {
		return nil, err
	}
	out.CAURL, out.CACert = p.CAURL, strings.TrimSpace(p.CACert)
	for name, val := range p.Settings {
		out.settings[name] = canonical(val)
	}
	out.setPhonebook(p, common)
	if name, ok := out.settings["time_zone"].(string); ok && name != "" {
		zone, err := v.zones.load(name)
		if err != nil {
			return nil, err
		}
		out.TZ = &zone
	}
	if common {
		return out, nil
	}
	out.Label = p.Label
	if !p.MAC.IsZero() {
		out.MAC, out.MACUpper, out.MACColon = p.MAC.Hex(), strings.ToUpper(p.MAC.Hex()), p.MAC.String()
	}
	if err := out.setLines(p); err != nil {
		return nil, err
	}
	return out, out.setKeys(p)
}

// canonical turns the catalogue's types into those that templates know.
func canonical(val any) any {
	switch x := val.(type) {
	case setting.Duration:
		return time.Duration(x)
	}
	return val
}

func (v *view) setServer(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme == "" {
		return fmt.Errorf("provisioning URL %.100q is no URL such as http://10.20.0.2/", raw)
	}
	v.URLBare = strings.TrimRight(raw, "/")
	v.URL = v.URLBare + "/"
	v.Scheme, v.Host, v.Path = u.Scheme, u.Hostname(), strings.Trim(u.Path, "/")
	usual := map[string]int{"http": 80, "https": 443, "tftp": 69, "ftp": 21}[u.Scheme]
	v.Port = usual
	if u.Port() != "" {
		v.Port, _ = strconv.Atoi(u.Port())
	}
	v.Server = v.Host
	if v.Port != usual {
		v.Server = net.JoinHostPort(v.Host, strconv.Itoa(v.Port))
	}
	return nil
}

func (v *view) setLines(p Phone) error {
	all := make([]lineView, v.model.Lines)
	v.AllLines = make([]*lineView, len(all))
	for i := range all {
		all[i].N = i + 1
		if !v.model.synthetic {
			all[i].model = v.model
		}
		v.AllLines[i] = &all[i]
	}
	if !p.Enabled || !p.Assigned {
		return nil
	}
	for _, l := range p.Lines {
		if l.Position < 1 || l.Position > len(v.AllLines) {
			return fmt.Errorf("line %d: %s has lines 1 to %d", l.Position, v.modelName(), len(v.AllLines))
		}
		r := l.Registrar
		into := v.AllLines[l.Position-1]
		if into.Bound {
			return fmt.Errorf("line %d stands twice", l.Position)
		}
		*into = lineView{N: l.Position, Bound: true, Number: l.Number, DisplayName: l.DisplayName, AuthUser: l.AuthUser,
			Password: l.Password, Label: l.Label, Voicemail: l.Voicemail, Shared: l.Shared, Registrar: r.Name, Host: r.Host,
			Port: r.Port, Transport: r.Transport, OutboundProxy: r.OutboundProxy, BackupHost: r.BackupHost, BackupPort: r.Port,
			Expires: int(r.RegisterExpires / time.Second)}
		into.OutboundHost, into.OutboundPort = hostPort(r.OutboundProxy)
		if host, port := hostPort(r.BackupHost); port != 0 {
			into.BackupHost, into.BackupPort = host, port
		}
	}
	for _, l := range v.AllLines {
		if l.Bound {
			v.Lines = append(v.Lines, l)
		}
	}
	return nil
}

func hostPort(s string) (string, int) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return s, 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return s, 0
	}
	return host, n
}

func (v *view) modelName() string {
	if v.Model == "" {
		return v.vendor.Name
	}
	return v.Model
}

// zoneCache keeps zones once computed: reading one costs more than rendering a file.
type zoneCache struct{ m sync.Map }

func (c *zoneCache) load(name string) (tz.Zone, error) {
	if z, ok := c.m.Load(name); ok {
		return z.(tz.Zone), nil
	}
	z, err := tz.Load(name)
	if err == nil {
		c.m.Store(name, z)
	}
	return z, err
}

// Is tells of a key's phone whether its model is called so or belongs to a family called so.
func (k *keyView) Is(name string) bool { return k.model.is(name) }
