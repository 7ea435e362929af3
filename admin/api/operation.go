package api

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/merging"
	"plugtone/admin/paging"
	"plugtone/admin/problem"
	"plugtone/provision/fleet"
)

// operation has the operations on the daemon: status, reload, audit, backup.
type operation struct{ *core }

func (s operation) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/audit", "list-audit", "operation", "List changes and reveals with their authors, newest first", access.Admin), s.audit)
	huma.Register(s.api, access.Op(http.MethodPost, "/reload", "reload", "operation", "Read the configuration and the vendor packs again", access.Admin),
		func(ctx context.Context, in *struct {
			Force bool `query:"force" doc:"also when subnets with active leases or packs of devices are left out, or an interface is missing"`
		}) (*struct{}, error) {
			if err := s.Reload(ctx, in.Force); err != nil {
				return nil, huma.Error409Conflict("the old configuration stays in force: " + err.Error())
			}
			return nil, problem.From(s.note(ctx, "reload", "configuration", "", "changed"))
		})
	huma.Register(s.api, access.Op(http.MethodGet, "/status", "get-status", "operation", "Read the state of the daemon", access.Viewer),
		func(ctx context.Context, in *struct{ merging.Choice }) (*struct{ Body client.DaemonStatus }, error) {
			st := s.Status()
			err := s.Ready()
			if st.Ready = err == nil; err != nil {
				st.Faults = append(st.Faults, err.Error())
			}
			merging.Status(ctx, s.Members, in.Choice, &st)
			return &struct{ Body client.DaemonStatus }{st}, nil
		})
	backup := access.Op(http.MethodGet, "/backup", "get-backup", "operation", "Read a backup of records, leases and timelines", access.Admin)
	backup.Responses = map[string]*huma.Response{"200": {Description: "The backup", Content: map[string]*huma.MediaType{"application/x-tar": {}}}}
	huma.Register(s.api, backup, s.backup)
}

func (s operation) audit(_ context.Context, in *struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many items a page has at most" example:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before" example:"MDAxNTY1MTIzNDU2"`
}) (*listOutput[fleet.AuditEntry], error) {
	var before uint64
	if in.Cursor != "" {
		text, err := paging.ReadCursor(in.Cursor)
		if err == nil {
			before, err = strconv.ParseUint(text, 10, 64)
		}
		if err != nil {
			return nil, paging.InvalidCursor(in.Cursor)
		}
	}
	list, err := s.Audit.Audit(before, in.Limit+1)
	if err != nil {
		return nil, problem.From(err)
	}
	out := &listOutput[fleet.AuditEntry]{}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.Body.NextCursor = paging.Cursor(strconv.FormatUint(list[in.Limit-1].ID, 10))
	}
	out.Body.Items = append([]fleet.AuditEntry{}, list...)
	return out, nil
}

// backup streams a backup. After the first byte, an error can't be answered any more. Then the connection is closed, so that the client
// sees that the backup is incomplete.
func (s operation) backup(ctx context.Context, in *struct {
	WithFiles bool `query:"with_files" doc:"also the configuration and the folders files and uploads" example:"true"`
}) (*huma.StreamResponse, error) {
	if err := s.note(ctx, "backup", "backup", "", "revealed"); err != nil {
		return nil, problem.From(err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", "application/x-tar")
		c.SetHeader("Content-Disposition", `attachment; filename="plugtone-backup.tar"`)
		w := &countingWriter{w: c.BodyWriter()}
		err := s.Backup(w, in.WithFiles)
		switch {
		case err == nil:
		case w.n == 0:
			c.SetHeader("Content-Disposition", "")
			c.SetHeader("Retry-After", problem.RetryAfter)
			_ = huma.WriteErr(s.api, c, http.StatusServiceUnavailable, "no backup: "+err.Error())
		default:
			s.Log.Error("backup failed", "err", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// countingWriter counts the bytes written.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
