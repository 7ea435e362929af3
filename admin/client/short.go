package client

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// shownValue is how many characters of a value a message repeats.
const shownValue = 60

// Shorten cuts a value for a message. What was cut already stays as it is.
func Shorten(s string) string {
	if utf8.RuneCountInString(s) <= shownValue+1 {
		return s
	}
	return string([]rune(s)[:shownValue]) + "…"
}

// values finds what may be a value within a message: something in quotes, or a word of no ordinary length.
var values = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"|\S{200,}`)

// longValue is how many bytes within a message are too many for something in quotes.
const longValue = 200

// longLine is how long a line of a message may be; of a longer one both ends are kept.
const longLine = 1000

// ShortenText cuts long values that stand within a message.
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
