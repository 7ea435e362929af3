package phonefile

import (
	"reflect"
	"strings"
	"testing"

	"plugtone/provision/fleet"
)

// Every member of an account is one that files may carry, so that what a model's files lack can be stated and found.
func TestEveryMemberOfALineCanBeLacked(t *testing.T) {
	changed := make(map[string]bool)
	for _, m := range LineMembers() {
		var a Account
		m.Switch(&a)
		for _, v := range []reflect.Value{reflect.ValueOf(a), reflect.ValueOf(a.Registrar)} {
			for i := range v.NumField() {
				if !v.Field(i).IsZero() {
					changed[v.Type().Field(i).Name] = true
				}
			}
		}
		if m.Value(a) == "" {
			t.Errorf("%s has no value after it was switched", m.Name)
		}
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Account](), reflect.TypeFor[fleet.Registrar]()} {
		for i := range typ.NumField() {
			switch name := typ.Field(i).Name; name {
			case "Position", "Name", "Settings", "Revision", "CreatedAt", "UpdatedAt": // not values of a file
			default:
				if !changed[name] {
					t.Errorf("%s.%s is no member of lines", typ.Name(), name)
				}
			}
		}
	}
}

func TestLinesLeftOut(t *testing.T) {
	m := &Model{Name: "M1", Lacks: Lacks{Lines: map[string]LackList{
		"voicemail":   {{Numbers: Span{First: 1}, Note: "no lamp"}},
		"backup_host": {{Numbers: Span{First: 2}, Note: "the first line's holds for all"}},
		"label":       {{Numbers: Span{First: 1}}},
	}}}
	line := func(n int, backup, voicemail, label string) Account {
		return Account{Position: n, Number: "1001", DisplayName: "Ann", Label: label, Voicemail: voicemail, Registrar: fleet.Registrar{BackupHost: backup}}
	}
	got := m.LinesLeftOut([]Account{line(1, "b", "*97", "Ann"), line(2, "b", "", "Desk"), line(3, "c", "", "Ann")})
	want := []string{
		"line 1: M1 has no place for the voicemail number *97: no lamp",
		"line 2: M1 has no place for the label Desk",
		"line 3: M1 has no place for the backup host c: the first line's holds for all",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestSpansAreReadAndRefused(t *testing.T) {
	for text, want := range map[string]Span{"": {1, 0}, "5-6": {5, 6}, "2-": {2, 0}, "7": {7, 7}} {
		if got, err := ParseSpan(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"x", "0-2", "6-5", "-3", "1-2-3"} {
		if got, err := ParseSpan(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
