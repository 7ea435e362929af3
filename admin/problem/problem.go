package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/client"
	"plugtone/provision/fleet"
)

// RetryAfter is how many seconds a client should wait after an internal error.
const RetryAfter = "5"

// From converts an error into an answer. Internal errors are 503 when they may pass, such as a full disk, and 500 otherwise.
func From(err error) error {
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
		var all List
		_ = all.Check(invalid) // nil: it is a validation error
		return all.Err()
	case errors.As(err, &use):
		return Conflict(err.Error(), use.Users)
	case errors.Is(err, fleet.ErrInUse), errors.Is(err, fleet.ErrPending), errors.Is(err, fleet.ErrOwned):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, fleet.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, fleet.ErrInternal):
		return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(err.Error()), http.Header{"Retry-After": {RetryAfter}})
	}
	return huma.Error500InternalServerError(err.Error())
}

func count(n int) string {
	if n == 1 {
		return "1 field is invalid"
	}
	return fmt.Sprintf("%d fields are invalid", n)
}

// listed is how many records the answer to a conflict lists.
const listed = 100

// Conflict returns the answer that lists records which are in the way, the first 100 of them.
func Conflict(text string, records []string) error {
	records = records[:min(len(records), listed)]
	details := make([]error, len(records))
	for i, r := range records {
		details[i] = &huma.ErrorDetail{Message: r}
	}
	return huma.Error409Conflict(text, details...)
}

// Field returns the answer to one invalid member or parameter, given its location such as body.mac or query.subnet.
func Field(location, value, message string) error {
	return huma.Error422UnprocessableEntity(count(1), at(location, value, message))
}

// Shorten is a huma.Transformer that shortens long values in problem documents.
func Shorten(_ huma.Context, _ string, v any) (any, error) {
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

// Write answers requests that reach no operation: an unknown path, a missing token.
func Write(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may have closed the connection.
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail})
}

// Messages about invalid addresses.
const (
	MACForms = "is not a MAC address: write it as 001565123456, 00:15:65:12:34:56, 00-15-65-12-34-56 or 0015.6512.3456"
	IPForm   = "is not an IPv4 address"
)
