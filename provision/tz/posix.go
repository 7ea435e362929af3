package tz

import (
	"fmt"
	"strings"
)

// POSIX prints the zone as in the environment variable TZ (POSIX 1003.1, 8.3), as short as it may be:
// CET-1CEST,M3.5.0,M10.5.0/3.
func (z Zone) POSIX() string {
	s := quote(z.Std) + shortTime(-z.Offset)
	if !z.DST {
		return s
	}
	s += quote(z.Summer)
	if z.Save != 60 {
		s += shortTime(-z.Offset - z.Save)
	}
	return s + "," + z.Start.posix() + "," + z.End.posix()
}

// POSIXLong prints the zone with nothing left out and letters only in its abbreviations, for phones that read no other
// form: CET-1CEST-2,M3.5.0/02:00:00,M10.5.0/03:00:00.
func (z Zone) POSIXLong() string {
	s := letters(z.Std, "STD") + shortTime(-z.Offset)
	if !z.DST {
		return s
	}
	return s + letters(z.Summer, "DST") + shortTime(-z.Offset-z.Save) + "," + z.Start.long() + "," + z.End.long()
}

// posix prints the rule exactly, with a time beyond 24 hours where it takes one.
func (r Rule) posix() string {
	weekday, minutes := (r.Weekday-r.days+7)%7, r.Minutes+r.days*24*60
	month, week := r.Month, r.Week
	if r.days > 0 {
		month, week = r.month, r.week
	}
	s := fmt.Sprintf("M%d.%d.%d", month, week, weekday)
	if minutes != 120 {
		s += "/" + shortTime(minutes)
	}
	return s
}

func (r Rule) long() string {
	return fmt.Sprintf("M%d.%d.%d/%02d:%02d:00", r.Month, r.Week, r.Weekday, r.Hour(), r.Minute())
}

// shortTime prints minutes as h or h:mm.
func shortTime(minutes int) string {
	sign := ""
	if minutes < 0 {
		sign, minutes = "-", -minutes
	}
	if minutes%60 == 0 {
		return fmt.Sprintf("%s%d", sign, minutes/60)
	}
	return fmt.Sprintf("%s%d:%02d", sign, minutes/60, minutes%60)
}

// quote puts abbreviations that aren't letters only in angle brackets, as POSIX requires.
func quote(abbr string) string {
	if isLetters(abbr) {
		return abbr
	}
	return "<" + abbr + ">"
}

func letters(abbr, otherwise string) string {
	if isLetters(abbr) {
		return abbr
	}
	return otherwise
}

func isLetters(s string) bool {
	return len(s) >= 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}
