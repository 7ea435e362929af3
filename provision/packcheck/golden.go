package packcheck

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"sort"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
	"plugtone/provision/yamlpos"
)

// maxPhone bounds phone.yaml in bytes.
const maxPhone = 1 << 20

// goldenPhone is phone.yaml of a golden.
type goldenPhone struct {
	MAC            string            `yaml:"mac"`
	Model          string            `yaml:"model"`
	Label          string            `yaml:"label"`
	Enabled        *bool             `yaml:"enabled"`
	Assigned       *bool             `yaml:"assigned"`
	URL            string            `yaml:"url"`
	VoiceVLAN      int               `yaml:"voice_vlan"`
	Lines          []goldenLine      `yaml:"lines"`
	Keys           []goldenKey       `yaml:"keys"`
	Settings       map[string]any    `yaml:"settings"`
	VendorSettings map[string]string `yaml:"vendor_settings"`
	Contacts       []goldenContact   `yaml:"contacts"`
	Ask            []string          `yaml:"ask"`
}

type goldenLine struct {
	Position            int    `yaml:"position"`
	Number              string `yaml:"number"`
	DisplayName         string `yaml:"display_name"`
	AuthUser            string `yaml:"auth_user"`
	Password            string `yaml:"password"`
	Label               string `yaml:"label"`
	Voicemail           string `yaml:"voicemail"`
	Shared              bool   `yaml:"shared"`
	Host                string `yaml:"host"`
	Port                int    `yaml:"port"`
	Transport           string `yaml:"transport"`
	OutboundProxy       string `yaml:"outbound_proxy"`
	BackupHost          string `yaml:"backup_host"`
	BackupOutboundProxy string `yaml:"backup_outbound_proxy"`
	SIPDomain           string `yaml:"sip_domain"`
	Expires             string `yaml:"expires"`
	Pos                 yamlpos.Pos
}

type goldenKey struct {
	Area       string `yaml:"area"`
	Slot       int    `yaml:"slot"`
	Type       string `yaml:"type"`
	Value      string `yaml:"value"`
	Label      string `yaml:"label"`
	Line       int    `yaml:"line"`
	PickupCode string `yaml:"pickup_code"`
	Locked     bool   `yaml:"locked"`
	Pos        yamlpos.Pos
}

type goldenContact struct {
	Name   string `yaml:"name"`
	Number string `yaml:"number"`
	Mobile string `yaml:"mobile"`
	Home   string `yaml:"home"`
	Group  string `yaml:"group"`
}

// Golden is one golden of a vendor.
type Golden struct {
	Phone phonefile.Phone

	vendor *pack.Vendor
	in     *txtar.Archive
	doc    goldenPhone
}

// ReadGolden reads a golden and the phone in its first file.
func ReadGolden(v *pack.Vendor, data []byte) (*Golden, error) {
	g := &Golden{vendor: v, in: txtar.Parse(data)}
	if len(g.in.Files) == 0 || g.in.Files[0].Name != "phone.yaml" {
		return nil, errors.New("the first file of a golden is phone.yaml")
	}
	r := yamlpos.NewReader("")
	if root := r.Parse(g.in.Files[0].Data, maxPhone); root != nil {
		r.Decode(root, "", &g.doc)
	}
	if len(r.Errors) > 0 {
		return nil, atGolden(g.in, r.Errors[0])
	}
	var problem *yamlpos.Error
	if g.Phone, problem = g.doc.phone(v, r); problem != nil {
		return nil, atGolden(g.in, *problem)
	}
	return g, nil
}

// Run makes the DHCP options and every file that the phone receives. It returns the archive as it should be, and the patterns
// of the files that were requested.
func (g *Golden) Run() (want []byte, asked []string, err error) {
	v, p := g.vendor, g.Phone
	out := txtar.Archive{Comment: g.in.Comment, Files: g.in.Files[:1]}
	site := dhcp.Site{NextServer: netip.AddrFrom4([4]byte{10, 20, 0, 2}), ProvisioningURL: p.ServerURL, VoiceVLAN: g.doc.VoiceVLAN, Phones: "provision"}
	opts, err := v.Options(p.Model, p.MAC, site)
	if err != nil {
		return nil, nil, err
	}
	out.Files = append(out.Files, txtar.File{Name: "dhcp", Data: showOptions(opts)})
	names := v.Files(p)
	for _, extra := range g.doc.Ask {
		f, err := v.File(extra, v.ModelOrGeneric(p.Model))
		if err != nil {
			return nil, nil, err
		}
		names = append(names, phonefile.FileName{Name: extra, File: f})
	}
	var order bytes.Buffer
	for _, n := range names {
		fmt.Fprintf(&order, "%s %s\n", n.File.Kind, n.Name)
		asked = append(asked, n.File.Name)
	}
	out.Files = append(out.Files, txtar.File{Name: "asks", Data: order.Bytes()})
	for _, n := range names {
		text, err := v.RenderVerified(n.Name, p)
		if errors.Is(err, phonefile.ErrNoContent) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		out.Files = append(out.Files, txtar.File{Name: n.Name, Data: bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))})
	}
	return txtar.Format(&out), asked, nil
}

