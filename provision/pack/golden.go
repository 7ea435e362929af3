package pack

import (
	"bytes"
	"encoding/csv"
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
}

type goldenKey struct {
	Area  string `yaml:"area"`
	Slot  int    `yaml:"slot"`
	Type  string `yaml:"type"`
	Value string `yaml:"value"`
	Label string `yaml:"label"`
	Line  int    `yaml:"line"`
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
		text, err := v.Prove(n.Name, p)
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
	if err := parseYAML(in.Files[0].Data, &doc); err != nil {
		return nil, doc, p, fmt.Errorf("phone.yaml: %s", cleanYAML(err))
	}
	if p, err = v.goldenPhone(doc); err != nil {
		return nil, doc, p, fmt.Errorf("phone.yaml: %w", err)
	}
	return in, doc, p, nil
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

func (v *Vendor) goldenPhone(doc goldenDoc) (Phone, error) {
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
		return p, err
	}
	if doc.Model != "" {
		m, ok := v.Model(doc.Model)
		if !ok {
			return p, fmt.Errorf("model %q is none of %s%s", doc.Model, v.ID, near(doc.Model, v.modelNames()))
		}
		p.Model = m.Name
	}
	for i, l := range doc.Lines {
		line, err := goldenToLine(l, i)
		if err != nil {
			return p, err
		}
		p.Lines = append(p.Lines, line)
	}
	for _, k := range doc.Keys {
		if k.Area == "" {
			k.Area = "line"
		}
		p.Keys = append(p.Keys, Key(k))
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
		return p, fmt.Errorf("settings: %s %q: %s", faults[0].Name, faults[0].Value, faults[0].Message)
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
			return Line{}, fmt.Errorf("expires: %w", err)
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

// Recognition is one row of testdata/recognise.csv.
type Recognition struct {
	Kind, Value, Model, Firmware, MAC, Origin string
}

// Recognitions reads testdata/recognise.csv of a pack's folder.
func Recognitions(fsys fs.FS) ([]Recognition, error) {
	data, err := fs.ReadFile(fsys, "testdata/recognise.csv")
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || strings.Join(rows[0], ",") != "kind,value,model,firmware,mac,origin" {
		return nil, errors.New("testdata/recognise.csv begins with kind,value,model,firmware,mac,origin")
	}
	var out []Recognition
	for _, r := range rows[1:] {
		out = append(out, Recognition{r[0], strings.ReplaceAll(r[1], `\x00`, "\x00"), r[2], r[3], r[4], r[5]})
	}
	return out, nil
}

// Evidence makes the evidence that a row stands for.
func (r Recognition) Evidence() (Evidence, error) {
	var e Evidence
	into := map[string]*string{"option60": &e.VendorClass, "user_agent": &e.UserAgent, "hostname": &e.Hostname, "filename": &e.FileName,
		"option43": &e.VendorInfo, "option77": &e.UserClass, "option124": &e.VIVC, "option125": &e.VIVSO}[r.Kind]
	if into != nil {
		*into = r.Value
		return e, nil
	}
	if r.Kind == "oui" {
		mac, err := dhcp.ParseMAC(r.Value)
		e.MAC = mac
		return e, err
	}
	return e, fmt.Errorf("kind %q is none of option60, user_agent, hostname, filename, oui", r.Kind)
}

// Recognise tells in which way a row is not recognised as it says; nil when it is.
func (s *Set) Recognise(vendor string, r Recognition) error {
	e, err := r.Evidence()
	if err != nil {
		return err
	}
	if r.Kind == "filename" {
		for _, m := range s.Resolve(r.Value) {
			if m.Vendor == vendor && (r.Model == "" || m.Model == r.Model) && (r.MAC == "" || m.MAC.String() == r.MAC) {
				return nil
			}
		}
	}
	id := s.Identify(e)
	if id.Vendor != vendor || id.Said != r.Model && id.Model != r.Model || id.Firmware != r.Firmware {
		return fmt.Errorf("%s %q: recognised as %s %q firmware %q, want %s %q firmware %q", r.Kind, r.Value, id.Vendor, id.Said, id.Firmware, vendor, r.Model, r.Firmware)
	}
	if r.MAC == "" {
		return nil
	}
	want, err := dhcp.ParseMAC(r.MAC)
	if err == nil && id.MAC != want {
		err = fmt.Errorf("%s %q: MAC %s, want %s", r.Kind, r.Value, id.MAC, r.MAC)
	}
	return err
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
	for _, name := range names {
		file := path.Join(dir, name)
		have, err := fs.ReadFile(fsys, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		want, patterns, err := v.Golden(have)
		asked = append(asked, patterns...)
		switch {
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
	if len(left) > 0 {
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
