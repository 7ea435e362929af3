package setting

import "fmt"

// FieldError is a validation error: one problem with one setting, or one member of a record.
type FieldError struct {
	Field   string // name of the setting, or JSON path of the member: lines[1].extension
	Value   string // as given; "" for secrets
	Message string // what is wrong
	Hint    string // how to correct it: what is allowed, which names are near; "" when Message is enough
}

// Problem returns what is wrong and how to correct it, without field and value.
func (e FieldError) Problem() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}

func (e FieldError) Error() string {
	if e.Value == "" {
		return e.Field + ": " + e.Problem()
	}
	return fmt.Sprintf("%s %.60q: %s", e.Field, e.Value, e.Problem())
}
