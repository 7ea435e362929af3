package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
)

// Phones has the calls about single phones.
type Phones struct{ conn *conn }

func device(mac string) string { return "/devices/" + url.PathEscape(mac) }

func forceQuery(force bool) url.Values {
	if !force {
		return nil
	}
	return url.Values{"force": {"true"}}
}

func subnetQuery(subnet string) url.Values {
	if subnet == "" {
		return nil
	}
	return url.Values{"subnet": {subnet}}
}

// Files lists what a phone would be given; subnet may be "".
func (c Phones) Files(ctx context.Context, mac, subnet string) (out Files, err error) {
	return out, c.conn.get(ctx, device(mac)+"/files", subnetQuery(subnet), &out)
}

// FileBytes is one file of a phone, or the reason why there is none.
type FileBytes struct {
	Body    io.ReadCloser // never nil; the caller closes it
	Outcome string
	Reason  string
	Digest  string // of the real file, also when Body is masked
	Size    int64  // likewise
	Masked  bool
}

// File reads one file as the phone would be given it.
func (c Phones) File(ctx context.Context, mac, name, subnet string, reveal bool) (*FileBytes, error) {
	q := url.Values{}
	if subnet != "" {
		q.Set("subnet", subnet)
	}
	if reveal {
		q.Set("reveal", "true")
	}
	parts := strings.Split(strings.TrimLeft(name, "/"), "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	res, err := c.conn.send(ctx, call{method: http.MethodGet, path: device(mac) + "/files/" + strings.Join(parts, "/"), query: q})
	if err != nil {
		return nil, err
	}
	h := res.Header
	// Both are only displayed, so invalid values are ignored.
	size, _ := strconv.ParseInt(h.Get("Plugtone-Size"), 10, 64)
	masked, _ := strconv.ParseBool(h.Get("Plugtone-Masked"))
	return &FileBytes{Body: res.Body, Outcome: h.Get("Plugtone-Outcome"), Reason: h.Get("Plugtone-Reason"),
		Digest: h.Get("Plugtone-Digest"), Size: size, Masked: masked}, nil
}

// Diff compares what a phone fetched last with what it would get now.
func (c Phones) Diff(ctx context.Context, mac string) (out Diff, err error) {
	return out, c.conn.get(ctx, device(mac)+"/diff", nil, &out)
}

// History lists the revisions of a device, newest first.
func (c Phones) History(ctx context.Context, mac string) (out History, err error) {
	return out, c.conn.get(ctx, device(mac)+"/history", nil, &out)
}

// Rollback makes a device what it was at a revision.
func (c Phones) Rollback(ctx context.Context, mac string, revision uint64) (out Device, err error) {
	_, err = c.conn.do(ctx, call{method: http.MethodPost, path: device(mac) + "/rollback", body: RollbackRequest{Revision: revision}, change: true}, &out)
	return out, err
}

// Timeline reads the newest limit entries of a phone, newest last.
func (c Phones) Timeline(ctx context.Context, mac string, limit int) (out Timeline, err error) {
	return out, c.conn.get(ctx, device(mac)+"/timeline", url.Values{"limit": {strconv.Itoa(limit)}}, &out)
}

// Follow receives the timeline entries of a phone, or of all phones when mac is "", until ctx ends or the daemon stops. It calls following
// when no later entry can be missed, entry for each entry, and lost with the number of entries for which this client was too slow.
func (c Phones) Follow(ctx context.Context, mac string, following func() error, entry func(timeline.Entry) error, lost func(n uint64) error) error {
	q := url.Values{}
	if mac != "" {
		q.Set("mac", mac)
	}
	res, err := c.conn.send(ctx, call{method: http.MethodGet, path: "/events", query: q})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := following(); err != nil {
		return err
	}
	in := bufio.NewScanner(res.Body)
	in.Buffer(nil, 1<<20)
	kind := ""
	for in.Scan() {
		line := in.Text()
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			kind = name
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		if err := dispatch(kind, []byte(data), entry, lost); err != nil {
			return err
		}
	}
	switch err := in.Err(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("follow events: %w", err)
	}
	return fmt.Errorf("follow events: the daemon at %s ended the stream", c.conn.addr)
}

func dispatch(kind string, data []byte, entry func(timeline.Entry) error, lost func(uint64) error) error {
	switch kind {
	case "entry":
		var e timeline.Entry
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("follow events: %w", err)
		}
		return entry(e)
	case "lost":
		var l Lost
		if err := json.Unmarshal(data, &l); err != nil {
			return fmt.Errorf("follow events: %w", err)
		}
		return lost(l.Entries)
	}
	return nil // events of a newer daemon are ignored
}

// Enroll opens a window for a phone, or for all when mac is "". from may be "".
func (c Phones) Enroll(ctx context.Context, mac, length, from string) (out trust.Window, err error) {
	path := "/enroll"
	if mac != "" {
		path = device(mac) + path
	}
	return out, c.conn.post(ctx, path, EnrollRequest{For: length, From: from}, &out)
}

// Credentials reads a phone's own user and, with reveal, password.
func (c Phones) Credentials(ctx context.Context, mac string, reveal bool) (out Login, err error) {
	q := url.Values{}
	if reveal {
		q.Set("reveal", "true")
	}
	return out, c.conn.get(ctx, device(mac)+"/credentials", q, &out)
}

// RotateCredentials gives a phone a new password; with force also before it has used the last one.
func (c Phones) RotateCredentials(ctx context.Context, mac string, force bool) (out Login, err error) {
	_, err = c.conn.do(ctx, call{method: http.MethodPost, path: device(mac) + "/credentials/rotate", query: forceQuery(force), change: true}, &out)
	return out, err
}

// ExportCredentials copies the credentials of all phones to w, as CSV.
func (c Phones) ExportCredentials(ctx context.Context, w io.Writer) error {
	res, err := c.conn.send(ctx, call{method: http.MethodGet, path: "/credentials"})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(w, res.Body)
	return err
}

// Explain returns what would be answered, and why.
func (c Phones) Explain(ctx context.Context, q ExplainRequest) (out Explanation, err error) {
	return out, c.conn.post(ctx, "/explain", q, &out)
}

// Discovered lists the phones without a record, those whose text matches search, and the members of the cluster that did not answer.
func (c Phones) Discovered(ctx context.Context, search string) (list []fleet.Discovered, silent []Unanswered, err error) {
	query := url.Values{"limit": {pageSize}}
	if search != "" {
		query.Set("q", search)
	}
	for {
		var page DiscoveredPage
		if err := c.conn.get(ctx, "/discovered", query, &page); err != nil {
			return nil, nil, err
		}
		list, silent = append(list, page.Items...), page.Unanswered
		if page.NextCursor == "" {
			return list, silent, nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

// DiscoveredPhone reads one phone without a record.
func (c Phones) DiscoveredPhone(ctx context.Context, mac string) (out fleet.Discovered, err error) {
	err = c.conn.get(ctx, "/discovered/"+url.PathEscape(mac), nil, &out)
	return out, err
}

// Adopt makes a discovered phone a device.
func (c Phones) Adopt(ctx context.Context, mac string, in AdoptRequest) (out Device, err error) {
	_, err = c.conn.do(ctx, call{method: http.MethodPost, path: "/discovered/" + url.PathEscape(mac) + "/adopt", body: in, change: true}, &out)
	return out, err
}

// Forget removes a phone from the discovered list.
func (c Phones) Forget(ctx context.Context, mac string) error {
	_, err := c.conn.do(ctx, call{method: http.MethodDelete, path: "/discovered/" + url.PathEscape(mac)}, nil)
	return err
}
