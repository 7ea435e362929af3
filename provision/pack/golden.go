package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v4"

	"plugtone/dhcp"
	"plugtone/provision/setting"
)

// goldenDoc is phone.yaml of a golden.
type goldenDoc struct {
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
	Position      int    `yaml:"position"`
	Number        string `yaml:"number"`
	DisplayName   string `yaml:"display_name"`
	AuthUser      string `yaml:"auth_user"`
	Password      string `yaml:"password"`
	Label         string `yaml:"label"`
	Voicemail     string `yaml:"voicemail"`
	Shared        bool   `yaml:"shared"`
	Host          string `yaml:"host"`
	Port          int    `yaml:"port"`
	Transport     string `yaml:"transport"`
	OutboundProxy string `yaml:"outbound_proxy"`
	BackupHost    string `yaml:"backup_host"`
	Expires       string `yaml:"expires"`
	line          int
}

func (l *goldenLine) UnmarshalYAML(n *yaml.Node) error {
	type plain goldenLine
	err := decodeStrict(n, (*plain)(l), "position", "number", "display_name", "auth_user", "password", "label", "voicemail", "shared", "host",
		"port", "transport", "outbound_proxy", "backup_host", "expires")
	l.line = n.Line
	return err
}

type goldenKey struct {
	Area  string `yaml:"area"`
	Slot  int    `yaml:"slot"`
	Type  string `yaml:"type"`
	Value string `yaml:"value"`
	Label string `yaml:"label"`
	Line  int    `yaml:"line"`
	line  int
}

func (k *goldenKey) UnmarshalYAML(n *yaml.Node) error {
	type plain goldenKey
	err := decodeStrict(n, (*plain)(k), "area", "slot", "type", "value", "label", "line")
	k.line = n.Line
	return err
}

type goldenContact struct {
	Name   string `yaml:"name"`
	Number string `yaml:"number"`
	Mobile string `yaml:"mobile"`
	Home   string `yaml:"home"`
	Group  string `yaml:"group"`
}

// Golden runs one golden: the phone in its first file, then the DHCP options and every file that the phone is given. It
// gives the archive as it should be, and the patterns that were asked for.
func (v *Vendor) Golden(data []byte) (want []byte, asked []string, err error) {
	in, doc, p, err := v.readGolden(data)
	if err != nil {
		return nil, nil, err
	}
	out := txtar.Archive{Comment: in.Comment, Files: in.Files[:1]}
	site := dhcp.Site{NextServer: netip.AddrFrom4([4]byte{10, 20, 0, 2}), ProvisioningURL: p.ServerURL, VoiceVLAN: doc.VoiceVLAN, Phones: "provision"}
	opts, err := v.Options(p.Model, p.MAC, site)
	if err != nil {
		return nil, nil, err
	}
	out.Files = append(out.Files, txtar.File{Name: "dhcp", Data: showOptions(opts)})
	names := v.Files(p)
	for _, extra := range doc.Ask {
		f, err := v.file(extra, v.model(p.Model))
		if err != nil {
			return nil, nil, err
		}
		names = append(names, FileName{Name: extra, File: f})
	}
	var order bytes.Buffer
	for _, n := range names {
		fmt.Fprintf(&order, "%s %s\n", n.File.Kind, n.Name)
		asked = append(asked, n.File.Name)
	}
	out.Files = append(out.Files, txtar.File{Name: "asks", Data: order.Bytes()})
	for _, n := range names {
		text, err := v.RenderVerified(n.Name, p)
		if errors.Is(err, ErrNoContent) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		out.Files = append(out.Files, txtar.File{Name: n.Name, Data: bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))})
	}
	return txtar.Format(&out), asked, nil
}

// GoldenPhone is the phone that a golden describes.
func (v *Vendor) GoldenPhone(data []byte) (Phone, error) {
	_, _, p, err := v.readGolden(data)
	return p, err
}

func (v *Vendor) readGolden(data []byte) (in *txtar.Archive, doc goldenDoc, p Phone, err error) {
	in = txtar.Parse(data)
	if len(in.Files) == 0 || in.Files[0].Name != "phone.yaml" {
		return nil, doc, p, errors.New("the first file of a golden is phone.yaml")
	}
	var node yaml.Node
	if err := yaml.Unmarshal(in.Files[0].Data, &node); err != nil {
		return nil, doc, p, atGolden(in, notYAML(err))
	}
	if err := parseYAML(in.Files[0].Data, &doc); err != nil {
		return nil, doc, p, atGolden(in, splitYAML(err)...)
	}
	if p, err = v.goldenPhone(doc, node.Content[0]); err != nil {
		return nil, doc, p, atGolden(in, err)
	}
	return in, doc, p, nil
}

// goldenError is what is wrong with phone.yaml, at a line of the golden.
type goldenError struct {
	line int // 0: unknown
	msg  string
}

func (e *goldenError) Error() string { return e.msg }

// atGolden tells where in the golden the first fault of its phone.yaml is.
func atGolden(in *txtar.Archive, errs ...error) error {
	msg := cleanYAML(errs[0])
	line, rest, ok := cutLine(msg)
	if !ok || line == 0 {
		return &goldenError{0, "phone.yaml: " + msg}
	}
	return &goldenError{bytes.Count(in.Comment, []byte("\n")) + 1 + line, "phone.yaml: " + rest}
}

