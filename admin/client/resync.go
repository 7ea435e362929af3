package client

import (
	"context"
	"fmt"
	"net/http"

	"plugtone/provision/notify"
)

// ResyncOptions control how phones are made to fetch again. Members that are left out have their defaults.
type ResyncOptions struct {
	Reboot     bool   `json:"reboot,omitempty" doc:"make the phones restart; a phone whose vendor has no way to do so is skipped" example:"false"`
	Pace       string `json:"pace,omitempty" doc:"phones in a time: COUNT/s, COUNT/m, COUNT/h or off; 50/m when left out" example:"50/m"`
	PerAddress string `json:"per_address,omitempty" doc:"phones behind one address in a time, as pace; 5/m when left out" example:"5/m"`
	Canary     int    `json:"canary,omitempty" minimum:"0" doc:"so many phones first: when one of them does not fetch, the others are not notified" example:"2"`
	Wait       string `json:"wait,omitempty" doc:"how long to wait for the fetch of a phone, 1h at most; 90s when left out" example:"90s"`
	Message    string `json:"message,omitempty" maxLength:"200" doc:"what it is for, shown with the job" example:"new key layout"`
	Print      bool   `json:"print,omitempty" doc:"only answer what would be sent" example:"false"`
}

// ResyncRequest selects phones and has the options with which they are made to fetch again.
type ResyncRequest struct {
	ResyncOptions
	MACs   []string `json:"macs,omitempty" doc:"MAC addresses of the phones" example:"[\"00:15:65:12:34:56\"]"`
	Where  string   `json:"where,omitempty" doc:"conditions that the phones meet, as in the list of devices" example:"profile=desk,state=stale"`
	Change uint64   `json:"change,omitempty" doc:"number of a change: the phones whose files it has changed" example:"128"`
	Stale  bool     `json:"stale,omitempty" doc:"all phones whose last fetch is not what they would get now" example:"false"`
}

// ResyncAnswer is the job that was started, or with print what it would send. Neither is set when no phone is selected.
type ResyncAnswer struct {
	Job     *notify.Job      `json:"job,omitempty" doc:"the job, without its phones"`
	Planned []notify.Planned `json:"planned,omitempty" doc:"what would be sent to each phone"`
}

// Resync makes phones fetch their files again.
func (c Operation) Resync(ctx context.Context, in ResyncRequest) (out ResyncAnswer, err error) {
	return out, c.conn.post(ctx, "/resync", in, &out)
}

// ResyncDevice makes one phone fetch its files again.
func (c Operation) ResyncDevice(ctx context.Context, mac string, o ResyncOptions) (out ResyncAnswer, err error) {
	err = c.conn.post(ctx, device(mac)+"/resync", o, &out)
	return out, err
}

// Jobs lists the resync jobs, newest first, without their phones.
func (c Operation) Jobs(ctx context.Context) ([]notify.Job, error) {
	var out Page[notify.Job]
	err := c.conn.get(ctx, "/jobs", nil, &out)
	return out.Items, err
}

// Job reads a resync job with its phones.
func (c Operation) Job(ctx context.Context, id uint64) (out notify.Job, err error) {
	return out, c.conn.get(ctx, fmt.Sprintf("/jobs/%d", id), nil, &out)
}

// StopJob stops a resync job.
func (c Operation) StopJob(ctx context.Context, id uint64) error {
	_, err := c.conn.do(ctx, call{method: http.MethodDelete, path: fmt.Sprintf("/jobs/%d", id)}, nil)
	return err
}
