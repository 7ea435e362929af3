package fleet

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/setting"
)

// Limits of keys that hold for every vendor; a pack's models have narrower ones.
const (
	maxSlot  = 999
	maxLine  = 255
	MaxLabel = 128
	maxValue = 255
)

// KeyTypes lists the types of keys.
func KeyTypes() []string {
	return []string{"line", "shared_line", "blf", "speed_dial", "intercom", "park", "pickup", "group_pickup", "voicemail",
		"dtmf", "url", "dnd", "forward", "transfer", "conference", "hold", "redial", "directory", "history", "multicast",
		"prefix", "none"}
}

// KeyAreas lists the areas that keys are in.
func KeyAreas() []string {
	return []string{"line", "memory", "programmable", "expansion1", "expansion2", "expansion3", "expansion4", "expansion5", "expansion6"}
}

// needsValue are the types that do nothing without one.
func needsValue(keyType string) bool {
	switch keyType {
	case "blf", "speed_dial", "intercom", "dtmf", "url", "multicast", "prefix":
		return true
	}
	return false
}

// keyParts are the names of what may follow a key's type and value.
var keyParts = []string{"label", "line", "label_source", "pickup_code", "locked"}

// ParseKey reads [AREA:]SLOT=TYPE[:VALUE][,NAME=TEXT]..., where NAME is one of keyParts. A comma that begins such a part within a text is written "\,", and so is any comma before a word and an equals sign, but for url and dtmf. [AREA:]SLOT= alone gives a key without a type, which means its removal.
func ParseKey(spec string) (Key, error) {
	place, what, ok := strings.Cut(spec, "=")
	if !ok {
		return Key{}, fmt.Errorf("key %.60q must be written [AREA:]SLOT=TYPE[:VALUE][,NAME=TEXT], with more names after further commas", spec)
	}
	k := Key{Area: "line"}
	slot := place
	if area, rest, found := strings.Cut(place, ":"); found {
		k.Area, slot = area, rest
	}
	n, err := strconv.Atoi(slot)
	if err != nil || strconv.Itoa(n) != slot {
		return Key{}, fmt.Errorf("key %.60q: slot %.20q is not a number from 1 to %d", spec, slot, maxSlot)
	}
	k.Slot = n
	if what != "" {
		if err := k.parseWhat(what); err != nil {
			return Key{}, fmt.Errorf("key %.60q: %w", spec, err)
		}
	}
	if err := k.problems(what != "").Err(); err != nil {
		return Key{}, fmt.Errorf("key %.60q: %w", spec, err)
	}
	return k, nil
}

// parseWhat reads TYPE[:VALUE] and what follows it.
func (k *Key) parseWhat(what string) error {
	parts := splitKey(what)
	keyType, value, _ := strings.Cut(parts[0], ":")
	k.Type, k.Value = keyType, unescapeKey(value)
	for i, part := range parts {
		m := unknownPart.FindStringSubmatch(part)
		if m == nil || i == 0 && (keyType == "url" || keyType == "dtmf") {
			continue
		}
		return fmt.Errorf("%q must be one of %s=%s; a comma within a text is written \\,", m[1], strings.Join(keyParts, "= "), Nearest(strings.TrimSuffix(m[1], "="), keyParts))
	}
	given := map[string]bool{}
	for _, p := range parts[1:] {
		name, text, _ := strings.Cut(p, "=")
		if given[name] {
			return fmt.Errorf("%s is given twice", name)
		}
		given[name] = true
		if err := k.parsePart(name, text); err != nil {
			return err
		}
	}
	return nil
}

// parsePart reads one part after type and value.
func (k *Key) parsePart(name, text string) (err error) {
	switch name {
	case "label":
		k.Label = unescapeKey(text)
	case "line":
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLine {
			return fmt.Errorf("line %.20q is not a number from 1 to %d", text, maxLine)
		}
		k.Line = n
	case "label_source":
		k.LabelSource = text
	case "pickup_code":
		k.PickupCode = unescapeKey(text)
	case "locked":
		if k.Locked, err = strconv.ParseBool(text); err != nil {
			return fmt.Errorf("locked %.20q is neither true nor false", text)
		}
	}
	return nil
}

