package changing

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/provision/changes"
	"plugtone/provision/notify"
)

// made has the screens of changes that were made.
type made struct{ screen }

// changeView is a change that was made.
type changeView struct {
	page.Base
	client.ChangeDetail
	HasActivity bool
	What, Who   string
	Groups      []recordGroup
	Hidden      int
	Job         *jobParts
}

// recordGroup is records that a change touched in the same way.
type recordGroup struct {
	Kind, Change string
	Names        []recordName
	Members      []changes.Member
}

// recordName is the name of a record, and where it is shown.
type recordName struct{ Name, Label, URL string }

// undoView is the dry run of an undo.
type undoView struct {
	page.Base
	client.ChangeDetail
	What, Who string
	Form      *page.Form
	Preview   *preview.Preview
	Since     []string // records that were changed since
	Force     bool
	CanDo     bool
}

// Limits of what is shown of a change.
const (
	shownGroups = 60
	shownNames  = 40 // records of a group
)

var errNoChange = &client.Problem{Status: http.StatusNotFound, Detail: "there is no such change"}

func (s made) readChange(r *page.Request) (client.ChangeDetail, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return client.ChangeDetail{}, errNoChange
	}
	return s.API.Change(r.Context(), id)
}

// change shows a change, and the job that carries it to the phones.
func (s made) change(r *page.Request) error {
	c, err := s.readChange(r)
	if err != nil {
		return err
	}
	v := &changeView{Base: page.Base{Title: fmt.Sprintf("Change %d", c.ID)}, ChangeDetail: c,
		HasActivity: s.Has("/activity"), What: sentence(c.Action), Who: shortName(c.Actor), Groups: s.groupRecords(r, c.Records)}
	if len(v.Groups) > shownGroups {
		v.Hidden = len(v.Groups) - shownGroups
		v.Groups = v.Groups[:shownGroups]
	}
	if id, err := strconv.ParseUint(r.URL.Query().Get("job"), 10, 64); err == nil {
		j, err := s.API.Job(r.Context(), id)
		if err == nil {
			v.Job = s.partsOf(r, j, "", briefRows)
		} else if !client.IsNotFound(err) {
			return err
		}
	}
	return s.Render(r, "change", v)
}

// groupRecords puts records together that changed in the same way.
func (s made) groupRecords(r *page.Request, list []client.ChangedRecord) (out []recordGroup) {
	at := map[string]int{}
	for _, x := range list {
		key := fmt.Sprintf("%s %s %q", x.Kind, x.Change, x.Members)
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, recordGroup{Kind: x.Kind, Change: x.Change, Members: x.Members})
		}
		out[i].Names = append(out[i].Names, s.nameOf(r, x, len(out[i].Names) < shownNames))
	}
	return out
}

// nameOf finds the label of a device and the screen of a record.
func (s made) nameOf(r *page.Request, x client.ChangedRecord, lookup bool) recordName {
	n := recordName{Name: x.Name}
	switch {
	case x.Change == "deleted" || !lookup:
	case x.Kind == "device":
		if d, _, err := s.API.Devices().Get(r.Context(), x.Name, false); err == nil {
			n.Label = d.Label
			if s.Has("/phones/{mac}") {
				n.URL = "/phones/" + x.Name
			}
		}
	case x.Kind == "profile" && s.Has("/profiles/{name}"):
		n.URL = "/profiles/" + x.Name
	}
	return n
}

// Shown are the records of a group that are named.
func (g recordGroup) Shown() []recordName { return g.Names[:min(len(g.Names), shownNames)] }

// More is how many are not.
func (g recordGroup) More() int { return max(0, len(g.Names)-shownNames) }

// Noun is the kind of the group's records in words.
func (g recordGroup) Noun() string {
	one, many := g.Kind, g.Kind+"s"
	if g.Kind == "device" {
		one, many = "phone", "phones"
	}
	return page.Plural(len(g.Names), one, many)
}

