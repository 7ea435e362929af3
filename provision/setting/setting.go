// Package setting is the catalogue of vendor-neutral settings: their names, types and allowed values.
package setting

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Values maps a setting's name to its canonical value: string, bool, int, Duration or []string.
type Values map[string]any

// Duration is a time.Duration written as Go writes it, plus d for days: 90s, 1h30m, 8d.
type Duration time.Duration

// ParseDuration reads "1h30m" or "8d". Negative durations are refused.
func ParseDuration(s string) (Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return 0, fmt.Errorf("duration %.20q is not a whole number of days from 0d to 36500d", s)
		}
		return Duration(time.Duration(n) * 24 * time.Hour), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("duration %.20q must be written like 90s, 15m, 1h30m or 8d", s)
	}
	return Duration(d), nil
}

// String prints whole days as 8d and everything else in hours, minutes and seconds without empty parts.
func (d Duration) String() string {
	const day = Duration(24 * time.Hour)
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText prints d for JSON and YAML.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration accepts.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := ParseDuration(string(b))
	if err != nil {
		return err
	}
	*d = v
	return nil
}
