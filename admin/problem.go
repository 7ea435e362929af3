package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/provision"
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
	var invalid provision.Invalid
	var use *provision.InUse
	switch {
	case errors.As(err, &status):
		return err
	case errors.As(err, &invalid):
		return invalidProblem(invalid)
	case errors.As(err, &use):
		return inUseProblem(err, use)
	case errors.Is(err, provision.ErrInUse):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, provision.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, provision.ErrFault):
		return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(err.Error()), http.Header{"Retry-After": {retryAfter}})
	}
	return huma.Error500InternalServerError(err.Error())
}

func invalidProblem(faults provision.Invalid) error {
	details := make([]error, len(faults))
	for i, f := range faults {
		d := &huma.ErrorDetail{Message: f.Message, Location: "body." + f.Field}
		if f.Value != "" {
			d.Value = f.Value
		}
		details[i] = d
	}
	return huma.Error422UnprocessableEntity(countFaults(len(faults)), details...)
}

func countFaults(n int) string {
	if n == 1 {
		return "1 field is invalid"
	}
	return fmt.Sprintf("%d fields are invalid", n)
}

func inUseProblem(err error, use *provision.InUse) error {
	details := make([]error, len(use.Users))
	for i, u := range use.Users {
		details[i] = &huma.ErrorDetail{Message: u}
	}
	return huma.Error409Conflict(err.Error(), details...)
}

// invalidField is the answer to one invalid member, parameter or path element.
func invalidField(location, value, message string) error {
	d := &huma.ErrorDetail{Message: message, Location: location}
	if value != "" {
		d.Value = value
	}
	return huma.Error422UnprocessableEntity(countFaults(1), d)
}

// tidy puts the faults that a schema check found into a fixed order and takes objects and secrets out of them: an answer must
// not repeat what was sent in confidence.
func tidy(errs []error) []error {
	for _, e := range errs {
		d, ok := e.(*huma.ErrorDetail)
		if !ok {
			continue
		}
		switch d.Value.(type) {
		case map[string]any, []any:
			d.Value = nil
		}
		if strings.Contains(d.Location, "password") || strings.Contains(d.Location, "settings") {
			d.Value = nil
		}
	}
	slices.SortStableFunc(errs, func(a, b error) int {
		return strings.Compare(location(a), location(b))
	})
	return errs
}

func location(err error) string {
	if d, ok := err.(*huma.ErrorDetail); ok {
		return d.Location
	}
	return ""
}

// writeProblem answers outside of an operation: no such path, no token.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A client that went away is nobody's fault.
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail})
}
