package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// printJSON prints a result for programs.
func printJSON(c *cobra.Command, v any) error {
	enc := json.NewEncoder(c.OutOrStdout())
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows under a head, in columns as wide as they need to be. The last column is as long as it is.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) error {
	widths := make([]int, len(t.head))
	all := append([][]string{t.head}, t.rows...)
	for _, row := range all {
		for i := range row {
			row[i] = clean(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var b strings.Builder
	for _, row := range all {
		line := ""
		for i, cell := range row {
			line += cell
			if i < len(row)-1 {
				line += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fields prints one thing as name and value. Those without a value are left out.
type fields [][2]string

func (f *fields) add(name, value string) {
	if value != "" {
		*f = append(*f, [2]string{name, value})
	}
}

func (f fields) print(w io.Writer) error {
	wide := 0
	for _, x := range f {
		wide = max(wide, len(x[0]))
	}
	s := newScreen(w, os.Getenv)
	for _, x := range f {
		if _, err := fmt.Fprintln(w, s.wrap(fmt.Sprintf("%-*s  ", wide, x[0]), wide+2, wide+2, clean(x[1]))); err != nil {
			return err
		}
	}
	return nil
}

// clean keeps what came from the network from moving the cursor or breaking lines. Unlike dhcp.Printable, it cuts nothing and shows a
// character that is not printable by its escape, not by "?", so that an operator sees what the phone sent.
func clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// at prints a time in the local zone, to the second.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// stamp is a time as the daemon writes it into sentences: UTC, to the second (RFC 3339).
var stamp = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// localTimes returns a sentence of the daemon with its times as at prints them, so that all times of an output are in one zone.
func localTimes(text string) string {
	return stamp.ReplaceAllStringFunc(text, func(s string) string {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return s
		}
		return at(t)
	})
}

// ago prints how long something is past, or still to come.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

// span prints a duration in its largest unit in which it is not zero.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days"
}

// bytesOf prints a size in the largest fitting unit.
func bytesOf(n int64) string {
	const k = 1024
	switch {
	case n < 10*k:
		return strconv.FormatInt(n, 10) + " B"
	case n < 10*k*k:
		return strconv.FormatInt(n/k, 10) + " KiB"
	}
	return strconv.FormatInt(n/(k*k), 10) + " MiB"
}

// linesOf prints a device's lines in one cell.
func linesOf(lines []fleet.Line) string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Extension
	}
	return strings.Join(out, ",")
}

// shortDigest is the beginning of a digest, enough to compare by eye.
func shortDigest(digest string) string {
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}

// message prints a message for people: on standard error, out of the way of results.
func message(c *cobra.Command, format string, args ...any) {
	// An error of standard error can't be reported anywhere.
	fmt.Fprintf(c.ErrOrStderr(), format+"\n", args...)
}

// done prints one line about what was done; with --json, rec is printed instead.
func (a *app) done(c *cobra.Command, rec any, format string, args ...any) error {
	if a.json {
		return printJSON(c, rec)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), format+"\n", args...)
	return err
}

// removal is what --json prints about a record that was removed.
type removal struct {
	Kind   string `json:"kind"` // device, extension ...
	Name   string `json:"name"`
	Change string `json:"change"` // removed, revoked, forgotten
}

// macText prints a MAC in the form that everything else has.
func macText(name string) string {
	if mac, err := dhcp.ParseMAC(name); err == nil {
		return mac.String()
	}
	return name
}

// oneOf checks that a flag has one of the allowed values; "" is a flag that was not given.
func oneOf(flag, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return usagef("--%s %.60q: must be one of %s", flag, value, strings.Join(allowed, ", "))
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an"
	}
	return "a"
}
