package setting

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Type is the type of a setting's canonical value.
type Type string

// The types of settings.
const (
	Text    Type = "text"     // string
	Hidden  Type = "secret"   // Secret
	Bool    Type = "bool"     // bool
	Int     Type = "int"      // int
	Time    Type = "duration" // Duration
	Choice  Type = "choice"   // string, one of Choices
	List    Type = "list"     // []string
	Choices Type = "choices"  // []string, each one of Choices, none twice, in order of preference
)

// Secret is text that must not show in logs, error messages or files that everybody may fetch: passwords, and settings of
// type Hidden.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// Reveal gives the secret itself. Only what goes to a proven phone or to an operator who may see it calls this.
func (s Secret) Reveal() string { return string(s) }

// Def defines one vendor-neutral setting.
type Def struct {
	Name        string
	Type        Type
	Help        string        // one sentence for people
	Choices     []string      // Choice, Choices: the values allowed
	Min         int           // Int: smallest value; List, Choices: fewest items
	Max         int           // Int: largest value; List, Choices: most items; Text, Hidden: most characters
	MinDuration time.Duration // Time: shortest, unless 0 is allowed by Off
	MaxDuration time.Duration // Time: longest
	Off         bool          // Time: 0 switches it off
	Form        Form          // Text, List: what each text must look like
}

// IsSecret reports whether the setting's value may only be in a file that needs proof.
func (d Def) IsSecret() bool { return d.Type == Hidden }

// definitions is the catalogue in alphabetical order.
func definitions() []Def {
	const day = 24 * time.Hour
	return []Def{
		{Name: "admin_password", Type: Hidden, Max: 64, Help: "password of the phone's administrator account"},
		{Name: "auto_answer", Type: Bool, Help: "answer calls without ringing"},
		{Name: "backlight_timeout", Type: Time, MinDuration: time.Second, MaxDuration: day, Off: true, Help: "idle time after which the display goes dark; 0s keeps it lit"},
		{Name: "call_waiting", Type: Bool, Help: "signal a second call during a call"},
		{Name: "cdp", Type: Bool, Help: "learn the voice VLAN by Cisco Discovery Protocol"},
		{Name: "codecs", Type: Choices, Choices: []string{"pcmu", "pcma", "g722", "g729", "g726-32", "ilbc", "opus"}, Min: 1, Max: 7, Help: "audio codecs in order of preference"},
		{Name: "dial_plan", Type: Text, Max: 512, Help: "digit map in the phone's own notation"},
		{Name: "dial_timeout", Type: Time, MinDuration: time.Second, MaxDuration: 60 * time.Second, Help: "pause after the last digit before the number is dialled"},
		{Name: "dnd", Type: Bool, Help: "start with do not disturb switched on"},
		{Name: "dns_servers", Type: List, Form: IPv4, Min: 1, Max: 3, Help: "name servers of the phone, when DHCP's are not to be used"},
		{Name: "dot1x_identity", Type: Text, Max: 64, Help: "IEEE 802.1X identity"},
		{Name: "dot1x_mode", Type: Choice, Choices: []string{"off", "md5", "tls", "peap-mschapv2", "ttls-mschapv2"}, Help: "IEEE 802.1X method"},
		{Name: "dot1x_password", Type: Hidden, Max: 64, Help: "IEEE 802.1X password"},
		{Name: "dtmf", Type: Choice, Choices: []string{"rfc2833", "inband", "info"}, Help: "how key presses are sent during a call"},
		{Name: "firmware", Type: List, Form: FileName, Min: 1, Max: 16, Help: "firmware files that the phone may fetch and install"},
		{Name: "intercom", Type: Bool, Help: "accept intercom calls: answer when the caller requests it"},
		{Name: "keep_alive", Type: Time, MinDuration: 5 * time.Second, MaxDuration: time.Hour, Off: true, Help: "interval of packets that keep a NAT binding open; 0s sends none"},
		{Name: "language", Type: Text, Form: Language, Max: 5, Help: "language of display and web page: de, en, en-GB, fr-CA and the like"},
		{Name: "ldap_base", Type: Text, Max: 255, Help: "where in the LDAP directory the phone searches: ou=people,dc=example,dc=com"},
		{Name: "ldap_password", Type: Hidden, Max: 64, Help: "password of ldap_user"},
		{Name: "ldap_server", Type: Text, Form: HostOptPort, Max: 255, Help: "LDAP directory that the phone searches"},
		{Name: "ldap_user", Type: Text, Max: 255, Help: "name that the phone binds to the LDAP directory with; without one it binds to none"},
		{Name: "lldp", Type: Bool, Help: "learn the voice VLAN by LLDP-MED"},
		{Name: "multicast_listen", Type: List, Form: HostPort, Min: 1, Max: 10, Help: "multicast paging addresses to listen to, in order of priority: 239.1.1.1:5004"},
		{Name: "ntp_servers", Type: List, Form: Host, Min: 1, Max: 2, Help: "time servers"},
		{Name: "pc_vlan", Type: Int, Min: 0, Max: 4094, Help: "VLAN of the phone's PC port; 0 for untagged"},
		{Name: "phonebook", Type: Choice, Choices: []string{"all", "contacts", "extensions", "off"}, Help: "phonebook that plugtone gives the phone: the contacts of its device and profile, the extensions of its registrars, or all of them"},
		{Name: "phonebook_name", Type: Text, Max: 64, Help: "what the phone calls its remote phonebook; Phonebook when not set"},
		{Name: "phonebook_url", Type: Text, Form: URL, Max: 255, Help: "remote phonebook of another server; with phonebook the place is filled in"},
		{Name: "pickup_code", Type: Text, Max: 32, Help: "dialled before a number whose ringing call is to be taken, as a busy lamp key does: *8 or **"},
		{Name: "provisioning_password", Type: Hidden, Max: 64, Help: "password of the phone at its provisioning server; filled in with external_url"},
		{Name: "provisioning_user", Type: Text, Max: 64, Help: "user name of the phone at its provisioning server; filled in with external_url"},
		{Name: "qos_rtp", Type: Int, Min: 0, Max: 63, Help: "DSCP of audio packets"},
		{Name: "qos_sip", Type: Int, Min: 0, Max: 63, Help: "DSCP of SIP packets"},
		{Name: "recheck_interval", Type: Time, MinDuration: time.Minute, MaxDuration: 30 * day, Off: true, Help: "how often the phone fetches its files again; 0s only at boot"},
		{Name: "ring_tone", Type: Text, Form: FileName, Max: 64, Help: "ring tone: a name or file that the phone has"},
		{Name: "ring_volume", Type: Int, Min: 0, Max: 15, Help: "ring volume"},
		{Name: "screensaver_timeout", Type: Time, MinDuration: time.Second, MaxDuration: day, Off: true, Help: "idle time before the screen saver; 0s for none"},
		{Name: "session_timers", Type: Bool, Help: "SIP session timers (RFC 4028)"},
		{Name: "srtp", Type: Choice, Choices: []string{"off", "optional", "required"}, Help: "encryption of audio"},
		{Name: "syslog_level", Type: Int, Min: 0, Max: 7, Help: "least severe message sent to the syslog server"},
		{Name: "syslog_server", Type: Text, Form: HostOptPort, Max: 255, Help: "where the phone sends its log"},
		{Name: "time_format", Type: Choice, Choices: []string{"12h", "24h"}, Help: "clock shown with 12 or 24 hours"},
		{Name: "time_zone", Type: Text, Form: Zone, Max: 64, Help: "IANA time zone such as Europe/Berlin"},
		{Name: "user_password", Type: Hidden, Max: 64, Help: "password of the phone's user account"},
		{Name: "voice_vlan", Type: Int, Min: 0, Max: 4094, Help: "VLAN that the phone tags its own packets with; 0 for untagged"},
		{Name: "wallpaper", Type: Text, Form: FileOrURL, Max: 255, Help: "background picture: a file that the phone can fetch"},
		{Name: "web_interface", Type: Choice, Choices: []string{"off", "http", "https", "both"}, Help: "the phone's own web page"},
	}
}

