package daemon

import (
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
)

// A daemon that starts in 1970 or far in the future goes on with the leases that are stored, and says so. What follows when the clock is set
// is in the tests of the lease table.
func TestAClockThatWasNeverSetEndsNoLease(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, offset := range map[string]time.Duration{"1970": -56 * year, "2099": 73 * year} {
		data := t.TempDir()
		putLeases(t, data, 3)
		dir := t.TempDir()
		log := &logBuffer{}
		d, err := New(Options{Config: writeConfig(t, dir, strings.Replace(leasedConfig, "DIR/data", data, 1)), Version: "test", Log: log,
			Now: func() time.Time { return time.Now().Add(offset) }})
		if err != nil {
			t.Fatal(err)
		}
		active := func() (n int) {
			for _, l := range d.table.All() {
				if left := l.Expires.Sub(d.opts.Now()); l.State == dhcp.LeaseActive && left > 0 && left < 10*24*time.Hour {
					n++
				}
			}
			return n
		}
		if n := active(); n != 3 {
			t.Errorf("%s: %d leases are in force, want 3", name, n)
		}
		warned := func() bool {
			return strings.Contains(strings.Join((reporter{d}).warnings(), "\n"), "differs from the time at which leases were written")
		}
		if !warned() || !strings.Contains(log.String(), "the clock differs") {
			t.Errorf("%s: in the status: %v; the log: %s", name, warned(), log)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
