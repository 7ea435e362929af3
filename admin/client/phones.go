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
	"plugtone/provision/pack"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
)

func device(mac string) string { return "/devices/" + url.PathEscape(mac) }

func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	_, err := c.do(ctx, call{method: http.MethodGet, path: path, query: query}, out)
	return err
}

func (c *Client) post(ctx context.Context, path string, in, out any) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: path, body: in}, out)
	return err
}

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
func (c *Client) Files(ctx context.Context, mac, subnet string) (out Files, err error) {
	return out, c.get(ctx, device(mac)+"/files", subnetQuery(subnet), &out)
}

// FileBytes is one file of a phone, or why there is none.
type FileBytes struct {
	Body    io.ReadCloser // never nil; the caller closes it
	Outcome string
	Reason  string
	Digest  string // of the real file, also when Body is masked
	Size    int64  // likewise
	Masked  bool
}

// File reads one file as the phone would be given it.
func (c *Client) File(ctx context.Context, mac, name, subnet string, reveal bool) (*FileBytes, error) {
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
	res, err := c.send(ctx, call{method: http.MethodGet, path: device(mac) + "/files/" + strings.Join(parts, "/"), query: q})
	if err != nil {
		return nil, err
	}
	h := res.Header
	// Size and mark are for show: an answer without them is still the file.
	size, _ := strconv.ParseInt(h.Get("Plugtone-Size"), 10, 64)
	masked, _ := strconv.ParseBool(h.Get("Plugtone-Masked"))
	return &FileBytes{Body: res.Body, Outcome: h.Get("Plugtone-Outcome"), Reason: h.Get("Plugtone-Reason"),
		Digest: h.Get("Plugtone-Digest"), Size: size, Masked: masked}, nil
}

// Diff compares what a phone fetched last with what it would get now.
func (c *Client) Diff(ctx context.Context, mac string) (out Diff, err error) {
	return out, c.get(ctx, device(mac)+"/diff", nil, &out)
}

// History lists the revisions of a device, newest first.
func (c *Client) History(ctx context.Context, mac string) (out History, err error) {
	return out, c.get(ctx, device(mac)+"/history", nil, &out)
}

// Rollback makes a device what it was at a revision.
func (c *Client) Rollback(ctx context.Context, mac string, revision uint64) (out Device, err error) {
	return out, c.post(ctx, device(mac)+"/rollback", RollbackRequest{Revision: revision}, &out)
}

// Timeline reads the newest limit entries of a phone, newest last.
func (c *Client) Timeline(ctx context.Context, mac string, limit int) (out Timeline, err error) {
	return out, c.get(ctx, device(mac)+"/timeline", url.Values{"limit": {strconv.Itoa(limit)}}, &out)
}

// Follow calls following when no entry from then on can be missed, then entry for each one of the phone ("" for all
// phones) and lost for entries that this client was too slow for, until ctx ends or the daemon goes away.
func (c *Client) Follow(ctx context.Context, mac string, following func() error, entry func(timeline.Entry) error, lost func(n uint64) error) error {
	q := url.Values{}
	if mac != "" {
		q.Set("mac", mac)
	}
	res, err := c.send(ctx, call{method: http.MethodGet, path: "/events", query: q})
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
	return fmt.Errorf("follow events: the daemon at %s ended the stream", c.addr)
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
	return nil // a newer daemon may have more to tell
}

// Enroll opens a window for a phone, or for all when mac is "". from may be "".
func (c *Client) Enroll(ctx context.Context, mac, length, from string) (out trust.Window, err error) {
	path := "/enroll"
	if mac != "" {
		path = device(mac) + path
	}
	return out, c.post(ctx, path, EnrollRequest{For: length, From: from}, &out)
}

// Windows lists the windows that are open.
func (c *Client) Windows(ctx context.Context) ([]trust.Window, error) {
	var out itemList[trust.Window]
	err := c.get(ctx, "/enroll", nil, &out)
	return out.Items, err
}

// Credentials reads a phone's own user and, with reveal, password.
func (c *Client) Credentials(ctx context.Context, mac string, reveal bool) (out Login, err error) {
	q := url.Values{}
	if reveal {
		q.Set("reveal", "true")
	}
	return out, c.get(ctx, device(mac)+"/credentials", q, &out)
}

