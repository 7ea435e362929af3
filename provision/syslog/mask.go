package syslog

import (
	"regexp"
	"strings"

	"plugtone/provision/fleet"
)

// mask stands for a secret.
const mask = "***"

var (
	// named is a name before a value: name=value, name: value, "name": "value", name="two words".
	named = regexp.MustCompile(`([\pL\pN_.\-/\[\]#@]+)["']?\s*[=:]\s*`)
	// value is what follows it. Without quotes it goes on to the next space: "," ";" "&" may separate it from another value or be part of it,
	// and too much is masked rather than half a password.
	value = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|(?:(?i:basic|bearer) +)?\S+)`)
	// element is the text of an XML element, or of an attribute-less part of one.
	element = regexp.MustCompile(`<([\pL\pN_.\-]+)([^<>]*)>([^<]+)`)
	// userinfo is the password in a URL (RFC 3986, 3.2.1).
	userinfo = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s]+@`)
)

// masked returns the text with *** in place of known secrets, of passwords in URLs, and of the value of each parameter whose name looks like
// that of a secret. The last finds what is in no record, and secrets too short to be replaced wherever they occur.
func masked(text string, known []string) string {
	for _, secret := range known {
		text = strings.ReplaceAll(text, secret, mask)
	}
	text = userinfo.ReplaceAllString(text, "${1}"+mask+"@")
	text = element.ReplaceAllStringFunc(text, func(s string) string {
		groups := element.FindStringSubmatch(s)
		if !looksSecret(groups[1]) {
			return s
		}
		return "<" + groups[1] + groups[2] + ">" + mask
	})
	return maskNamed(text)
}

// maskNamed masks the value after each name of a secret. The value of another name may have such a name itself: config: password=x.
func maskNamed(text string) string {
	var b strings.Builder
	for {
		at := named.FindStringSubmatchIndex(text)
		if at == nil {
			b.WriteString(text)
			return b.String()
		}
		name := text[at[2]:at[3]]
		b.WriteString(text[:at[1]])
		text = text[at[1]:]
		if !looksSecret(name) {
			continue
		}
		v, quote := value.FindString(text), ""
		if strings.HasPrefix(v, `"`) || strings.HasPrefix(v, "'") {
			quote = v[:1]
		} else {
			v = strings.TrimRight(v, ",;&") // before a space they separate values
		}
		if v != "" {
			b.WriteString(quote + mask + quote)
			text = text[len(v):]
		}
	}
}

// looksSecret adds the header fields that carry a password to the names of parameters.
func looksSecret(name string) bool {
	return fleet.LooksSecret(name) || strings.HasSuffix(strings.ToLower(name), "authorization")
}
