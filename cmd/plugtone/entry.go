package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"

	"plugtone/provision/timeline"
)

// screen is where results for people go.
type screen struct {
	io.Writer
	width int  // columns; 0 for no limit, as in a file or a pipe
	color bool // colours verdicts
}

// newScreen returns the screen of w. $COLUMNS beats the size of the terminal; $NO_COLOR turns colours off.
func newScreen(w io.Writer, getenv func(string) string) screen {
	s := screen{Writer: w}
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			s.width = max(int(size.Col), 60)
			s.color = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
		}
	}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n >= 60 {
		s.width = n
	}
	return s
}

// Colours of a terminal (ECMA-48, 8.3.117).
const (
	green  = "32"
	yellow = "33"
	red    = "31"
)

var colors = map[string]string{
	"offered": green, "acked": green, "informed": green, "served": green, "not_modified": green, "ok": green,
	"probing": yellow, "silent": yellow, "ignored": yellow, "not_found": yellow, "challenged": yellow, "note": yellow,
	"unknown_authority": red, "clock": red, "certificate": red, "certificate_ended": red, "protocol_version": red, "cipher": red, "plain_http": red,
	"nak": red, "declined": red, "refused": red, "fault": red, "conflict": red, "exhausted": red, "malformed": red, "problem": red,
}

// paint returns text in the colour of its word, if the screen has colours.
func (s screen) paint(word, text string) string {
	if c := colors[word]; s.color && c != "" {
		return "\x1b[" + c + "m" + text + "\x1b[0m"
	}
	return text
}

// wrap returns head and text, with line breaks at blanks where they would be wider than the screen. Further lines are indented. A
// word that is too long stays whole. used is the width of head, which may hold colours.
func (s screen) wrap(head string, used, indent int, text string) string {
	if s.width == 0 || used+utf8.RuneCountInString(text) <= s.width {
		return strings.TrimRight(head+text, " ")
	}
	var b strings.Builder
	b.WriteString(head)
	column, first := used, true
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case column+n+1 > s.width && column > indent:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		case !first:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
		first = false
	}
	return strings.TrimRight(b.String(), " ")
}

// entries prints entries of a timeline, one after the other.
type entries struct {
	screen
	day string // of the last entry
}

// print prints one entry: when, over what, what was requested, what was decided, and the details. On a screen of limited width the
// date is a line of its own.
func (p *entries) print(e timeline.Entry) error {
	addr := "-"
	if e.Addr.IsValid() {
		addr = e.Addr.String()
	}
	when, indent := at(e.Time), 0
	if p.width > 0 {
		day, clock, _ := strings.Cut(when, " ")
		if day != p.day {
			p.day = day
			if _, err := fmt.Fprintln(p, day); err != nil {
				return err
			}
		}
		when, indent = clock, 10
	}
	head := fmt.Sprintf("%s  %-5s  %-9s  ", when, e.Source, e.Event)
	verdict := fmt.Sprintf("%-12s", e.Verdict)
	tail := fmt.Sprintf("  %-15s  ", addr)
	if p.width > 0 {
		verdict, tail = fmt.Sprintf("%-9s", e.Verdict), fmt.Sprintf("  %-12s ", addr)
	}
	used := len(head) + len(verdict) + len(tail)
	_, err := fmt.Fprintln(p, p.wrap(head+p.paint(e.Verdict, verdict)+tail, used, indent, details(e)))
	return err
}

// details are the parts of an entry that not every entry has.
func details(e timeline.Entry) string {
	var out []string
	add := func(text string) {
		if text != "" {
			out = append(out, clean(text))
		}
	}
	add(e.File)
	if e.Bytes > 0 {
		add(strconv.FormatInt(e.Bytes, 10) + " bytes")
	}
	if e.Source == timeline.Syslog {
		add(e.Reason) // as the phone wrote it
	} else {
		add(localTimes(e.Reason))
	}
	if e.Recognised != "" {
		add("recognised as " + e.Recognised)
	}
	if e.Options != "" {
		add("options " + namedOptions(e.Options))
	}
	if e.Firmware != "" {
		add("firmware " + e.Firmware)
	}
	if e.Repeat > 0 {
		add(fmt.Sprintf("(and %d times more)", e.Repeat))
	}
	if e.Member != "" {
		add("on " + e.Member)
	}
	return strings.Join(out, "; ")
}

// namedOptions adds the names of DHCP options to a list such as "53 54 66=http://10.20.0.2".
func namedOptions(list string) string {
	words := strings.Fields(list)
	for i, word := range words {
		code, value, valued := strings.Cut(word, "=")
		words[i] = strings.TrimSpace(code + " " + optionName(code))
		if valued {
			words[i] += "=" + value
		}
	}
	return strings.Join(words, ", ")
}

// optionName is the name of a DHCP option in lower case, "" when it has none (RFC 2132; IANA's list).
func optionName(code string) string {
	n, err := strconv.ParseUint(code, 10, 8)
	if err != nil || n == 0 {
		return ""
	}
	if n == 160 {
		return "provisioning url" // unassigned; used by phones of several vendors
	}
	var list dhcpv4.OptionCodeList
	if err := list.FromBytes([]byte{byte(n)}); err != nil || len(list) != 1 {
		return ""
	}
	name := list[0].String()
	if strings.Contains(strings.ToLower(name), "unknown") {
		return ""
	}
	return strings.ToLower(name)
}
