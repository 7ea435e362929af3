// Package selector selects devices by conditions, as in profile=desk,state!=in_sync.
package selector

import (
	"context"
	"maps"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
)

// Selector is conditions that must all hold. The zero Selector selects every device.
type Selector []condition

type condition struct {
	field   string
	not     bool
	pattern string // lower case; * stands for any text
}

// Fields are the fields of conditions.
func Fields() []string {
	return []string{"mac", "vendor", "model", "profile", "state", "subnet", "label", "extension", "registrar", "location", "tag", "firmware",
		"source", "left_out", "overridden"}
}

// ofStatus are the fields that the record alone does not have.
var ofStatus = []string{"state", "subnet", "firmware", "left_out"}

// Parse reads comma-separated conditions, FIELD=VALUE or FIELD!=VALUE, where * in a value stands for any text. Only "" has no condition. Its
// error is a ValidationError of the field where.
func Parse(expr string) (Selector, error) {
	var out Selector
	var bad fleet.ValidationError
	for part := range strings.SplitSeq(expr, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		field, value, ok := strings.Cut(part, "=")
		if !ok {
			bad.Add("where", part, "is not FIELD=VALUE or FIELD!=VALUE")
			continue
		}
		field, not := strings.CutSuffix(strings.TrimSpace(field), "!")
		field = strings.TrimSpace(field)
		if !slices.Contains(Fields(), field) {
			bad.Add("where", part, "there is no field %q%s; there are %s", field, fleet.Nearest(field, Fields()), strings.Join(Fields(), " "))
			continue
		}
		pattern := strings.ToLower(strings.TrimSpace(value))
		if field == "mac" {
			pattern = bare(pattern)
		}
		out = append(out, condition{field, not, pattern})
	}
	if expr != "" && len(out)+len(bad) == 0 { // "$A,$B" of a script whose variables are empty must not select every device
		bad.Add("where", expr, "has no condition; mac=* is every device")
	}
	return out, bad.Err()
}

func bare(mac string) string { return strings.NewReplacer(":", "", "-", "", ".", "").Replace(mac) }

// NeedsStatus reports whether a condition is on more than the record.
func (s Selector) NeedsStatus() bool {
	return slices.ContainsFunc(s, func(c condition) bool { return slices.Contains(ofStatus, c.field) })
}

// Names reports whether a condition is on the field.
func (s Selector) Names(field string) bool {
	return slices.ContainsFunc(s, func(c condition) bool { return c.field == field })
}

// MatchesRecord reports whether the conditions on the record hold.
func (s Selector) MatchesRecord(d *fleet.Device) bool {
	for _, c := range s {
		if !slices.Contains(ofStatus, c.field) && !c.holds(recordValues(c.field, d)) {
			return false
		}
	}
	return true
}

// MatchesStatus reports whether the other conditions hold.
func (s Selector) MatchesStatus(site *fleet.Site, d *fleet.Device, st provision.Status) bool {
	for _, c := range s {
		if slices.Contains(ofStatus, c.field) && !c.holds(statusValues(c.field, site, d, st)) {
			return false
		}
	}
	return true
}

// holds reports whether one of the values fits, or none when the condition is negated. No value counts as an empty one.
func (c condition) holds(values []string) bool {
	if len(values) == 0 {
		values = []string{""}
	}
	return slices.ContainsFunc(values, func(v string) bool { return fits(c.pattern, strings.ToLower(v)) }) != c.not
}

// fits reports whether a text is like a pattern. A pattern of * alone wants some text.
func fits(pattern, text string) bool {
	if pattern == "*" {
		return text != ""
	}
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

func recordValues(field string, d *fleet.Device) (values []string) {
	switch field {
	case "mac":
		for _, m := range fleet.MACsOf(d.MAC, d) {
			values = append(values, m.Hex())
		}
	case "vendor":
		return []string{d.Vendor}
	case "model":
		return []string{d.Model, d.Vendor + "/" + d.Model}
	case "profile":
		return []string{d.Profile}
	case "label":
		return []string{d.Label}
	case "location":
		return []string{d.Location}
	case "source":
		return []string{d.Source}
	case "tag":
		return d.Tags
	case "extension":
		for _, l := range d.Lines {
			values = append(values, l.Extension, l.String())
		}
	case "registrar":
		for _, l := range d.Lines {
			values = append(values, l.Registrar)
		}
	case "overridden":
		values = slices.Sorted(maps.Keys(d.Settings))
		for vendor, params := range d.VendorSettings {
			for name := range params {
				values = append(values, vendor+"/"+name)
			}
		}
	}
	return values
}

func statusValues(field string, site *fleet.Site, d *fleet.Device, st provision.Status) []string {
	switch field {
	case "state":
		return []string{st.State}
	case "firmware":
		return []string{st.Firmware}
	case "left_out":
		return st.LeftOut
	}
	addr := st.IP
	if !addr.IsValid() {
		addr = d.ReservedIP
	}
	if n, ok := site.SubnetOf(addr); ok {
		return []string{n.Prefix.String()}
	}
	return nil
}

// Devices returns the devices for which the conditions hold, in MAC order. status is called only where a condition is about it; a device whose status
// can't be computed is left out.
func (s Selector) Devices(ctx context.Context, records fleet.Records, site *fleet.Site, status func(context.Context, dhcp.MAC) (provision.Status, error)) ([]dhcp.MAC, error) {
	var found []*fleet.Device
	err := records.View(func(f fleet.View) error {
		for d, err := range f.Devices(dhcp.MAC{}) {
			if err != nil {
				return err
			}
			if s.MatchesRecord(d) {
				found = append(found, d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	macs := []dhcp.MAC{}
	for _, d := range found {
		if s.NeedsStatus() {
			st, err := status(ctx, d.MAC)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil || !s.MatchesStatus(site, d, st) {
				continue
			}
		}
		macs = append(macs, d.MAC)
	}
	return macs, nil
}
