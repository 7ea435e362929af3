// Package fleetapi has the operations of the admin API on many records at once and on what was changed: changes and their undo,
// histories, whole fleets. The operations on single records are in package api.
package fleetapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/api"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
)

// core has what the handlers of all resources use.
type core struct {
	api.Config
	api    huma.API
	writer writing.Writer
}

// Register adds all operations to an API.
func Register(humaAPI huma.API, c api.Config) {
	s := &core{Config: c, api: humaAPI, writer: c.Writer()}
	editor := api.NewEditor(humaAPI, c)
	for _, resource := range []interface{ register() }{changeLog{s}, histories{s}, reassigning{s}, fleets{s, editor}, manyDevices{s, editor}} {
		resource.register()
	}
}

// view runs f on the current records and converts its error into an answer.
func (s *core) view(f func(fleet.View) error) error { return problem.From(s.Records.View(f)) }

// edit changes records in one edit, in which the files of the devices that f returns must render. It returns what they newly do not get.
func (s *core) edit(ctx context.Context, w fleet.Write, f func(fleet.Edit) ([]dhcp.MAC, error)) (c fleet.Change, left []resolve.LeftOutCount, err error) {
	c, err = s.writer.Change(ctx, w, func(e fleet.Edit) error {
		macs, err := f(e)
		if err != nil {
			return err
		}
		left, err = s.Phones.Rendering().Validate(e, macs)
		return err
	})
	return c, left, writing.Problem(writing.WithLeftOut(err, left))
}
