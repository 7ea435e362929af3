// Package tz turns an IANA time zone name into what phones need: an offset and the rule of daylight saving time,
// or a POSIX TZ string. The rule is read from fixed future years, so that the answer changes with the time zone data
// and never with the date.
package tz

import (
	"fmt"
	"strings"
	"time"
)

// The years whose changes make the rule: far enough ahead for every change that is already decided, and enough of them
// to distinguish "the fourth Sunday" from "the last".
const (
	firstYear = 2030
	lastYear  = 2044
)

// Zone is a time zone as phones are configured with it.
type Zone struct {
	Name      string // Europe/Berlin
	Offset    int    // standard time, minutes east of UTC
	DST       bool   // there is daylight saving time, by a rule
	Save      int    // minutes that the clock is put forward
	Start     Rule   // when daylight saving time begins, in standard time
	End       Rule   // when it ends, in daylight saving time
	Std       string // abbreviation of standard time
	Summer    string // abbreviation of daylight saving time
	Irregular bool   // no rule that phones have describes the changes; Offset is what holds most of the year
}

// Rule is a day of the year and the clock time on it. A change at 24:00 or later is written as one of the next weekday: no phone is known
// to take 24:00, and 23:00 would be an hour early. Which week of the month that is differs from year to year: Zone.In has it for one.
type Rule struct {
	Month   int // 1..12
	Week    int // 1..4, or 5 for the last
	Weekday int // 0 is Sunday
	Minutes int // since midnight, below 24 hours; negative when the change is on the day before, as in POSIX TZ

	days        int // whole days that Weekday and Minutes were moved by
	month, week int // of the day before they were moved, when days is not 0
}

// In returns the zone with the rules that hold in a year. Only those of changes at 24:00 or later differ.
func (z Zone) In(year int) Zone {
	z.Start, z.End = z.Start.in(year), z.End.in(year)
	return z
}

// in returns the rule for a year.
func (r Rule) in(year int) Rule {
	if r.days == 0 {
		return r
	}
	first := time.Date(year, time.Month(r.month), 1, 0, 0, 0, 0, time.UTC)
	day := 1 + (r.Weekday-r.days-int(first.Weekday())+14)%7 + 7*(r.week-1)
	for first.AddDate(0, 0, day-1).Month() != first.Month() { // the last week has no such weekday
		day -= 7
	}
	on := first.AddDate(0, 0, day-1+r.days)
	r.Month, r.Week = int(on.Month()), (on.Day()-1)/7+1
	if r.week == 5 && on.AddDate(0, 0, 7).Month() != on.Month() {
		r.Week = 5
	}
	return r
}

// Load finds the zone by its IANA name.
func Load(name string) (Zone, error) {
	if name == "" || name == "Local" {
		return Zone{}, fmt.Errorf("time zone %q must be an IANA name such as Europe/Berlin", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return Zone{}, fmt.Errorf("time zone %.60q must be an IANA name such as Europe/Berlin", name)
	}
	return compute(name, loc), nil
}

// change is one change of the clock.
type change struct {
	wall          time.Time // in the time before the change, kept as UTC
	before, after int       // seconds east of UTC
	abbr          string    // after
	year          int
}

func compute(name string, loc *time.Location) Zone {
	at := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	end := time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC)
	abbr, offset := at.In(loc).Zone()
	z := Zone{Name: name, Offset: offset / 60, Std: abbr}
	var changes []change
	held := make(map[int]time.Duration)
	names := map[int]string{offset: abbr}
	for at.Before(end) {
		_, until := at.In(loc).ZoneBounds()
		if until.IsZero() || !until.Before(end) {
			held[offset] += end.Sub(at)
			break
		}
		if !until.After(at) {
			// Around the end of a year the standard library may end a zone before it began.
			at = at.Add(time.Hour)
			continue
		}
		held[offset] += until.Sub(at)
		next, after := until.In(loc).Zone()
		if after == offset {
			// Beyond its table it ends every zone with the year, though nothing changes.
			at = until
			continue
		}
		wall := until.UTC().Add(time.Duration(offset) * time.Second)
		changes = append(changes, change{wall: wall, before: offset, after: after, abbr: next, year: wall.Year()})
		names[after] = next
		at, offset = until, after
	}
	if len(changes) == 0 {
		return z
	}
	if z.regular(changes) {
		return z
	}
	var most time.Duration
	for o, d := range held {
		if d > most {
			most = d
			z.Offset, z.Std = o/60, names[o]
		}
	}
	z.Irregular = true
	return z
}

