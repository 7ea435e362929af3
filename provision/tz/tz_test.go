package tz

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"plugtone/dhcp/netlab"
)

func TestLoadKnownZones(t *testing.T) {
	tests := []struct {
		name, posix, long string
		irregular         bool
	}{
		{"Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST-2,M3.5.0/02:00:00,M10.5.0/03:00:00", false},
		{"Europe/Dublin", "GMT0IST,M3.5.0/1,M10.5.0", "GMT0IST-1,M3.5.0/01:00:00,M10.5.0/02:00:00", false},
		{"America/New_York", "EST5EDT,M3.2.0,M11.1.0", "EST5EDT4,M3.2.0/02:00:00,M11.1.0/02:00:00", false},
		{"Australia/Sydney", "AEST-10AEDT,M10.1.0,M4.1.0/3", "AEST-10AEDT-11,M10.1.0/02:00:00,M4.1.0/03:00:00", false},
		{"Asia/Kolkata", "IST-5:30", "IST-5:30", false},
		{"America/Sao_Paulo", "<-03>3", "STD3", false},
		{"Africa/Casablanca", "<+01>-1", "STD-1", true},
		{"Asia/Tokyo", "JST-9", "JST-9", false},
		{"Australia/Lord_Howe", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "STD-10:30DST-11,M10.1.0/02:00:00,M4.1.0/02:00:00", false},
		{"America/Santiago", "<-04>4<-03>,M9.1.6/24,M4.1.6/24", "STD4DST3,M9.1.0/00:00:00,M4.1.0/00:00:00", false},
		{"Asia/Jerusalem", "IST-2IDT,M3.4.4/26,M10.5.0", "IST-2IDT-3,M3.4.5/02:00:00,M10.5.0/02:00:00", false},
		{"America/Nuuk", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "STD2DST1,M3.5.0/00:00:00,M10.5.0/00:00:00", false},
		{"America/St_Johns", "NST3:30NDT,M3.2.0,M11.1.0", "NST3:30NDT2:30,M3.2.0/02:00:00,M11.1.0/02:00:00", false},
		{"UTC", "UTC0", "UTC0", false},
	}
	for _, tt := range tests {
		z, err := Load(tt.name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := z.POSIX(); got != tt.posix {
			t.Errorf("%s: POSIX %s, want %s", tt.name, got, tt.posix)
		}
		if got := z.POSIXLong(); got != tt.long {
			t.Errorf("%s: long %s, want %s", tt.name, got, tt.long)
		}
		if z.Irregular != tt.irregular {
			t.Errorf("%s: irregular %v", tt.name, z.Irregular)
		}
	}
}

// The footer of the system's own zone files was written by zic, not by us: both must agree.
func TestAgainstZoneFiles(t *testing.T) {
	const dir = "/usr/share/zoneinfo"
	n := 0
	for _, area := range []string{"Europe", "America", "Australia", "Asia", "Pacific", "Africa", "Atlantic"} {
		files, _ := filepath.Glob(filepath.Join(dir, area, "*"))
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil || !strings.HasPrefix(string(data), "TZif") {
				continue
			}
			lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
			want := lines[len(lines)-1]
			loc, err := time.LoadLocationFromTZData("x", data)
			if err != nil {
				t.Fatal(err)
			}
			z := compute("x", loc)
			got := z.POSIX()
			if z.Irregular || strings.Contains(want, "IST-1GMT0") {
				continue
			}
			if n++; got != want {
				t.Errorf("%s: %s, the zone file has %s", f, got, want)
			}
		}
	}
	if n < 100 {
		netlab.Missing(t, fmt.Errorf("only %d zone files in %s (Debian package tzdata)", n, dir))
	}
}

func TestRulesInEveryFormOfTheVendors(t *testing.T) {
	z, err := Load("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s := z.Start
	got := fmt.Sprintf("%d/%d/%d/%d %d %d %v %d", s.Month, s.Week, s.ISOWeekday(), s.Hour(), s.SignedWeek(), s.FirstDay(), s.Last(), s.Minute())
	if want := "3/5/7/2 -1 0 true 0"; got != want {
		t.Errorf("start %s, want %s", got, want)
	}
	if z.Hours() != "+1" || z.Clock() != "+01:00" || z.Seconds() != 3600 || z.SaveHours() != 1 || z.City() != "Berlin" {
		t.Errorf("%s %s %d %d %s", z.Hours(), z.Clock(), z.Seconds(), z.SaveHours(), z.City())
	}
	for name, want := range map[string]string{
		"America/St_Johns":  "-3:30 -03:30 St Johns",
		"Asia/Kolkata":      "+5:30 +05:30 Kolkata",
		"America/New_York":  "-5 -05:00 New York",
		"UTC":               "0 +00:00 UTC",
		"Asia/Kathmandu":    "+5:45 +05:45 Kathmandu",
		"Pacific/Marquesas": "-9:30 -09:30 Marquesas",
	} {
		z, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := z.Hours() + " " + z.Clock() + " " + z.City(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// A change at the end of a day is never written an hour early.
func TestChangeAtMidnightIsNotEarly(t *testing.T) {
	for name, want := range map[string]string{
		"America/Santiago": "9/1/0 0:00 4/1/0 0:00",
		"Africa/Cairo":     "4/5/5 0:00 10/5/5 0:00",
		"Asia/Jerusalem":   "3/4/5 2:00 10/5/0 2:00",
		"America/Nuuk":     "3/5/0 0:00 10/5/0 0:00",
	} {
		z, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		form := func(r Rule) string {
			return fmt.Sprintf("%d/%d/%d %d:%02d", r.Month, r.Week, r.Weekday, r.Hour(), r.Minute())
		}
		if got := form(z.Start) + " " + form(z.End); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestUnknownZonesAreRefused(t *testing.T) {
	for _, name := range []string{"", "Local", "Mars/Phobos", "../etc/passwd"} {
		if _, err := Load(name); err == nil {
			t.Errorf("%q was taken for a time zone", name)
		}
	}
}

// In each year the rule names the day on which the clock of the zone really changes.
func TestRulesOfAYearNameTheDayOfTheChange(t *testing.T) {
	for _, name := range []string{"America/Santiago", "Africa/Cairo", "Asia/Jerusalem", "Europe/Berlin", "America/Asuncion"} {
		z, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if !z.DST {
			continue
		}
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for year := 2026; year <= 2036; year++ {
			in := z.In(year)
			for _, r := range []Rule{in.Start, in.End} {
				day := ruleDay(r, year)
				before := day.Add(time.Duration(r.Minutes)*time.Minute - time.Duration(z.Offset)*time.Minute - 2*time.Hour)
				_, was := before.In(loc).Zone()
				_, is := before.Add(3 * time.Hour).In(loc).Zone()
				if was == is {
					t.Errorf("%s %d: no change on %s at %d:%02d", name, year, day.Format(time.DateOnly), r.Hour(), r.Minute())
				}
				if in.POSIX() != z.POSIX() {
					t.Errorf("%s %d: %s, want %s", name, year, in.POSIX(), z.POSIX())
				}
			}
		}
	}
}

// ruleDay returns the day that a rule names in a year.
func ruleDay(r Rule, year int) time.Time {
	first := time.Date(year, time.Month(r.Month), 1, 0, 0, 0, 0, time.UTC)
	day := first.AddDate(0, 0, (r.Weekday-int(first.Weekday())+7)%7+7*(r.Week-1))
	for day.Month() != first.Month() {
		day = day.AddDate(0, 0, -7)
	}
	return day
}
