package fleet

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"plugtone/provision/setting"
)

// Longest texts that operators may enter, in characters. What a phone can show is less; what it can store rarely is.
const (
	maxName           = 64 // names of registrars and profiles, authentication users
	maxNumber         = 64
	maxDisplay        = 128
	maxSecret         = 128
	MaxNotes          = 4096
	maxHost           = 255
	MaxOtherMACs      = 8   // other_macs
	MaxLines          = 255 // lines of one device
	MaxKeys           = 512 // keys of one device or profile
	MaxVendorSettings = 512 // vendor_settings of one record

	maxContacts = 1000 // contacts of one device or profile
)

// FieldError is one problem with one member of a record.
type FieldError = setting.FieldError

// ValidationError is all problems of a record at once. The zero value is ready to collect them.
type ValidationError []FieldError

func (e ValidationError) Error() string {
	parts := make([]string, len(e))
	for i, f := range e {
		parts[i] = f.Error()
	}
	return strings.Join(parts, "; ")
}

// Add adds a problem.
func (e *ValidationError) Add(field, value, format string, args ...any) {
	*e = append(*e, FieldError{Field: field, Value: value, Message: fmt.Sprintf(format, args...)})
}

// Within adds the problems of a part of the record under its path.
func (e *ValidationError) Within(path string, part ValidationError) {
	for _, p := range part {
		p.Field = path + "." + p.Field
		*e = append(*e, p)
	}
}

// Err returns e as an error, or nil when e is empty.
func (e ValidationError) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Text reports text that is too long or doesn't fit on one line.
func (e *ValidationError) Text(field, value string, most int) {
	if n := utf8.RuneCountInString(value); n > most {
		e.Add(field, value, "has %d characters; allowed are %d", n, most)
		return
	}
	if err := setting.OneLine(value); err != nil {
		e.Add(field, value, "%s", err)
	}
}

// Secret is Text for a value that must not be repeated.
func (e *ValidationError) Secret(field string, value setting.Secret, most int) {
	var bad ValidationError
	bad.Text(field, value.Reveal(), most)
	for _, p := range bad {
		p.Value = ""
		*e = append(*e, p)
	}
}

// Name reports what can't be the name of a record: names occur in paths, flags and messages.
func (e *ValidationError) Name(field, value string) {
	switch {
	case value == "":
		e.Add(field, "", "is needed")
	case len(value) > maxName:
		e.Add(field, value, "has %d characters; allowed are %d", len(value), maxName)
	case !isName(value):
		e.Add(field, value, "allowed are letters, digits, and . _ - after the first character")
	}
}

func isName(s string) bool {
	for i, r := range s {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || i > 0 && (r == '.' || r == '_' || r == '-')
		if !ok {
			return false
		}
	}
	return s != ""
}

// Number reports what can't be an extension's number. SIP user names with letters are allowed; what would split
// NUMBER@REGISTRAR, a SIP URI or a key specification is not.
func (e *ValidationError) Number(field, value string) {
	if value == "" {
		e.Add(field, "", "is needed")
		return
	}
	for _, r := range value {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' || r == '+' || r == '*' || r == '#'
		if !ok {
			e.Add(field, value, "allowed are letters, digits and . _ - + * #")
			return
		}
	}
	if len(value) > maxNumber {
		e.Add(field, value, "has %d characters; allowed are %d", len(value), maxNumber)
	}
}

// Keys brings keys into canonical form and reports those that no model could have.
func (e *ValidationError) Keys(keys []Key) {
	if len(keys) > MaxKeys {
		e.Add("keys", "", "there are %d; allowed are %d", len(keys), MaxKeys)
		return
	}
	seen := map[[2]string]int{}
	for i := range keys {
		k := &keys[i]
		if k.Area == "" {
			k.Area = "line"
		}
		path := fmt.Sprintf("keys[%d]", i)
		e.Within(path, k.Validate())
		at := [2]string{k.Area, strconv.Itoa(k.Slot)}
		if first, twice := seen[at]; twice {
			e.Add(path+".slot", at[1], "area %s has this slot already in keys[%d]", k.Area, first)
		} else {
			seen[at] = i
		}
	}
}

// Settings returns the settings in canonical form and reports those that no phone could have.
func (e *ValidationError) Settings(values setting.Values) setting.Values {
	out, bad := values.Check()
	e.Within("settings", bad)
	return out
}

// Contacts brings contacts into canonical form and reports what no phonebook could hold.
func (e *ValidationError) Contacts(list []Contact) {
	if len(list) > maxContacts {
		e.Add("contacts", "", "there are %d; allowed are %d", len(list), maxContacts)
		return
	}
	for i := range list {
		c := &list[i]
		path := fmt.Sprintf("contacts[%d]", i)
		c.Name, c.Group = strings.TrimSpace(c.Name), strings.TrimSpace(c.Group)
		if c.Name == "" {
			e.Add(path+".name", "", "is needed")
		}
		e.Text(path+".name", c.Name, maxDisplay)
		e.Text(path+".group", c.Group, maxDisplay)
		some := false
		for name, number := range map[string]*string{"number": &c.Number, "mobile": &c.Mobile, "home": &c.Home} {
			*number = strings.TrimSpace(*number)
			if *number != "" {
				e.Number(path+"."+name, *number)
				some = true
			}
		}
		if !some {
			e.Add(path+".number", "", "is needed, or mobile or home")
		}
	}
}
