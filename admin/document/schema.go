package document

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"plugtone/admin/problem"
	"plugtone/provision/setting"
)

// ValidateSchema checks the names and types of a body's members against the schema of t. It removes invalid members.
func ValidateSchema(reg huma.Registry, t reflect.Type, doc Object, bad *problem.List) {
	schema := reg.Schema(t, false, t.Name())
	res := &huma.ValidateResult{}
	path := huma.NewPathBuffer([]byte{}, 0)
	path.Push("body")
	huma.Validate(reg, schema, path, huma.ModeWriteToServer, map[string]any(WithoutNulls(doc)), res)
	// The schema check ignores the case of names. Here case matters: a body must not have a member twice in two spellings.
	for name := range doc {
		if _, ok := schema.Properties[name]; ok {
			continue
		}
		for property := range schema.Properties {
			if strings.EqualFold(name, property) {
				res.Errors = append(res.Errors, &huma.ErrorDetail{Location: "body." + name, Message: unknownMember + "; write " + property})
			}
		}
	}
	for _, d := range normalizeErrors(res.Errors) {
		if d.Message == unknownMember {
			d.Message += nearMember(reg, schema, d.Location)
		}
		bad.Detail(d)
		if member, ok := strings.CutPrefix(d.Location, "body."); ok {
			remove(doc, member)
		}
	}
}

// unknownMember is the message about a member that does not exist.
const unknownMember = "is unknown"

// message rewords a message of the schema check, so that it fits a YAML file too.
func message(message string) string {
	switch message {
	case validation.MsgUnexpectedProperty:
		return unknownMember
	case validation.MsgExpectedString:
		return "must be text: write it in quotes"
	case validation.MsgExpectedArray:
		return "must be a list: write it as [A, B]"
	case validation.MsgExpectedObject:
		return "must be a map of names and values: write it as {NAME: VALUE}"
	case validation.MsgExpectedInteger:
		return "must be a whole number"
	case validation.MsgExpectedBoolean:
		return "must be true or false"
	}
	return message
}

// nearMember returns the known members that are spelled like the unknown one at location, such as body.keys[0].typ.
func nearMember(reg huma.Registry, s *huma.Schema, location string) string {
	steps := strings.FieldsFunc(strings.TrimPrefix(location, "body"), func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	for i, step := range steps {
		for s != nil && s.Ref != "" {
			s = reg.SchemaFromRef(s.Ref)
		}
		switch {
		case s == nil:
			return ""
		case i == len(steps)-1:
			near := setting.Nearest(step, slices.Sorted(maps.Keys(s.Properties)))
			if len(near) == 0 {
				return ""
			}
			return "; near: " + strings.Join(near, ", ")
		case s.Items != nil:
			s = s.Items
		default:
			s = s.Properties[step]
		}
	}
	return ""
}

// normalizeErrors sorts the errors of a schema check and removes objects and secrets from them.
func normalizeErrors(errs []error) []*huma.ErrorDetail {
	var out []*huma.ErrorDetail
	for _, e := range errs {
		d, ok := e.(*huma.ErrorDetail)
		if !ok {
			d = &huma.ErrorDetail{Location: "body", Message: e.Error()}
		}
		switch d.Value.(type) {
		case map[string]any, []any:
			d.Value = nil
		}
		if strings.Contains(d.Location, "password") || strings.Contains(d.Location, "settings") {
			d.Value = nil
		}
		d.Message = message(d.Message)
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b *huma.ErrorDetail) int { return strings.Compare(a.Location, b.Location) })
	return out
}