// RotateCredentials gives a phone a new password; with force also before it has used the last one.
func (c *Client) RotateCredentials(ctx context.Context, mac string, force bool) (out Login, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: device(mac) + "/credentials/rotate", query: forceQuery(force)}, &out)
	return out, err
}

// ExportCredentials copies the credentials of all phones to w, as CSV.
func (c *Client) ExportCredentials(ctx context.Context, w io.Writer) error {
	res, err := c.send(ctx, call{method: http.MethodGet, path: "/credentials"})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(w, res.Body)
	return err
}

// Explain tells what would be answered, and why.
func (c *Client) Explain(ctx context.Context, q ExplainRequest) (out Explanation, err error) {
	return out, c.post(ctx, "/explain", q, &out)
}

// Discovered lists phones without a record.
func (c *Client) Discovered(ctx context.Context, query url.Values) ([]fleet.Discovered, error) {
	return all[fleet.Discovered](ctx, c, "/discovered", query)
}

// Adopt makes a discovered phone a device.
func (c *Client) Adopt(ctx context.Context, mac string, in AdoptRequest) (out Device, err error) {
	return out, c.post(ctx, "/discovered/"+url.PathEscape(mac)+"/adopt", in, &out)
}

// Forget takes a phone off the discovered list.
func (c *Client) Forget(ctx context.Context, mac string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: "/discovered/" + url.PathEscape(mac)}, nil)
	return err
}

// Leases lists leases; query narrows them (subnet, state, q).
func (c *Client) Leases(ctx context.Context, query url.Values) ([]Lease, error) {
	return all[Lease](ctx, c, "/leases", query)
}

// DeleteLease forgets a lease.
func (c *Client) DeleteLease(ctx context.Context, ip string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: "/leases/" + url.PathEscape(ip)}, nil)
	return err
}

type itemList[T any] struct {
	Items []T `json:"items"`
}

// Subnets lists what is leased in, and how full it is.
func (c *Client) Subnets(ctx context.Context) ([]Subnet, error) {
	var out itemList[Subnet]
	err := c.get(ctx, "/subnets", nil, &out)
	return out.Items, err
}

// Vendors lists the vendor packs.
func (c *Client) Vendors(ctx context.Context) ([]Vendor, error) {
	var out itemList[Vendor]
	err := c.get(ctx, "/vendors", nil, &out)
	return out.Items, err
}

// Vendor reads one vendor pack.
func (c *Client) Vendor(ctx context.Context, id string) (out pack.Description, err error) {
	return out, c.get(ctx, "/vendors/"+url.PathEscape(id), nil, &out)
}

// Tokens lists the tokens.
func (c *Client) Tokens(ctx context.Context) ([]fleet.Token, error) {
	var out itemList[fleet.Token]
	err := c.get(ctx, "/tokens", nil, &out)
	return out.Items, err
}

// AddToken makes a token.
func (c *Client) AddToken(ctx context.Context, in TokenRequest) (out NewToken, err error) {
	return out, c.post(ctx, "/tokens", in, &out)
}

// DeleteToken revokes a token.
func (c *Client) DeleteToken(ctx context.Context, name string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: "/tokens/" + url.PathEscape(name)}, nil)
	return err
}

// Audit lists who did what, oldest first.
func (c *Client) Audit(ctx context.Context) ([]fleet.AuditEntry, error) {
	return all[fleet.AuditEntry](ctx, c, "/audit", nil)
}

// Reload makes the daemon read its configuration and vendor packs again. With force it also leaves out subnets with active leases.
func (c *Client) Reload(ctx context.Context, force bool) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/reload", query: forceQuery(force)}, nil)
	return err
}

// Status reads how the daemon is.
func (c *Client) Status(ctx context.Context) (out DaemonStatus, err error) {
	return out, c.get(ctx, "/status", nil, &out)
}

// Backup copies a backup of everything to w.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	res, err := c.send(ctx, call{method: http.MethodGet, path: "/backup"})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	n, err := io.Copy(w, res.Body)
	if err != nil {
		return n, fmt.Errorf("the backup broke off after %d bytes: %w", n, err)
	}
	return n, nil
}