// regular fills in the rule when the clock goes forward once and back once a year, on days that a rule names.
func (z *Zone) regular(changes []change) bool {
	var forward, back []change
	for _, c := range changes {
		if c.after > c.before {
			forward = append(forward, c)
		} else {
			back = append(back, c)
		}
	}
	years := lastYear - firstYear + 1
	if len(forward) != years || len(back) != years {
		return false
	}
	low, high := forward[0].before, forward[0].after
	for i := range forward {
		if forward[i].before != low || forward[i].after != high || back[i].before != high || back[i].after != low {
			return false
		}
	}
	start, ok1 := rule(forward)
	end, ok2 := rule(back)
	if !ok1 || !ok2 {
		return false
	}
	z.Offset, z.Save, z.DST = low/60, (high-low)/60, true
	z.Start, z.End = start.plain(), end.plain()
	z.Std, z.Summer = back[0].abbr, forward[0].abbr
	return true
}

// rule finds the month, week and weekday that all changes have in common. A change at midnight may belong to the day
// before (24:00), and one just before midnight to the day after (-1:00): those are tried in turn.
func rule(changes []change) (Rule, bool) {
	for _, shift := range []int{0, 1, -1, 2, -2} {
		if r, ok := ruleShifted(changes, shift); ok {
			return r, true
		}
	}
	return Rule{}, false
}

func ruleShifted(changes []change, shift int) (Rule, bool) {
	var r Rule
	nth, last := true, true
	for i, c := range changes {
		day := c.wall.AddDate(0, 0, -shift)
		got := Rule{
			Month:   int(day.Month()),
			Week:    (day.Day()-1)/7 + 1,
			Weekday: int(day.Weekday()),
			Minutes: day.Hour()*60 + day.Minute() + shift*24*60,
		}
		if i == 0 {
			r = got
		}
		if got.Month != r.Month || got.Weekday != r.Weekday || got.Minutes != r.Minutes {
			return Rule{}, false
		}
		nth = nth && got.Week == r.Week && r.Week < 5
		last = last && day.AddDate(0, 0, 7).Month() != day.Month()
	}
	if last {
		r.Week = 5
	}
	return r, nth || last
}

// Last reports whether the rule names the last such weekday of its month.
func (r Rule) Last() bool { return r.Week == 5 }

// plain moves a change at 24:00 or later to the next weekday.
func (r Rule) plain() Rule {
	for r.Minutes >= 24*60 {
		if r.days == 0 {
			r.month, r.week = r.Month, r.Week
		}
		r.Weekday, r.Minutes, r.days = (r.Weekday+1)%7, r.Minutes-24*60, r.days+1
	}
	return r
}

// clock is the time of day, not before 00:00: phones don't accept -1:00, and are an hour late.
func (r Rule) clock() int { return max(r.Minutes, 0) }

// Hour is the hour of the change, 0..23.
func (r Rule) Hour() int { return r.clock() / 60 }

// Minute is the minute within the hour, 0..59.
func (r Rule) Minute() int { return r.clock() % 60 }

// ISOWeekday counts from Monday, 1, to Sunday, 7.
func (r Rule) ISOWeekday() int {
	if r.Weekday == 0 {
		return 7
	}
	return r.Weekday
}

// SignedWeek is 1..4, or -1 for the last.
func (r Rule) SignedWeek() int {
	if r.Week == 5 {
		return -1
	}
	return r.Week
}

// FirstDay is the first day of the month that the weekday may fall on: 1, 8, 15, 22; for the last, 0.
func (r Rule) FirstDay() int {
	if r.Week == 5 {
		return 0
	}
	return (r.Week-1)*7 + 1
}

// City is the last part of the name, in words: New York.
func (z Zone) City() string {
	_, city, ok := lastCut(z.Name, "/")
	if !ok {
		city = z.Name
	}
	return strings.ReplaceAll(city, "_", " ")
}

func lastCut(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Hours prints the offset as phones write it: +1, -5, +5:30, 0.
func (z Zone) Hours() string {
	if z.Offset == 0 {
		return "0"
	}
	s := fmt.Sprintf("%+d", z.Offset/60)
	if z.Offset < 0 && z.Offset > -60 {
		s = "-0"
	}
	if m := abs(z.Offset % 60); m != 0 {
		s += fmt.Sprintf(":%02d", m)
	}
	return s
}

// Clock prints the offset with two digits each: +01:00, -05:00, +05:30.
func (z Zone) Clock() string {
	sign := '+'
	if z.Offset < 0 {
		sign = '-'
	}
	return fmt.Sprintf("%c%02d:%02d", sign, abs(z.Offset)/60, abs(z.Offset)%60)
}

// Seconds is the offset in seconds.
func (z Zone) Seconds() int { return z.Offset * 60 }

// SaveHours is Save in whole hours, rounded up.
func (z Zone) SaveHours() int { return (z.Save + 59) / 60 }

func abs(n int) int { return max(n, -n) }
