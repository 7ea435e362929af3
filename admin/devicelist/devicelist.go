// Package devicelist has the operations of the admin API that list and count devices. Package deviceindex finds them.
package devicelist

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/masking"
	"plugtone/admin/paging"
	"plugtone/admin/problem"
	"plugtone/provision/deviceindex"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/selector"
	"plugtone/provision/setting"
)

// Config has what the operations need. All members are required.
type Config struct {
	Index *deviceindex.Index
	Packs func() *pack.Set
}

// Register adds the operations to an API.
func Register(api huma.API, c Config) {
	huma.Register(api, access.Op(http.MethodGet, "/devices", "list-devices", "devices", "List devices", access.Viewer), c.list)
	huma.Register(api, access.Op(http.MethodGet, "/devices/counts", "count-devices", "devices", "Count devices by what they have", access.Viewer), c.count)
}

// Filter has the parameters that select devices. It is exported because huma reads embedded types only then.
type Filter struct {
	State   string `query:"state" enum:"never_seen,never_fetched,in_sync,stale,refused,disabled" doc:"only devices in this state" example:"stale"`
	Vendor  string `query:"vendor" doc:"only devices of this vendor, by id or alias" example:"yealink"`
	Profile string `query:"profile" doc:"only devices with this profile" example:"desk"`
	Where   string `query:"where" doc:"only devices for which all of these comma-separated conditions hold, FIELD=VALUE or FIELD!=VALUE with * for any text; a value in double quotes may have commas, and in it \\ before a quote, * or \\ means that character; the fields are mac vendor model profile state subnet label extension registrar location tag firmware source left_out overridden registered on_phone" example:"profile=desk,state!=in_sync"`
	Wait    string `query:"wait" default:"10s" doc:"how long states are computed whose inputs have just changed, at most 1m; pending counts those that are not computed by then" example:"50ms"`
}

// maxWait is the longest time that an answer waits for states.
const maxWait = time.Minute

// query returns the query of the parameters. Its error is an answer.
func (c Config) query(in Filter, text string) (deviceindex.Query, error) {
	q := deviceindex.Query{Text: text}
	wait, err := setting.ParseDuration(in.Wait)
	if err != nil || wait <= 0 || time.Duration(wait) > maxWait {
		return q, problem.Field("query.wait", in.Wait, "must be longer than 0 and at most 1m, written like 50ms or 10s")
	}
	q.Wait = time.Duration(wait)
	where, err := selector.Parse(in.Where)
	if err != nil {
		return q, problem.From(err)
	}
	if in.Vendor != "" {
		v, err := c.Packs().FindVendor(in.Vendor)
		if err != nil {
			return q, problem.Field("query.vendor", in.Vendor, unknownMessage(err))
		}
		where = append(where, selector.Is("vendor", v.ID))
	}
	if in.State != "" {
		where = append(where, selector.Is("state", in.State))
	}
	if in.Profile != "" {
		where = append(where, selector.Is("profile", in.Profile))
	}
	q.Where = where
	return q, nil
}

// unknownMessage returns the message about an unknown vendor without its name, which the problem has already.
func unknownMessage(err error) string {
	var u *pack.Unknown
	if errors.As(err, &u) {
		return u.Message
	}
	return err.Error()
}

type listInput struct {
	paging.Input
	Filter
	Sort string `query:"sort" default:"mac" doc:"field to sort by, with a minus before it to begin with the last: mac label vendor model profile location extension source state subnet ip firmware last_seen last_fetch switch_port registered serial tags notes; equal ones are sorted by MAC" example:"-last_fetch"`
}

func (c Config) list(ctx context.Context, in *listInput) (*struct{ Body client.DevicePage }, error) {
	q, err := c.query(in.Filter, in.Query())
	if err != nil {
		return nil, err
	}
	order, err := deviceindex.SortBy(in.Sort, in.Limit, in.Cursor)
	if errors.Is(err, deviceindex.ErrCursor) {
		return nil, problem.Field("query.cursor", in.Cursor, err.Error())
	}
	if err != nil {
		return nil, problem.Field("query.sort", in.Sort, err.Error())
	}
	page, err := c.Index.List(ctx, q, order)
	if err != nil {
		return nil, problem.From(err)
	}
	out := &struct{ Body client.DevicePage }{}
	out.Body = client.DevicePage{NextCursor: page.Next, Total: page.Total, Pending: page.Pending, Items: make([]client.Device, 0, len(page.Items))}
	for _, item := range page.Items {
		out.Body.Items = append(out.Body.Items, client.Device{Device: masking.Device(*item.Device, access.Of(ctx)), Status: item.Status})
	}
	return out, nil
}

type countInput struct {
	Filter
	Q  string   `query:"q" maxLength:"100" doc:"only devices that contain this text, in upper or lower case" example:"reception"`
	By []string `query:"by" doc:"what to count by, comma-separated: state vendor model profile subnet tag left_out; all of them when left out" example:"state,vendor"`
}

// maxValues is how many values of one facet are listed.
const maxValues = 1000

func (c Config) count(ctx context.Context, in *countInput) (*struct{ Body client.DeviceCounts }, error) {
	q, err := c.query(in.Filter, strings.ToLower(strings.TrimSpace(in.Q)))
	if err != nil {
		return nil, err
	}
	by := in.By
	if len(by) == 0 {
		by = deviceindex.Facets()
	}
	var bad fleet.ValidationError
	for _, f := range by {
		if !slices.Contains(deviceindex.Facets(), f) {
			bad.Add("query.by", f, "must be one of %s", strings.Join(deviceindex.Facets(), " "))
		}
	}
	if err := bad.Err(); err != nil {
		return nil, problem.From(err)
	}
	counts, err := c.Index.Count(ctx, q, by)
	if err != nil {
		return nil, problem.From(err)
	}
	out := &struct{ Body client.DeviceCounts }{}
	out.Body = client.DeviceCounts{Total: counts.Total, Pending: counts.Pending}
	for facet, list := range map[string]*[]client.ValueCount{
		"state": &out.Body.State, "vendor": &out.Body.Vendor, "model": &out.Body.Model, "profile": &out.Body.Profile, "subnet": &out.Body.Subnet,
		"tag": &out.Body.Tag, "left_out": &out.Body.LeftOut,
	} {
		values := counts.By[facet]
		for _, v := range values[:min(len(values), maxValues)] {
			*list = append(*list, client.ValueCount{Value: v.Value, Count: v.Count})
		}
	}
	return out, nil
}
