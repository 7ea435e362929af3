package keys

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"plugtone/admin/web/page"
	"plugtone/provision/fleet"
)

// place is where a key is.
type place struct {
	Area string
	Slot int
}

func (p place) String() string { return p.Area + ":" + strconv.Itoa(p.Slot) }

// parsePlace reads AREA:SLOT; the zero place for any other text.
func parsePlace(text string) place {
	area, slot, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(slot)
	if err != nil || n < 1 || n > 999 || !slices.Contains(fleet.KeyAreas(), area) {
		return place{}
	}
	return place{area, n}
}

// draft is the keys of a record as they are edited. They are in the form until they are saved, so that the server keeps nothing.
type draft struct {
	Keys []fleet.Key
	At   place // the key that is edited
}

// readDraft reads the keys of a form. Keys that can't be read are none.
func readDraft(f *page.Form, saved []fleet.Key) draft {
	d := draft{At: parsePlace(f.Get("at"))}
	if !f.Values.Has("draft") { // the form of a viewer
		d.Keys = saved
		return d
	}
	if err := json.Unmarshal([]byte(f.Get("draft")), &d.Keys); err != nil {
		d.Keys = nil
	}
	return d
}

// Text returns the keys as the form keeps them.
func (d draft) Text() string {
	b, err := json.Marshal(d.Keys)
	if err != nil { // texts and numbers only
		return "[]"
	}
	return string(b)
}

func (d draft) index(p place) int {
	return slices.IndexFunc(d.Keys, func(k fleet.Key) bool { return k.Area == p.Area && k.Slot == p.Slot })
}

// set puts a key at its place; one without a type removes what is there.
func (d *draft) set(k fleet.Key) {
	p := place{k.Area, k.Slot}
	d.Keys = slices.DeleteFunc(d.Keys, func(x fleet.Key) bool { return place{x.Area, x.Slot} == p })
	if k.Type != "" {
		d.Keys = append(d.Keys, k)
	}
	fleet.SortKeys(d.Keys)
}

// move moves a key; one that is there already takes its place.
func (d *draft) move(from, to place) {
	i, j := d.index(from), d.index(to)
	if i < 0 || to == (place{}) {
		return
	}
	d.Keys[i].Area, d.Keys[i].Slot = to.Area, to.Slot
	if j >= 0 {
		d.Keys[j].Area, d.Keys[j].Slot = from.Area, from.Slot
	}
	fleet.SortKeys(d.Keys)
	d.At = to
}

// sort orders the keys of an area by label or value. The slots stay those that are in use. Keys of lines stay where they are.
func (d *draft) sort(area, by string) {
	movable := func(k fleet.Key) bool {
		return k.Area == area && k.Type != "line" && k.Type != "shared_line" && k.Type != "none"
	}
	var keys []fleet.Key
	var slots []int
	for _, k := range d.Keys {
		if movable(k) {
			keys, slots = append(keys, k), append(slots, k.Slot)
		}
	}
	slices.SortStableFunc(keys, func(a, b fleet.Key) int {
		if by == "label" {
			return cmp.Compare(strings.ToLower(cmp.Or(a.Label, a.Value)), strings.ToLower(cmp.Or(b.Label, b.Value)))
		}
		return compareNumbers(a.Value, b.Value)
	})
	d.Keys = slices.DeleteFunc(d.Keys, movable)
	for i, k := range keys {
		k.Slot = slots[i]
		d.Keys = append(d.Keys, k)
	}
	fleet.SortKeys(d.Keys)
}

// compareNumbers compares digits by their number and other texts by their letters.
func compareNumbers(a, b string) int {
	x, errA := strconv.Atoi(a)
	y, errB := strconv.Atoi(b)
	if errA == nil && errB == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// edited returns the key that the fields of the form describe, at a place.
func edited(f *page.Form, at place, had fleet.Key) fleet.Key {
	k := fleet.Key{Area: at.Area, Slot: at.Slot, Type: f.Get("type"), Value: f.Get("value"), Label: f.Get("label"), PickupCode: f.Get("pickup_code"), Locked: f.Get("locked") != ""}
	if n, err := strconv.Atoi(f.Get("line")); err == nil {
		k.Line = n
	}
	if f.Get("follow") != "" {
		k.LabelSource = fleet.LabelExtension
		if k.Label == "" {
			k.Label = had.Label
		}
	}
	return k
}

// apply does what a button of the form is for. It returns what is left to do: save, preview, or "".
func (d *draft) apply(f *page.Form) string {
	op, arg, _ := strings.Cut(f.Get("op"), " ")
	if d.At != (place{}) && op != "clear" && op != "discard" {
		var had fleet.Key
		if i := d.index(d.At); i >= 0 {
			had = d.Keys[i]
		}
		d.set(edited(f, d.At, had))
	}
	switch op {
	case "at":
		d.At = parsePlace(arg)
	case "close":
		d.At = place{}
	case "clear":
		d.set(fleet.Key{Area: d.At.Area, Slot: d.At.Slot})
	case "up":
		d.step(-1)
	case "down":
		d.step(1)
	case "move":
		d.move(parsePlace(f.Get("from")), parsePlace(f.Get("to")))
	case "sort":
		area, by, _ := strings.Cut(arg, " ")
		d.sort(area, by)
	case "save", "preview", "discard":
		return op
	}
	return ""
}

// step moves the key that is edited by one slot.
func (d *draft) step(by int) {
	to := place{d.At.Area, d.At.Slot + by}
	if to.Slot >= 1 {
		d.move(d.At, to)
	}
}
