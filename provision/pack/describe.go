package pack

import (
	"fmt"
	"slices"
	"strings"

	"plugtone/provision/packdoc"
)

// Description is what `vendor show` prints of a pack.
type Description struct {
	Vendor       string             `json:"vendor"`
	Name         string             `json:"name"`
	Aliases      []string           `json:"aliases,omitempty"`
	Experimental bool               `json:"experimental"`
	Recognises   bool               `json:"recognises"`
	Dir          string             `json:"dir,omitempty"`
	Models       []ModelDescription `json:"models"`
	KeyTypes     []string           `json:"key_types"`
	Settings     []string           `json:"settings"`
	Files        []FileDescription  `json:"files"`
	DHCP         []string           `json:"dhcp"`
	Recognise    []string           `json:"recognise"`
	Resync       string             `json:"resync,omitempty"`
	Unconfirmed  []Fact             `json:"unconfirmed,omitempty"` // not confirmed on a phone
	Sources      []Fact             `json:"sources,omitempty"`
}

// ModelDescription is one model in a Description.
type ModelDescription struct {
	Model     string         `json:"model"`
	Aliases   []string       `json:"aliases,omitempty"`
	Lines     int            `json:"lines"`
	Keys      map[string]int `json:"keys,omitempty"`
	Expansion string         `json:"expansion,omitempty"`
	Note      string         `json:"note,omitempty"`

	LacksKeyTypes []string `json:"lacks_key_types,omitempty"` // of those that some model of the vendor has
	LacksSettings []string `json:"lacks_settings,omitempty"`
}

// FileDescription is one file in a Description, in the order asked for.
type FileDescription struct {
	Name      string `json:"name"`
	Kind      Kind   `json:"kind"`
	Models    string `json:"models,omitempty"`
	Missing   string `json:"missing,omitempty"`
	Challenge string `json:"challenge,omitempty"`
	Note      string `json:"note,omitempty"`
}

// Describe returns what `vendor show` prints.
func (v *Vendor) Describe() Description {
	d := Description{Vendor: v.ID, Name: v.Name, Aliases: v.Aliases, Experimental: v.Experimental, Recognises: v.Recognises, Dir: v.Dir,
		KeyTypes: v.Generic().KeyTypes(), Settings: v.SettingNames(), Resync: v.resyncSummary()}
	for _, m := range v.Models() {
		md := ModelDescription{Model: m.Name, Aliases: m.Aliases, Lines: m.Lines, Keys: m.Keys, Note: m.Note}
		if e := m.Expansion; e.Modules > 0 {
			md.Expansion = strings.TrimSpace(fmt.Sprintf("%d x %s, %d keys each", e.Modules, e.Name, e.Keys))
		}
		md.LacksKeyTypes = slices.DeleteFunc(slices.Clone(d.KeyTypes), func(t string) bool { return slices.Contains(m.KeyTypes(), t) })
		md.LacksSettings = slices.DeleteFunc(slices.Clone(d.Settings), func(s string) bool { return v.Supports(m.Name, s) })
		d.Models = append(d.Models, md)
	}
	for _, f := range v.Declared() {
		d.Files = append(d.Files, FileDescription{Name: f.Name, Kind: f.Kind, Models: strings.Join(f.For, ", "), Missing: f.Missing,
			Challenge: f.Challenge, Note: f.Note})
	}
	for i := range v.doc.DHCP {
		d.DHCP = append(d.DHCP, optionSummary(&v.doc.DHCP[i]))
	}
	var prefixes []string
	for _, c := range v.matchers {
		if c.re != nil {
			d.Recognise = append(d.Recognise, c.kind+" "+c.re.String())
		} else {
			prefixes = append(prefixes, c.shown)
		}
	}
	if len(prefixes) > 0 {
		d.Recognise = append(d.Recognise, "oui "+strings.Join(prefixes, " "))
	}
	for _, f := range v.facts {
		if f.Confidence == "low" {
			d.Unconfirmed = append(d.Unconfirmed, f)
		} else {
			d.Sources = append(d.Sources, f)
		}
	}
	return d
}

// colons writes the hexadecimal digits of a MAC, or of its beginning, as 00:15:65.
func colons(digits string) string {
	var b strings.Builder
	for i, r := range digits {
		if i > 0 && i%2 == 0 {
			b.WriteByte(':')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// optionSummary is an option for people.
func optionSummary(d *packdoc.Option) string {
	s := fmt.Sprintf("%d", d.Option)
	if d.Enterprise != 0 {
		s += fmt.Sprintf(" enterprise %d", d.Enterprise)
	}
	for _, t := range []*string{d.Text, d.Hex, d.U8, d.U16, d.U32} {
		if t != nil {
			s += " " + *t
		}
	}
	s += strings.TrimRight(" "+strings.Join(d.IPs, " "), " ")
	for _, t := range d.TLV {
		s += fmt.Sprintf(" [%d", t.Code)
		for _, x := range []*string{t.Text, t.Hex, t.U8, t.U16, t.U32} {
			if x != nil {
				s += " " + *x
			}
		}
		s += "]"
	}
	if d.Force {
		s += ", forced"
	}
	if len(d.When) > 0 {
		s += ", with " + strings.Join(d.When, " and ")
	}
	if len(d.For) > 0 {
		s += ", for " + strings.Join(d.For, ", ")
	}
	return s
}
