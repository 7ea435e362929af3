package fleet

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

// ErrInternal is wrapped by every error that neither the requester nor the operator has caused: a failing disk, a broken template.
var ErrInternal = errors.New("internal error")

// ErrOwned is wrapped by the error about members that a PBX source owns.
var ErrOwned = errors.New("comes from a PBX source")

// InUse is the error for a record that others depend on.
type InUse struct {
	What  string   // extension 1001@main
	Users []string // device 00:15:65:12:34:56 ...
}

// shownUsers is how many users an error names.
const shownUsers = 10

func (e *InUse) Error() string {
	users := e.Users
	more := ""
	if len(users) > shownUsers {
		more = fmt.Sprintf(" and %d more", len(users)-shownUsers)
		users = users[:shownUsers]
	}
	return e.What + " is in use by " + strings.Join(users, ", ") + more
}

// Unwrap gives ErrInUse.
func (e *InUse) Unwrap() error { return ErrInUse }
