package daemon

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/store/events"
	"plugtone/store/leases"
)

// warningsAbout returns the warnings of the status that contain text.
func (r *running) warningsAbout(text string) []string {
	r.t.Helper()
	var s struct{ Warnings []string }
	if err := json.Unmarshal([]byte(r.must("GET", "/api/v1/status", "")), &s); err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, w := range s.Warnings {
		if strings.Contains(w, text) {
			out = append(out, w)
		}
	}
	return out
}

// A lease file that was removed is reported in log, status and metrics, and free addresses are probed for a lease time.
func TestLostLeasesAreReportedAndTheTableIsDistrusted(t *testing.T) {
	for _, lost := range []string{leases.FileName, leases.LogName} {
		data := t.TempDir()
		putLeases(t, data, 3)
		if err := os.Remove(filepath.Join(data, lost)); err != nil {
			t.Fatal(err)
		}
		r := start(t, strings.Replace(leasedConfig, "DIR/data", data, 1))
		until, _ := r.table.DistrustedUntil()
		if left := time.Until(until); left < 7*24*time.Hour || left > 9*24*time.Hour {
			t.Errorf("%s: the table is distrusted until %s, want one lease time", lost, until)
		}
		if w := r.warningsAbout(lost); len(w) != 1 || !strings.Contains(w[0], "addresses are probed before they are offered") {
			t.Errorf("%s: the status warns %q", lost, w)
		}
		if log := r.log.String(); !strings.Contains(log, lost) || !strings.Contains(log, "leases may be missing") {
			t.Errorf("%s: not in the log: %s", lost, log)
		}
		if text := r.must("GET", "/metrics", ""); !strings.Contains(text, "\n"+`plugtone_store_damage{file="`+lost+`"} 1`+"\n") {
			t.Errorf("%s: not in the metrics", lost)
		}
		r.stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	}
}

func TestUndamagedLeasesNeedNoProbes(t *testing.T) {
	data := t.TempDir()
	putLeases(t, data, 3)
	r := start(t, strings.Replace(leasedConfig, "DIR/data", data, 1))
	if until, reason := r.table.DistrustedUntil(); !until.IsZero() {
		t.Errorf("distrusted until %s: %s", until, reason)
	}
	if w := (reporter{r.Daemon}).damageWarnings(); len(w) > 0 {
		t.Errorf("warnings %q", w)
	}
}

// Phones are served without a timeline, and log and status report it.
func TestStartsWithoutTheTimelineWhenItCannotBeRead(t *testing.T) {
	data := t.TempDir()
	if err := os.Mkdir(filepath.Join(data, events.FileName), 0o700); err != nil { // EISDIR, for root too
		t.Fatal(err)
	}
	r := start(t, strings.Replace(testConfig, "DIR/data", data, 1))
	r.addPhone()
	if status, _ := r.get("http://" + r.address("http") + "/001565123456.cfg"); status != 200 {
		t.Errorf("the phone's file: %d", status)
	}
	r.must("GET", "/readyz", "")
	if w := r.warningsAbout(events.FileName); len(w) != 1 || !strings.Contains(w[0], "restart plugtone") {
		t.Errorf("the status warns %q", w)
	}
	if !strings.Contains(r.log.String(), events.FileName) {
		t.Errorf("not in the log: %s", r.log)
	}
}

// When the data directory of a running daemon is removed or replaced, no change is confirmed, and readyz reports it.
func TestNotReadyWithoutItsDataDirectory(t *testing.T) {
	for name, change := range map[string]func(data string) error{
		"removed":  os.RemoveAll,
		"moved":    func(data string) error { return os.Rename(data, data+"-old") },
		"replaced": func(data string) error { return replaceDir(data) },
	} {
		r := start(t, testConfig)
		r.must("GET", "/readyz", "")
		if err := change(filepath.Join(r.dir, "data")); err != nil {
			t.Fatal(err)
		}
		if status, text := r.api("GET", "/readyz", ""); status != 503 || !strings.Contains(text, "data") {
			t.Errorf("%s: readyz %d %s, want 503 and the reason", name, status, text)
		}
		if status, text := r.api("PUT", "/api/v1/registrars/main", `{"name":"main","host":"pbx.example.com"}`); status < 500 {
			t.Errorf("%s: a change is confirmed: %d %s", name, status, text)
		}
		r.stop()
		<-r.ended // what can't be written at the end is an error of the store
	}
}

// replaceDir puts a copy without files in the place of a directory.
func replaceDir(data string) error {
	if err := os.Rename(data, data+"-old"); err != nil {
		return err
	}
	return os.Mkdir(data, 0o700)
}
