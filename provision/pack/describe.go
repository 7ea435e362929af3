package pack

import (
	"fmt"
	"slices"
	"strings"

	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
)

// Description is what `vendor show` prints of a pack.
type Description struct {
	Vendor       string             `json:"vendor" doc:"id of the vendor" example:"yealink"`
	Name         string             `json:"name" doc:"name of the vendor" example:"Yealink"`
	Aliases      []string           `json:"aliases,omitempty" doc:"further names that are accepted for the vendor" example:"[\"yealink-sip\"]"`
	Experimental bool               `json:"experimental" doc:"whether the pack is experimental" example:"false"`
	Recognises   bool               `json:"recognises" doc:"whether phones are recognised by it; false for an experimental pack that the configuration does not name" example:"true"`
	Dir          string             `json:"dir,omitempty" doc:"folder of an operator's own pack; absent for built-in packs" example:"/etc/plugtone/vendors/acme"`
	Models       []ModelDescription `json:"models" doc:"the models, with what each has"`
	KeyTypes     []string           `json:"key_types" doc:"types of keys that some model has" example:"[\"blf\",\"line\",\"speed_dial\"]"`
	Settings     []string           `json:"settings" doc:"settings that some model has" example:"[\"language\",\"time_zone\"]"`
	Files        []FileDescription  `json:"files" doc:"files that the phones request, in their order"`
	DHCP         []string           `json:"dhcp" doc:"DHCP options that the pack sends, in words" example:"[\"66 http://10.20.0.2/\"]"`
	Recognise    []string           `json:"recognise" doc:"how phones are recognised, in words" example:"[\"oui 00:15:65\"]"`
	Resync       string             `json:"resync,omitempty" doc:"how phones are made to fetch their files again" example:"NOTIFY check-sync"`
	Unconfirmed  []Fact             `json:"unconfirmed,omitempty" doc:"statements that were not confirmed on a phone"`
	Sources      []Fact             `json:"sources,omitempty" doc:"the other statements with their sources"`
}

// ModelDescription is one model in a Description.
type ModelDescription struct {
	Model      string         `json:"model" doc:"name of the model" example:"T46U"`
	Aliases    []string       `json:"aliases,omitempty" doc:"further names that are accepted for the model" example:"[\"SIP-T46U\"]"`
	Lines      int            `json:"lines" doc:"how many lines the model has" example:"16" minimum:"0"`
	Keys       map[string]int `json:"keys,omitempty" doc:"how many keys each area has" example:"{\"line\":27}"`
	Expansion  string         `json:"expansion,omitempty" doc:"expansion modules, in words" example:"3 x EXP43, 60 keys each"`
	Modules    int            `json:"modules,omitempty" doc:"how many expansion modules can be attached" example:"3" minimum:"0"`
	ModuleKeys int            `json:"module_keys,omitempty" doc:"how many keys each module has" example:"60" minimum:"0"`
	Uncertain  bool           `json:"counts_uncertain,omitempty" doc:"whether the numbers of lines, keys and modules are not certain; more are let through" example:"true"`
	Note       string         `json:"note,omitempty" doc:"what is particular about the model" example:"needs firmware 86"`

	LacksKeyTypes []string `json:"lacks_key_types,omitempty" doc:"key types of the vendor that this model lacks" example:"[\"park\"]"`
	LacksSettings []string `json:"lacks_settings,omitempty" doc:"settings of the vendor that this model lacks" example:"[\"wallpaper\"]"`
	LacksOfLines  []string `json:"lacks_of_lines,omitempty" doc:"members of lines that the files of this model do not carry, with the reason" example:"[\"voicemail: no message lamp\"]"`
}

// FileDescription is one file in a Description, in the order of the phone's requests.
type FileDescription struct {
	Name      string         `json:"name" doc:"name, with {mac} and the like for what differs" example:"{mac}.cfg"`
	Kind      phonefile.Kind `json:"kind" doc:"kind of file: device, private, common, firmware, static, none, upload or checksum" example:"device"`
	Models    string         `json:"models,omitempty" doc:"models that request the file; empty: all" example:"T46U, T48U"`
	Missing   string         `json:"missing,omitempty" doc:"what the phone does without the file" example:"the phone keeps the configuration it has"`
	Challenge string         `json:"challenge,omitempty" doc:"how the phone is asked for its password: basic, digest or none" example:"digest"`
	Note      string         `json:"note,omitempty" doc:"what is particular about the file" example:"fetched before the other files"`
}

// Describe returns what `vendor show` prints.
func (v *Vendor) Describe() Description {
	d := Description{Vendor: v.ID, Name: v.Name, Aliases: v.Aliases, Experimental: v.Experimental, Recognises: v.Recognises, Dir: v.Dir,
		KeyTypes: v.Generic().KeyTypes(), Settings: v.SettingNames(), Resync: v.resyncSummary()}
	for _, m := range v.Models() {
		md := ModelDescription{Model: m.Name, Aliases: m.Aliases, Lines: m.Lines, Keys: m.Keys, Uncertain: m.Uncertain, Note: m.Note}
		if e := m.Expansion; e.Modules > 0 {
			md.Modules, md.ModuleKeys = e.Modules, e.Keys
			md.Expansion = strings.TrimSpace(fmt.Sprintf("%d x %s, %d keys each", e.Modules, e.Name, e.Keys))
		}
		md.LacksKeyTypes = slices.DeleteFunc(slices.Clone(d.KeyTypes), func(t string) bool { return slices.Contains(m.KeyTypes(), t) })
		md.LacksSettings = slices.DeleteFunc(slices.Clone(d.Settings), func(s string) bool { return v.Supports(m.Name, s) })
		md.LacksOfLines = m.LacksOfLines()
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

// optionSummary describes an option in words.
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
