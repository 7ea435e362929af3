package client

import (
	"strings"
	"testing"
)

func TestOnlyLongValuesAreShortened(t *testing.T) {
	for _, s := range []string{"", "pbx.example.com", strings.Repeat("ä", 61)} {
		if got := Shorten(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	once := Shorten(strings.Repeat("ä", 10_000))
	if once != strings.Repeat("ä", 60)+"…" || Shorten(once) != once {
		t.Errorf("cut to %q and then %q", once, Shorten(once))
	}
	between := `file "a.cfg": ` + strings.Repeat("can't be written ", 20) + `"b"`
	if got := ShortenText(between); got != between {
		t.Errorf("the text between two values was cut: %q", got)
	}
	quoted := `model "` + strings.Repeat("a b", 1000) + `" is not known, nearest are "A1", "A4"`
	if got := ShortenText(quoted); len(got) > 130 || !strings.HasPrefix(got, `model "a b`) || !strings.HasSuffix(got, `…" is not known, nearest are "A1", "A4"`) {
		t.Errorf("%q", got)
	}
	if got := ShortenText("registrar " + strings.Repeat("x", 10_000) + ": not found"); len(got) > 100 {
		t.Errorf("%q", got)
	}
	if got := ShortenText("registrar " + strings.Repeat("x y", 3000) + ": not found\nhint: look"); len(got) > 500 || !strings.HasSuffix(got, ": not found\nhint: look") {
		t.Errorf("%q", got)
	}
	if e := (&Problem{Errors: []Detail{{Location: "body.host", Value: strings.Repeat("x", 10_000), Message: "bad"}}}).Error(); len(e) > 130 {
		t.Errorf("%d bytes", len(e))
	}
}
