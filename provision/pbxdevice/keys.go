// Package pbxdevice makes of what a PBX has of a device our own: the model that its names stand for, and its keys and settings. The codes of keys are
// found by rendering each key type of the vendor's pack. What can't be converted is returned as a problem. It writes no records: package pbxsync does.
package pbxdevice

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/phonefile"
)

// Keys converts keys of PBXs. It keeps what it has found of a model: make one for each sync. It is not for several goroutines.
type Keys struct {
	codes     map[place][]keyCode
	different map[place][]*phonefile.Model // those of a vendor whose codes are not the same
	first     map[[2]string]int
}

// place is what the codes of a key type depend on.
type place struct {
	vendor, model, area string
	line                int
}

// NewKeys returns a converter that has found nothing yet.
func NewKeys() *Keys {
	return &Keys{map[place][]keyCode{}, map[place][]*phonefile.Model{}, map[[2]string]int{}}
}

// Phone is the phone that a key is for.
type Phone struct {
	Vendor *pack.Vendor // nil: none is known
	Model  string       // "": any of the vendor's
	Vars   map[string]string
}

// Key converts one key. ok is false for a key that is not taken; a problem has the reason, or what of a key that is taken has no place. An empty row of a
// PBX is no key and no problem.
func (x *Keys) Key(p Phone, k pbx.SourceKey) (out fleet.Key, ok bool, problem string) {
	if k.Type == "" && k.Value == "" {
		return out, false, ""
	}
	for _, text := range []*string{&k.Value, &k.Extension, &k.Label} {
		*text = expand(*text, p.Vars)
	}
	out = fleet.Key{Area: k.Area, Slot: k.Slot, Label: k.Label, Locked: k.Locked}
	if name := variable(k.Value); name != "" {
		return out, false, "has the variable " + name + ", which has a value only in the PBX; write the value itself"
	}
	if err := x.line(p, k, &out); err != nil {
		return out, false, err.Error()
	}
	label, err := x.keyType(p, k, &out)
	if err != nil {
		return out, false, err.Error()
	}
	problem = setLabel(&out, label)
	if k.Extension != "" && k.Extension != k.Value && out.Type != "none" {
		if out.Type != "blf" || variable(k.Extension) != "" {
			return out, true, fmt.Sprintf("its extension %q is left out: a key of type %s has no place for it", k.Extension, out.Type)
		}
		out.PickupCode = k.Extension
	}
	return out, true, problem
}

// labelVariables are what PBXs write for the name and number of the extension that a key watches.
var labelVariables = strings.NewReplacer("${extension}", "${value}", "${user}", "${value}")

// setLabel sets the label: that of the key's text where the PBX has none, the display name where the label is a variable for it.
func setLabel(k *fleet.Key, inText string) (problem string) {
	if k.Label == "" {
		k.Label = inText
	}
	label := strings.ReplaceAll(labelVariables.Replace(k.Label), "${value}", k.Value)
	switch name := variable(label); name {
	case "":
		k.Label = label
	case "${caller_id_name}":
		k.Label, k.LabelSource = "", fleet.LabelExtension
	default:
		k.Label = ""
		return "its label is left out: " + name + " has a value only in the PBX"
	}
	return ""
}

// keyType finds the key's type and value. It returns the label that is in the value, where the PBX has the whole text of the key there.
func (x *Keys) keyType(p Phone, k pbx.SourceKey, out *fleet.Key) (label string, err error) {
	out.Value = k.Value
	if k.Neutral {
		if !slices.Contains(fleet.KeyTypes(), k.Type) {
			return "", fmt.Errorf("there is no key type %q; set the key here", k.Type)
		}
		out.Type = k.Type
		return "", nil
	}
	if p.Vendor == nil {
		return "", fmt.Errorf("the vendor is not known, so that its code has no meaning; set the model here")
	}
	own := p.Vendor.ModelOrGeneric(p.Model)
	for _, m := range append([]*phonefile.Model{own}, x.others(p.Vendor, out.Area, max(out.Line, 1))...) {
		codes := x.of(p.Vendor, m, out.Area, max(out.Line, 1))
		f, err := choose(p.Vendor, m, *out, candidates(codes, k.Type, k.Value))
		if err != nil {
			return "", err
		}
		if f.keyType != "" {
			out.Type, out.Value = f.keyType, f.value
			return f.label, nil
		}
	}
	if t := ownWord(k.Function); t != "" {
		out.Type = t
		return "", nil
	}
	return "", fmt.Errorf("no key type of %s has this code; set the key here, or what it does by vendor_settings", p.Vendor.Name)
}

// ownWord returns the key type that a PBX's name for a code means, "" for none.
func ownWord(name string) string {
	for _, t := range fleet.KeyTypes() {
		if name != "" && (fold(name) == fold(t) || fold(name) == "call"+fold(t)) {
			return t
		}
	}
	return ""
}

