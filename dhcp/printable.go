package dhcp

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns text from the network in a form for logs, timelines and pages: characters that are not printable UTF-8 are
// replaced by "?", and the text is cut at limit bytes, never inside a character.
func Printable(s string, limit int) string {
	if len(s) <= limit && isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, c := range strings.ToValidUTF8(s, "?") {
		if !unicode.IsPrint(c) || c == utf8.RuneError {
			c = '?'
		}
		if b.Len()+utf8.RuneLen(c) > limit {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}

// TextOrHex returns bytes from the network as text where they are printable UTF-8, else in hexadecimal with 0x.
func TextOrHex(b []byte) string {
	s := string(b)
	if utf8.ValidString(s) && Printable(s, len(s)) == s {
		return s
	}
	return "0x" + hex.EncodeToString(b)
}

// isPlain reports whether s is printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
