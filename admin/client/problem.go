package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Problem is an RFC 9457 answer: what went wrong, with every invalid field named.
type Problem struct {
	Type   string   `json:"type,omitempty"`
	Title  string   `json:"title,omitempty"`
	Status int      `json:"status,omitempty"`
	Detail string   `json:"detail,omitempty"`
	Errors []Detail `json:"errors,omitempty"`
}

// Detail is one fault of a Problem.
type Detail struct {
	Message  string `json:"message"`
	Location string `json:"location,omitempty"` // body.lines[1].extension
	Value    any    `json:"value,omitempty"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	if p.Detail == "" {
		fmt.Fprintf(&b, "the daemon answered %d %s", p.Status, http.StatusText(p.Status))
	}
	for _, d := range p.Errors {
		b.WriteString("\n  ")
		b.WriteString(d.String())
	}
	return b.String()
}

// String prints the detail with its field in front.
func (d Detail) String() string {
	field := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body."), "query.")
	switch v := d.Value.(type) {
	case string:
		if v != "" && field != "" {
			return fmt.Sprintf("%s %q: %s", field, Shorten(v), d.Message)
		}
	case float64, bool:
		if field != "" {
			return fmt.Sprintf("%s %v: %s", field, v, d.Message)
		}
	}
	if field == "" || field == "body" {
		return d.Message
	}
	return field + ": " + d.Message
}

// IsNotFound tells whether err is the daemon saying that something isn't there.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsConflict tells whether err is the daemon saying that something is there already, or in use.
func IsConflict(err error) bool { return hasStatus(err, http.StatusConflict) }

// IsPrecondition tells whether err is the daemon saying that the record has moved on.
func IsPrecondition(err error) bool { return hasStatus(err, http.StatusPreconditionFailed) }

func hasStatus(err error, status int) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == status
}
