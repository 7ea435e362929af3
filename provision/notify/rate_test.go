package notify_test

import (
	"testing"
	"time"

	"plugtone/provision/notify"
)

func TestParseRateReadsEveryForm(t *testing.T) {
	for text, want := range map[string]notify.Rate{"": {}, "off": {}, "50/m": {Count: 50, Per: time.Minute}, "5/s": {Count: 5, Per: time.Second}, "1/h": {Count: 1, Per: time.Hour}} {
		if got, err := notify.ParseRate(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"50", "50/d", "0/m", "-1/m", "x/m", "50/m/s", "1000000/s"} {
		if got, err := notify.ParseRate(text); err == nil {
			t.Errorf("%q: %v and no error", text, got)
		}
	}
}
