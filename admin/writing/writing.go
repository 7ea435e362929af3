// Package writing has what all operations share that change records: who changes them and what for, the dry run, and the
// conditions of a write.
package writing

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/problem"
	"plugtone/dhcp"
	"plugtone/provision/changes"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/resolve"
)

// Input has the parameters of every write. The middleware Options reads them; an operation embeds them so that they are known.
type Input struct {
	DryRun  bool   `query:"dry_run" doc:"change nothing: the answer is a Preview of the phones whose files would change, and how"`
	Summary bool   `query:"summary" doc:"with dry_run: count the phones, without the lines that would change"`
	Message string `query:"message" maxLength:"500" doc:"what the change is for, shown with it" example:"move the front desk"`

	header func(name, value string) // sets a header of the answer; nil outside of a request
}

// ChangeHeader is set on the answer to a write that changed records: the number of the change.
const ChangeHeader = "Plugtone-Change"

type optionsKey struct{}

// Options reads the parameters of Input into the context of a request. It is a middleware.
func Options(ctx huma.Context, next func(huma.Context)) {
	if ctx.Method() == http.MethodGet {
		next(ctx)
		return
	}
	in := Input{Message: ctx.Query("message")}
	// An invalid value is refused when the operation reads its parameters.
	in.DryRun, _ = strconv.ParseBool(ctx.Query("dry_run"))
	in.Summary, _ = strconv.ParseBool(ctx.Query("summary"))
	in.header = ctx.SetHeader
	next(huma.WithValue(ctx, optionsKey{}, in))
}

// OptionsOf returns the parameters of a request.
func OptionsOf(ctx context.Context) Input {
	in, _ := ctx.Value(optionsKey{}).(Input)
	return in
}

// WithDryRun returns the context of a request whose writes are dry runs.
func WithDryRun(ctx context.Context) context.Context {
	in := OptionsOf(ctx)
	in.DryRun = true
	return context.WithValue(ctx, optionsKey{}, in)
}

// DryRunHeader is set on the answer to a dry run: its body is a Preview, in place of the operation's own answer.
const DryRunHeader = "Plugtone-Dry-Run"

// Answer is the answer to a dry run. It is returned as an error, so that it takes the place of the operation's own answer.
type Answer struct {
	impact.Preview
}

// Error makes an Answer an error.
func (a *Answer) Error() string { return "dry run: " + a.Action }

// GetStatus returns the HTTP status.
func (a *Answer) GetStatus() int { return http.StatusOK }

// WithLeftOut adds to the answer to a dry run what phones would not get. Any other error is returned as it is.
func WithLeftOut(err error, left []resolve.LeftOutCount) error {
	var tried *Answer
	if errors.As(err, &tried) {
		tried.LeftOut = left
	}
	return err
}

// Writer changes records for the operations.
type Writer struct {
	fleet.Records
	Site   func() *fleet.Site
	Before impact.Renderer // of the records
	// After returns a renderer of the files that phones would get from other records.
	After func(fleet.Records) (impact.Renderer, error)
	// Followers returns what spares a dry run reading all devices.
	Followers func() (impact.Followers, error)
}

// ErrUnchanged ends an edit that would change nothing.
var ErrUnchanged = errors.New("unchanged")

// Edit runs f in one edit in the name of the caller. For a dry run nothing is stored, and the error is an Answer.
func (w Writer) Edit(ctx context.Context, action string, f func(fleet.Edit) error) error {
	_, err := w.Change(ctx, fleet.Write{Action: action}, f)
	return err
}

// Change is Edit with further members of the write set; it returns the change.
func (w Writer) Change(ctx context.Context, write fleet.Write, f func(fleet.Edit) error) (fleet.Change, error) {
	o, caller := OptionsOf(ctx), access.Of(ctx)
	write.Actor, write.From, write.Message, write.DryRun = caller.Name, caller.From, o.Message, o.DryRun
	c, err := w.Records.Write(write, func(e fleet.Edit) error { return f(upstreamGuard{e, caller}) })
	switch {
	case o.DryRun && errors.Is(err, ErrUnchanged):
		c, err = fleet.Change{}, nil
	case err != nil:
		return c, err
	case !o.DryRun:
		if c.ID > 0 && o.header != nil {
			o.header(ChangeHeader, strconv.FormatUint(c.ID, 10))
		}
		return c, nil
	}
	c.Action = write.Action
	after, err := w.After(impact.Records(w.Records, c))
	if err != nil {
		return c, err
	}
	followers, err := w.Followers()
	if err != nil {
		return c, err
	}
	p, err := impact.Compute(ctx, w.Records, w.Before, after, c, impact.Options{Site: w.Site(), Summary: o.Summary, Followers: followers})
	if err != nil {
		return c, err
	}
	return c, huma.ErrorWithHeaders(&Answer{p}, http.Header{DryRunHeader: {"true"}})
}

// upstreamGuard is an edit in which only the role admin sets where PBXs are that render files: this server sends requests there, and to
// phones what it answers. It holds for every write, also an undo.
type upstreamGuard struct {
	fleet.Edit
	caller access.Caller
}

// PutProfile implements fleet.Edit.
func (g upstreamGuard) PutProfile(p *fleet.Profile) error {
	if g.caller.Role < access.Admin {
		was, err := g.Profile(p.Name)
		if err != nil && !errors.Is(err, fleet.ErrNotFound) {
			return err
		}
		if !fleet.SameUpstream(was, p) {
			return huma.Error403Forbidden("the members upstream, upstream_user and upstream_password of a profile need the role admin; " + g.caller.Name + " is " + g.caller.Role.String())
		}
	}
	return g.Edit.PutProfile(p)
}

// Phones returns the devices whose files a change has changed, by MAC.
func (w Writer) Phones(ctx context.Context, id uint64) ([]dhcp.MAC, error) {
	return impact.Phones(ctx, w.Records, w.Before, w.After, id, w.Site())
}

// For returns the records as the caller changes them: their Edit is that of w.
func (w Writer) For(ctx context.Context) fleet.Records { return callersRecords{w.Records, w, ctx} }

type callersRecords struct {
	fleet.Records
	w   Writer
	ctx context.Context
}

// Edit implements fleet.Records. The actor is the caller.
func (r callersRecords) Edit(_, action string, f func(fleet.Edit) error) error {
	return r.w.Edit(r.ctx, action, f)
}

// Problem converts an error of a write into an answer.
func Problem(err error) error {
	var since *changes.ChangedSince
	if errors.As(err, &since) {
		return problem.Conflict(err.Error(), since.Records)
	}
	return problem.From(err)
}
