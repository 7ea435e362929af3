package setting

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Type is the type of a setting's canonical value.
type Type string

// The types of settings.
const (
	Text    Type = "text"     // string
	Hidden  Type = "secret"   // Secret
	Bool    Type = "bool"     // bool
	Int     Type = "int"      // int
	Time    Type = "duration" // Duration
	Choice  Type = "choice"   // string, one of Choices
	List    Type = "list"     // []string
	Choices Type = "choices"  // []string, each one of Choices, none twice, in order of preference
)

// Secret is text that must not show in logs, error messages or files that everybody may fetch: passwords, and settings of
// type Hidden.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// Reveal gives the secret itself. Only what goes to a proven phone or to an operator who may see it calls this.
func (s Secret) Reveal() string { return string(s) }

// Def defines one vendor-neutral setting.
type Def struct {
	Name        string
	Type        Type
	Help        string        // one sentence for people
	Choices     []string      // Choice, Choices: the values allowed
	Min         int           // Int: smallest value; List, Choices: fewest items
	Max         int           // Int: largest value; List, Choices: most items; Text, Hidden: most characters
	MinDuration time.Duration // Time: shortest, unless 0 is allowed by Off
	MaxDuration time.Duration // Time: longest
	Off         bool          // Time: 0 switches it off
	Form        Form          // Text, List, Hidden: what each text must look like
}

// IsSecret reports whether the setting's value may only be in a file that needs proof.
func (d Def) IsSecret() bool { return d.Type == Hidden }

// catalogue is built once; nothing in it ever changes.
var catalogue = sync.OnceValue(func() map[string]Def {
	m := make(map[string]Def)
	for _, d := range definitions() {
		m[d.Name] = d
	}
	return m
})

// All returns the catalogue in alphabetical order.
func All() []Def { return definitions() }

// Lookup finds the definition of a setting.
func Lookup(name string) (Def, bool) {
	d, ok := catalogue()[name]
	return d, ok
}

// Allowed describes in words which values the setting takes.
func (d Def) Allowed() string {
	switch d.Type {
	case Bool:
		return "true or false"
	case Int:
		return numberRange(d.Min, d.Max)
	case Time:
		s := "a duration from " + Duration(d.MinDuration).String() + " to " + Duration(d.MaxDuration).String()
		if d.Off {
			s += ", or 0s"
		}
		return s
	case Choice:
		return "one of " + strings.Join(d.Choices, ", ")
	case Choices:
		return "a list of " + strings.Join(d.Choices, ", ") + ", none twice"
	case List:
		return "a list of " + numberRange(d.Min, d.Max) + " times " + d.Form.words()
	case Hidden:
		if d.Form != "" {
			return d.Form.words()
		}
		return "1 to " + itoa(d.Max) + " printable characters"
	}
	if d.Form == "" {
		return "up to " + itoa(d.Max) + " characters on one line"
	}
	return d.Form.words()
}

// Nearest returns up to three of names that look like s, the likeliest first.
func Nearest(s string, names []string) []string {
	type scored struct {
		name string
		d    int
	}
	s = strings.ToLower(s)
	var near []scored
	for _, n := range names {
		l := strings.ToLower(n)
		d := distance(s, l)
		if len(s) > 2 && (strings.Contains(l, s) || strings.Contains(s, l)) {
			d = min(d, 1)
		}
		if d <= max(1, len(s)/3) {
			near = append(near, scored{n, d})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return a.d - b.d })
	var out []string
	for _, n := range near[:min(3, len(near))] {
		out = append(out, n.name)
	}
	return out
}

// distance counts the letters to insert, drop, replace or swap with their neighbour to make b of a; long strings are not
// worth comparing.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var before []int // the row before the last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := last[j-1]
			if a[i-1] != b[j-1] {
				cost++
			}
			row[j] = min(cost, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
