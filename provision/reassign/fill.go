package reassign

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
)

// Orders of the keys of a Fill.
const (
	SortNumber = "number"
	SortLabel  = "label"
)

// Fill describes which keys devices get: one for each extension, in consecutive slots.
type Fill struct {
	Area       string // "" is line
	From       int    // first slot
	Type       string // of the keys; "" is blf
	Extensions []string
	Sort       string // number, label, or "" for the order of Extensions
	SkipOwn    bool   // leave out the extensions on the device's own lines
	Overwrite  bool   // also keys of another type
}

// FillKeys gives devices keys for extensions, and returns those that changed. The labels follow the extensions' display names. Slots that have keys of another
// type are refused unless Overwrite is set.
func (o Office) FillKeys(macs []dhcp.MAC, f Fill) (r Result, err error) {
	f.Area, f.Type = cmp.Or(f.Area, "line"), cmp.Or(f.Type, "blf")
	all, err := o.extensions(f)
	if err != nil {
		return r, err
	}
	var bad fleet.ValidationError
	for _, mac := range macs {
		d, err := o.Device(mac)
		if err != nil {
			return r, err
		}
		had := slices.Clone(d.Keys)
		problem := o.fillDevice(d, f, all)
		fleet.SortKeys(d.Keys)
		if problem != "" {
			bad.Add("device "+mac.String(), "", "%s", problem)
			continue
		}
		if !slices.Equal(d.Keys, had) {
			r.Devices = append(r.Devices, d)
			if err := o.put(d); err != nil {
				return r, fmt.Errorf("device %s: %w", mac, err)
			}
		}
	}
	return r, bad.Err()
}

// fillDevice puts the keys into one device, or returns why they don't fit.
func (o Office) fillDevice(d *fleet.Device, f Fill, all []*fleet.Extension) (problem string) {
	own := all
	if f.SkipOwn {
		own = slices.DeleteFunc(slices.Clone(all), func(x *fleet.Extension) bool {
			return slices.ContainsFunc(d.Lines, func(l fleet.Line) bool { return l.Extension == x.Number && l.Registrar == x.Registrar })
		})
	}
	if vendor, ok := o.Packs.Vendor(d.Vendor); ok {
		slots := vendor.ModelOrGeneric(d.Model).Areas()[f.Area]
		if room := max(0, slots-f.From+1); len(own) > room {
			return fmt.Sprintf("%s has %d %s keys: from %d on there is room for %d of %d; extension %s and those after it don't fit",
				cmp.Or(d.Model, vendor.Name), slots, f.Area, f.From, room, len(own), own[room].Number)
		}
	}
	return f.into(&d.Keys, own)
}

// into puts the keys into a list, or returns why they have no place there.
func (f Fill) into(keys *[]fleet.Key, all []*fleet.Extension) (problem string) {
	var taken []string
	for i, x := range all {
		k := fleet.Key{Area: f.Area, Slot: f.From + i, Type: f.Type, Value: x.Number, LabelSource: fleet.LabelExtension, Label: shortLabel(x)}
		at := slices.IndexFunc(*keys, func(h fleet.Key) bool { return h.Area == k.Area && h.Slot == k.Slot })
		switch {
		case at < 0:
			*keys = append(*keys, k)
		case (*keys)[at].Type != f.Type && (*keys)[at].Type != "none" && !f.Overwrite:
			taken = append(taken, (*keys)[at].String())
		default:
			(*keys)[at] = k
		}
	}
	if len(taken) > 0 {
		return "has other keys there: " + strings.Join(taken, " ") + "; overwrite replaces them"
	}
	return ""
}

// FillProfile gives a profile keys for extensions, as FillKeys does; what models of its phones can't have is left out on them. SkipOwn has no
// meaning: a profile has no lines.
func (o Office) FillProfile(name string, f Fill) (r Result, err error) {
	f.Area, f.Type = cmp.Or(f.Area, "line"), cmp.Or(f.Type, "blf")
	all, err := o.extensions(f)
	if err != nil {
		return r, err
	}
	p, err := o.Profile(name)
	if err != nil {
		return r, err
	}
	old := *p
	p.Keys = slices.Clone(p.Keys)
	if problem := f.into(&p.Keys, all); problem != "" {
		var bad fleet.ValidationError
		bad.Add("profile "+name, "", "%s", problem)
		return r, bad.Err()
	}
	fleet.SortKeys(p.Keys)
	if slices.Equal(old.Keys, p.Keys) {
		return r, nil
	}
	if err := errors.Join(resolve.CheckProfile(o, o.Packs, p), fleet.CheckOwnedProfile(&old, p)); err != nil {
		return r, err
	}
	if err := o.PutProfile(p); err != nil {
		return r, err
	}
	r.Using, err = fleet.DevicesUsing(o, name)
	return r, err
}