// catalogue is built once; nothing in it ever changes.
var catalogue = sync.OnceValue(func() map[string]Def {
	m := make(map[string]Def)
	for _, d := range definitions() {
		m[d.Name] = d
	}
	return m
})

// All returns the catalogue in alphabetical order.
func All() []Def { return definitions() }

// Lookup finds the definition of a setting.
func Lookup(name string) (Def, bool) {
	d, ok := catalogue()[name]
	return d, ok
}

// Allowed describes in words which values the setting takes.
func (d Def) Allowed() string {
	switch d.Type {
	case Bool:
		return "true or false"
	case Int:
		return numberRange(d.Min, d.Max)
	case Time:
		s := "a duration from " + Duration(d.MinDuration).String() + " to " + Duration(d.MaxDuration).String()
		if d.Off {
			s += ", or 0s"
		}
		return s
	case Choice:
		return "one of " + strings.Join(d.Choices, ", ")
	case Choices:
		return "a list of " + strings.Join(d.Choices, ", ") + ", none twice"
	case List:
		return "a list of " + numberRange(d.Min, d.Max) + " times " + d.Form.words()
	case Hidden:
		return "1 to " + itoa(d.Max) + " printable characters"
	}
	if d.Form == "" {
		return "up to " + itoa(d.Max) + " characters on one line"
	}
	return d.Form.words()
}

// Nearest returns up to three of names that look like s, the likeliest first.
func Nearest(s string, names []string) []string {
	type scored struct {
		name string
		d    int
	}
	s = strings.ToLower(s)
	var near []scored
	for _, n := range names {
		l := strings.ToLower(n)
		d := distance(s, l)
		if len(s) > 2 && (strings.Contains(l, s) || strings.Contains(s, l)) {
			d = min(d, 1)
		}
		if d <= max(1, len(s)/3) {
			near = append(near, scored{n, d})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return a.d - b.d })
	var out []string
	for _, n := range near[:min(3, len(near))] {
		out = append(out, n.name)
	}
	return out
}

// distance counts the letters to insert, drop, replace or swap with their neighbour to make b of a; long strings are not
// worth comparing.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var before []int // the row before the last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := last[j-1]
			if a[i-1] != b[j-1] {
				cost++
			}
			row[j] = min(cost, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
