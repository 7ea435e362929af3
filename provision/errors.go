package provision

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound is wrapped by every error about a record that isn't there.
var ErrNotFound = errors.New("not found")

// ErrPending is wrapped by the error about a password that is to be changed once more before the phone has used it.
var ErrPending = errors.New("the phone has not used its new password yet")

// ErrInUse is wrapped by an error about a record that others depend on.
var ErrInUse = errors.New("in use")

// ErrFault is wrapped by every error that is ours (store, template), not the requester's or the operator's.
var ErrFault = errors.New("internal fault")

// FieldError says what is wrong with one member of a record.
type FieldError struct {
	Field   string // JSON path: lines[1].extension
	Value   string // as given; "" for secrets
	Message string // what is wrong and what is allowed
}

func (e FieldError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %s", e.Field, e.Message)
	}
	return fmt.Sprintf("%s %.60q: %s", e.Field, e.Value, e.Message)
}

// Invalid is every fault of a record at once.
type Invalid []FieldError

func (e Invalid) Error() string {
	parts := make([]string, len(e))
	for i, f := range e {
		parts[i] = f.Error()
	}
	return strings.Join(parts, "; ")
}
