package phonefile

import (
	"strings"
	"testing"
)

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"/001565123456.cfg", `\\a\b//c`, "../x", "a/./b", "", "é", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := CleanName(s)
		if err != nil {
			return
		}
		if strings.HasPrefix(name, "/") || strings.Contains(name, "//") || strings.Contains(name, `\`) || strings.Contains("/"+name+"/", "/../") {
			t.Errorf("%q is cleaned to %q", s, name)
		}
		if again, err := CleanName(name); err != nil || again != name {
			t.Errorf("%q is cleaned to %q and then to %q, %v", s, name, again, err)
		}
	})
}

func TestCleanNameStaysInItsFolder(t *testing.T) {
	good := map[string]string{
		"001565123456.cfg": "001565123456.cfg", "/001565123456.cfg": "001565123456.cfg", "//a//b": "a/b", `\a\b`: "a/b", "./a/./b": "a/b", "a b.cfg": "a b.cfg",
	}
	for in, want := range good {
		if got, err := CleanName(in); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", in, got, err, want)
		}
	}
	bad := map[string]string{
		"": "names no file", "/": "names no file", "..": "leads out", "a/../b": "leads out", `..\..\x`: "leads out",
		"a\x00b": "control", "a\nb": "control", "\xff": "UTF-8", strings.Repeat("a", 10_000): "10000 bytes",
	}
	for in, want := range bad {
		_, err := CleanName(in)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v, want %q, and short", in, err, want)
		}
		if s := ShownName(in); len(s) > 100 || strings.ContainsAny(s, "\n\x00") {
			t.Errorf("%.20q is shown as %q", in, s)
		}
	}
}

// FuzzMayMatch checks that mayMatch rules out no name that the pattern's regular expression accepts.
func FuzzMayMatch(f *testing.F) {
	var patterns []pattern
	for _, text := range []string{"{mac}.cfg", "cfg{MAC}.xml", "{mac_dash}-x.boot", "y{number}.cfg", "a{any}b", "{path}.png", "fixed.cfg", "{mac}{model}.cfg"} {
		p, err := compilePattern(text, map[string]string{"number": "[0-9]{12}"})
		if err != nil {
			f.Fatal(err)
		}
		patterns = append(patterns, p)
	}
	for _, s := range []string{"001565123456.cfg", "CFG00-15-65-12-34-56.XML", "y000000000108.cfg", "ab", "acb", "x/y.png", "FIXED.cfg", "00:15:65:12:34:56t46u.cfg"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, p := range patterns {
			if isASCII(name) && p.re.MatchString(name) && !p.mayMatch(name) {
				t.Errorf("%q is ruled out for %s", name, p.re)
			}
		}
	})
}
