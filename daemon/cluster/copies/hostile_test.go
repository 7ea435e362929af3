package copies

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// hostile answers with what it is given.
type hostile struct {
	files   []listed
	body    func(w http.ResponseWriter)
	list    func(w http.ResponseWriter)
	fetches []fleet.Fetch
}

func (h hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == pathFile:
		h.body(w)
	case h.list != nil:
		h.list(w)
	case strings.HasSuffix(r.URL.Path, recentOf):
		_ = json.NewEncoder(w).Encode(recent[listed]{Run: "x", Lost: r.URL.Query().Get("run") == ""})
	case r.URL.Path == Path+"uploads"+allOf:
		_ = json.NewEncoder(w).Encode(page[listed]{Items: h.files})
	default:
		_ = json.NewEncoder(w).Encode(page[fleet.Fetch]{Items: h.fetches})
	}
}

// What a hostile or broken member sends changes nothing: names that lead elsewhere, files that are too large, cut or without a time, lists
// that never end or are no lists. Files of other members are copied meanwhile.
func TestBadAnswersAreRefused(t *testing.T) {
	good := func(w http.ResponseWriter) {
		w.Header().Set(timeHeader, "1800000000000000")
		_, _ = io.WriteString(w, "bad")
	}
	file := []listed{{phone, "bad.cfg", 1800000000000000}}
	many := make([]listed, 100)
	for i := range many {
		many[i] = listed{phone, fmt.Sprint("n", i), 1800000000000000}
	}
	for name, c := range map[string]struct {
		h       hostile
		outcome string // what counts
		most    int    // files that may be stored
	}{
		"names":           {hostile{[]listed{{phone, "../a", 1800000000000000}, {phone, "..", 1800000000000000}, {phone, "a~1", 1800000000000000}, {phone, ".coming-1", 1800000000000000}, {phone, "/etc/passwd", 1800000000000000}, {phone, "a/b", 1800000000000000}, {phone, "", 1800000000000000}}, good, nil, nil}, outcomeRefused, 0},
		"times":           {hostile{[]listed{{phone, "t", 1 << 62}, {phone, "u", -1}}, good, nil, nil}, outcomeRefused, 0},
		"time of a file":  {hostile{file, func(w http.ResponseWriter) { w.Header().Set(timeHeader, "9200000000000000000") }, nil, nil}, outcomeRefused, 0},
		"no time":         {hostile{file, func(w http.ResponseWriter) { _, _ = io.WriteString(w, "bad") }, nil, nil}, outcomeFailed, 0},
		"too large":       {hostile{file, func(w http.ResponseWriter) { good(w); _, _ = w.Write(make([]byte, 17<<20)) }, nil, nil}, outcomeRefused, 0},
		"an error":        {hostile{file, func(w http.ResponseWriter) { w.WriteHeader(500) }, nil, nil}, outcomeFailed, 0},
		"too many":        {hostile{many, good, nil, nil}, outcomeRefused, 64},
		"no list":         {hostile{nil, good, func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") }, nil}, "", 0},
		"a long list":     {hostile{nil, good, func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, maxAnswer+1)) }, nil}, "", 0},
		"a list in a row": {hostile{nil, good, func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"run": "x", "after": "00:15:65:12:34:56"}`) }, nil}, "", 0},
		"always lost":     {hostile{nil, good, func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"run": "x", "lost": true}`) }, nil}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				a, b := n.add("a"), n.add("b")
				n.set("evil", c.h)
				other := dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}
				a.upload(other, "a.cfg", "x")
				b.start()
				defer b.stop()
				after(90 * time.Second)
				b.has(other, "a.cfg", "x")
				all, _ := filepath.Glob(filepath.Join(b.dir, "*", "*"))
				if len(all) != 1+c.most {
					t.Errorf("stored: %d files, %v", len(all), all[:min(5, len(all))])
				}
				s := b.Stats()
				if c.outcome != "" && s.Items[[2]string{Upload, c.outcome}] == 0 {
					t.Errorf("%+v", s)
				}
				if st, ok := b.Of("evil"); c.outcome != outcomeRefused && (!ok || st.Problem == "") {
					t.Errorf("%+v, %v", st, ok)
				}
			})
		})
	}
}

// Fetches that a broken member sends are refused: of no file, with a name that no pack has, or of a time that is not yet.
func TestBadFetchesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		b := n.add("b")
		now := time.Now()
		n.set("evil", hostile{nil, nil, nil, []fleet.Fetch{{MAC: phone, Time: now}, {MAC: phone, File: strings.Repeat("n", 256), Time: now}, {MAC: phone, File: "a", Time: now.Add(25 * time.Hour)}, {MAC: phone, File: "b"},
			{MAC: phone, File: "good", Time: now}}})
		b.start()
		defer b.stop()
		after(10 * time.Second)
		if s := b.Stats(); s.Items[[2]string{Fetch, outcomeRefused}] != 4 || len(b.fetches) != 1 {
			t.Errorf("%+v, %v", s, b.fetches)
		}
	})
}

// A file that ends early is not stored.
func TestCutFileIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		b := n.add("b")
		n.set("evil", hostile{[]listed{{phone, "cut.cfg", 1800000000000000}}, func(w http.ResponseWriter) {}, nil, nil})
		b.cfg.Sources = func() map[string]http.RoundTripper { return map[string]http.RoundTripper{"evil": cut{line{n, "evil"}}} }
		b.start()
		defer b.stop()
		after(10 * time.Second)
		b.has(phone, "cut.cfg", "")
		if s, _ := b.Of("evil"); !strings.Contains(s.Problem, "unexpected EOF") || s.Waiting != 1 {
			t.Errorf("%+v", s)
		}
		if s := b.Stats(); s.Failing != 1 || s.Waiting != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// cut sends the first bytes of each file.
type cut struct{ line }

func (c cut) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.line.RoundTrip(r)
	if err == nil && r.URL.Path == pathFile {
		res.Header.Set(timeHeader, "1800000000000000")
		res.ContentLength = 1000
		res.Body = io.NopCloser(io.MultiReader(strings.NewReader("first"), broken{}))
	}
	return res, err
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
