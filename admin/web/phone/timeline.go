package phone

import (
	"fmt"
	"net/url"
	"slices"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
	"plugtone/provision/notify"
	"plugtone/provision/timeline"
)

// shown is how many entries of a timeline the screen has.
const shown = 200

// protocols are the sources of entries by which the timeline is filtered, with their names.
func protocols() [][2]string {
	return [][2]string{{"dhcp", "DHCP"}, {"tftp", "TFTP"}, {"http", "HTTP"}, {"https", "HTTPS"}, {"sip", "SIP"}, {"syslog", "Log of the phone"}, {"trust", "Trust"}, {"admin", "Changes"}}
}

// protocolName returns the name of a source of entries.
func protocolName(source string) string {
	for _, p := range protocols() {
		if p[0] == source {
			return p[1]
		}
	}
	return source
}

type timelineView struct {
	record.View
	Entries []entry
	Filters []filter
	Only    string // the protocol that is shown; "" for all
	Live    string // address of the stream
	Job     *jobView
	Missing []client.Unanswered // members of the cluster whose entries are missing
}

// filter is one chip.
type filter struct {
	Text, URL string
	Count     int
	Here      bool
}

func (s screen) timeline(r *page.Request) error {
	h, t, err := record.LoadHead(r.Context(), s.API, r.PathValue("mac"), "timeline", shown)
	if err != nil {
		return err
	}
	v := &timelineView{View: titled(h, ""), Only: r.URL.Query().Get("source"), Missing: t.Unanswered}
	base := "/phones/" + h.Device.MAC.String()
	v.Live = base + "/live?" + url.Values{"source": {v.Only}}.Encode()
	counts := map[string]int{}
	for _, e := range t.Items {
		counts[e.Source]++
		if v.Only == "" || e.Source == v.Only {
			v.Entries = append(v.Entries, entryOf(e))
		}
	}
	slices.Reverse(v.Entries)
	v.Filters = append(v.Filters, filter{"All", base, len(t.Items), v.Only == ""})
	for _, p := range protocols() {
		if counts[p[0]] > 0 || v.Only == p[0] {
			v.Filters = append(v.Filters, filter{p[1], base + "?source=" + p[0], counts[p[0]], v.Only == p[0]})
		}
	}
	if id := r.URL.Query().Get("job"); id != "" {
		if v.Job, err = s.loadJob(r, id); err != nil {
			return err
		}
	}
	return s.Render(r, "timeline", v)
}

// live sends entries as they happen.
func (s screen) live(r *page.Request) error {
	only := r.URL.Query().Get("source")
	return s.Stream(r, "timeline", func(send func(event, name string, value any) error) error {
		return s.API.Follow(r.Context(), r.PathValue("mac"), func() error { return nil },
			func(e timeline.Entry) error {
				if only != "" && e.Source != only {
					return nil
				}
				x := entryOf(e)
				x.Fresh = true
				return send("", "entry", x)
			},
			func(uint64) error { return send("", "lost", nil) })
	})
}

// jobView is what became of a resync of the phone.
type jobView struct {
	page.Base
	notify.Job
	Result notify.Result
	URL    string // of the screen that shows it
	Live   string // address of its events, while it runs
}

// Tone returns the tone of the result.
func (v jobView) Tone() string {
	switch v.Result.Outcome {
	case notify.Fetched:
		return "ok"
	case notify.Answered, notify.Challenged, notify.Waiting, "":
		return "info"
	}
	return "bad"
}

// Running reports whether the result may still change.
func (v jobView) Running() bool { return v.State == notify.Running }

func (s screen) loadJob(r *page.Request, id string) (*jobView, error) {
	n, err := jobNumber(id)
	if err != nil {
		return nil, err
	}
	j, err := s.API.Job(r.Context(), n)
	if err != nil {
		return nil, err
	}
	v := &jobView{Job: j, Live: "/phones/" + r.PathValue("mac") + "/job/" + id}
	if s.Has("/jobs/{id}") {
		v.URL = "/jobs/" + id
	}
	for _, p := range j.Phones {
		if p.MAC.String() == r.PathValue("mac") {
			v.Result = p
		}
	}
	return v, nil
}

// job sends the result of a resync, until it is final.
func (s screen) job(r *page.Request) error {
	return s.Watch(r, "timeline", "job", func() (any, string, bool, error) {
		v, err := s.loadJob(r, r.PathValue("id"))
		if err != nil {
			return nil, "", false, err
		}
		return v, fmt.Sprint(v.State, v.Result), v.Running(), nil
	})
}
