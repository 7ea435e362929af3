package pbxdevice

import (
	"regexp"
	"slices"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// Stand-ins for the value and the label of a key, to find out where the text of a key type prints them. They are in no key.
const (
	valueMark = "\ue000"
	labelMark = "\ue001"
)

// keyCode is what a model's files have for one type of keys, as its pack renders it.
type keyCode struct {
	keyType string
	code    string
	text    *regexp.Regexp // matches the text of any key of the type; nil when the pack makes none
	words   []string       // of the text, without value and label
	literal int            // characters of the text that every key of the type has
	plain   string         // the text of a key without a value
}

// codesOf renders one key of each type that a model has in an area. Its result is the inverse of the pack's key types: nothing else states the codes.
func codesOf(v *pack.Vendor, m *phonefile.Model, area string, line int) []keyCode {
	var out []keyCode
	for _, t := range m.KeyTypes() {
		k := fleet.Key{Area: area, Slot: 1, Type: t, Value: valueMark, Label: labelMark, Line: line}
		code, text, err := phonefile.KeyCode(v.Renderer, m, k)
		if err != nil {
			continue // not in this area
		}
		c := keyCode{keyType: t, code: fold(code)}
		if text != "" {
			literal := strings.NewReplacer(valueMark, " ", labelMark, " ").Replace(text)
			c.words, c.literal = words(literal), len(strings.ReplaceAll(literal, " ", ""))
			c.text = patternOf(text)
			k.Value, k.Label = "", ""
			_, c.plain, _ = phonefile.KeyCode(v.Renderer, m, k)
		}
		out = append(out, c)
	}
	return out
}

// patternOf returns an expression for a text with marks. The first value and the first label in it are captured.
func patternOf(text string) *regexp.Regexp {
	expr := regexp.QuoteMeta(text)
	for _, x := range []struct{ mark, name string }{{valueMark, "value"}, {labelMark, "label"}} {
		expr = strings.Replace(expr, x.mark, `(?P<`+x.name+`>.+?)`, 1)
		expr = strings.ReplaceAll(expr, x.mark, `.+?`)
	}
	return regexp.MustCompile("^(?i:" + expr + ")$")
}

// fold makes codes comparable: PBXs write speed dial for SpeedDial. A minus counts.
func fold(code string) string { return strings.ToLower(separators.Replace(code)) }

var separators = strings.NewReplacer(" ", "", "_", "")

var word = regexp.MustCompile(`[A-Za-z][A-Za-z0-9_]*`)

func words(text string) []string { return word.FindAllString(strings.ToLower(text), -1) }

// read returns the value and the label in a text of the type.
func (c keyCode) read(text string) (value, label string, ok bool) {
	if c.text == nil {
		return "", "", false
	}
	if text == c.plain && text != "" {
		return "", "", true
	}
	m := c.text.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	if i := c.text.SubexpIndex("value"); i > 0 {
		value = m[i]
	}
	if i := c.text.SubexpIndex("label"); i > 0 {
		label = m[i]
	}
	return value, label, true
}

// found is a key type that may be meant, with the key's value and label.
type found struct{ keyType, value, label string }

// surest is how much of a text must be the type's own for its value alone to decide the type.
const surest = 4 // characters

// candidates returns the key types that have a code, by the first rule that finds some. code and value are as the PBX has them: the code is the phone's
// own, or a word of the text that the phone gets, or the whole text is in the value.
func candidates(codes []keyCode, code, value string) (out []found) {
	folded := fold(code)
	rules := []func(c keyCode) (found, bool){
		func(c keyCode) (found, bool) { // the code alone
			return found{c.keyType, value, ""}, c.text == nil && c.code == folded
		},
		func(c keyCode) (found, bool) { // the code, and the text as value
			v, l, ok := c.read(value)
			return found{c.keyType, v, l}, ok && c.code != "" && c.code == folded
		},
		func(c keyCode) (found, bool) { // the text is the code, whatever the value
			_, _, ok := c.read(code)
			return found{c.keyType, value, ""}, ok && c.literal > 0
		},
		func(c keyCode) (found, bool) { // the text begins with the code
			v, l, ok := c.read(code + " " + value)
			return found{c.keyType, v, l}, ok && c.literal > 0
		},
		func(c keyCode) (found, bool) { // the value is the whole text
			v, l, ok := c.read(value)
			return found{c.keyType, v, l}, ok && (c.literal >= surest || code == "" && c.literal > 0)
		},
		func(c keyCode) (found, bool) { // our own word for it
			return found{c.keyType, value, ""}, fold(c.keyType) == folded
		},
		func(c keyCode) (found, bool) { // a word of the text
			return found{c.keyType, value, ""}, slices.Contains(c.words, strings.ToLower(code))
		},
	}
	for _, rule := range rules {
		for _, c := range codes {
			if f, ok := rule(c); ok {
				out = append(out, f)
			}
		}
		if out != nil {
			return out
		}
	}
	return nil
}
