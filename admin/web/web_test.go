package web_test

import (
	"fmt"
	"log/slog"
	"net/url"
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

func TestMain(m *testing.M) { webtest.Main(m) }

// screens are the pages that open without a parameter.
func screens() []string {
	return []string{"/", "/phones", "/phones?sort=-last_fetch&limit=100", "/discovered", "/profiles", "/import", "/pbx", "/network", "/activity", "/phones/" + webtest.Phone(0).String()}
}

// TestEachScreenOpensForEachRole: what a role may not see is left out or refused with a page of its own, never an error of the server.
func TestEachScreenOpensForEachRole(t *testing.T) {
	s := webtest.New(t)
	for _, role := range []string{"viewer", "operator", "admin"} {
		t.Run(role, func(t *testing.T) {
			b := s.As(t, role)
			for _, path := range screens() {
				b.Open(path)
				b.Wait("h1")
				if got := b.Text(".role"); got != role {
					t.Errorf("%s: role %q", path, got)
				}
				if got := b.Text(".error-page .code"); got >= "500" {
					t.Errorf("%s answers %s: %s", path, got, b.Text("main"))
				}
			}
		})
	}
}

// TestPhonesWorkWithoutJavaScript: filters, search, sorting, pages, colours and signing out are forms and links.
func TestPhonesWorkWithoutJavaScript(t *testing.T) {
	b := webtest.New(t).Plain(t, "operator")
	b.Sees("Overview")
	b.Follow("Phones")
	b.Sees("48 phones")
	b.Send("/phones", url.Values{"q": {"hoffmann"}})
	b.Sees("2 phones")
	b.Follow("Clear all")
	b.Follow("Refused")
	b.Sees("Lucas Meyer")
	b.Sees("2 phones")
	b.Follow("MAC")
	if b.Path() != "/phones?sort=mac&where=state%3Drefused" {
		t.Errorf("sorted at %s", b.Path())
	}
	b.Open("/phones?limit=20")
	b.Follow("Next")
	b.Sees("21–40 of 48")
	b.Follow("Next")
	b.Sees("41–48 of 48")
	b.Follow("Previous")
	b.Follow("Previous")
	b.Sees("1–20 of 48")
	b.Send("/theme", url.Values{"theme": {"dark"}})
	b.Sees("48")
	b.Send("/logout", nil)
	b.Sees("Sign in")
	b.Open("/phones")
	b.Sees("Sign in")
}

// TestFiveHundredPhonesArriveAsATable: a table is imported, all its phones get keys in waves, and are resynced, by clicks alone.
func TestFiveHundredPhonesArriveAsATable(t *testing.T) {
	s := webtest.Empty(t)
	st, err := store.Open(store.Config{Dir: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	jobs := &webtest.Jobs{}
	s.Config.Jobs = jobs
	s.UseRecords(t, st) // the store in memory is slow with many records
	s.Office(t)
	const phones = 500
	var accounts, table strings.Builder
	accounts.WriteString(`{"extensions":[`)
	table.WriteString("MAC;Model;Name;Extension;Profile;Tags\n")
	for i := range phones {
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
	file := filepath.Join(t.TempDir(), "floor5.csv")
	if err := os.WriteFile(file, []byte(table.String()), 0o600); err != nil {
		t.Fatal(err)
	}

	b := s.As(t, "operator")
	b.Click(`.nav a[href="/import"]`)
	b.Upload("#f-file", file)
	b.Click("form .button.primary")
	b.WaitText(`.verdicts .chip:has([value="new"])`, "500")
	b.WaitText(".previewed", "500 phones get other files")
	b.Type("#f-message", "Fifth floor")
	b.Click("aside .button.primary")
	b.WaitText(".notes", "500 new, 0 changed, 0 the same")

	b.Click(`.nav a[href="/phones"]`)
	b.Click(`.facet:has(a[href*="floor-5"]) summary`)
	b.Click(`.facet a[href*="floor-5"]`)
	b.WaitText("#phones .pager", "of 500")
	b.Click("thead [data-all]")
	b.Click("input[name=all]")
	b.WaitText("[data-count]", "All selected")
	b.Click(".selection button[value=keys]")
	b.WaitText("h1", "Keys of 500 phones")
	b.Type("#f-keys", "1001-1008")
	b.Type("#f-from", "5")
	b.Click("button[value=preview]")
	b.WaitText("#preview", "500 phones get other files")
	b.Click("input[value=waves]")
	b.Click(".draft-side .primary")
	b.WaitText(".job", "0 of 500 phones")
	fetch := func(n int) {
		jobs.Set(func(j *notify.Job) {
			for i := range n {
				j.Phones[i].Outcome, j.Phones[i].Detail = notify.Fetched, "fetched after 8 s"
			}
			if n == phones {
				j.State = notify.Done
			}
		})
	}
	fetch(2)
	b.WaitText(".job", "2 of 500 phones")
	fetch(phones)
	b.WaitText(".job .state", "Done")

	b.Click(`.nav a[href="/phones"]`)
	b.Click(`.facet:has(a[href*="floor-5"]) summary`)
	b.Click(`.facet a[href*="floor-5"]`)
	b.WaitText("#phones .pager", "of 500")
	b.Click("thead [data-all]")
	b.Click("input[name=all]")
	b.Click(".selection button[value=resync]")
	b.WaitText("h1", "Resync 500 phones")
	b.Click(".draft-side .primary")
	b.WaitText("#job-progress", "0 of 500 phones")
	fetch(phones)
	b.WaitText("#job-progress .state", "Done")
	d, _, err := s.API.Devices().Get(t.Context(), "00:15:65:02:01:f3", false)
	if err != nil || d.Label != "Person 499" || len(d.Lines) != 1 || len(d.Keys) != 8 || d.Keys[0].Value != "1001" {
		t.Errorf("the last phone: %+v, %v", d.Device, err)
	}
}
