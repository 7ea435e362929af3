package changing

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/provision/notify"
)

// jobView is the screen of a resync job.
type jobView struct {
	page.Base
	HasActivity bool
	Who         string
	Job         *jobParts
}

// jobParts is the progress of a job.
type jobParts struct {
	notify.Job
	Done     int
	Outcomes []outcome
	Rows     []jobRow
	Only     string // the outcome that is shown; "" for all
	More     int    // phones that are not shown
	Self     string // its address
	Live     string // address of its events
	Brief    bool   // the screen has more than the job
}

// jobRow is what became of one phone.
type jobRow struct {
	notify.Result
	Outcome outcome
	Label   string
	Canary  bool
}

// shownRows is how many phones of a job are listed.
const (
	shownRows = 200
	briefRows = 20 // on a screen that has more than the job
)

var errNoJob = &client.Problem{Status: http.StatusNotFound, Detail: "there is no such job"}

func (s screen) job(r *page.Request) error {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return errNoJob
	}
	j, err := s.API.Job(r.Context(), id)
	if err != nil {
		return err
	}
	return s.Render(r, "job", &jobView{Base: page.Base{Title: fmt.Sprintf("Resync %d", id)}, HasActivity: s.Has("/activity"), Who: shortName(j.Actor), Job: s.partsOf(r, j, r.URL.Query().Get("outcome"), shownRows)})
}

// live sends the progress of a job until it has ended.
func (s screen) live(r *page.Request) error {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return errNoJob
	}
	q, most := r.URL.Query(), shownRows
	if q.Has("brief") {
		most = briefRows
	}
	return s.Watch(r, "job", "job-progress", func() (any, string, bool, error) {
		j, err := s.API.Job(r.Context(), id)
		if err != nil {
			return nil, "", false, err
		}
		p := s.partsOf(r, j, q.Get("outcome"), most)
		return &jobView{Job: p}, fmt.Sprint(j.State, j.Phones), p.Running(), nil
	})
}

// stop ends a job. What it has sent already stays sent.
func (s screen) stop(r *page.Request) error {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return errNoJob
	}
	if err := s.API.StopJob(r.Context(), id); err != nil {
		return err
	}
	r.Note("ok", "The resync was stopped. Phones that were notified already still fetch.")
	return r.Redirect(fmt.Sprintf("/jobs/%d", id))
}

// partsOf counts the outcomes of a job, and lists its phones: those that need attention first.
func (s screen) partsOf(r *page.Request, j notify.Job, only string, most int) *jobParts {
	p := &jobParts{Job: j, Only: only, Brief: most == briefRows, Self: fmt.Sprintf("/jobs/%d", j.ID)}
	q := url.Values{}
	if only != "" {
		q.Set("outcome", only)
	}
	if p.Brief {
		q.Set("brief", "on")
	}
	p.Live = p.Self + "/live?" + q.Encode()
	by := map[string][]jobRow{}
	for i, x := range j.Phones {
		id := string(x.Outcome)
		if id == "" {
			id = "next"
		}
		if x.Outcome.Final() {
			p.Done++
		}
		by[id] = append(by[id], jobRow{Result: x, Canary: i < j.Options.Canary})
	}
	for _, o := range outcomes() {
		o.Count, o.URL, o.Here = len(by[o.ID]), p.Self+"?outcome="+o.ID, only == o.ID
		if o.Count == 0 && !o.Here {
			continue
		}
		p.Outcomes = append(p.Outcomes, o)
		if only != "" && !o.Here {
			continue
		}
		for _, row := range by[o.ID] {
			if len(p.Rows) == most {
				p.More++
				continue
			}
			row.Outcome, row.Detail = o, sentence(row.Detail)
			p.Rows = append(p.Rows, row)
		}
	}
	for i := range p.Rows {
		if d, _, err := s.API.Devices().Get(r.Context(), p.Rows[i].MAC.String(), false); err == nil { // a deleted one is shown by its MAC
			p.Rows[i].Label = d.Label
		}
	}
	return p
}

// StateName returns the state of the job in words.
func (p *jobParts) StateName() page.State {
	switch p.State {
	case notify.Running:
		return page.State{ID: "running", Name: "Running", Tone: "new", Reason: "Phones are being notified."}
	case notify.Stopped:
		return page.State{ID: "stopped", Name: "Stopped", Tone: "warn", Reason: p.Reason}
	}
	return page.State{ID: "done", Name: "Done", Tone: "ok", Reason: "All phones are done."}
}

// Running reports whether the job goes on.
func (p *jobParts) Running() bool { return p.State == notify.Running }
