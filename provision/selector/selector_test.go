package selector

import (
	"strings"
	"testing"
)

func TestWrongConditionsNameWhatIsWrong(t *testing.T) {
	for expr, want := range map[string]string{"vendr=x": "near: vendor", "vendor": "is not FIELD=VALUE", ",": "has no condition", " ": "mac=* is every device",
		"state!=in-sync": "must be one of never_seen, never_fetched, in_sync, stale, refused, disabled; near: in_sync", "registered=no": "must be one of registered, refused, "} {
		if _, err := Parse(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", expr, err, want)
		}
	}
	for _, expr := range []string{"state=In_Sync", "state=never*", "state=", "state!=*", "registered=", "subnet=10.99.0.0/24"} {
		if _, err := Parse(expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
	if s, err := Parse(""); s != nil || err != nil {
		t.Errorf("no condition: %v, %v", s, err)
	}
}

func TestExactConditionsHaveNoWildcard(t *testing.T) {
	if Is("profile", "*").Holds("desk") || !Is("profile", "*").Holds("*") || !Is("profile", "Desk").Holds("desk") {
		t.Error("a profile named * is more than that profile")
	}
}
