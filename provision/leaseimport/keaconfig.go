package leaseimport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"plugtone/dhcp"
)

// isJSON reports whether a file of Kea is a configuration. It may begin with a comment.
func isJSON(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && strings.ContainsRune("{[/#<", rune(text[0]))
}

// keaConfig reads the reservations of a configuration of kea-dhcp4, global ones and those of subnets (Kea ARM, Host Reservations). Comments
// are #, // and /* */; <?include "FILE"?> is replaced by the file's text.
func (c *collector) keaConfig(text string) {
	var v any
	text = plainJSON(text, func(line int, name string) string {
		var b strings.Builder
		c.included(line, name, func(text string) { b.WriteString(text) })
		return b.String()
	})
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&v); err != nil {
		at := int(d.InputOffset())
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = int(syntax.Offset)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			at = len(text)
		}
		c.fault(1+strings.Count(text[:min(at, len(text))], "\n"), "the configuration can't be read: %w", err)
		return
	}
	if server := member(v, "Dhcp4"); server != nil {
		c.keaReservations(server, "Dhcp4")
		return
	}
	c.fault(1, "the configuration has no Dhcp4: it must be that of kea-dhcp4, or the answer to config-get")
}

// member returns the first member of this name, at any depth.
func member(v any, name string) any {
	switch v := v.(type) {
	case map[string]any:
		if found, ok := v[name]; ok {
			return found
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if found := member(v[key], name); found != nil {
				return found
			}
		}
	case []any:
		for _, inner := range v {
			if found := member(inner, name); found != nil {
				return found
			}
		}
	}
	return nil
}

// keaReservations reads the lists of reservations in v and below it. path is where v is.
func (c *collector) keaReservations(v any, path string) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			at := path + "." + key
			list, ok := v[key].([]any)
			if key != "reservations" || !ok {
				c.keaReservations(v[key], at)
				continue
			}
			for i, r := range list {
				c.keaReservation(r, fmt.Sprintf("%s[%d]", at, i))
			}
		}
	case []any:
		for i, inner := range v {
			c.keaReservations(inner, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

func (c *collector) keaReservation(v any, path string) {
	text := func(name string) string {
		m, _ := v.(map[string]any)
		s, _ := m[name].(string)
		return s
	}
	var macs []dhcp.MAC
	var addrs []string
	if hw := text("hw-address"); hw != "" {
		mac, err := parseMAC(hw)
		if err != nil {
			c.faults = append(c.faults, fmt.Errorf("%s: hw-address: %w", path, err))
			return
		}
		macs = append(macs, mac)
	}
	if ip := text("ip-address"); ip != "" {
		addrs = append(addrs, ip)
	}
	c.reserve(path, text("hostname"), addrs, macs)
}

// plainJSON returns the text without comments, commas before a closing bracket, and includes. The lines stay.
func plainJSON(text string, include func(line int, name string) string) string {
	comma := -1 // place in out of a comma that only blanks follow
	out := []byte{}
	for i := 0; i < len(text); {
		n := 1
		switch rest := text[i:]; {
		case rest[0] == '"':
			n = quotedLength(rest)
		case rest[0] == '#', strings.HasPrefix(rest, "//"):
			if n = strings.IndexByte(rest, '\n'); n < 0 {
				n = len(rest)
			}
			i += n
			continue
		case strings.HasPrefix(rest, "/*"):
			if n = strings.Index(rest[2:], "*/") + 4; n < 4 {
				n = len(rest)
			}
			out = append(out, strings.Repeat("\n", strings.Count(rest[:n], "\n"))...)
			i += n
			continue
		case strings.HasPrefix(rest, "<?include"):
			end := strings.Index(rest, "?>")
			if end < 0 {
				break
			}
			name := strings.Trim(strings.TrimSpace(rest[len("<?include"):end]), `"`)
			inner := plainJSON(include(1+strings.Count(text[:i], "\n"), name), include)
			out = append(out, strings.ReplaceAll(inner, "\n", " ")...)
			comma = -1
			i += end + 2
			continue
		}
		switch c := text[i]; {
		case c == ',':
			comma = len(out)
		case (c == '}' || c == ']') && comma >= 0:
			out[comma] = ' '
			comma = -1
		case !strings.ContainsRune(" \t\r\n", rune(c)):
			comma = -1
		}
		out = append(out, text[i:i+n]...)
		i += n
	}
	return string(out)
}

// quotedLength returns the length of the string that text begins with, its quotes included.
func quotedLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
