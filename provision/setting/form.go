package setting

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the list of zones must not depend on the machine
	"unicode"
	"unicode/utf8"
)

// Form is a constraint on a text.
type Form string

// The forms of texts.
const (
	Zone        Form = "zone"
	Language    Form = "language"
	IPv4        Form = "ipv4"
	Host        Form = "host"
	HostPort    Form = "hostport"
	HostOptPort Form = "host[:port]"
	URL         Form = "url"
	FileName    Form = "file"
	FileOrURL   Form = "file or url"
	Country     Form = "country"
	Digits      Form = "digits"
	Number      Form = "number"
	ActionURL   Form = "event=url"
	AlertRing   Form = "text=ring"
	SoftKeys    Form = "state=keys"
	FeatureCode Form = "feature=code"
)

// words describes what the form allows.
func (f Form) words() string {
	switch f {
	case Zone:
		return "an IANA time zone such as Europe/Berlin"
	case Language:
		return "a language such as de, en or fr-CA"
	case IPv4:
		return "an IPv4 address"
	case Host:
		return "an IPv4 address or host name"
	case HostPort:
		return "an IPv4 address or host name with a port, such as 239.1.1.1:5004"
	case HostOptPort:
		return "an IPv4 address or host name, with or without a port"
	case URL:
		return "a URL that begins with http://, https:// or tftp://"
	case FileName:
		return "a file name without folders"
	case FileOrURL:
		return "a file name or a URL"
	case Country:
		return "a country of two capital letters (ISO 3166), such as DE, GB or US"
	case Digits:
		return "1 to 15 digits"
	case Number:
		return "a number or SIP user, without spaces"
	case ActionURL:
		return "EVENT=URL, EVENT one of " + strings.Join(ActionEvents(), ", ")
	case AlertRing:
		return "TEXT=RING, such as external=Ring3.wav"
	case FeatureCode:
		return "FEATURE=CODE, FEATURE one of " + strings.Join(Features(), ", ")
	case SoftKeys:
		return "STATE=KEY KEY ..., STATE one of " + strings.Join(SoftKeyStates(), ", ")
	}
	return "text on one line"
}

// Example returns a text of the form; "x" for plain text.
func (f Form) Example() string {
	examples := map[Form]string{Zone: "Europe/Berlin", Language: "de", IPv4: "10.20.0.1", Host: "time.example.com", HostPort: "239.1.1.1:5004",
		HostOptPort: "10.20.0.3:514", URL: "http://10.20.0.2/book.xml?a=1&b=2", FileName: "fw.rom", FileOrURL: "logo.png", Country: "DE", Digits: "112",
		Number: "1002", ActionURL: "registered=http://10.20.0.2/up?a=1&b=2", AlertRing: "external=3", FeatureCode: "dnd_on=*78",
		SoftKeys: "idle=redial dnd"}
	if e, ok := examples[f]; ok {
		return e
	}
	return "x"
}

// check reports whether s has the form.
func (f Form) check(s string) bool {
	switch f {
	case Zone:
		return CheckZone(s) == nil
	case Language:
		return isLanguage(s)
	case IPv4:
		a, err := netip.ParseAddr(s)
		return err == nil && a.Is4()
	case Host:
		return IsHost(s)
	case HostPort:
		return isHostPort(s)
	case HostOptPort:
		return IsHost(s) || isHostPort(s)
	case URL:
		return isURL(s)
	case FileName:
		return isFileName(s)
	case FileOrURL:
		return isURL(s) || isFileName(s)
	case Country:
		return len(s) == 2 && isUpper(s[0]) && isUpper(s[1])
	case Digits:
		return len(s) <= 15 && s != "" && strings.Trim(s, "0123456789") == ""
	case Number:
		return isNumber(s)
	case ActionURL, AlertRing, FeatureCode, SoftKeys:
		return f.checkPair(s)
	}
	return true
}

// CheckZone reports whether name is a zone of the IANA time zone database.
func CheckZone(name string) error {
	if name == "" || name == "Local" || len(name) > 64 {
		return fmt.Errorf("time zone %.64q is not %s", name, Zone.words())
	}
	if _, err := time.LoadLocation(name); err != nil {
		return fmt.Errorf("time zone %.64q is not %s", name, Zone.words())
	}
	return nil
}

// IsHost reports whether s is an IPv4 address or a host name (RFC 1123, 2.1; underscores are seen in the field).
func IsHost(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Is4() && !a.IsUnspecified()
	}
	if s == "" || len(s) > 253 {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for i := range len(l) {
			c := l[i]
			if c != '-' && c != '_' && !isLetter(c) && !isDigit(c) {
				return false
			}
		}
	}
	// A last label of digits alone is a mistyped address, not a name.
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// SplitHostPort splits host or host:port; the port is 0 when there is none.
func SplitHostPort(s string) (host string, port int, ok bool) {
	h, p, found := strings.Cut(s, ":")
	if !found {
		return s, 0, IsHost(s)
	}
	n, err := strconv.Atoi(p)
	if err != nil || n < 1 || n > 65535 || p[0] == '+' || p[0] == '0' {
		return "", 0, false
	}
	return h, n, IsHost(h)
}

func isHostPort(s string) bool {
	_, port, ok := SplitHostPort(s)
	return ok && port != 0
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	_, _, ok := SplitHostPort(u.Host)
	return ok && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "tftp")
}

func isFileName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 128 && !strings.ContainsAny(s, `/\`) && OneLine(s) == nil
}

func isLanguage(s string) bool {
	lang, region, found := strings.Cut(s, "-")
	if len(lang) != 2 || !isLower(lang[0]) || !isLower(lang[1]) {
		return false
	}
	return !found || len(region) == 2 && isUpper(region[0]) && isUpper(region[1])
}

func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool  { return c >= 'A' && c <= 'Z' }
func isLetter(c byte) bool { return isLower(c) || isUpper(c) }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func itoa(n int) string    { return strconv.Itoa(n) }

func numberRange(from, to int) string {
	if from == to {
		return itoa(from)
	}
	return itoa(from) + " to " + itoa(to)
}

// OneLine refuses text that no phone could show or keep on one line: control characters, line breaks, broken UTF-8.
func OneLine(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("is not valid UTF-8")
	}
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return fmt.Errorf("has a line break; allowed is text on one line")
		case unicode.IsControl(r):
			return fmt.Errorf("has the control character U+%04X; allowed is printable text", r)
		}
	}
	return nil
}
