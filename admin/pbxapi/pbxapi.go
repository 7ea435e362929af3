// Package pbxapi has the operations of the admin API on PBX sources: their state, a test, a sync, and what a PBX pushes.
package pbxapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
)

// Sources reads the PBXs of the configuration. *pbxsync.Sources implements it.
type Sources interface {
	List() []pbxsync.SourceStatus
	Test(ctx context.Context, name string) (pbx.Snapshot, []pbx.SourceProblem, error)
	Sync(ctx context.Context, name string, o pbxsync.Options, write pbxsync.Write) (pbxsync.SyncResult, error)
	Push(ctx context.Context, name string, s pbx.Snapshot, o pbxsync.Options, write pbxsync.Write) (pbxsync.SyncResult, error)
}

// Config has the dependencies of the operations. All members are required.
type Config struct {
	Sources Sources
	Writer  writing.Writer
}

// NameInput is the name of a source in a URL.
type NameInput struct {
	Name string `path:"name" doc:"name of the source in the configuration" example:"main"`
}

// SyncInput has the parameters of a sync.
type SyncInput struct {
	NameInput
	writing.Input
	Prune bool `query:"prune" doc:"remove what the PBX has no more: devices, and extensions and profiles that no phone uses"`
	Force bool `query:"force" doc:"also when more than a tenth of the records of a kind would be gone"`
}

func (in SyncInput) options() pbxsync.Options {
	return pbxsync.Options{Prune: in.Prune, Force: in.Force, DryRun: in.DryRun}
}

type resultOutput struct{ Body pbxsync.SyncResult }

// Register adds the operations to an API.
func Register(api huma.API, c Config) {
	huma.Register(api, access.Op(http.MethodGet, "/pbx", "list-pbx", "pbx", "List PBX sources and their last sync", access.Viewer),
		func(context.Context, *struct{}) (*struct {
			Body client.Page[pbxsync.SourceStatus]
		}, error) {
			return &struct {
				Body client.Page[pbxsync.SourceStatus]
			}{client.Page[pbxsync.SourceStatus]{Items: c.Sources.List()}}, nil
		})
	huma.Register(api, access.Op(http.MethodPost, "/pbx/{name}/test", "test-pbx", "pbx", "Read a PBX and change nothing", access.Operator),
		func(ctx context.Context, in *NameInput) (*struct{ Body client.PBXTest }, error) {
			s, problems, err := c.Sources.Test(ctx, in.Name)
			if err != nil {
				return nil, sourceProblem(err)
			}
			return &struct{ Body client.PBXTest }{testOf(s, problems)}, nil
		})
	huma.Register(api, access.Op(http.MethodPost, "/pbx/{name}/sync", "sync-pbx", "pbx", "Bring the records to what a PBX has", access.Operator),
		func(ctx context.Context, in *SyncInput) (*resultOutput, error) {
			r, err := c.Sources.Sync(ctx, in.Name, in.options(), c.write(ctx))
			return answer(r, err)
		})
	push := access.Op(http.MethodPost, "/pbx/{name}/push", "push-pbx", "pbx", "Bring the records to what a PBX sends of itself", access.Push)
	push.MaxBodyBytes = maxPush
	huma.Register(api, push, func(ctx context.Context, in *struct {
		SyncInput
		Body pbx.Snapshot
	}) (*resultOutput, error) {
		if caller := access.Of(ctx); in.DryRun && caller.Role == access.Push {
			return nil, huma.Error403Forbidden("a dry run shows phones and their files: it needs the role operator; " + caller.Name + " is push")
		}
		r, err := c.Sources.Push(ctx, in.Name, in.Body, in.options(), c.write(ctx))
		if access.Of(ctx).Role == access.Push {
			r.LeftOut = nil // it has values of records; the log has it too
		}
		return answer(r, err)
	})
}

// answer returns what a sync did. That of a dry run is a preview, with the problems of the sync.
func answer(r pbxsync.SyncResult, err error) (*resultOutput, error) {
	var tried *writing.Answer
	if errors.As(err, &tried) {
		tried.LeftOut = r.LeftOut
		for _, p := range r.Problems {
			tried.Problems = append(tried.Problems, p.String())
		}
	}
	return &resultOutput{r}, sourceProblem(err)
}

// maxPush holds 50,000 accounts and 5,000 devices with 50 keys each.
const maxPush = 64 << 20 // bytes

// write runs the edit of a sync as a change of the caller.
func (c Config) write(ctx context.Context) pbxsync.Write {
	return func(action string, edit func(fleet.Edit) error) (fleet.Change, error) {
		change, err := c.Writer.Change(ctx, fleet.Write{Action: action}, func(e fleet.Edit) error {
			err := edit(e)
			if errors.Is(err, pbxsync.ErrUnchanged) {
				return writing.ErrUnchanged
			}
			return err
		})
		if errors.Is(err, writing.ErrUnchanged) {
			return change, pbxsync.ErrUnchanged
		}
		return change, err
	}
}

// shownProblems is how many problems a test answers.
const shownProblems = 20

func testOf(s pbx.Snapshot, problems []pbx.SourceProblem) client.PBXTest {
	out := client.PBXTest{Server: s.Server, Extensions: s.Usable(), Problems: problems, More: max(0, len(problems)-shownProblems)}
	if s.Devices != nil {
		out.Devices = new(len(s.Devices))
	}
	if s.Profiles != nil {
		out.Profiles = new(len(s.Profiles))
	}
	if out.More > 0 {
		out.Problems = out.Problems[:shownProblems]
	}
	return out
}

func sourceProblem(err error) error {
	var tooMany *pbxsync.TooManyGone
	var unread *pbxsync.ReadError
	switch {
	case errors.Is(err, pbxsync.ErrUnknown):
		return huma.Error404NotFound(err.Error())
	case errors.As(err, &tooMany), errors.Is(err, pbxsync.ErrRead):
		return huma.Error409Conflict(err.Error())
	case errors.As(err, &unread):
		return huma.Error502BadGateway(err.Error())
	}
	return problem.From(err)
}
