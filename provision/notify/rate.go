package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how many phones are notified in a period. The zero Rate has no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// ParseRate reads COUNT/s, COUNT/m or COUNT/h, such as 50/m. An empty text or "off" is no limit.
func ParseRate(text string) (Rate, error) {
	if text == "" || text == "off" {
		return Rate{}, nil
	}
	count, unit, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	if err != nil || n < 1 || n > 100_000 || per == 0 {
		return Rate{}, fmt.Errorf("rate %q must be COUNT/s, COUNT/m or COUNT/h with a count from 1 to 100000, such as 50/m, or off", text)
	}
	return Rate{n, per}, nil
}

func (r Rate) String() string {
	if r.Count == 0 {
		return "off"
	}
	return fmt.Sprintf("%d/%s", r.Count, map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h"}[r.Per])
}

// MarshalText writes the rate as ParseRate reads it.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (r *Rate) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRate(string(b))
	return err
}

// interval returns the time between two phones, 0 without a limit.
func (r Rate) interval() time.Duration {
	if r.Count == 0 {
		return 0
	}
	return r.Per / time.Duration(r.Count)
}
