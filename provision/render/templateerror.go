package render

import "errors"

// Refusal is the error of a template that called {{refuse REASON}}: the phone can't be what is in its record.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

// refuse ends a template with the reason why there can't be such a phone. In its place nothing is printed.
func refuse(reason string) (string, error) { return "", &Refusal{Reason: reason} }

// refusal finds the refusal in err, nil when it is another error.
func refusal(err error) *Refusal {
	var r *Refusal
	errors.As(err, &r)
	return r
}