func showOptions(o Options) []byte {
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

func (v *Vendor) goldenPhone(doc goldenDoc, node *yaml.Node) (Phone, error) {
	p := Phone{Vendor: v.ID, Label: doc.Label, Enabled: doc.Enabled == nil || *doc.Enabled, Assigned: doc.Assigned == nil || *doc.Assigned,
		Extra: doc.VendorSettings, ServerURL: doc.URL, Now: referenceTime()}
	if p.ServerURL == "" {
		p.ServerURL = "http://10.20.0.2/"
	}
	mac := doc.MAC
	if mac == "" {
		mac = "00:15:65:12:34:56"
	}
	var err error
	if p.MAC, err = dhcp.ParseMAC(mac); err != nil {
		return p, atLine(lineOf(node, "mac"), "%v", err)
	}
	if doc.Model != "" {
		m, ok := v.Model(doc.Model)
		if !ok {
			return p, atLine(lineOf(node, "model"), "model %q is none of %s%s", doc.Model, v.ID, near(doc.Model, v.modelNames()))
		}
		p.Model = m.Name
	}
	for i, l := range doc.Lines {
		line, err := goldenToLine(l, i)
		if err != nil {
			return p, atLine(l.line, "%v", err)
		}
		p.Lines = append(p.Lines, line)
	}
	for _, k := range doc.Keys {
		if k.Area == "" {
			k.Area = "line"
		}
		key := Key{Area: k.Area, Slot: k.Slot, Type: k.Type, Value: k.Value, Label: k.Label, Line: k.Line}
		if err := v.CheckKey(p.Model, key); err != nil {
			return p, atLine(k.line, "%v", err)
		}
		p.Keys = append(p.Keys, key)
	}
	for _, c := range doc.Contacts {
		p.Contacts = append(p.Contacts, Contact(c))
	}
	sort.SliceStable(p.Keys, func(i, j int) bool {
		a, b := p.Keys[i], p.Keys[j]
		return a.Area < b.Area || a.Area == b.Area && a.Slot < b.Slot
	})
	vals, faults := setting.Values(doc.Settings).Check()
	if len(faults) > 0 {
		what := faults[0].Name
		if faults[0].Value != "" {
			what += fmt.Sprintf(" %q", faults[0].Value)
		}
		return p, atLine(lineOf(member(node, "settings"), faults[0].Name), "setting %s: %s", what, faults[0].Message)
	}
	p.Settings = vals
	return p, nil
}

func goldenToLine(l goldenLine, i int) (Line, error) {
	or := func(s, d string) string {
		if s == "" {
			return d
		}
		return s
	}
	expires := time.Hour
	if l.Expires != "" {
		d, err := time.ParseDuration(l.Expires)
		if err != nil {
			return Line{}, fmt.Errorf("expires %q is no duration such as 30m", l.Expires)
		}
		expires = d
	}
	if l.Position == 0 {
		l.Position = i + 1
	}
	if l.Port == 0 {
		l.Port = 5060
		if l.Transport == "tls" {
			l.Port = 5061
		}
	}
	return Line{Position: l.Position, Number: l.Number, DisplayName: l.DisplayName, AuthUser: or(l.AuthUser, l.Number), Password: Secret(l.Password),
		Label: or(l.Label, l.Number), Voicemail: l.Voicemail, Shared: l.Shared,
		Registrar: Registrar{Name: "main", Host: or(l.Host, "pbx.example.com"), Port: l.Port, Transport: or(l.Transport, "udp"),
			OutboundProxy: l.OutboundProxy, BackupHost: l.BackupHost, RegisterExpires: expires}}, nil
}

// patterns lists the names of the pack's files as they are declared.
func (v *Vendor) patterns() []string {
	var out []string
	for _, f := range v.files {
		out = append(out, f.Name)
	}
	return out
}

// Goldens runs every golden of a pack's folder and checks that together they ask for every file of the pack. With
// rewrite set, goldens that differ are handed to it instead of being faults. Its error joins every fault.
func (v *Vendor) Goldens(fsys fs.FS, rewrite func(name string, data []byte) error) error {
	return v.goldens(fsys, rewrite, v.Dir, v.patterns())
}

// goldens runs the goldens of the folder shown as dir; together they must ask for every pattern of must.
func (v *Vendor) goldens(fsys fs.FS, rewrite func(name string, data []byte) error, dir string, must []string) error {
	names, err := fs.Glob(fsys, path.Join("testdata", "*.txtar"))
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: the pack has no goldens in testdata", dir)
	}
	var errs []error
	var asked []string
	unread := false
	for _, name := range names {
		file := path.Join(dir, name)
		have, err := fs.ReadFile(fsys, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		want, patterns, err := v.Golden(have)
		asked = append(asked, patterns...)
		unread = unread || err != nil
		var fault *goldenError
		switch {
		case errors.As(err, &fault) && fault.line > 0:
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, fault.line, err))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		case bytes.Equal(have, want):
		case rewrite != nil:
			errs = append(errs, rewrite(name, want))
		default:
			errs = append(errs, fmt.Errorf("%s:%s", file, firstDifference(string(have), string(want))))
		}
	}
	left := slices.DeleteFunc(slices.Clone(must), func(name string) bool { return slices.Contains(asked, name) })
	if len(left) > 0 && !unread { // one that can't be read may be the one that asks
		errs = append(errs, fmt.Errorf("%s: no golden asks for %s", dir, strings.Join(left, ", ")))
	}
	return errors.Join(errs...)
}

// firstDifference tells the line where a golden and the truth part.
func firstDifference(have, want string) string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		x, y := "the end", "the end"
		if i < len(a) {
			x = strconv.Quote(a[i])
		}
		if i < len(b) {
			y = strconv.Quote(b[i])
		}
		if x != y {
			return fmt.Sprintf("%d: the golden has %s, the pack gives %s", i+1, x, y)
		}
	}
	return ""
}
