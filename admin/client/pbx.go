package client

import (
	"context"
	"net/url"
	"strconv"

	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
)

// PBXTest is what a PBX has, in numbers.
type PBXTest struct {
	Server     string              `json:"server,omitempty" doc:"version of the server" example:"PostgreSQL 15.8"`
	Extensions int                 `json:"extensions" doc:"accounts that can be used" example:"312"`
	Devices    *int                `json:"devices,omitempty" doc:"devices, where the source takes them" example:"48"`
	Profiles   *int                `json:"profiles,omitempty" doc:"device profiles, where the source takes them" example:"5"`
	Problems   []pbx.SourceProblem `json:"problems" doc:"the first 20 things that can't be used"`
	More       int                 `json:"more,omitempty" doc:"further problems" example:"0"`
}

// PBXSync holds the options of a sync.
type PBXSync struct {
	Prune bool // remove what the PBX has no more
	Force bool // also when more than a tenth would be gone
}

func (o PBXSync) query() url.Values {
	q := url.Values{}
	for name, set := range map[string]bool{"prune": o.Prune, "force": o.Force} {
		if set {
			q.Set(name, strconv.FormatBool(set))
		}
	}
	return q
}

func pbxPath(name, operation string) string { return "/pbx/" + url.PathEscape(name) + "/" + operation }

// PBXs lists the PBX sources of the configuration.
func (c Operation) PBXs(ctx context.Context) ([]pbxsync.SourceStatus, error) {
	var out Page[pbxsync.SourceStatus]
	err := c.conn.get(ctx, "/pbx", nil, &out)
	return out.Items, err
}

// TestPBX reads a PBX and changes nothing.
func (c Operation) TestPBX(ctx context.Context, name string) (out PBXTest, err error) {
	return out, c.conn.post(ctx, pbxPath(name, "test"), nil, &out)
}

// SyncPBX brings the records to what a PBX has.
func (c Fleet) SyncPBX(ctx context.Context, name string, o PBXSync) (out pbxsync.SyncResult, err error) {
	_, err = c.conn.do(ctx, call{method: "POST", path: pbxPath(name, "sync"), query: o.query(), change: true}, &out)
	return out, err
}

// PushPBX sends what a PBX has.
func (c Fleet) PushPBX(ctx context.Context, name string, s pbx.Snapshot, o PBXSync) (out pbxsync.SyncResult, err error) {
	_, err = c.conn.do(ctx, call{method: "POST", path: pbxPath(name, "push"), query: o.query(), body: s, change: true}, &out)
	return out, err
}