// shortLabel is the label of a key until the extension's name changes.
func shortLabel(x *fleet.Extension) string {
	text := []rune(cmp.Or(x.DisplayName, x.Number))
	return string(text[:min(len(text), fleet.MaxLabel)])
}

// extensions finds what the fill names: single numbers, which must exist, and ranges, in which those that exist count.
func (o Office) extensions(f Fill) (out []*fleet.Extension, err error) {
	var bad fleet.ValidationError
	seen := map[string]bool{}
	for i, ref := range f.Extensions {
		at := fmt.Sprintf("extensions[%d]", i)
		found, err := o.named(strings.TrimSpace(ref))
		switch {
		case errors.Is(err, fleet.ErrNotFound) && isReversed(ref):
			high, low, _ := strings.Cut(ref, "-")
			bad.Add(at, ref, "a range begins with its lowest number: %s-%s", low, high)
		case errors.Is(err, fleet.ErrNotFound), errors.Is(err, fleet.ErrAmbiguous):
			bad.Add(at, ref, "%s", fleet.ExtensionMessage(err))
		case err != nil:
			return nil, err
		case len(found) == 0: // of a range
			bad.Add(at, ref, "no extension has a number in this range")
		}
		for _, x := range found {
			if !seen[x.Number] {
				seen[x.Number] = true
				out = append(out, x)
			}
		}
	}
	switch f.Sort {
	case "":
	case SortNumber:
		slices.SortStableFunc(out, byNumber)
	case SortLabel:
		slices.SortStableFunc(out, func(a, b *fleet.Extension) int {
			return cmp.Or(cmp.Compare(strings.ToLower(shortLabel(a)), strings.ToLower(shortLabel(b))), byNumber(a, b))
		})
	default:
		bad.Add("sort", f.Sort, "allowed is number or label")
	}
	if !slices.Contains(fleet.KeyAreas(), f.Area) {
		bad.Add("area", f.Area, "is not a key area%s; allowed is line, memory, programmable, expansion1 to expansion6", fleet.Nearest(f.Area, fleet.KeyAreas()))
	}
	if len(f.Extensions) == 0 {
		bad.Add("extensions", "", "is needed: numbers and ranges, such as 1001-1040")
	}
	return out, bad.Err()
}

// isReversed reports whether a text would be a range if its numbers changed places.
func isReversed(ref string) bool {
	high, low, found := strings.Cut(ref, "-")
	_, _, ok := ParseRange(low + "-" + high)
	return found && ok
}

// named finds one extension, or those of a range.
func (o Office) named(ref string) (out []*fleet.Extension, err error) {
	low, high, ok := ParseRange(ref)
	if !ok {
		x, err := fleet.FindExtension(o, ref)
		if err != nil {
			return nil, err
		}
		return []*fleet.Extension{x}, nil
	}
	for x, err := range o.Extensions() {
		if err != nil {
			return nil, err
		}
		if len(x.Number) == len(low) && isDigits(x.Number) && x.Number >= low && x.Number <= high {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, byNumber)
	return out, nil
}

// ParseRange reads a range such as 1001-1040: two numbers of equally many digits, the lower one first.
func ParseRange(text string) (low, high string, ok bool) {
	low, high, ok = strings.Cut(text, "-")
	return low, high, ok && isDigits(low) && isDigits(high) && len(low) == len(high) && low <= high
}

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// byNumber compares by the value of the number, then as text.
func byNumber(a, b *fleet.Extension) int {
	na, erra := strconv.Atoi(a.Number)
	nb, errb := strconv.Atoi(b.Number)
	if erra == nil && errb == nil {
		return cmp.Or(cmp.Compare(na, nb), cmp.Compare(a.Number, b.Number))
	}
	return cmp.Compare(a.Number, b.Number)
}
