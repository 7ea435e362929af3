package dbfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// JSONVersion is the first byte of a payload that is JSON. A change that an older plugtone would misread gets a new one,
// and a new version of the file's schema.
const JSONVersion = 1

// ErrNewer is wrapped by the error of a payload that a newer plugtone wrote.
var ErrNewer = errors.New("written by a newer plugtone")

// Encode returns v as a payload.
func Encode(v any) ([]byte, error) {
	buf := bytes.NewBuffer([]byte{JSONVersion})
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// EncodeExact is Encode for what must read back as it is: a text that JSON can't carry, or an address that parses as none,
// is an error now and not when a phone fetches.
func EncodeExact[T any](v *T) ([]byte, error) {
	b, err := Encode(v)
	if err != nil {
		return nil, err
	}
	back := new(T)
	if err := Decode(b, back); err != nil {
		return nil, fmt.Errorf("would not read back: %w", err)
	}
	again, err := Encode(back)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(b, again) {
		return nil, errors.New("would not read back as it is: a text in it is not valid UTF-8")
	}
	return b, nil
}

// Decode reads a payload that Encode has made. Nothing of v points into b.
func Decode(b []byte, v any) error {
	switch {
	case len(b) == 0:
		return Damagedf("empty record")
	case b[0] > JSONVersion:
		return fmt.Errorf("record version %d: %w", b[0], ErrNewer)
	case b[0] != JSONVersion:
		return Damagedf("record version %d", b[0])
	}
	if err := json.Unmarshal(b[1:], v); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
