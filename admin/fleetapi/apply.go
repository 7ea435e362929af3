package fleetapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/apply"
	"plugtone/provision/fleet"
)

// fleets has the operations on whole fleets.
type fleets struct {
	*core
	editor api.Editor
}

// Limits of the body of an apply.
const (
	maxFleet     = 512 << 20 // bytes: a million phones as a table
	fleetTimeout = 10 * time.Minute
)

func (s fleets) register() {
	post := access.Op(http.MethodPost, "/apply", "apply", "fleet", "Create and change many records at once", access.Operator)
	post.MaxBodyBytes, post.BodyReadTimeout = maxFleet, fleetTimeout
	post.Middlewares = huma.Middlewares{s.grantMemory}
	post.Responses = map[string]*huma.Response{"200": {Description: "What became of the records. With Accept: application/x-ndjson, lines of progress come first.",
		Content: map[string]*huma.MediaType{
			"application/json":     {Schema: s.api.OpenAPI().Components.Schemas.Schema(typeOf[client.Applied](), true, "Applied")},
			"application/x-ndjson": {Schema: s.api.OpenAPI().Components.Schemas.Schema(typeOf[client.ApplyLine](), true, "ApplyLine")},
		}}}
	huma.Register(s.api, post, s.apply)
	item := s.api.OpenAPI().Paths["/api/v1/apply"].Post
	item.RequestBody.Content = map[string]*huma.MediaType{
		"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(typeOf[client.FleetDocument](), true, "FleetDocument")},
		"text/csv":         {},
	}
	s.registerExport()
}

// ApplyInput has the parameters of an apply.
type ApplyInput struct {
	writing.Input
	ContentType string   `header:"Content-Type" hidden:"true"`
	Accept      string   `header:"Accept" hidden:"true"`
	Map         []string `query:"map,explode" doc:"of a table: COLUMN=FIELD, which field a column is; COLUMN=- leaves it out" example:"[\"Room=location\"]"`
	Prune       bool     `query:"prune" doc:"remove records that the file does not have, of the kinds that it has; records of a PBX source stay"`
	Yes         bool     `query:"yes" doc:"with prune: also when more than a tenth of the records of a kind would be removed"`
	RawBody     []byte
}

func (s fleets) apply(ctx context.Context, in *ApplyInput) (*huma.StreamResponse, error) {
	r, err := s.newApply(in)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(in.Accept, "application/x-ndjson") {
		out, err := r.run(ctx, func(int) {})
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			c.SetHeader("Content-Type", "application/json")
			_ = json.NewEncoder(c.BodyWriter()).Encode(out) // the client has gone
		}}, nil
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", "application/x-ndjson")
		c.SetStatus(http.StatusOK)
		p := &progress{enc: json.NewEncoder(c.BodyWriter()), flush: flusher(c), now: s.Now, total: r.total()}
		out, err := r.run(ctx, p.done)
		p.send(lastLine(out, err))
	}}, nil
}

// lastLine is the line that ends a stream of progress.
func lastLine(out client.Applied, err error) client.ApplyLine {
	var tried *writing.Answer
	var model *huma.ErrorModel
	switch {
	case err == nil:
		return client.ApplyLine{Result: &out}
	case errors.As(err, &tried):
		return client.ApplyLine{Preview: &tried.Preview}
	case errors.As(err, &model):
		return client.ApplyLine{Problem: problemOf(model)}
	}
	return client.ApplyLine{Problem: &client.Problem{Status: http.StatusInternalServerError, Detail: err.Error()}}
}

func problemOf(m *huma.ErrorModel) *client.Problem {
	p := &client.Problem{Title: m.Title, Status: m.Status, Detail: m.Detail}
	for _, d := range m.Errors {
		p.Errors = append(p.Errors, client.Detail{Message: d.Message, Location: d.Location, Value: d.Value})
	}
	return p
}

// progress sends how far an apply is, some times a second.
type progress struct {
	enc   *json.Encoder
	flush func()
	now   func() time.Time
	total int
	last  time.Time
}

// progressEvery is how often progress is sent.
const progressEvery = 200 * time.Millisecond

func (p *progress) done(n int) {
	if now := p.now(); now.Sub(p.last) >= progressEvery {
		p.last = now
		p.send(client.ApplyLine{Done: n, Total: p.total})
	}
}

func (p *progress) send(line client.ApplyLine) {
	_ = p.enc.Encode(line) // when the client has gone, the change is made all the same
	p.flush()
}

// flusher returns what sends the bytes written so far.
func flusher(c huma.Context) func() {
	if f, ok := c.BodyWriter().(http.Flusher); ok {
		return f.Flush
	}
	return func() {}
}

// newApply reads the body.
func (s fleets) newApply(in *ApplyInput) (*applying, error) {
	r := newApplying(s, in)
	var err error
	switch ct, _, _ := strings.Cut(in.ContentType, ";"); strings.TrimSpace(strings.ToLower(ct)) {
	case "text/csv":
		rename := map[string]string{}
		for _, m := range in.Map {
			from, to, ok := strings.Cut(m, "=")
			if !ok {
				return nil, problem.Field("query.map", m, "is not COLUMN=FIELD")
			}
			rename[from] = to
		}
		r.table, err = apply.ParseTable(in.RawBody, rename)
	case "", "application/json":
		if r.doc, err = apply.ParseDocument(in.RawBody); err != nil {
			if invalid := (fleet.ValidationError)(nil); !errors.As(err, &invalid) {
				return nil, huma.Error400BadRequest(err.Error())
			}
		}
	default:
		return nil, huma.Error415UnsupportedMediaType(fmt.Sprintf("content type %.60q: send application/json or text/csv", ct))
	}
	if err != nil {
		return nil, problem.From(err)
	}
	return r, nil
}

// forget takes phones that have records now off the discovered list.
func (s fleets) forget(created []dhcp.MAC) {
	found, err := s.Discovered.DiscoveredPhones()
	if err != nil {
		s.Log.Warn("forget discovered phones", "err", err)
		return
	}
	for _, d := range found {
		if _, ok := slices.BinarySearchFunc(created, d.MAC, compareMACs); !ok {
			continue
		}
		if err := s.Discovered.ForgetPhone(d.MAC); err != nil && !errors.Is(err, fleet.ErrNotFound) {
			s.Log.Warn("forget discovered phone", "mac", d.MAC, "err", err)
		}
	}
}
