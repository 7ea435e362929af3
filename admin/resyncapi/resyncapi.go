// Package resyncapi has the operations of the admin API that make phones fetch their files again, and those on the jobs that do it.
package resyncapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/notify"
	"plugtone/provision/selector"
	"plugtone/provision/setting"
)

// Jobs runs resync jobs. *notify.Jobs implements it.
type Jobs interface {
	Start(actor, message string, phones []dhcp.MAC, o notify.Options) (notify.Job, error)
	Plan(phones []dhcp.MAC, reboot bool) []notify.Planned
	List() []notify.Job
	Job(id uint64) (notify.Job, error)
	Stop(id uint64, reason string) (notify.Job, error)
}

// Config has the dependencies of the operations. All members are required.
type Config struct {
	Records fleet.Records
	Jobs    Jobs
	Select  func(ctx context.Context, where selector.Selector) ([]dhcp.MAC, error) // the devices for which the conditions hold
	Changed func(ctx context.Context, id uint64) ([]dhcp.MAC, error)               // the devices whose files a change has changed
	Audit   func(fleet.AuditEntry) error
	Now     func() time.Time
}

// JobInput is the number of a job in a URL.
type JobInput struct {
	ID uint64 `path:"id" minimum:"1" doc:"number of the job" example:"12"`
}

type jobOutput struct{ Body notify.Job }

// Register adds the operations to an API.
func Register(api huma.API, c Config) {
	accepted := func(path, id, summary string) huma.Operation {
		o := access.Op(http.MethodPost, path, id, "resync", summary, access.Operator)
		o.DefaultStatus = http.StatusAccepted
		return o
	}
	huma.Register(api, accepted("/resync", "resync", "Make phones fetch their files again"),
		func(ctx context.Context, in *struct{ Body client.ResyncRequest }) (*struct{ Body client.ResyncAnswer }, error) {
			return c.start(ctx, in.Body)
		})
	huma.Register(api, accepted("/devices/{mac}/resync", "resync-device", "Make a phone fetch its files again"),
		func(ctx context.Context, in *struct {
			MAC  string `path:"mac" doc:"MAC address of the phone, with or without separators" example:"00:15:65:12:34:56"`
			Body client.ResyncOptions
		}) (*struct{ Body client.ResyncAnswer }, error) {
			return c.start(ctx, client.ResyncRequest{ResyncOptions: in.Body, MACs: []string{in.MAC}})
		})
	huma.Register(api, access.Op(http.MethodGet, "/jobs", "list-jobs", "resync", "List resync jobs, newest first", access.Viewer),
		func(context.Context, *struct{}) (*struct{ Body client.Page[notify.Job] }, error) {
			list := c.Jobs.List()
			if list == nil {
				list = []notify.Job{}
			}
			return &struct{ Body client.Page[notify.Job] }{client.Page[notify.Job]{Items: list}}, nil
		})
	huma.Register(api, access.Op(http.MethodGet, "/jobs/{id}", "get-job", "resync", "Read a resync job with its phones", access.Viewer),
		func(_ context.Context, in *JobInput) (*jobOutput, error) {
			job, err := c.Jobs.Job(in.ID)
			return &jobOutput{job}, jobProblem(err)
		})
	huma.Register(api, access.Op(http.MethodDelete, "/jobs/{id}", "stop-job", "resync", "Stop a resync job", access.Operator),
		func(ctx context.Context, in *JobInput) (*jobOutput, error) {
			if _, err := c.Jobs.Job(in.ID); err != nil {
				return nil, jobProblem(err)
			}
			if err := c.note(ctx, fmt.Sprintf("stop job %d", in.ID)); err != nil {
				return nil, problem.From(err)
			}
			job, err := c.Jobs.Stop(in.ID, "stopped by "+access.Of(ctx).Name)
			return &jobOutput{job}, jobProblem(err)
		})
}

// note writes an audit entry.
func (c Config) note(ctx context.Context, action string) error {
	return c.Audit(fleet.AuditEntry{Time: c.Now(), Actor: access.Of(ctx).Name, From: access.Of(ctx).From, Action: action})
}

