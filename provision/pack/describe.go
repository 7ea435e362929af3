package pack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Describe gives what `vendor show` prints.
func (v *Vendor) Describe() Description {
	d := Description{Vendor: v.ID, Name: v.Name, Aliases: v.Aliases, Experimental: v.Experimental, Recognises: v.Recognises, Dir: v.Dir,
		KeyTypes: v.generic.KeyTypes(), Settings: v.SettingNames(), Resync: v.resyncSummary()}
	for _, m := range v.models {
		md := ModelDescription{Model: m.Name, Aliases: m.Aliases, Lines: m.Lines, Keys: m.Keys, Note: m.Note}
		if e := m.Expansion; e.Modules > 0 {
			md.Expansion = strings.TrimSpace(fmt.Sprintf("%d x %s, %d keys each", e.Modules, e.Name, e.Keys))
		}
		md.LacksKeyTypes = slices.DeleteFunc(slices.Clone(d.KeyTypes), func(t string) bool { return slices.Contains(m.KeyTypes(), t) })
		md.LacksSettings = slices.DeleteFunc(slices.Clone(d.Settings), func(s string) bool { return v.Supports(m.Name, s) })
		d.Models = append(d.Models, md)
	}
	for _, f := range v.files {
		d.Files = append(d.Files, FileDescription{Name: f.Name, Kind: f.Kind, Models: strings.Join(f.For, ", "), Missing: f.Missing,
			Challenge: f.Challenge, Note: f.Note})
	}
	for i := range v.doc.DHCP {
		d.DHCP = append(d.DHCP, v.doc.DHCP[i].summary())
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

// SettingNames lists the settings that some model's files carry.
func (v *Vendor) SettingNames() []string {
	names := make(map[string]bool)
	for name := range v.doc.Settings {
		names[name] = true
	}
	for _, f := range v.files {
		for _, name := range f.settings {
			names[name] = true
		}
	}
	if _, ok := v.HasPhonebook(""); ok {
		names["phonebook"] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func (d *optionDoc) summary() string {
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
