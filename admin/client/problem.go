package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Problem is an RFC 9457 problem document of the daemon. It names every invalid field.
type Problem struct {
	Type   string   `json:"type,omitempty" doc:"kind of problem; absent: that of the status" example:"about:blank"`
	Title  string   `json:"title,omitempty" doc:"the status in words" example:"Unprocessable Entity"`
	Status int      `json:"status,omitempty" doc:"HTTP status" example:"422"`
	Detail string   `json:"detail,omitempty" doc:"what is wrong" example:"2 problems; nothing was changed"`
	Errors []Detail `json:"errors,omitempty" doc:"each invalid member or row"`
}

// Detail is one invalid field, or one record in the way, of a Problem.
type Detail struct {
	Message  string `json:"message" doc:"what is wrong, and what to write instead" example:"no such extension"`
	Location string `json:"location,omitempty" doc:"where: body.lines[1].extension, or body.row 7, column line1" example:"body.row 7, column line1"`
	Value    any    `json:"value,omitempty" doc:"the value as given; absent for secrets" example:"1001"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	if p.Detail == "" {
		b.WriteString("the daemon refused, without a reason")
	}
	named := " " + p.Detail + ","
	for _, d := range p.Errors {
		if d.Location == "" && (strings.Contains(named, " "+d.Message+",") || strings.Contains(named, " "+d.Message+" and ")) {
			continue
		}
		b.WriteString("\n  ")
		b.WriteString(d.String())
	}
	return b.String()
}

// String returns the message after the field and its value.
func (d Detail) String() string {
	field := d.Location
	for _, part := range []string{"body.", "query.", "path."} {
		field = strings.TrimPrefix(field, part)
	}
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

// IsNotFound reports whether err means that something does not exist.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsConflict reports whether err means that something exists already or is in use.
func IsConflict(err error) bool { return hasStatus(err, http.StatusConflict) }

// IsPrecondition reports whether err means that the record was changed meanwhile.
func IsPrecondition(err error) bool { return hasStatus(err, http.StatusPreconditionFailed) }

// IsInvalid reports whether err means that the request has something wrong; the Errors of its *Problem name each field.
func IsInvalid(err error) bool {
	return hasStatus(err, http.StatusUnprocessableEntity) || hasStatus(err, http.StatusBadRequest)
}

// IsDenied reports whether err means that the token is missing, unknown, or of a role that is too low.
func IsDenied(err error) bool {
	return hasStatus(err, http.StatusUnauthorized) || hasStatus(err, http.StatusForbidden)
}

func hasStatus(err error, status int) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == status
}
