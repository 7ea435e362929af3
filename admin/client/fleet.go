package client

import (
	"context"
	"iter"
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

// Change reads one change with its records.
func (c Fleet) Change(ctx context.Context, id uint64) (out ChangeDetail, err error) {
	return out, c.conn.get(ctx, "/changes/"+strconv.FormatUint(id, 10), nil, &out)
}

// Undo sets the records of a change back; with force also those that were changed since. It returns the change that did it.
func (c Fleet) Undo(ctx context.Context, id uint64, force bool) (out fleet.Change, err error) {
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
			var page Page[T]
			if _, err := c.do(ctx, call{method: http.MethodGet, path: path, query: q}, &page); err != nil {
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
