package client

import (
	"regexp"
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

// long finds what is too long within a message: something in quotes, or a word of no ordinary length.
var long = regexp.MustCompile(`"(?:[^"\\]|\\.){100,}"|\S{200,}`)

// ShortenText cuts long values that stand within a message.
func ShortenText(s string) string {
	return long.ReplaceAllStringFunc(s, func(part string) string {
		if part[0] == '"' && part[len(part)-1] == '"' {
			return Shorten(part) + `"`
		}
		return Shorten(part)
	})
}
