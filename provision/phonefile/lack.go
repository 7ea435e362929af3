package phonefile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// Span is numbers of lines or slots from First to Last; Last 0 is without an end.
type Span struct{ First, Last int }

// ParseSpan reads "5-6", "2-" or "7". "" is every number.
func ParseSpan(s string) (Span, error) {
	if s == "" {
		return Span{First: 1}, nil
	}
	first, last, found := strings.Cut(s, "-")
	if !found {
		last = first
	}
	out := Span{}
	var err, errLast error
	out.First, err = strconv.Atoi(first)
	if last != "" {
		out.Last, errLast = strconv.Atoi(last)
	}
	if err != nil || errLast != nil || out.First < 1 || last != "" && out.Last < out.First {
		return Span{}, fmt.Errorf("%q must be numbers such as 5-6, 2- or 7", s)
	}
	return out, nil
}

// String prints the numbers as packs write them.
func (s Span) String() string {
	switch s.Last {
	case 0:
		return strconv.Itoa(s.First) + "-"
	case s.First:
		return strconv.Itoa(s.First)
	}
	return fmt.Sprintf("%d-%d", s.First, s.Last)
}

func (s Span) has(n int) bool { return n >= s.First && (s.Last == 0 || n <= s.Last) }

func (s Span) all() bool { return s.First == 1 && s.Last == 0 }

// Lack is something that files of a model do not carry, on some of its lines or keys or on all.
type Lack struct {
	Numbers Span     // lines of the phone, or slots of keys
	Keyless bool     // Numbers begins after the model's line keys
	Areas   []string // of keys; empty: all
	Note    string   // why
}

// LackList is what the pack states about one name for one model.
type LackList []Lack

// on reports whether one of the statements holds for a line, and why.
func (l LackList) on(line int) (why string, ok bool) {
	for _, x := range l {
		if x.Numbers.has(line) {
			return x.Note, true
		}
	}
	return "", false
}

// Whole reports whether one of the statements holds for every line or key, and why.
func (l LackList) Whole() (why string, ok bool) {
	for _, x := range l {
		if x.Numbers.all() && len(x.Areas) == 0 {
			return x.Note, true
		}
	}
	return "", false
}

// Borders reports whether a statement begins or ends at a number or beside it.
func (l LackList) Borders(n int) bool {
	return slices.ContainsFunc(l, func(x Lack) bool {
		return x.Numbers.has(n-1) != x.Numbers.has(n) || x.Numbers.has(n) != x.Numbers.has(n+1)
	})
}

// Lacks is what the files of a model do not carry, by name.
type Lacks struct {
	Settings map[string]LackList
	Keys     map[string]LackList // by type
	Lines    map[string]LackList // by member
}

// SettingLack reports whether the pack states that a model's files don't carry a setting at all, and why.
func (m *Model) SettingLack(name string) (why string, ok bool) { return m.Lacks.Settings[name].Whole() }

// SettingLackOn reports whether the pack states that a model's files don't carry a setting for a line, and why.
func (m *Model) SettingLackOn(name string, line int) (why string, ok bool) {
	return m.Lacks.Settings[name].on(line)
}

// KeyLack reports whether the pack states that a model's files don't carry a key of a type in a slot, and why.
func (m *Model) KeyLack(k fleet.Key) (why string, ok bool) {
	for _, x := range m.Lacks.Keys[k.Type] {
		if x.Numbers.has(k.Slot) && (len(x.Areas) == 0 || slices.Contains(x.Areas, areaClass(k.Area))) {
			return x.Note, true
		}
	}
	return "", false
}

// LineLack reports whether the pack states that a model's files don't carry a member of a line, and why.
func (m *Model) LineLack(member string, line int) (why string, ok bool) {
	return m.Lacks.Lines[member].on(line)
}

// LineMember is a member of a line's account that files of phones may carry.
type LineMember struct {
	Name   string               // as packs write it under lacks
	Words  string               // as messages name it
	Switch func(*Account)       // changes it from a plain account to one with a value of its own
	Value  func(Account) string // the value of its own that an account has; "" for none
}

