package syslog

import (
	"regexp"
	"strings"

	"plugtone/provision/fleet"
)

// mask stands for a secret.
const mask = "***"

var (
	// named is a name with a value: name=value, name: value, "name": "value", name="two words".
	named = regexp.MustCompile(`([\pL\pN_.\-/\[\]#@]+)(["']?\s*[=:]\s*)("[^"]*"?|'[^']*'?|(?:(?i:basic|bearer) +)?[^\s"'<>,;&]+)`)
	// element is the text of an XML element, or of an attribute-less part of one.
	element = regexp.MustCompile(`<([\pL\pN_.\-]+)([^<>]*)>([^<]+)`)
	// userinfo is the password in a URL (RFC 3986, 3.2.1).
	userinfo = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)
)

// masked returns the text with *** in place of known secrets, of passwords in URLs, and of the value of each parameter whose name looks like
// that of a secret. The last finds what is in no record, and secrets too short to be replaced wherever they occur.
func masked(text string, known []string) string {
	for _, secret := range known {
		text = strings.ReplaceAll(text, secret, mask)
	}
	text = userinfo.ReplaceAllString(text, "${1}"+mask+"@")
	text = replaceSecret(element, text, func(m []string) string { return "<" + m[1] + m[2] + ">" + mask })
	return replaceSecret(named, text, func(m []string) string {
		quote := ""
		if m[3][0] == '"' || m[3][0] == '\'' {
			quote = m[3][:1]
		}
		return m[1] + m[2] + quote + mask + quote
	})
}

// replaceSecret replaces the matches whose first group is the name of a secret.
func replaceSecret(form *regexp.Regexp, text string, with func(groups []string) string) string {
	return form.ReplaceAllStringFunc(text, func(s string) string {
		groups := form.FindStringSubmatch(s)
		if !looksSecret(groups[1]) {
			return s
		}
		return with(groups)
	})
}

// looksSecret adds the header fields that carry a password to the names of parameters.
func looksSecret(name string) bool {
	return fleet.LooksSecret(name) || strings.HasSuffix(strings.ToLower(name), "authorization")
}
