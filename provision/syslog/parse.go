package syslog

import (
	"strconv"
	"strings"
	"time"
)

// Message is one line that a phone has logged.
type Message struct {
	Facility int // 0 to 23 (RFC 5424, 6.2.1)
	Severity int // 0, emergency, to 7, debug
	Text     string
}

// severities are the names of severities (RFC 5424, 6.2.1), in one word each.
var severities = [...]string{"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"}

// SeverityName returns the name of the severity.
func (m Message) SeverityName() string { return severities[m.Severity&7] }

// noPriority is what a message without a valid PRI counts as: user, notice (RFC 3164, 4.3.3).
const noPriority = 1<<3 | 5

// stampLayout is the TIMESTAMP of RFC 3164, 4.1.2.
const stampLayout = "Jan _2 15:04:05"

// Parse reads a message in the form of RFC 5424 or RFC 3164. What is in neither form is text as a whole (RFC 3164, 4.3.3): phones leave out
// time stamps and host names. Its text has the program's name before it, and neither time stamp nor host: the clock of a phone may be wrong.
// ok is false when there is no text. The text may hold any bytes.
func Parse(line string) (m Message, ok bool) {
	rest, priority := cutPriority(strings.TrimRight(line, "\x00\r\n\t "))
	m.Facility, m.Severity = priority>>3, priority&7
	if text, is5424 := rfc5424(rest); is5424 {
		m.Text = text
	} else {
		m.Text = rfc3164(rest)
	}
	m.Text = strings.TrimSpace(m.Text)
	return m, m.Text != ""
}

// cutPriority takes the PRI off a message.
func cutPriority(s string) (rest string, priority int) {
	end := strings.IndexByte(s, '>')
	if end < 2 || end > 4 || s[0] != '<' {
		return s, noPriority
	}
	n, err := strconv.ParseUint(s[1:end], 10, 8)
	if err != nil || n > 191 {
		return s, noPriority
	}
	return s[end+1:], int(n)
}

// rfc3164 returns what follows the time stamp and the host name.
func rfc3164(s string) string {
	if len(s) <= len(stampLayout) || s[len(stampLayout)] != ' ' {
		return s
	}
	if _, err := time.Parse(stampLayout, s[:len(stampLayout)]); err != nil {
		return s
	}
	s = s[len(stampLayout)+1:]
	host, rest, ok := strings.Cut(s, " ")
	if !ok || strings.ContainsAny(host, ":[") && !strings.Contains(strings.TrimRight(host, ":"), ":") {
		return s // a TAG: there is no host name
	}
	return rest
}

// rfc5424 returns the text of a message of version 1; ok is false for any other.
func rfc5424(s string) (text string, ok bool) {
	s, ok = strings.CutPrefix(s, "1 ")
	if !ok {
		return "", false
	}
	var fields [5]string // TIMESTAMP HOSTNAME APP-NAME PROCID MSGID
	for i := range fields {
		if fields[i], s, ok = strings.Cut(s, " "); !ok || fields[i] == "" {
			return "", false
		}
	}
	if fields[0] != "-" {
		if _, err := time.Parse(time.RFC3339Nano, fields[0]); err != nil {
			return "", false
		}
	}
	data, rest, ok := structured(s)
	if !ok {
		return "", false
	}
	text = strings.TrimPrefix(strings.TrimPrefix(rest, " "), "\ufeff")
	if text == "" {
		text = data
	}
	if app := fields[2]; app != "-" && text != "" {
		text = app + ": " + text
	}
	return text, true
}

// structured splits STRUCTURED-DATA from what follows (RFC 5424, 6.3). None is "".
func structured(s string) (data, rest string, ok bool) {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return "", rest, rest == "" || rest[0] == ' '
	}
	quoted, inside := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && inside:
			quoted = !quoted
		case quoted:
		case c == '[' && !inside:
			inside = true
		case c == ']' && inside:
			inside = false
		case c == ' ' && !inside && i > 0:
			return s[:i], s[i:], true
		case !inside:
			return "", "", false
		}
	}
	return s, "", s != "" && !inside
}