func jobProblem(err error) error {
	if errors.Is(err, notify.ErrNotFound) {
		return huma.Error404NotFound(err.Error())
	}
	return problem.From(err)
}

// start starts a job for the phones of a request, or with Print returns what it would send.
func (c Config) start(ctx context.Context, in client.ResyncRequest) (*struct{ Body client.ResyncAnswer }, error) {
	o, err := options(in.ResyncOptions)
	if err != nil {
		return nil, err
	}
	phones, err := c.selected(ctx, in)
	if err != nil {
		return nil, err
	}
	if in.Print {
		return &struct{ Body client.ResyncAnswer }{client.ResyncAnswer{Planned: c.Jobs.Plan(phones, o.Reboot)}}, nil
	}
	if len(phones) == 0 {
		return &struct{ Body client.ResyncAnswer }{}, nil
	}
	action := fmt.Sprintf("resync %d phones", len(phones))
	if len(phones) == 1 {
		action = "resync " + phones[0].String()
	}
	if err := c.note(ctx, action); err != nil { // without an audit entry no phone is notified
		return nil, problem.From(err)
	}
	job, err := c.Jobs.Start(access.Of(ctx).Name, in.Message, phones, o)
	if err != nil {
		return nil, problem.From(err)
	}
	return &struct{ Body client.ResyncAnswer }{client.ResyncAnswer{Job: &job}}, nil
}

// options reads the options of a request and fills in their defaults.
func options(in client.ResyncOptions) (notify.Options, error) {
	o := notify.Options{Reboot: in.Reboot, Canary: in.Canary, Pace: notify.DefaultPace, PerAddress: notify.DefaultPerAddress, Wait: notify.DefaultWait}
	for _, r := range []struct {
		name, text string
		into       *notify.Rate
	}{{"pace", in.Pace, &o.Pace}, {"per_address", in.PerAddress, &o.PerAddress}} {
		if r.text == "" {
			continue
		}
		rate, err := notify.ParseRate(r.text)
		if err != nil {
			return o, problem.Field("body."+r.name, r.text, err.Error())
		}
		*r.into = rate
	}
	if in.Wait != "" {
		d, err := setting.ParseDuration(in.Wait)
		if err == nil && (d <= 0 || time.Duration(d) > notify.MaxWait) {
			err = fmt.Errorf("must be longer than 0 and at most %s", notify.MaxWait)
		}
		if err != nil {
			return o, problem.Field("body.wait", in.Wait, err.Error())
		}
		o.Wait = time.Duration(d)
	}
	return o, nil
}

// selected returns the phones of a request. Those that are named must have a record, by any of their MACs.
func (c Config) selected(ctx context.Context, in client.ResyncRequest) (phones []dhcp.MAC, err error) {
	ways := 0
	for _, on := range []bool{len(in.MACs) > 0, in.Where != "", in.Stale, in.Change > 0} {
		if on {
			ways++
		}
	}
	if ways != 1 {
		return nil, problem.Field("body.macs", "", "name phones by macs, or by where, or set stale to select those that have not fetched what they would get now, or change to select those whose files a change has changed")
	}
	if in.Change > 0 {
		phones, err = c.Changed(ctx, in.Change)
		return phones, problem.From(err)
	}
	if in.Stale {
		in.Where = "state=" + devicestatus.StateStale
	}
	if in.Where != "" {
		where, err := selector.Parse(in.Where)
		if err != nil {
			return nil, problem.Field("body.where", in.Where, err.Error())
		}
		phones, err = c.Select(ctx, where)
		return phones, problem.From(err)
	}
	err = c.Records.View(func(v fleet.View) error {
		for i, text := range in.MACs {
			mac, err := dhcp.ParseMAC(text)
			if err != nil {
				return problem.Field(fmt.Sprintf("body.macs[%d]", i), text, problem.MACForms)
			}
			d, err := v.DeviceByAny(mac)
			if err != nil {
				return err
			}
			phones = append(phones, d.MAC)
		}
		return nil
	})
	return phones, problem.From(err)
}
