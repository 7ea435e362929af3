// Package selector reads conditions that select devices, as in profile=desk,state!=in_sync. Package deviceindex applies them.
package selector

import (
	"slices"
	"strings"

	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/registration"
)

// Selector is conditions that must all hold. The zero Selector selects every device.
type Selector []Condition

// Condition is one condition on a field.
type Condition struct {
	Field string
	not   bool
	parts []string // of the value, in lower case, between those * that match any text
}

// Is returns the condition that a field has this value, in upper or lower case; * stands for itself.
func Is(field, value string) Condition {
	return Condition{Field: field, parts: []string{strings.ToLower(value)}}
}

// Fields are the fields of conditions.
func Fields() []string {
	return []string{"mac", "vendor", "model", "profile", "state", "subnet", "label", "extension", "registrar", "location", "tag", "firmware",
		"source", "left_out", "overridden", "registered", "on_phone"}
}

// allowed are the values of fields that have only a few: a condition on another value, such as state!=in-sync, would select what was not meant.
var allowed = map[string][]string{
	"state": {devicestatus.StateNeverSeen, devicestatus.StateNeverFetched, devicestatus.StateInSync, devicestatus.StateStale, devicestatus.StateRefused,
		devicestatus.StateDisabled},
	"registered": {registration.Registered, registration.Refused, registration.Elsewhere, registration.NotRegistered},
}

// Parse reads comma-separated conditions, FIELD=VALUE or FIELD!=VALUE, where * in a value matches any text; Split describes quotes. Only ""
// has no condition. Its error is a ValidationError of the field where.
func Parse(expr string) (Selector, error) {
	var out Selector
	var bad fleet.ValidationError
	for _, t := range Split(expr) {
		switch {
		case t.Op == "":
			bad.Add("where", t.String(), "is not FIELD=VALUE or FIELD!=VALUE; a value with a comma is written in double quotes")
			continue
		case !slices.Contains(Fields(), t.Field):
			bad.Add("where", t.String(), "there is no field %q%s; there are %s", t.Field, fleet.Nearest(t.Field, Fields()), strings.Join(Fields(), " "))
			continue
		case t.problem != "":
			bad.Add("where", t.String(), "%s", t.problem)
			continue
		}
		parts := unquote(t.Value)
		if known := allowed[t.Field]; len(parts) == 1 && parts[0] != "" && known != nil && !slices.Contains(known, strings.ToLower(parts[0])) {
			bad.Add("where", t.String(), "must be one of %s%s", strings.Join(known, ", "), fleet.Nearest(parts[0], known))
			continue
		}
		for i := range parts {
			parts[i] = strings.ToLower(parts[i])
			if t.Field == "mac" {
				parts[i] = bare(parts[i])
			}
		}
		out = append(out, Condition{Field: t.Field, not: t.Op == "!=", parts: parts})
	}
	if expr != "" && len(out)+len(bad) == 0 { // "$A,$B" of a script whose variables are empty must not select every device
		bad.Add("where", expr, "has no condition; mac=* is every device")
	}
	return out, bad.Err()
}

func bare(mac string) string { return strings.NewReplacer(":", "", "-", "", ".", "").Replace(mac) }

// Names reports whether a condition is on the field.
func (s Selector) Names(field string) bool {
	return slices.ContainsFunc(s, func(c Condition) bool { return c.Field == field })
}

// Holds reports whether one of the values, in lower case, fits, or none when the condition is negated. No value counts as an empty one.
func (c Condition) Holds(values ...string) bool {
	if len(values) == 0 {
		return c.fits("") != c.not
	}
	return slices.ContainsFunc(values, c.fits) != c.not
}

// fits reports whether a text is like the pattern. A pattern of * alone needs some text.
func (c Condition) fits(text string) bool {
	last := len(c.parts) - 1
	switch {
	case last == 0:
		return c.parts[0] == text
	case last == 1 && c.parts[0]+c.parts[1] == "":
		return text != ""
	case !strings.HasPrefix(text, c.parts[0]):
		return false
	}
	text = text[len(c.parts[0]):]
	for _, part := range c.parts[1:last] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return strings.HasSuffix(text, c.parts[last])
}
