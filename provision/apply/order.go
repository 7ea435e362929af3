package apply

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// byKey returns the places of the records of one kind in the order of their keys. Records are stored in one transaction, and fastest in
// that order: one that is put between others moves those after it. The order has no influence on the result, so that a key is not read
// with all of its record: records whose key is not found come first.
func byKey(kind string, part []json.RawMessage) []int {
	return inOrder(len(part), func(i int) string {
		switch kind {
		case fleet.KindDevice:
			return macKey(textMember(part[i], `"mac"`))
		case fleet.KindExtension:
			return textMember(part[i], `"number"`)
		}
		return ""
	})
}

// inOrder returns the numbers below n by their keys, those with equal keys as they were.
func inOrder(n int, key func(i int) string) []int {
	type keyed struct {
		key string
		i   int
	}
	list := make([]keyed, n)
	for i := range list {
		list[i] = keyed{key(i), i}
	}
	slices.SortStableFunc(list, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	out := make([]int, n)
	for i, k := range list {
		out[i] = k.i
	}
	return out
}

// macKey returns what devices with this MAC are sorted by.
func macKey(text string) string {
	mac, err := dhcp.ParseMAC(text)
	if err != nil {
		return ""
	}
	return string(mac[:])
}

// textMember returns the text after the first occurrence of a member's name, "" when that is none.
func textMember(raw []byte, name string) string {
	_, rest, found := bytes.Cut(raw, []byte(name))
	rest = bytes.TrimLeft(rest, ": \t\r\n")
	if !found || len(rest) == 0 || rest[0] != '"' {
		return ""
	}
	text, _, _ := strings.Cut(string(rest[1:min(len(rest), 64)]), `"`)
	return text
}
