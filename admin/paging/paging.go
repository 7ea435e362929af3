// Package paging splits lists into pages with cursors.
package paging

import (
	"encoding/base64"
	"iter"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/problem"
)

// Input has the parameters of every paged list.
type Input struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many items a page has at most" example:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before" example:"MDAxNTY1MTIzNDU2"`
	Q      string `query:"q" maxLength:"100" doc:"only items that contain this text, in upper or lower case" example:"reception"`
}

// Query returns the text to search for, in lower case.
func (in Input) Query() string { return strings.ToLower(strings.TrimSpace(in.Q)) }

// Page returns one page of seq: the items after the cursor. seq must be sorted by key. match reports whether an item contains the text to
// search for.
func Page[T any](in Input, seq iter.Seq2[T, error], key func(T) string, match func(T, string) bool) (client.Page[T], error) {
	out := client.Page[T]{Items: []T{}}
	after, err := ReadCursor(in.Cursor)
	if err != nil {
		return out, err
	}
	q := in.Query()
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		if in.Cursor != "" && key(v) <= after || q != "" && !match(v, q) {
			continue
		}
		out.Items = append(out.Items, v)
		if len(out.Items) > in.Limit {
			out.Items = out.Items[:in.Limit]
			out.NextCursor = Cursor(key(out.Items[in.Limit-1]))
			break
		}
	}
	return out, nil
}

// Cursor returns the cursor of the page after key.
func Cursor(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// ReadCursor returns the key of a cursor. Its error is an answer.
func ReadCursor(cursor string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", InvalidCursor(cursor)
	}
	return string(b), nil
}

// InvalidCursor returns the answer to a cursor that no page returned.
func InvalidCursor(cursor string) error {
	return problem.Field("query.cursor", cursor, "is not the next_cursor of a page")
}

// Values yields the elements of a slice.
func Values[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Map yields f of each value.
func Map[A, B any](seq iter.Seq2[A, error], f func(A) B) iter.Seq2[B, error] {
	return func(yield func(B, error) bool) {
		for a, err := range seq {
			var b B
			if err == nil {
				b = f(a)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// Filter yields the values for which f is true.
func Filter[T any](seq iter.Seq2[T, error], f func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range seq {
			if err == nil && !f(v) {
				continue
			}
			if !yield(v, err) {
				return
			}
		}
	}
}
