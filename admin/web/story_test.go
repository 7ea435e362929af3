package web_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/admin/client"
	"plugtone/admin/web/webtest"
	"plugtone/provision/notify"
	"plugtone/store"
)

// storyPhones is how many phones the table has.
const storyPhones = 500

// story is an office with extensions for the phones that arrive, and their table.
type story struct {
	*webtest.Site
	jobs  *webtest.Jobs
	table string // its path
}

func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{Site: webtest.Empty(t), jobs: &webtest.Jobs{}, table: filepath.Join(t.TempDir(), "floor5.csv")}
	st, err := store.Open(store.Config{Dir: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s.Config.Jobs = s.jobs
	s.UseRecords(t, st) // the store in memory is slow with many records
	s.Office(t)
	var accounts, table strings.Builder
	accounts.WriteString(`{"extensions":[`)
	table.WriteString("MAC;Model;Name;Extension;Profile;Tags\n")
	for i := range storyPhones {
		if i > 0 {
			accounts.WriteByte(',')
		}
		fmt.Fprintf(&accounts, `{"number":"%d","registrar":"main","display_name":"Person %03d","password":"pw%d"}`, 3000+i, i, i)
		fmt.Fprintf(&table, "00156502%04x;yealink/T54W;Person %03d;%d;desk;floor-5\n", i, i, 3000+i)
	}
	accounts.WriteString("]}")
	if _, err := s.API.Apply(t.Context(), strings.NewReader(accounts.String()), client.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.table, []byte(table.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// selectAll selects the phones of the table in the list, and begins an action.
func selectAll(b *webtest.Tab, action string) {
	b.Click(`.nav a[href="/phones"]`)
	b.Click(`.facet:has(a[href*="floor-5"]) summary`)
	b.Click(`.facet a[href*="floor-5"]`)
	b.WaitText("#phones .pager", "of 500")
	b.Click("thead [data-all]")
	b.Click("input[name=all]")
	b.WaitText("[data-count]", "All selected")
	b.Click(".selection button[value=" + action + "]")
}

// fetch lets the first n phones of the last job fetch.
func (s *story) fetch(n int) {
	s.jobs.Set(func(j *notify.Job) {
		for i := range n {
			j.Phones[i].Outcome, j.Phones[i].Detail = notify.Fetched, "fetched after 8 s"
		}
		if n == len(j.Phones) {
			j.State = notify.Done
		}
	})
}

// TestFiveHundredPhonesArriveAsATable: a table is imported, all its phones get keys in waves, and are resynced, by clicks alone.
func TestFiveHundredPhonesArriveAsATable(t *testing.T) {
	s := newStory(t)
	b := s.As(t, "operator")
	b.Click(`.nav a[href="/import"]`)
	b.Upload("#f-file", s.table)
	b.Click("form .button.primary")
	b.WaitText(`.verdicts .chip:has([value="new"])`, "500")
	b.WaitText(".previewed", "500 phones get other files")
	b.Type("#f-message", "Fifth floor")
	b.Click("aside .button.primary")
	b.WaitText(".notes", "500 new, 0 changed, 0 the same")

	selectAll(b, "keys")
	b.WaitText("h1", "Keys of 500 phones")
	b.Type("#f-keys", "1001-1008")
	b.Type("#f-from", "5")
	b.Click("button[value=preview]")
	b.WaitText("#preview", "500 phones get other files")
	b.Click("input[value=waves]")
	b.Click(".draft-side .primary")
	b.WaitText(".job", "0 of 500 phones")
	s.fetch(2)
	b.WaitText(".job", "2 of 500 phones")
	s.fetch(storyPhones)
	b.WaitText(".job .state", "Done")

	selectAll(b, "resync")
	b.WaitText("h1", "Resync 500 phones")
	b.Click(".draft-side .primary")
	b.WaitText("#job-progress", "0 of 500 phones")
	s.fetch(storyPhones)
	b.WaitText("#job-progress .state", "Done")
	d, _, err := s.API.Devices().Get(t.Context(), "00:15:65:02:01:f3", false)
	if err != nil || d.Label != "Person 499" || len(d.Lines) != 1 || len(d.Keys) != 8 || d.Keys[0].Value != "1001" {
		t.Errorf("the last phone: %+v, %v", d.Device, err)
	}
}