// runGolden reads a golden and runs it.
func runGolden(v *pack.Vendor, data []byte) (want []byte, asked []string, err error) {
	g, err := ReadGolden(v, data)
	if err != nil {
		return nil, nil, err
	}
	return g.Run()
}

// goldenError is what is wrong with phone.yaml, at a line of the golden.
type goldenError struct {
	line int // 0: unknown
	msg  string
}

func (e *goldenError) Error() string { return e.msg }

// atGolden returns where in the golden a problem of its phone.yaml is.
func atGolden(in *txtar.Archive, problem yamlpos.Error) error {
	line := problem.Line
	if line > 0 {
		line += bytes.Count(in.Comment, []byte("\n")) + 1
	}
	problem.Line = 0
	return &goldenError{line, "phone.yaml: " + problem.Error()}
}

func showOptions(o pack.Options) []byte {
	var b bytes.Buffer
	for _, opt := range o.List {
		force := ""
		if opt.Force {
			force = " force"
		}
		fmt.Fprintf(&b, "%d %x %q%s\n", opt.Code, opt.Data, opt.Data, force)
	}
	return b.Bytes()
}

// phone returns the phone that doc describes, or the first problem with it.
func (doc *goldenPhone) phone(v *pack.Vendor, r *yamlpos.Reader) (phonefile.Phone, *yamlpos.Error) {
	p := phonefile.Phone{Vendor: v.ID, Label: doc.Label, Enabled: doc.Enabled == nil || *doc.Enabled, Assigned: doc.Assigned == nil || *doc.Assigned,
		Extra: doc.VendorSettings, ServerURL: cmp.Or(doc.URL, "http://10.20.0.2/"), Now: referenceTime()}
	var err error
	if p.MAC, err = dhcp.ParseMAC(cmp.Or(doc.MAC, "00:15:65:12:34:56")); err != nil {
		return p, yamlpos.Errorf(r.Written["mac"].Pos, "%v", err)
	}
	if doc.Model != "" {
		m, err := v.FindModel(doc.Model)
		if err != nil {
			return p, yamlpos.Errorf(r.Written["model"].Pos, "%v", err)
		}
		p.Model = m.Name
	}
	for i, l := range doc.Lines {
		line, err := l.line(i)
		if err != nil {
			return p, yamlpos.Errorf(l.Pos, "%v", err)
		}
		p.Lines = append(p.Lines, line)
	}
	for _, k := range doc.Keys {
		key := fleet.Key{Area: cmp.Or(k.Area, "line"), Slot: k.Slot, Type: k.Type, Value: k.Value, Label: k.Label, Line: k.Line, PickupCode: k.PickupCode, Locked: k.Locked}
		if err := v.CheckKey(p.Model, key); err != nil {
			return p, yamlpos.Errorf(k.Pos, "%v", err)
		}
		p.Keys = append(p.Keys, key)
	}
	sort.SliceStable(p.Keys, func(i, j int) bool {
		a, b := p.Keys[i], p.Keys[j]
		return a.Area < b.Area || a.Area == b.Area && a.Slot < b.Slot
	})
	for _, c := range doc.Contacts {
		p.Contacts = append(p.Contacts, fleet.Contact(c))
	}
	vals, problems := setting.Values(doc.Settings).Check()
	if len(problems) > 0 {
		return p, yamlpos.Errorf(r.Written[yamlpos.Join("settings", problems[0].Field)].Pos, "setting %v", problems[0])
	}
	p.Settings = vals
	return p, nil
}

// line returns the line of a phone; i is its index in the list.
func (l *goldenLine) line(i int) (phonefile.Account, error) {
	expires := time.Hour
	if l.Expires != "" {
		d, err := time.ParseDuration(l.Expires)
		if err != nil {
			return phonefile.Account{}, fmt.Errorf("expires %q must be a duration such as 30m", l.Expires)
		}
		expires = d
	}
	return phonefile.Account{Position: cmp.Or(l.Position, i+1), Number: l.Number, DisplayName: l.DisplayName, AuthUser: cmp.Or(l.AuthUser, l.Number),
		Password: setting.Secret(l.Password), Label: cmp.Or(l.Label, l.Number), Voicemail: l.Voicemail, Shared: l.Shared,
		Registrar: fleet.Registrar{Name: "main", Host: cmp.Or(l.Host, "pbx.example.com"), Port: cmp.Or(l.Port, fleet.DefaultPort(l.Transport)), Transport: cmp.Or(l.Transport, "udp"),
			OutboundProxy: l.OutboundProxy, BackupHost: l.BackupHost,
			BackupOutboundProxy: l.BackupOutboundProxy, SIPDomain: l.SIPDomain, RegisterExpires: setting.Duration(expires)}}, nil
}
