package client

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// shownValue is how many characters of a value a message repeats.
const shownValue = 60

// Shorten shortens a value for a message. A value that was shortened before stays as it is.
func Shorten(s string) string {
	if utf8.RuneCountInString(s) <= shownValue+1 {
		return s
	}
	return string([]rune(s)[:shownValue]) + "…"
}

// values matches possible values within a message: text in quotes, or a very long word.
var values = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"|\S{200,}`)

// longValue is the length from which text in quotes is shortened, in bytes.
const longValue = 200

// longLine is how long a line of a message may be. Only both ends of a longer one are kept.
const longLine = 1000

// ShortenText shortens long values within a message.
func ShortenText(s string) string {
	s = values.ReplaceAllStringFunc(s, func(part string) string {
		switch {
		case len(part) < longValue:
			return part
		case part[0] == '"' && part[len(part)-1] == '"':
			return Shorten(part) + `"`
		}
		return Shorten(part)
	})
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if runes := []rune(line); len(runes) > longLine {
			lines[i] = string(runes[:longLine/5]) + "…" + string(runes[len(runes)-longLine/5:])
		}
	}
	return strings.Join(lines, "\n")
}
