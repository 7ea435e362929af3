package phones_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/admin/client"
	"plugtone/admin/web/webtest"
	"plugtone/provision/deviceindex"
	"plugtone/store"
)

// fleetSize is how many phones the benchmarks have.
const fleetSize = 100_000

// large returns a site with a store on disk and fleetSize phones of two vendors, none of which was seen.
func large(b *testing.B) *webtest.Site {
	b.Helper()
	s := webtest.Empty(b)
	st, err := store.Open(store.Config{Dir: b.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { st.Close() })
	s.UseRecords(b, st)
	// How long an answer waits for states is real time here.
	s.Config.API.Index = deviceindex.New(deviceindex.Config{Records: st, Packs: s.Config.API.Packs, Site: s.Config.API.Site, Compute: s.Service.States().Of, Now: time.Now})
	s.Restart(b)
	begin := time.Now()
	defer func() { b.Logf("%d phones entered in %v", fleetSize, time.Since(begin).Round(time.Second)) }()
	const batch = 10_000
	for from := 0; from < fleetSize; from += batch {
		var doc strings.Builder
		doc.WriteString(`{"registrars":[{"name":"main","host":"pbx.example.com"}],"profiles":[{"name":"desk","settings":{"language":"de"}}],"extensions":[`)
		for i := from; i < from+batch; i++ {
			fmt.Fprintf(&doc, `%s{"number":"%d","registrar":"main","display_name":"User %d","password":"pw%d"}`, comma(i-from), fleetSize+i, i, i)
		}
		doc.WriteString(`],"devices":[`)
		for i := from; i < from+batch; i++ {
			model := [...]string{"001565%06x yealink/T46U", "000413%06x snom/D785"}[i%2]
			mac, model, _ := strings.Cut(fmt.Sprintf(model, i), " ")
			fmt.Fprintf(&doc, `%s{"mac":"%s","model":"%s","label":"Phone %06d","profile":"desk","location":"Floor %d","lines":[{"extension":"%d","registrar":"main"}]}`,
				comma(i-from), mac, model, i, i%40, fleetSize+i)
		}
		doc.WriteString("]}")
		if _, err := s.API.Apply(b.Context(), strings.NewReader(doc.String()), client.ApplyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// BenchmarkPhones measures the list of 100,000 phones as the server makes it: the first page, a search, one state, and a page far on.
func BenchmarkPhones(b *testing.B) {
	s := large(b)
	jar := &cookies{}
	c := &http.Client{Jar: jar}
	res, err := c.PostForm(s.URL+"/login", url.Values{"token": {"viewer"}})
	if err != nil {
		b.Fatal(err)
	}
	res.Body.Close()
	begin := time.Now()
	get(b, c, s.URL+"/phones")
	b.Logf("first request after the start: %v", time.Since(begin))
	for name, path := range map[string]string{
		"first": "/phones", "search": "/phones?q=phone+0421", "state": "/phones?where=state%3Dnever_seen", "sorted": "/phones?sort=-location",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				get(b, c, s.URL+path)
			}
		})
	}
}

func get(b *testing.B, c *http.Client, url string) {
	b.Helper()
	res, err := c.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), "<tbody><tr") {
		b.Fatalf("%d %v %s", res.StatusCode, err, text)
	}
}

// cookies keeps the session's cookie, which has no expiry.
type cookies struct{ list []*http.Cookie }

func (j *cookies) SetCookies(_ *url.URL, list []*http.Cookie) { j.list = list }
func (j *cookies) Cookies(*url.URL) []*http.Cookie            { return j.list }

// BenchmarkFirstRows measures in the browser, from the click to the first rows of 100,000 on the screen.
func BenchmarkFirstRows(b *testing.B) {
	s := large(b)
	tab := s.As(b, "viewer")
	tab.Open("/phones")
	tab.Wait("#phones tbody tr")
	var total time.Duration
	n := 0
	for b.Loop() {
		tab.Open("/phones")
		ms := tab.Eval(`Math.round(performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? performance.now())`)
		d, err := time.ParseDuration(ms + "ms")
		if err != nil {
			b.Fatal(err)
		}
		total += d
		n++
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(n), "ms-to-paint")
}
