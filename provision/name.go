package provision

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFileName is the longest file name that is looked at. The longest that a pack knows has some 80 characters.
const maxFileName = 255

// cleanName brings a file name as phones send it into the form in which it is looked up: no leading slash, no doubled
// slashes, no backslashes. Names that no phone asks for are refused with the reason.
func cleanName(name string) (string, error) {
	if len(name) > maxFileName {
		return "", fmt.Errorf("file name has %d bytes; the longest looked at has %d", len(name), maxFileName)
	}
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("file name %.60q is not UTF-8", name)
	}
	if i := strings.IndexFunc(name, unicode.IsControl); i >= 0 {
		return "", fmt.Errorf("file name %.60q has a control character", name)
	}
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' })
	kept := parts[:0]
	for _, p := range parts {
		switch p {
		case ".":
		case "..":
			return "", fmt.Errorf("file name %.60q leads out of its folder", name)
		default:
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		return "", fmt.Errorf("file name %.60q names no file", name)
	}
	return strings.Join(kept, "/"), nil
}

// shownName is a name that was refused, as logs and timelines may show it.
func shownName(name string) string {
	const most = 80
	cut := len(name) > most
	if cut {
		name = name[:most]
	}
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
	if cut {
		name += "..."
	}
	return name
}