// unknownPart is what looks like a part of a specification and is none.
var unknownPart = regexp.MustCompile(`[^\\],([a-z_]+=)`)

// splitKey splits at each comma, not escaped, that begins a part.
func splitKey(s string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == ','):
			i++
		case s[i] == ',' && slices.ContainsFunc(keyParts, func(name string) bool { return strings.HasPrefix(s[i+1:], name+"=") }):
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func unescapeKey(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\,`, `,`).Replace(s)
}

func escapeKey(s string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(s)
}

// String prints the key as ParseKey reads it.
func (k Key) String() string {
	var b strings.Builder
	if k.Area != "" && k.Area != "line" {
		b.WriteString(k.Area + ":")
	}
	b.WriteString(strconv.Itoa(k.Slot) + "=" + k.Type)
	if k.Value != "" {
		b.WriteString(":" + escapeKey(k.Value))
	}
	if k.Label != "" {
		b.WriteString(",label=" + escapeKey(k.Label))
	}
	if k.Line != 0 {
		b.WriteString(",line=" + strconv.Itoa(k.Line))
	}
	if k.LabelSource != "" {
		b.WriteString(",label_source=" + k.LabelSource)
	}
	if k.PickupCode != "" {
		b.WriteString(",pickup_code=" + escapeKey(k.PickupCode))
	}
	if k.Locked {
		b.WriteString(",locked=true")
	}
	return b.String()
}

// Validate returns what is wrong with the key on any model.
func (k Key) Validate() ValidationError { return k.problems(true) }

// problems is Validate. A key without a type is valid where it means removal.
func (k Key) problems(typed bool) ValidationError {
	var bad ValidationError
	if !slices.Contains(KeyAreas(), k.Area) {
		bad.Add("area", k.Area, "is not a key area%s; allowed is line, memory, programmable, expansion1 to expansion6", Nearest(k.Area, KeyAreas()))
	}
	if k.Slot < 1 || k.Slot > maxSlot {
		bad.Add("slot", strconv.Itoa(k.Slot), "allowed is 1 to %d", maxSlot)
	}
	if k.Line < 0 || k.Line > maxLine {
		bad.Add("line", strconv.Itoa(k.Line), "allowed is 1 to %d, or 0 for the phone's first line", maxLine)
	}
	if !typed {
		return bad
	}
	switch {
	case !slices.Contains(KeyTypes(), k.Type):
		bad.Add("type", k.Type, "is not a key type%s; allowed is %s", Nearest(k.Type, KeyTypes()), strings.Join(KeyTypes(), " "))
	case needsValue(k.Type) && k.Value == "":
		bad.Add("value", "", "a %s key needs a value", k.Type)
	}
	bad.Text("value", k.Value, maxValue)
	bad.Text("label", k.Label, MaxLabel)
	if k.PickupCode != "" {
		bad.Number("pickup_code", k.PickupCode)
	}
	switch k.LabelSource {
	case "", LabelFixed:
	case LabelExtension:
		if k.Value == "" && k.Type != "line" && k.Type != "shared_line" {
			bad.Add("label_source", k.LabelSource, "needs a value that names the extension")
		}
	default:
		bad.Add("label_source", k.LabelSource, "allowed is fixed or extension")
	}
	return bad
}

// SortKeys puts keys in the order of areas and slots.
func SortKeys(keys []Key) {
	areas := KeyAreas()
	slices.SortStableFunc(keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(slices.Index(areas, a.Area), slices.Index(areas, b.Area)), cmp.Compare(a.Slot, b.Slot))
	})
}

// Nearest returns which of names look like s, as the end of a sentence: "; near: blf". It is empty when none does.
func Nearest(s string, names []string) string {
	near := setting.Nearest(s, names)
	if len(near) == 0 {
		return ""
	}
	return "; near: " + strings.Join(near, ", ")
}

// TrimKeys trims spaces from both ends of texts: they are invisible, and the files of some phones can't hold them. A default
// that is spelled out becomes absent.
func TrimKeys(keys []Key) {
	for i := range keys {
		k := &keys[i]
		k.Value, k.Label = strings.Trim(k.Value, " "), strings.Trim(k.Label, " ")
		if k.LabelSource == LabelFixed {
			k.LabelSource = "" // the default is stored as absent
		}
	}
}