// choose returns the one that is meant of several types: those that make the same key are one.
func choose(v *pack.Vendor, m *phonefile.Model, k fleet.Key, list []found) (found, error) {
	if len(list) == 0 {
		return found{}, nil
	}
	var first string
	var names []string
	for i, f := range list {
		k.Type, k.Value = f.keyType, f.value
		code, text, err := phonefile.KeyCode(v.Renderer, m, k)
		if err != nil {
			return found{}, nil
		}
		if i == 0 {
			first = code + "\x00" + text
		}
		if names = append(names, f.keyType); code+"\x00"+text != first {
			return found{}, fmt.Errorf("its code may mean %s; set the key here", strings.Join(names, " or "))
		}
	}
	return list[0], nil
}

// placeOf names a model and an area. All modules are alike.
func placeOf(v *pack.Vendor, model, area string, line int) place {
	if strings.HasPrefix(area, "expansion") {
		area = "expansion1"
	}
	return place{v.ID, model, area, line}
}

// others returns the models of a vendor whose codes in an area differ from each other, the generic one first: most have those of others.
func (x *Keys) others(v *pack.Vendor, area string, line int) []*phonefile.Model {
	at := placeOf(v, "", area, line)
	if list, ok := x.different[at]; ok {
		return list
	}
	seen := map[string]bool{}
	list := []*phonefile.Model{}
	for _, m := range append([]*phonefile.Model{v.Generic()}, v.Models()...) {
		var all strings.Builder
		for _, c := range x.of(v, m, area, line) {
			fmt.Fprintf(&all, "%s %s %s %v\n", c.keyType, c.code, c.plain, c.text)
		}
		if text := all.String(); !seen[text] {
			seen[text] = true
			list = append(list, m)
		}
	}
	x.different[at] = list
	return list
}

// of returns the codes of a model in an area.
func (x *Keys) of(v *pack.Vendor, m *phonefile.Model, area string, line int) []keyCode {
	at := placeOf(v, m.Name, area, line)
	codes, ok := x.codes[at]
	if !ok {
		codes = codesOf(v, m, at.area, line)
		x.codes[at] = codes
	}
	return codes
}

// line reads the key's line. Neutral keys count from 1; of others the phone's own counting is undone.
func (x *Keys) line(p Phone, k pbx.SourceKey, out *fleet.Key) error {
	if k.Line == "" {
		return nil
	}
	n, err := strconv.Atoi(k.Line)
	if err != nil || n < 0 || n > fleet.MaxLines {
		return fmt.Errorf("its line %.20q is not a number from 0 to %d", k.Line, fleet.MaxLines)
	}
	if !k.Neutral && p.Vendor != nil {
		n += 1 - x.firstLine(p, k.Area)
	}
	if n > 1 {
		out.Line = n // the first line is the default
	}
	return nil
}

// firstLine returns what the files of a model have for the first line of a key: 0 or 1. It is found by rendering a key on the first line and on the
// second.
func (x *Keys) firstLine(p Phone, area string) int {
	m := p.Vendor.ModelOrGeneric(p.Model)
	at := [2]string{p.Vendor.ID + "/" + m.Name, area}
	n, ok := x.first[at]
	if !ok {
		n = firstLine(p.Vendor, m, area)
		x.first[at] = n
	}
	return n
}

func firstLine(v *pack.Vendor, m *phonefile.Model, area string) int {
	phone := phonefile.Phone{MAC: [6]byte{2, 0, 0, 0, 0, 1}, Vendor: v.ID, Model: m.Name, Enabled: true, Assigned: true, ServerURL: "http://192.0.2.1/", Server: "192.0.2.1",
		Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	for n := range 2 {
		phone.Lines = append(phone.Lines, phonefile.Account{Position: n + 1, Number: "100", DisplayName: "100", AuthUser: "100", Label: "100",
			Registrar: fleet.Registrar{Name: "r", Host: "192.0.2.2", Port: 5060, Transport: "udp"}})
	}
	render := func(line int) []string {
		phone.Keys = []fleet.Key{{Area: area, Slot: 1, Type: "blf", Value: "100", Label: "100", Line: line}}
		var all []string
		for _, f := range v.Files(phone) {
			if f.File.Kind != phonefile.KindDevice || f.File.Template == "" || f.File.Of != "" {
				continue
			}
			if b, err := v.Render(f.Name, phone); err == nil {
				all = append(all, strings.Split(string(b), "\n")...)
			}
		}
		return all
	}
	one, two := render(1), render(2)
	for i := range min(len(one), len(two)) {
		a, b := numbers.FindAllString(one[i], -1), numbers.FindAllString(two[i], -1)
		if one[i] != two[i] && len(a) == len(b) && numbers.ReplaceAllString(one[i], "") == numbers.ReplaceAllString(two[i], "") {
			for j := range a {
				if a[j] == "0" && b[j] == "1" {
					return 0
				}
			}
			return 1
		}
	}
	return 1
}

var numbers = regexp.MustCompile(`\d+`)

// expand replaces variables of the PBX by their values.
func expand(text string, vars map[string]string) string {
	if !strings.Contains(text, "${") {
		return text
	}
	for name, value := range vars {
		text = strings.ReplaceAll(text, "${"+name+"}", value)
	}
	return text
}

// variable returns the first variable of the PBX that is left in a text.
func variable(text string) string {
	i := strings.Index(text, "${")
	if i < 0 {
		return ""
	}
	if j := strings.Index(text[i:], "}"); j > 0 {
		return text[i : i+j+1]
	}
	return text[i:]
}
