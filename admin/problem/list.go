// Package problem converts errors into answers of the admin API: RFC 9457 problem documents that name every invalid field.
package problem

import (
	"errors"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/client"
	"plugtone/provision/fleet"
)

// List collects the problems of a body over all steps that check it, so that one answer names them all. Each step removes the members it
// reports from the body, and the next step checks the rest. The zero List is empty.
type List struct{ found []*huma.ErrorDetail }

// Clone returns a copy; adding to it does not change b.
func (b *List) Clone() List { return List{slices.Clone(b.found)} }

// Add adds a problem of the member at path; "" is the whole body. A second problem of one member is ignored: it is reported
// because a step before removed the member.
func (b *List) Add(path, value, message string) {
	location := "body"
	if path != "" {
		location += "." + path
	}
	b.Detail(at(location, value, message))
}

// Detail adds a problem whose location is complete.
func (b *List) Detail(d *huma.ErrorDetail) {
	if !slices.ContainsFunc(b.found, func(f *huma.ErrorDetail) bool { return within(d.Location, f.Location) }) {
		b.found = append(b.found, d)
	}
}

// Err returns the answer that names all problems, nil when there are none.
func (b *List) Err() error {
	if len(b.found) == 0 {
		return nil
	}
	details := make([]error, len(b.found))
	for i, d := range b.found {
		details[i] = d
	}
	return huma.Error422UnprocessableEntity(count(len(details)), details...)
}

// Check adds the problems of a validation error. It returns any other error.
func (b *List) Check(err error) error {
	var invalid fleet.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	for _, f := range invalid {
		b.Add(f.Field, f.Value, f.Problem())
	}
	return nil
}

// within reports whether location is outer or below it.
func within(location, outer string) bool {
	below, ok := strings.CutPrefix(location, outer)
	return ok && (below == "" || below[0] == '.' || below[0] == '[')
}

// at returns one problem. It includes the value unless that may be a secret.
func at(location, value, message string) *huma.ErrorDetail {
	d := &huma.ErrorDetail{Message: message, Location: location}
	if value != "" && !confidential(location) {
		d.Value = client.Shorten(value)
	}
	return d
}

// confidential reports whether the value at a location may be a secret.
func confidential(location string) bool {
	return strings.Contains(location, "password") || strings.Contains(location, "vendor_settings") && fleet.LooksSecret(location)
}
