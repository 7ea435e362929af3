package page

import (
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// funcs are the functions of all templates.
func (f *Frame) funcs() template.FuncMap {
	return template.FuncMap{
		"asset":  f.Assets.URL, // asset "style.css": address of a file
		"script": f.script,     // script "keys.js": a module of one screen
		"icon":   icon,         // icon "phone": a picture beside a text
		"time":   timeTag,      // time .At: date and time
		"times":  withTimes,    // times .Text: a text with its times in the viewer's zone
		"ago":    func(t time.Time) template.HTML { return agoTag(f.Now(), t) },
		"count":  Count,     // count 1234: 1,234
		"plural": Plural,    // plural 2 "phone" "phones": 2 phones
		"diff":   SplitDiff, // diff .Text: lines for the template "diff"
		"state":  StateOf,   // state "in_sync": for the template "state"
		"join":   strings.Join,
		"int":    func(n int64) int { return int(n) }, // int .Bytes: for count
		"dict":   dict,                                // dict "A" 1 "B" 2: several values for one template
	}
}

// script returns the element that loads a module.
func (f *Frame) script(name string) template.HTML {
	return template.HTML(`<script type="module" src="` + template.HTMLEscapeString(f.Assets.URL(name)) + `"></script>`)
}

func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict needs pairs of name and value")
	}
	out := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: name %v is not text", pairs[i])
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}

// Count returns a number with commas between thousands.
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural returns a number with its noun.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// timeTag shows date and time in UTC, which the script converts to the viewer's zone.
func timeTag(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s UTC</time>`, t.Format(time.RFC3339), t.Format("2006-01-02 15:04:05")))
}

// stamps matches the times within texts of the API.
var stamps = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// withTimes returns a text whose times, in UTC as of RFC 3339, the script converts to the viewer's zone.
func withTimes(text string) template.HTML {
	return template.HTML(stamps.ReplaceAllStringFunc(template.HTMLEscapeString(text), func(s string) string {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil { // such as a 13th month
			return s
		}
		return string(timeTag(t))
	}))
}

// agoTag shows how long ago a time was, or is ahead; its title is the time itself.
func agoTag(now, t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" data-ago title="%s UTC">%s</time>`, t.Format(time.RFC3339), t.Format("2006-01-02 15:04:05"), Ago(now, t)))
}

// Ago returns how long before now t was, in words.
func Ago(now, t time.Time) string {
	d := now.Sub(t)
	if d < 0 {
		return "in " + Span(-d)
	}
	if d < 10*time.Second {
		return "just now"
	}
	return Span(d) + " ago"
}

// Span returns a duration in its largest unit.
func Span(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{365 * 24 * time.Hour, "y"}, {24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if d >= u.unit {
			return strconv.Itoa(int(d/u.unit)) + " " + u.name
		}
	}
	return strconv.Itoa(int(d/time.Second)) + " s"
}

// State is the state of a device in words.
type State struct {
	ID, Name, Tone string // Tone is ok, warn, bad, off or new
	Reason         string
}

// StateOf returns the words of a state of the API. An unknown one is shown by its id.
func StateOf(id string) State {
	for _, s := range States() {
		if s.ID == id {
			return s
		}
	}
	return State{ID: id, Name: id, Tone: "off"}
}

// States lists the states of devices, those that need attention first.
func States() []State {
	return []State{
		{"refused", "Refused", "bad", "The phone requested its files and could not prove to be this phone."},
		{"stale", "Stale", "warn", "The files that the phone fetched last differ from what it would get now."},
		{"never_fetched", "Never fetched", "warn", "The phone was seen, but has not fetched its files."},
		{"never_seen", "Never seen", "new", "The phone is recorded and has not been seen on the network."},
		{"in_sync", "In sync", "ok", "The phone has the files that it should have."},
		{"disabled", "Disabled", "off", "The files of the phone have no accounts."},
	}
}

// DiffLine is one line of a diff. Kind is add, del, file, hunk or same.
type DiffLine struct{ Kind, Text string }

// SplitDiff returns the lines of a unified diff.
func SplitDiff(text string) []DiffLine {
	var out []DiffLine
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		kind := "same"
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			kind = "file"
		case strings.HasPrefix(line, "@@"):
			kind = "hunk"
		case strings.HasPrefix(line, "+"):
			kind = "add"
		case strings.HasPrefix(line, "-"):
			kind = "del"
		}
		out = append(out, DiffLine{kind, line})
	}
	return out
}
