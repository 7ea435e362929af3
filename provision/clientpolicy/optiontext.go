package clientpolicy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// OptionText shows an option's bytes as text where they are, else in hexadecimal.
func OptionText(b []byte) string {
	text := strings.TrimRight(string(b), "\x00")
	if text == "" || strings.IndexFunc(text, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) >= 0 {
		return fmt.Sprintf("%x", b)
	}
	return strconv.Quote(text)
}
