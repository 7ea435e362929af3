package client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/trust"
)

// Operation has the calls about the network and the daemon.
type Operation struct{ conn *conn }

// Windows lists the open enrollment windows.
func (c Operation) Windows(ctx context.Context) ([]trust.Window, error) {
	var out itemList[trust.Window]
	err := c.conn.get(ctx, "/enroll", nil, &out)
	return out.Items, err
}

// Leases lists leases, filtered by query (subnet, state, q).
func (c Operation) Leases(ctx context.Context, query url.Values) ([]Lease, error) {
	return all[Lease](ctx, c.conn, "/leases", query)
}

// LeasePage reads one page of the leases. query has the API's parameters: limit, cursor, subnet, state, q.
func (c Operation) LeasePage(ctx context.Context, query url.Values) (out Page[Lease], err error) {
	return out, c.conn.get(ctx, "/leases", query, &out)
}

// EachLease yields leases, filtered by query, reading page after page.
func (c Operation) EachLease(ctx context.Context, query url.Values) iter.Seq2[Lease, error] {
	return each[Lease](ctx, c.conn, "/leases", query)
}

// DeleteLease deletes a lease.
func (c Operation) DeleteLease(ctx context.Context, ip string) error {
	_, err := c.conn.do(ctx, call{method: http.MethodDelete, path: "/leases/" + url.PathEscape(ip)}, nil)
	return err
}

type itemList[T any] struct {
	Items []T `json:"items"`
}

// Subnets lists subnets and how full they are.
func (c Operation) Subnets(ctx context.Context) ([]Subnet, error) {
	var out itemList[Subnet]
	err := c.conn.get(ctx, "/subnets", nil, &out)
	return out.Items, err
}

// Vendors lists the vendor packs.
func (c Operation) Vendors(ctx context.Context) ([]Vendor, error) {
	var out itemList[Vendor]
	err := c.conn.get(ctx, "/vendors", nil, &out)
	return out.Items, err
}

// Vendor reads one vendor pack.
func (c Operation) Vendor(ctx context.Context, id string) (out pack.Description, err error) {
	return out, c.conn.get(ctx, "/vendors/"+url.PathEscape(id), nil, &out)
}

// Tokens lists the tokens.
func (c Operation) Tokens(ctx context.Context) ([]fleet.Token, error) {
	var out itemList[fleet.Token]
	err := c.conn.get(ctx, "/tokens", nil, &out)
	return out.Items, err
}

// AddToken creates a token.
func (c Operation) AddToken(ctx context.Context, in TokenRequest) (out NewToken, err error) {
	return out, c.conn.post(ctx, "/tokens", in, &out)
}

// DeleteToken revokes a token.
func (c Operation) DeleteToken(ctx context.Context, name string) error {
	_, err := c.conn.do(ctx, call{method: http.MethodDelete, path: "/tokens/" + url.PathEscape(name)}, nil)
	return err
}

// Reload makes the daemon read its configuration and vendor packs again. With force, the new configuration may lack subnets with active leases.
func (c Operation) Reload(ctx context.Context, force bool) error {
	_, err := c.conn.do(ctx, call{method: http.MethodPost, path: "/reload", query: forceQuery(force)}, nil)
	return err
}

// Status reads the state of the daemon.
func (c Operation) Status(ctx context.Context) (out DaemonStatus, err error) {
	return out, c.conn.get(ctx, "/status", nil, &out)
}

// Backup copies a backup to w: records, leases and timelines, and with withFiles the configuration and the folders files and uploads.
func (c Operation) Backup(ctx context.Context, w io.Writer, withFiles bool) (int64, error) {
	query := url.Values{}
	if withFiles {
		query.Set("with_files", "true")
	}
	res, err := c.conn.send(ctx, call{method: http.MethodGet, path: "/backup", query: query})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	n, err := io.Copy(w, res.Body)
	if err != nil {
		return n, fmt.Errorf("the backup ended early, after %d bytes: %w", n, err)
	}
	return n, nil
}
