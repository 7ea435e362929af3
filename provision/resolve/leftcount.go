package resolve

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// LeftOutCount counts the phones of a vendor that do not get something since a change.
type LeftOutCount struct {
	Vendor string   `json:"vendor" doc:"id of the vendor" example:"snom"`
	Member string   `json:"member" doc:"what they do not get: setting NAME, vendor setting, time zone, line, key, or key MEMBER" example:"setting wallpaper"`
	Phones int      `json:"phones" doc:"how many phones" example:"12" minimum:"1"`
	MAC    dhcp.MAC `json:"mac" doc:"one of them" example:"00:04:13:12:34:56"`
	Text   string   `json:"text" doc:"what that one does not get, with the reason" example:"setting wallpaper of profile desk: no way is known to set it on D120"`
}

// lacking is a phone that does not get something.
type lacking struct {
	mac    dhcp.MAC
	vendor string
	texts  []string
}

// note adds what a device does not get. A device whose files a PBX renders gets nothing of its record.
func (c *rendering) note(d *fleet.Device, left []string) error {
	if len(left) == 0 {
		return nil
	}
	elsewhere, known := c.upstream[d.Profile]
	if !known && d.Profile != "" {
		up, err := fleet.UpstreamOf(c.view, d.Profile)
		if err != nil {
			return err
		}
		elsewhere = len(up.URLs) > 0
		c.upstream[d.Profile] = elsewhere
	}
	if !elsewhere {
		c.lacks = append(c.lacks, lacking{d.MAC, d.Vendor, left})
	}
	return nil
}

// leftOut counts what devices do not get, apart from what they did not get before.
func (c *rendering) leftOut() ([]LeftOutCount, error) {
	if len(c.lacks) == 0 {
		return nil, nil
	}
	err := c.Before(func(old fleet.View) error { // reads no other view: one that is written to may need the memory map of the file
		for i := range c.lacks {
			x := &c.lacks[i]
			was, _, err := c.lacking(old, x.mac)
			if err != nil {
				return err
			}
			x.texts = slices.DeleteFunc(x.texts, func(text string) bool { return slices.Contains(was, text) })
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	counts := map[[2]string]*LeftOutCount{}
	for _, x := range c.lacks {
		last := map[string]bool{}
		for _, text := range x.texts {
			member := memberOf(text)
			if last[member] {
				continue
			}
			last[member] = true
			key := [2]string{x.vendor, member}
			if counts[key] == nil {
				counts[key] = &LeftOutCount{Vendor: x.vendor, Member: member, MAC: x.mac, Text: text}
			}
			counts[key].Phones++
		}
	}
	var out []LeftOutCount
	for _, n := range slices.SortedFunc(maps.Values(counts), func(a, b *LeftOutCount) int {
		return cmp.Or(cmp.Compare(a.Vendor, b.Vendor), cmp.Compare(a.Member, b.Member))
	}) {
		out = append(out, *n)
	}
	return out, nil
}

// lacking returns what a device does not get by the records of a view; no device when it has no files.
func (c *rendering) lacking(view fleet.View, mac dhcp.MAC) ([]string, *fleet.Device, error) {
	d, err := c.prepare(view, mac)
	if d == nil {
		return nil, nil, err
	}
	x := c.byShape[d.shape]
	if !x.known {
		x.left, x.known = c.Places.unplaced(c.Packs, d.vendor, d.phone), true
		c.byShape[d.shape] = x
	}
	return append(d.left, x.left...), d.device, nil
}

// unplaced returns what a phone has that its files have no place for, which rendering them shows.
func (m *Places) unplaced(packs *pack.Set, vendor *pack.Vendor, p phonefile.Phone) []string {
	return append(m.zone(packs, vendor, p), m.unrendered(packs, vendor, p)...)
}

// memberOf returns what a text of LeftOut is about, equal for all phones that do not get the same.
func memberOf(text string) string {
	head, reason, _ := strings.Cut(text, ": ")
	kind, what, _ := strings.Cut(head, " ")
	switch kind {
	case "setting":
		name, _, _ := strings.Cut(what, " ")
		return "setting " + name
	case "line":
		return "line"
	case "time", "daylight":
		return "time zone"
	case "key":
		if strings.Contains(what, "=") { // the whole key
			return "key"
		}
		member, _, _ := strings.Cut(reason, ": ")
		return "key " + member
	}
	return head
}
