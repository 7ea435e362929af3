package fleetapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/paging"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/changes"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// changeLog has the operations on changes.
type changeLog struct{ *core }

// shownRecords is how many records of a change are answered.
const shownRecords = 1000

// ChangeInput is the id of a change in a URL.
type ChangeInput struct {
	ID uint64 `path:"id" minimum:"1" doc:"number of the change" example:"128"`
}

func (s changeLog) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/changes", "list-changes", "changes", "List changes of records, newest first", access.Viewer), s.list)
	huma.Register(s.api, access.Op(http.MethodGet, "/changes/{id}", "get-change", "changes", "Read a change with its records before and after", access.Viewer), s.read)
	huma.Register(s.api, access.Op(http.MethodPost, "/changes/{id}/undo", "undo-change", "changes", "Set all records of a change back", access.Operator), s.undo)
}

func (s changeLog) list(_ context.Context, in *struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many items a page has at most" example:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before" example:"MTI4"`
	Since  string `query:"since" doc:"only changes since: a time, or how long ago" example:"7d"`
}) (*struct{ Body client.Page[fleet.Change] }, error) {
	before := uint64(0)
	if in.Cursor != "" {
		text, err := paging.ReadCursor(in.Cursor)
		if err == nil {
			before, err = strconv.ParseUint(text, 10, 64)
		}
		if err != nil {
			return nil, paging.InvalidCursor(in.Cursor)
		}
	}
	since, err := s.since(in.Since)
	if err != nil {
		return nil, err
	}
	list, err := s.Changes.Changes(before, in.Limit+1)
	if err != nil {
		return nil, problem.From(err)
	}
	out := &struct{ Body client.Page[fleet.Change] }{client.Page[fleet.Change]{Items: []fleet.Change{}}}
	for _, c := range list {
		if c.Time.Before(since) {
			return out, nil
		}
		if len(out.Body.Items) == in.Limit {
			out.Body.NextCursor = paging.Cursor(strconv.FormatUint(out.Body.Items[in.Limit-1].ID, 10))
			return out, nil
		}
		out.Body.Items = append(out.Body.Items, c)
	}
	return out, nil
}

// since parses a time or how long ago it was; zero for "".
func (s changeLog) since(text string) (t time.Time, err error) {
	if text == "" {
		return t, nil
	}
	if d, err := setting.ParseDuration(text); err == nil {
		return s.Now().Add(-time.Duration(d)), nil
	}
	if t, err = time.Parse(time.RFC3339, text); err != nil {
		return t, problem.Field("query.since", text, "is neither a duration such as 7d nor a time such as 2026-11-22T12:00:00Z")
	}
	return t, nil
}

func (s changeLog) read(ctx context.Context, in *ChangeInput) (*struct{ Body client.ChangeDetail }, error) {
	out := client.ChangeDetail{Records: []client.ChangedRecord{}}
	err := s.view(func(f fleet.View) (err error) {
		if out.Change, err = f.Change(in.ID); err != nil {
			return err
		}
		for r, err := range f.ChangeRecords(in.ID) {
			if err != nil {
				return err
			}
			if len(out.Records) == shownRecords {
				out.More = out.Total() - shownRecords
				return nil
			}
			members, err := changes.Members(r.Before, r.After, access.Of(ctx).Role < access.Operator)
			if err != nil {
				return err
			}
			if members == nil {
				members = []changes.Member{}
			}
			out.Records = append(out.Records, client.ChangedRecord{Kind: r.Kind, Name: r.Name, Change: r.Change(), Members: members})
		}
		return nil
	})
	return &struct{ Body client.ChangeDetail }{out}, err
}

func (s changeLog) undo(ctx context.Context, in *struct {
	ChangeInput
	writing.Input
	Force bool `query:"force" doc:"also when records were changed since: they are overwritten"`
}) (*struct{ Body client.Undone }, error) {
	records, err := s.recordsOf(in.ID)
	if err != nil {
		return nil, err
	}
	defer s.grantRecords(records)()
	c, left, err := s.edit(ctx, fleet.Write{Action: fmt.Sprintf("undo change %d", in.ID), Undoes: in.ID}, func(e fleet.Edit) ([]dhcp.MAC, error) {
		return changes.Undo(e, s.Packs(), in.ID, in.Force)
	})
	if err == nil && c.ID == 0 {
		err = huma.Error409Conflict(fmt.Sprintf("change %d: there is nothing to undo: all records are as they were before it", in.ID))
	}
	return &struct{ Body client.Undone }{client.Undone{Change: c, LeftOut: left}}, err
}

// recordsOf returns how many records a change has.
func (s changeLog) recordsOf(id uint64) (n int, err error) {
	err = s.view(func(f fleet.View) error {
		c, err := f.Change(id)
		n = c.Total()
		return err
	})
	return n, err
}
