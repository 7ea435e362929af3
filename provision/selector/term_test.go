package selector

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestQuotedValuesMayHaveCommas(t *testing.T) {
	for expr, x := range map[string]struct {
		text string
		fits bool
	}{
		`label="a,b"`:                 {"a,b", true},
		`label="a,b"` + "\t":          {"a,c", false},
		` label = " a" , model=x`:     {" a", true},
		`label="say ""hi"""`:          {`say "hi"`, true},
		`label="say \"hi\""`:          {`say "hi"`, true},
		`label="a\\b"`:                {`a\b`, true},
		`label="c:\temp"`:             {`c:\temp`, true},
		`label="*b,c*"`:               {"ab,cd", true},
		`label="\*"`:                  {"desk", false},
		`label="\*,"`:                 {"*,", true},
		`label=""`:                    {"", true},
		`label="*"`:                   {"", false},
		`label=a"b`:                   {`a"b`, true},
		`label=a\b`:                   {`a\b`, true},
		`label!="a,b"`:                {"a,b", false},
		`label="A,B"`:                 {"a,b", true},
		`label=*room 7,vendor="acme"`: {"berlin, room 7", true},
	} {
		s, err := Parse(expr)
		if err != nil || s[0].Holds(x.text) != x.fits {
			t.Errorf("%s and %q: %v, want %v", expr, x.text, err, x.fits)
		}
	}
	for expr, want := range map[string]string{`label="a`: "has no closing", `label="a"b`: "text after the closing", `label="a\"`: "has no closing", `location=Berlin, room 7`: "in double quotes"} {
		if _, err := Parse(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expr, err, want)
		}
	}
}

func TestLastIsWhatIsBeingWritten(t *testing.T) {
	for expr, want := range map[string][2]string{
		"": {"", ""}, "pro": {"", "pro"}, "a=b,": {"a=b,", ""}, "a=b,pro": {"a=b,", "pro"}, `a="x,y",l=z`: {`a="x,y",`, "l=z"}, `a="x,`: {"", `a="x,`},
	} {
		if before, last := Last(expr); before != want[0] || last.String() != want[1] {
			t.Errorf("%s: %q and %q", expr, before, last)
		}
	}
}

// TestQuoteNamesEachText: any text can be named, in one condition of several, and only it.
func TestQuoteNamesEachText(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune(`ab,"\* =!é`)), 0, 12, -1)
	rapid.Check(t, func(t *rapid.T) {
		one, other := text.Draw(t, "one"), text.Draw(t, "other")
		s, err := Parse("label=" + Quote(one) + ",location!=" + Quote(other))
		if err != nil || len(s) != 2 || s[0].Field != "label" || s[1].Field != "location" {
			t.Fatalf("%s: %v %v", Quote(one), s, err)
		}
		if !s[0].Holds(one) || s[0].Holds(other) != (one == other) || s[1].Holds(other) {
			t.Fatalf("%s and %s", Quote(one), Quote(other))
		}
		if terms := Split("label=" + Quote(one)); terms[0].Text() != one {
			t.Fatalf("%q is %q", one, terms[0].Text())
		}
	})
}

// FuzzSplit: what is split and put together again has the same conditions.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{`label="a,b",model=x`, `a="\`, `"=,`, `label=""","`, "=\"a\"b,c!=*", "=\"\"\v\",\x13"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		var texts []string
		terms := Split(expr)
		for _, x := range terms {
			texts = append(texts, x.String())
		}
		again := Split(strings.Join(texts, ","))
		if len(again) != len(terms) {
			t.Fatalf("%q: %v, then %v", expr, terms, again)
		}
		for i := range terms {
			if again[i].Text() != terms[i].Text() || again[i].String() != terms[i].String() {
				t.Fatalf("%q: %v, then %v", expr, terms[i], again[i])
			}
		}
		_, _ = Parse(expr) // returns
	})
}
