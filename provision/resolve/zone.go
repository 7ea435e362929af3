package resolve

import (
	"fmt"

	"plugtone/provision/tz"
)

// ZoneLeftOut names what phones can't be configured to of a time zone: its clock changes, but by no rule.
func ZoneLeftOut(zone any) []string {
	name, ok := zone.(string)
	if !ok {
		return nil
	}
	z, err := tz.Load(name)
	if err != nil || !z.Irregular {
		return nil
	}
	return []string{fmt.Sprintf("daylight saving of %s: its clock changes by no fixed rule, so the phone keeps %s all year", name, offsetText(z.Offset))}
}

// offsetText prints minutes east of Greenwich as +05:30.
func offsetText(minutes int) string {
	sign := '+'
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	return fmt.Sprintf("UTC%c%02d:%02d", sign, minutes/60, minutes%60)
}
