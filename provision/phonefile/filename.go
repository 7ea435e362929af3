package phonefile

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"plugtone/dhcp"
)

// maxFileName is the longest file name that is looked at. The longest in a pack has about 80 characters.
const maxFileName = 255

// CleanName returns a file name as phones send it in the form in which it is looked up: no leading slash, no doubled
// slashes, no backslashes, no dots as folders. The error is why no phone sends such a name.
func CleanName(name string) (string, error) {
	if len(name) > maxFileName {
		return "", fmt.Errorf("file name has %d bytes; the longest looked at has %d", len(name), maxFileName)
	}
	if isPlain(name) {
		return name, nil
	}
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("file name %.60q is not UTF-8", name)
	}
	if i := strings.IndexFunc(name, unicode.IsControl); i >= 0 {
		return "", fmt.Errorf("file name %.60q has a control character", name)
	}
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' })
	elements := parts[:0]
	for _, p := range parts {
		switch p {
		case ".":
		case "..":
			return "", fmt.Errorf("file name %.60q leads out of its folder", name)
		default:
			elements = append(elements, p)
		}
	}
	if len(elements) == 0 {
		return "", fmt.Errorf("file name %.60q names no file", name)
	}
	return strings.Join(elements, "/"), nil
}

// isPlain reports whether a name needs no cleaning: printable ASCII without any separator, as nearly all are.
func isPlain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '/' || c == '\\' {
			return false
		}
	}
	return name != "" && name != "." && name != ".."
}

// maxShownName is how many bytes of a refused name are shown.
const maxShownName = 80

// ShownName returns a name that was refused, as logs and timelines may show it.
func ShownName(name string) string {
	shown := dhcp.Printable(name, maxShownName)
	if len(name) > maxShownName {
		shown += "..."
	}
	return shown
}
