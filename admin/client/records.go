package client

import (
	"context"
	"net/http"
	"net/url"

	"plugtone/provision/fleet"
)

// Collection is the records of one kind.
type Collection[T any] struct {
	c    *conn
	path string
}

// Records has the calls about records.
type Records struct{ conn *conn }

// Registrars are the SIP servers that phones register with.
func (r Records) Registrars() Collection[fleet.Registrar] {
	return Collection[fleet.Registrar]{r.conn, "/registrars"}
}

// Extensions are the accounts; an id is NUMBER or NUMBER@REGISTRAR.
func (r Records) Extensions() Collection[fleet.Extension] {
	return Collection[fleet.Extension]{r.conn, "/extensions"}
}

// Devices are the phones; an id is a MAC in any form.
func (r Records) Devices() Collection[Device] { return Collection[Device]{r.conn, "/devices"} }

// Profiles are keys and settings that devices share.
func (r Records) Profiles() Collection[fleet.Profile] {
	return Collection[fleet.Profile]{r.conn, "/profiles"}
}

// SavedRegistrars are registrars as writes return them, with what is left out.
func (r Records) SavedRegistrars() Collection[SavedRegistrar] {
	return Collection[SavedRegistrar]{r.conn, "/registrars"}
}

// SavedExtensions are extensions as writes return them, with what is left out.
func (r Records) SavedExtensions() Collection[SavedExtension] {
	return Collection[SavedExtension]{r.conn, "/extensions"}
}

// SavedProfiles are profiles as writes return them, with warnings.
func (r Records) SavedProfiles() Collection[SavedProfile] {
	return Collection[SavedProfile]{r.conn, "/profiles"}
}

// DevicePage reads one page of the list of devices with their total, filtered and sorted by query, which may have limit and cursor.
func (r Records) DevicePage(ctx context.Context, query url.Values) (out DevicePage, err error) {
	return out, r.conn.get(ctx, "/devices", query, &out)
}

// DeviceCounts counts devices by state, vendor and so on, filtered by query.
func (r Records) DeviceCounts(ctx context.Context, query url.Values) (out DeviceCounts, err error) {
	return out, r.conn.get(ctx, "/devices/counts", query, &out)
}

func (x Collection[T]) at(id string) string { return x.path + "/" + url.PathEscape(id) }

// All reads the whole list, filtered by query.
func (x Collection[T]) All(ctx context.Context, query url.Values) ([]T, error) {
	return all[T](ctx, x.c, x.path, query)
}

// Page reads one page of the list, filtered by query, which may have limit and cursor.
func (x Collection[T]) Page(ctx context.Context, query url.Values) (out Page[T], err error) {
	_, err = x.c.do(ctx, call{method: http.MethodGet, path: x.path, query: query}, &out)
	return out, err
}

// Get reads one record and its ETag, with secrets only if reveal is set.
func (x Collection[T]) Get(ctx context.Context, id string, reveal bool) (T, string, error) {
	var out T
	q := call{method: http.MethodGet, path: x.at(id)}
	if reveal {
		q.query = url.Values{"reveal": {"true"}}
	}
	h, err := x.c.do(ctx, q, &out)
	if err != nil {
		return out, "", err
	}
	return out, h.Get("ETag"), nil
}

// Create creates a device under the MAC within it. Records of other kinds are created by Put.
func (x Collection[T]) Create(ctx context.Context, record any) (T, error) {
	var out T
	_, err := x.c.do(ctx, call{method: http.MethodPost, path: x.path, body: record, change: true}, &out)
	return out, err
}

// Put creates or replaces a record. etag is "", the ETag that was read, or "new" when the record must not exist.
func (x Collection[T]) Put(ctx context.Context, id string, record any, etag string) (T, error) {
	var out T
	_, err := x.c.do(ctx, call{method: http.MethodPut, path: x.at(id), header: condition(etag), body: record, change: true}, &out)
	return out, err
}

// Patch changes the given members; nil clears one. etag is "" or the ETag that was read.
func (x Collection[T]) Patch(ctx context.Context, id string, fields map[string]any, etag string) (T, error) {
	var out T
	h := condition(etag)
	h.Set("Content-Type", "application/merge-patch+json")
	_, err := x.c.do(ctx, call{method: http.MethodPatch, path: x.at(id), header: h, body: fields, change: true}, &out)
	return out, err
}

// Set creates a record or changes the given members.
func (x Collection[T]) Set(ctx context.Context, id string, fields map[string]any) (rec T, created bool, err error) {
	rec, err = x.Patch(ctx, id, fields, "")
	if !IsNotFound(err) {
		return rec, false, err
	}
	rec, err = x.Put(ctx, id, fields, "new")
	if IsPrecondition(err) {
		// Another client created it meanwhile.
		rec, err = x.Patch(ctx, id, fields, "")
		return rec, false, err
	}
	return rec, err == nil, err
}

// Delete removes a record. While others depend on it, that is a conflict unless force is set.
func (x Collection[T]) Delete(ctx context.Context, id string, force bool) error {
	_, err := x.c.do(ctx, call{method: http.MethodDelete, path: x.at(id), query: forceQuery(force), change: true}, nil)
	return err
}

func condition(etag string) http.Header {
	h := http.Header{}
	switch etag {
	case "":
	case "new":
		h.Set("If-None-Match", "*")
	default:
		h.Set("If-Match", etag)
	}
	return h
}

// History lists the revisions of a record, newest first.
func (x Collection[T]) History(ctx context.Context, id string) (out RecordHistory, err error) {
	_, err = x.c.do(ctx, call{method: http.MethodGet, path: x.at(id) + "/history"}, &out)
	return out, err
}
