package clientpolicy

import (
	"fmt"
	"strconv"
	"strings"

	"plugtone/dhcp"
)

// OptionText shows an option's bytes as text where they are, else in hexadecimal.
func OptionText(b []byte) string {
	text := strings.TrimRight(string(b), "\x00")
	if text == "" || dhcp.Printable(text, len(text)) != text {
		return fmt.Sprintf("%x", b)
	}
	return strconv.Quote(text)
}
