package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"plugtone/admin/client"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// retryAfter is how many seconds a client should wait after a fault of ours.
const retryAfter = "5"

// problem turns an error into the answer it gets. What is not the caller's fault is ours: 503 when something that we
// depend on is down, 500 for the rest.
func problem(err error) error {
	if err == nil {
		return nil
	}
	var status huma.StatusError
	var invalid fleet.ValidationError
	var use *fleet.InUse
	switch {
	case errors.As(err, &status):
		return err
	case errors.As(err, &invalid):
		return invalidProblem(invalid)
	case errors.As(err, &use):
		return inUseProblem(err, use)
	case errors.Is(err, fleet.ErrInUse), errors.Is(err, fleet.ErrPending):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, fleet.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, fleet.ErrInternal):
		return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(err.Error()), http.Header{"Retry-After": {retryAfter}})
	}
	return huma.Error500InternalServerError(err.Error())
}

func invalidProblem(invalid fleet.ValidationError) error {
	var all faults
	for _, f := range invalid {
		all.add(f.Field, f.Value, f.Message)
	}
	return all.err()
}

func countFaults(n int) string {
	if n == 1 {
		return "1 field is invalid"
	}
	return fmt.Sprintf("%d fields are invalid", n)
}

func inUseProblem(err error, use *fleet.InUse) error {
	details := make([]error, len(use.Users))
	for i, u := range use.Users {
		details[i] = &huma.ErrorDetail{Message: u}
	}
	return huma.Error409Conflict(err.Error(), details...)
}

// invalidField is the answer to one invalid member, parameter or path element.
func invalidField(location, value, message string) error {
	return huma.Error422UnprocessableEntity(countFaults(1), faultAt(location, value, message))
}

// unknownMember is what is said of a member that there isn't.
const unknownMember = "is unknown"

// plainly says what a schema check found in words that are also right for a YAML file.
func plainly(message string) string {
	switch message {
	case validation.MsgUnexpectedProperty:
		return unknownMember
	case validation.MsgExpectedString:
		return "is no text: write it in quotes"
	case validation.MsgExpectedArray:
		return "is no list: write it as [A, B]"
	case validation.MsgExpectedObject:
		return "is no map of names and values: write it as {NAME: VALUE}"
	case validation.MsgExpectedInteger:
		return "is no whole number"
	case validation.MsgExpectedBoolean:
		return "is neither true nor false"
	}
	return message
}

// nearMember names the members that were probably meant by the unknown one at location, such as body.keys[0].typ.
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

// tidy puts the faults that a schema check found into a fixed order and takes objects and secrets out of them: an answer must
// not repeat what was sent in confidence.
func tidy(errs []error) []*huma.ErrorDetail {
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
		d.Message = plainly(d.Message)
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b *huma.ErrorDetail) int { return strings.Compare(a.Location, b.Location) })
	return out
}

// shortened is the last step of every answer: a problem doesn't repeat a long value, wherever it comes from.
func shortened(_ huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p.Detail = client.ShortenText(p.Detail)
	for _, d := range p.Errors {
		d.Message, d.Location = client.ShortenText(d.Message), client.ShortenText(d.Location)
		if text, ok := d.Value.(string); ok {
			d.Value = client.Shorten(text)
		}
	}
	return p, nil
}

// writeProblem answers outside of an operation: no such path, no token.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that went away is nobody's fault.
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail})
}
