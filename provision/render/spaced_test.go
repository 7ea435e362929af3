package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Mitel's phones name parameters in several words and take a value with a # only in quotes.
func TestSpacedNamesAndQuotes(t *testing.T) {
	f := &Format{Kind: "lines", Line: "{name}: {value}", Spaces: true, QuoteWhen: "# ", Refuse: `"`}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	params := []Param{{"sip line1 auth name", "1001"}, {"sip line1 screen name", "Front Desk #1"}, {"sip line1 vmail", ""}, {"a", " b: c "}}
	for _, p := range params {
		if err := f.CheckName(p.Name); err != nil {
			t.Error(err)
		}
	}
	out, err := f.Write(params)
	if err != nil {
		t.Fatal(err)
	}
	want := "sip line1 auth name: 1001\nsip line1 screen name: \"Front Desk #1\"\nsip line1 vmail:\na: \" b: c \"\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Error(diff)
	}
	if err := f.Verify(out, params); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", " a", "a ", "a  b", "a: b", "a\nb"} {
		if f.CheckName(name) == nil {
			t.Errorf("name %q is taken", name)
		}
	}
	if _, err := f.Write([]Param{{"a", `x"y`}}); err == nil {
		t.Error("a quote inside quotes is taken")
	}
	if (&Format{Kind: "lines"}).CheckName("a b") == nil {
		t.Error("a name with a space is accepted in a format without spaces")
	}
	if (&Format{Kind: "lines", QuoteWhen: "#"}).Check() == nil {
		t.Error("quote_when without refuse is taken")
	}
}
