package keys

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plugtone/admin/web/page"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// slot is one key of the picture.
type slot struct {
	place
	Key       fleet.Key
	Own       bool     // the record has it
	From      string   // profile that it comes from; "" for the record's own and for an empty slot
	Hides     string   // profile whose key the own one replaces
	Name      string   // what is beside the key
	Problem   string   // why the phone does not get it, or why it can't be saved
	Source    bool     // a PBX source owns it
	Elsewhere []string // of a profile's key: models whose phones don't get it
	Chosen    bool
	Changed   bool // not saved yet
}

// Empty reports whether there is no key.
func (s slot) Empty() bool { return s.Key.Type == "" }

// TypeName returns the name of the key's type for people.
func (s slot) TypeName() string {
	if s.Empty() {
		return ""
	}
	return typeName(s.Key.Type)
}

// block is a part of an area.
type block struct {
	Title string
	Slots []slot
	Rows  int // of each of its two columns
}

// area is an area of keys of the phone: its own, or an expansion module.
type area struct {
	ID, Title, Note string
	Blocks          []block
	Used, Count     int
	Extra           []slot // keys beyond what the model has
}

// model is what the picture is of.
type model struct {
	Vendor, Name string
	Areas        map[string]int
	Module       string // name of the expansion modules
	Types        []string
	Known        bool // the pack has the model
	Uncertain    bool
}

// modelOf returns what a pack describes of a model. Without one, the picture has room for a dozen keys.
func modelOf(d pack.Description, name string) model {
	m := model{Vendor: d.Vendor, Name: name, Areas: map[string]int{"line": 12}, Types: d.KeyTypes}
	for _, x := range d.Models {
		if x.Model != name {
			continue
		}
		m.Known, m.Uncertain, m.Areas = true, x.Uncertain, map[string]int{}
		for a, n := range x.Keys {
			m.Areas[a] = n
		}
		for i := range x.Modules {
			m.Areas["expansion"+strconv.Itoa(i+1)] = x.ModuleKeys
		}
		m.Module, _, _ = strings.Cut(x.Expansion, ",")
		_, m.Module, _ = strings.Cut(m.Module, " x ")
		m.Types = slices.DeleteFunc(slices.Clone(d.KeyTypes), func(t string) bool { return slices.Contains(x.LacksKeyTypes, t) })
	}
	return m
}

// areaTitle returns the name of an area.
func (m model) areaTitle(id string) string {
	if n, ok := strings.CutPrefix(id, "expansion"); ok {
		return strings.TrimSpace("Expansion module " + n + " " + m.Module)
	}
	return strings.ToUpper(id[:1]) + id[1:] + " keys"
}

// blockSize is how many keys of an area are shown together.
func blockSize(id string) int {
	if strings.HasPrefix(id, "expansion") {
		return 20
	}
	return 10
}

// paint returns the areas of a model with slots. Areas without a key on the last modules are left out, but for the first one.
func paint(m model, slots map[place]slot) []area {
	var out []area
	for _, id := range fleet.KeyAreas() {
		a := area{ID: id, Title: m.areaTitle(id), Count: m.Areas[id]}
		for p, s := range slots {
			switch {
			case p.Area != id:
			case p.Slot > a.Count:
				a.Extra = append(a.Extra, s)
			default:
				a.Used++
			}
		}
		a.Used += len(a.Extra)
		if a.Count == 0 && len(a.Extra) == 0 {
			continue
		}
		slices.SortFunc(a.Extra, func(x, y slot) int { return cmp.Compare(x.Slot, y.Slot) })
		for from := 1; from <= a.Count; from += blockSize(id) {
			to := min(from+blockSize(id)-1, a.Count)
			b := block{Rows: (to - from + 2) / 2}
			if a.Count > blockSize(id) {
				b.Title = fmt.Sprintf("%d–%d", from, to)
			}
			for n := from; n <= to; n++ {
				p := place{id, n}
				s, ok := slots[p]
				if !ok {
					s = slot{place: p}
				}
				b.Slots = append(b.Slots, s)
			}
			a.Blocks = append(a.Blocks, b)
		}
		out = append(out, a)
	}
	return out
}

// leftOutAt returns the place and the reason of a text about a key that is left out: "key 3=blf:1 of profile desk: why", "key line:3: why".
func leftOutAt(text string) (place, string) {
	rest, ok := strings.CutPrefix(text, "key ")
	if !ok {
		return place{}, ""
	}
	if at, why, ok := strings.Cut(rest, ": "); ok {
		if p := parsePlace(at); p != (place{}) {
			return p, why
		}
	}
	spec, _, ok := strings.Cut(rest, "=")
	if !ok {
		return place{}, ""
	}
	if !strings.Contains(spec, ":") {
		spec = "line:" + spec
	}
	_, why, _ := strings.Cut(rest, " of ")
	_, why, _ = strings.Cut(why, ": ")
	return parsePlace(spec), why
}

// typeName returns the name of a type of keys for people.
func typeName(t string) string {
	names := map[string]string{"blf": "Busy lamp (BLF)", "speed_dial": "Speed dial", "dtmf": "DTMF", "dnd": "Do not disturb", "url": "URL", "none": "Nothing"}
	if n := names[t]; n != "" {
		return n
	}
	t = strings.ReplaceAll(t, "_", " ")
	return strings.ToUpper(t[:1]) + t[1:]
}

func typeOptions(types []string, with, none string) []page.Option {
	out := []page.Option{{Value: "", Text: none}}
	if with != "" && !slices.Contains(types, with) {
		types = append(slices.Clone(types), with)
	}
	for _, t := range types {
		out = append(out, page.Option{Value: t, Text: typeName(t)})
	}
	return out
}
