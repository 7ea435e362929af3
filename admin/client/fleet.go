package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"plugtone/provision/fleet"
)

// Fleet has the calls about many records at once and about what was changed.
type Fleet struct{ conn *conn }

// Changes yields the changes of records, newest first. since may be "": a time or how long ago.
func (c Fleet) Changes(ctx context.Context, since string) iter.Seq2[fleet.Change, error] {
	q := url.Values{}
	if since != "" {
		q.Set("since", since)
	}
	return each[fleet.Change](ctx, c.conn, "/changes", q)
}

// ChangePage reads one page of the changes, newest first. query may have limit, cursor and since.
func (c Fleet) ChangePage(ctx context.Context, query url.Values) (out Page[fleet.Change], err error) {
	return out, c.conn.get(ctx, "/changes", query, &out)
}

// AuditPage reads one page of the audit log, newest first. query may have limit and cursor.
func (c Fleet) AuditPage(ctx context.Context, query url.Values) (out Page[fleet.AuditEntry], err error) {
	return out, c.conn.get(ctx, "/audit", query, &out)
}

// Change reads one change with its records.
func (c Fleet) Change(ctx context.Context, id uint64) (out ChangeDetail, err error) {
	return out, c.conn.get(ctx, "/changes/"+strconv.FormatUint(id, 10), nil, &out)
}

// Undo sets the records of a change back; with force also those that were changed since. It returns the change that did it.
func (c Fleet) Undo(ctx context.Context, id uint64, force bool) (out Undone, err error) {
	_, err = c.conn.do(ctx, call{method: http.MethodPost, path: "/changes/" + strconv.FormatUint(id, 10) + "/undo", query: forceQuery(force), change: true}, &out)
	return out, err
}

// each yields the items of a list, reading page after page.
func each[T any](ctx context.Context, c *conn, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := url.Values{"limit": {pageSize}}
		for k, v := range query {
			q[k] = v
		}
		var none T
		for {
			page, err := exactPage[T](ctx, c, call{method: http.MethodGet, path: path, query: q})
			if err != nil {
				yield(none, err)
				return
			}
			for _, v := range page.Items {
				if !yield(v, nil) {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			q.Set("cursor", page.NextCursor)
		}
	}
}

// exactPage reads a page. While the daemon has not computed all states that the page depends on, and gets on with it, it reads the page again:
// a list must not lack phones whose state a change has just made another.
func exactPage[T any](ctx context.Context, c *conn, q call) (Page[T], error) {
	for before := math.MaxInt; ; {
		var page struct {
			Page[T]
			Pending int `json:"pending"`
		}
		_, err := c.do(ctx, q, &page)
		if err != nil || page.Pending == 0 || page.Pending >= before {
			return page.Page, err
		}
		before = page.Pending
	}
}

// ApplyOptions control how Apply reads a body, and what else it does.
type ApplyOptions struct {
	Table    bool                  // the body is a table in CSV, not a document in JSON
	Map      []string              // of a table: COLUMN=FIELD
	Prune    bool                  // remove records that the body does not have
	Yes      bool                  // also when those are more than a tenth
	Progress func(done, total int) // called while records are applied; nil: not at all
}

// Apply creates and changes the records of a body, all or none.
func (c Fleet) Apply(ctx context.Context, body io.Reader, o ApplyOptions) (Applied, error) {
	q := url.Values{"map": o.Map}
	for name, on := range map[string]bool{"prune": o.Prune, "yes": o.Yes} {
		if on {
			q.Set(name, "true")
		}
	}
	h := http.Header{"Accept": {"application/x-ndjson"}, "Content-Type": {"application/json"}}
	if o.Table {
		h.Set("Content-Type", "text/csv")
	}
	res, err := c.conn.send(ctx, call{method: http.MethodPost, path: "/apply", query: q, header: h, raw: body, change: true})
	if err != nil {
		return Applied{}, err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		var line ApplyLine
		err := dec.Decode(&line)
		switch {
		case err != nil:
			return Applied{}, fmt.Errorf("the answer ended early; plugtone change list shows whether the records were changed: %w", err)
		case line.Problem != nil:
			return Applied{}, line.Problem
		case line.Preview != nil:
			return Applied{}, &DryRun{*line.Preview}
		case line.Result != nil:
			c.conn.changed(line.Result.Change) // its number was not known when the headers were sent
			return *line.Result, nil
		case o.Progress != nil:
			o.Progress(line.Done, line.Total)
		}
	}
}

// Export copies records to w: all kinds as a JSON document, or the devices as a table in CSV.
func (c Fleet) Export(ctx context.Context, w io.Writer, query url.Values) error {
	res, err := c.conn.send(ctx, call{method: http.MethodGet, path: "/export", query: query})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err = io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("the export ended early: %w", err)
	}
	return nil
}

// ChangeDevices changes or deletes many devices, all or none.
func (c Fleet) ChangeDevices(ctx context.Context, in ManyDevices) (out Applied, err error) {
	_, err = c.conn.do(ctx, call{method: http.MethodPost, path: "/devices/change", body: in, change: true}, &out)
	return out, err
}