// undoDraft shows what an undo would do.
func (s made) undoDraft(r *page.Request) error {
	v, err := s.newUndo(r, page.NewForm(map[string][]string{"force": {r.URL.Query().Get("force")}}))
	if err != nil {
		return err
	}
	return s.tryUndo(r, v)
}

func (s made) newUndo(r *page.Request, f *page.Form) (*undoView, error) {
	c, err := s.readChange(r)
	preview.Defaults(f)
	return &undoView{Base: page.Base{Title: fmt.Sprintf("Undo change %d", c.ID)}, ChangeDetail: c, What: sentence(c.Action), Who: shortName(c.Actor), Form: f, Force: f.Get("force") != ""}, err
}

// dryUndo makes the dry run of an undo.
func (s made) dryUndo(r *page.Request, v *undoView) (*preview.Preview, error) {
	_, err := s.API.Writing(client.Write{DryRun: true}).Undo(r.Context(), v.ID, v.Force)
	var tried *client.DryRun
	if !errors.As(err, &tried) {
		return nil, err
	}
	return preview.Of(tried.Preview, nil), nil
}

// tryUndo shows the dry run of an undo, or why it is refused.
func (s made) tryUndo(r *page.Request, v *undoView) (err error) {
	v.Preview, err = s.dryUndo(r, v)
	if err = v.refused(err); err != nil {
		return err
	}
	v.CanDo = v.Preview != nil && v.Preview.Records() > 0
	return s.RenderStatus(r, v.Form.Status, "undo", v)
}

// refused takes the reason of a refusal into the view.
func (v *undoView) refused(err error) error {
	var p *client.Problem
	if errors.As(err, &p) && p.Status == http.StatusConflict && len(p.Errors) > 0 && !v.Force {
		for _, d := range p.Errors {
			v.Since = append(v.Since, d.Message)
		}
		return nil
	}
	if err != nil && v.Form.Fail(err, nil) {
		return nil
	}
	return err
}

// undo sets the records of a change back.
func (s made) undo(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	v, err := s.newUndo(r, f)
	if err != nil {
		return err
	}
	waves, err := preview.Waves(r, s.API, f, func() (*preview.Preview, error) { return s.dryUndo(r, v) })
	if err == nil {
		done, undoErr := s.API.Writing(client.Write{Message: f.Get("message")}).Undo(r.Context(), v.ID, v.Force)
		if undoErr == nil {
			return preview.Start(r, s.API, done.ID, waves)
		}
		err = undoErr
	}
	if err := v.refused(err); err != nil {
		return err
	}
	v.Form.Status = max(v.Form.Status, http.StatusConflict)
	return s.tryUndo(r, v)
}

// outcome describes an outcome of a phone in a job.
type outcome struct {
	ID, Name, Tone, Reason string
	Count                  int
	URL                    string
	Here                   bool
}

func outcomes() []outcome {
	return []outcome{
		{ID: string(notify.Rejected), Name: "Rejected", Tone: "bad", Reason: "The phone answered with an error."},
		{ID: string(notify.Challenged), Name: "Challenged", Tone: "bad", Reason: "The phone wanted credentials that plugtone does not have, or did not accept them."},
		{ID: string(notify.Silent), Name: "Silent", Tone: "warn", Reason: "The phone did not answer."},
		{ID: string(notify.Answered), Name: "Answered only", Tone: "warn", Reason: "The phone answered, and did not fetch in time."},
		{ID: string(notify.SkippedOut), Name: "Skipped", Tone: "off", Reason: "The phone was not notified."},
		{ID: string(notify.Waiting), Name: "Waiting", Tone: "new", Reason: "The phone was notified, and has not fetched yet."},
		{ID: "next", Name: "To come", Tone: "off", Reason: "The phone is still to be notified."},
		{ID: string(notify.Fetched), Name: "Fetched", Tone: "ok", Reason: "The phone has fetched its files."},
	}
}

// sentence makes a sentence of a fragment.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// shortName is the name of a caller without what kind of name it is.
func shortName(actor string) string {
	if _, name, ok := strings.Cut(actor, ":"); ok {
		return name
	}
	return actor
}