// LineMembers returns the members of a line in the order in which messages name them.
func LineMembers() []LineMember {
	return []LineMember{
		{"number", "the number", func(a *Account) { a.Number = "77" }, func(a Account) string { return a.Number }},
		{"auth_user", "the authentication user", func(a *Account) { a.AuthUser = "other" }, func(a Account) string { return a.AuthUser }},
		{"password", "the password", func(a *Account) { a.Password = "other" }, func(a Account) string { return a.Password.String() }},
		{"display_name", "the display name", func(a *Account) { a.DisplayName = "Other" }, func(a Account) string { return unless(a.DisplayName, a.Number) }},
		{"label", "the label", func(a *Account) { a.Label = "Other" }, func(a Account) string { return unless(unless(a.Label, a.DisplayName), a.Number) }},
		{"voicemail", "the voicemail number", func(a *Account) { a.Voicemail = "*97" }, func(a Account) string { return a.Voicemail }},
		{"shared", "the shared line appearance", func(a *Account) { a.Shared = true }, func(a Account) string { return map[bool]string{true: "true"}[a.Shared] }},
		{"host", "the host", func(a *Account) { a.Registrar.Host = "other.example.com" }, func(a Account) string { return a.Registrar.Host }},
		{"port", "the port", func(a *Account) { a.Registrar.Port = 5070 }, func(a Account) string { return otherPort(a) }},
		{"tcp", "the transport", func(a *Account) { a.Registrar.Transport = "tcp" }, func(a Account) string { return only(a.Registrar.Transport, "tcp") }},
		{"tls", "the transport", func(a *Account) { a.Registrar.Transport = "tls" }, func(a Account) string { return only(a.Registrar.Transport, "tls") }},
		{"outbound_proxy", "the outbound proxy", func(a *Account) { a.Registrar.OutboundProxy = "proxy.example.com:5070" }, func(a Account) string { return a.Registrar.OutboundProxy }},
		{"backup_host", "the backup host", func(a *Account) { a.Registrar.BackupHost = "backup.example.com" }, func(a Account) string { return a.Registrar.BackupHost }},
		{"backup_outbound_proxy", "the backup outbound proxy", func(a *Account) { a.Registrar.BackupOutboundProxy = "proxy2.example.com:5070" }, func(a Account) string { return a.Registrar.BackupOutboundProxy }},
		{"sip_domain", "the SIP domain", func(a *Account) { a.Registrar.SIPDomain = "sip.example.com" }, func(a Account) string { return a.Registrar.SIPDomain }},
		{"register_expires", "the time of a registration", func(a *Account) { a.Registrar.RegisterExpires = setting.Duration(20 * time.Minute) }, otherExpiry},
	}
}

func unless(s, other string) string {
	if s == other {
		return ""
	}
	return s
}

func only(s, word string) string {
	if s != word {
		return ""
	}
	return s
}

// otherPort is the port of an account that is not the one of its transport.
func otherPort(a Account) string {
	return unless(strconv.Itoa(a.Registrar.Port), strconv.Itoa(usualPort(a.Registrar.Transport)))
}

// otherExpiry is the time of a registration that is not the one hour of a registrar that does not state it.
func otherExpiry(a Account) string {
	return unless(a.Registrar.RegisterExpires.String(), setting.Duration(time.Hour).String())
}

// LinesLeftOut returns what a model's files don't carry of the phone's lines, with the reason.
func (m *Model) LinesLeftOut(lines []Account) []string {
	if len(m.Lacks.Lines) == 0 {
		return nil
	}
	var out []string
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i].Registrar = m.serverOf(lines[i])
	}
	for _, l := range lines {
		for _, member := range LineMembers() {
			why, lacks := m.LineLack(member.Name, l.Position)
			// Where the value of the first line holds for all, a line with the same value lacks nothing.
			_, lost := m.LineLack(member.Name, lines[0].Position)
			if value := member.Value(l); lacks && value != "" && (lost || value != member.Value(lines[0])) {
				out = append(out, fmt.Sprintf("line %d: %s has no place for %s %s%s", l.Position, m.title(), member.Words, value, because(why)))
			}
		}
	}
	return out
}

// because puts a reason behind a statement.
func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// LacksOfLines returns the members of lines that a model's files don't carry, with the lines and the reason.
func (m *Model) LacksOfLines() []string {
	var out []string
	for _, member := range LineMembers() {
		for _, l := range m.Lacks.Lines[member.Name] {
			text := member.Name
			if l.Numbers.First > m.Lines {
				continue
			}
			if !l.Numbers.all() {
				text += fmt.Sprintf(" (lines %s)", l.Numbers)
			}
			out = append(out, text+because(l.Note))
		}
	}
	return out
}
