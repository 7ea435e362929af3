package phonefile

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/tz"
)

// view is what templates see as their dot. provision/vendors/README.md lists its fields.
type view struct {
	MAC, MACUpper, MACColon string
	Vendor, Model, Label    string
	Enabled, Assigned       bool
	ServerAddress
	CAURL, CACert   string
	Vars            map[string]string
	Lines, AllLines []*lineView
	Keys            []*keyView
	Expansions      []expansionView
	TZ              *tz.Zone
	Phonebook       string // its name; "" while it is off
	Contacts        []contactView

	model    *Model
	slots    map[string][]*keyView
	ownAreas map[string]bool // areas with slots of this phone's own
	settings map[string]any
	renderer *Renderer
}

type lineView struct {
	N                             int
	Bound                         bool
	Number, DisplayName, AuthUser string
	Password                      setting.Secret
	Label, Voicemail              string
	Shared                        bool
	Registrar, Host, Transport    string
	Port                          int
	OutboundProxy, OutboundHost   string
	OutboundPort                  int
	BackupHost                    string
	BackupPort                    int
	Domain                        string // sip_domain of the registrar, else its host
	BackupOutboundProxy           string
	BackupOutboundHost            string
	BackupOutboundPort            int
	Expires                       int
	model                         *Model // of a line that isn't bound, unless the model is made for one phone
}

type keyView struct {
	Area               string
	Slot               int
	Type, Value, Label string
	Line               int
	Code, Text         string
	PickupCode         string
	Locked             bool
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
func (v *view) Is(name string) bool { return v.model.Is(name) }

// Line returns one line position.
func (v *view) Line(n int) (*lineView, error) {
	if n < 1 || n > len(v.AllLines) {
		return nil, fmt.Errorf("line %d: %s has lines 1 to %d", n, v.Model, len(v.AllLines))
	}
	return v.AllLines[n-1], nil
}

// Slots returns every key of an area, set or not.
func (v *view) Slots(area string) ([]*keyView, error) {
	if !slices.Contains(KeyAreas(), area) && !expansionArea.MatchString(area) {
		return nil, fmt.Errorf("key area %q must be one of %s, expansion1 to expansion6", area, strings.Join(KeyAreas(), ", "))
	}
	return v.slots[area], nil
}

var expansionArea = regexp.MustCompile(`^expansion[1-6]$`)

// newView resolves everything that templates may print. With common set nothing of the single phone is in it.
func (r *Renderer) newView(p Phone, m *Model, common bool) (*view, error) {
	if m == r.Generic() {
		m = m.syntheticFor(p)
	}
	if p.Beyond || m.Uncertain {
		m = m.extendedFor(p)
	}
	out := &view{Vendor: r.doc.Vendor, Model: m.Name, Vars: m.Vars, Enabled: p.Enabled, Assigned: p.Assigned, model: m, renderer: r,
		settings: make(map[string]any, len(p.Settings))}
	var err error
	if out.ServerAddress, err = ParseServerAddress(p.ServerURL); err != nil {
		return nil, err
	}
	out.CAURL, out.CACert = p.CAURL, strings.TrimSpace(p.CACert)
	for name, val := range p.Settings {
		out.settings[name] = canonical(val)
	}
	out.setPhonebook(p, common)
	if name, ok := out.settings["time_zone"].(string); ok && name != "" {
		zone, err := r.caches.zone(name)
		if err != nil {
			return nil, err
		}
		zone = zone.In(p.Now.Year())
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

// canonical turns the catalogue's types into those of templates.
func canonical(val any) any {
	switch x := val.(type) {
	case setting.Duration:
		return time.Duration(x)
	}
	return val
}

// ServerAddress is where phones fetch their files, in the parts that vendors use.
type ServerAddress struct {
	URL, URLBare string // with and without a slash at the end
	Scheme, Host string
	Port         int    // that of the scheme when the URL has none
	Path         string // without slashes around it
	Server       string // host, and port unless it is that of the scheme
}

// ParseServerAddress reads a provisioning URL.
func ParseServerAddress(raw string) (ServerAddress, error) {
	if raw == "" {
		return ServerAddress{}, fleet.ErrNoServerAddress
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme == "" {
		return ServerAddress{}, fmt.Errorf("provisioning URL %.100q must be a URL such as http://10.20.0.2/", raw)
	}
	a := ServerAddress{URLBare: strings.TrimRight(raw, "/"), Scheme: u.Scheme, Host: u.Hostname(), Path: strings.Trim(u.Path, "/")}
	a.URL = a.URLBare + "/"
	usual := map[string]int{"http": 80, "https": 443, "tftp": 69, "ftp": 21}[u.Scheme]
	a.Port = usual
	if u.Port() != "" {
		a.Port, _ = strconv.Atoi(u.Port())
	}
	a.Server = a.Host
	if a.Port != usual {
		a.Server = net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	}
	return a, nil
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
		r := v.model.serverOf(l)
		into := v.AllLines[l.Position-1]
		if into.Bound {
			return fmt.Errorf("duplicate line %d", l.Position)
		}
		*into = lineView{N: l.Position, Bound: true, Number: l.Number, DisplayName: l.DisplayName, AuthUser: l.AuthUser,
			Password: l.Password, Label: l.Label, Voicemail: l.Voicemail, Shared: l.Shared, Registrar: r.Name, Host: r.Host,
			Port: r.Port, Transport: r.Transport, OutboundProxy: r.OutboundProxy, BackupHost: r.BackupHost, BackupPort: r.Port,
			Domain: cmp.Or(r.SIPDomain, r.Host), BackupOutboundProxy: r.BackupOutboundProxy,
			Expires: int(time.Duration(r.RegisterExpires) / time.Second)}
		into.BackupOutboundHost, into.BackupOutboundPort = hostPort(r.BackupOutboundProxy)
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
		return v.renderer.vendorName()
	}
	return v.Model
}

// Is reports whether the model of the key's phone is called name or belongs to a family called so.
func (k *keyView) Is(name string) bool { return k.model.Is(name) }
