package client

import (
	"context"
	"net/http"
	"net/url"

	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
)

// CopyRequest names a new device that is like another.
type CopyRequest struct {
	To    string       `json:"to" required:"true" doc:"MAC address of the new device" example:"00:15:65:12:34:57"`
	Label string       `json:"label,omitempty" doc:"name for people" example:"Kitchen"`
	Lines []fleet.Line `json:"lines,omitempty" doc:"the extensions that the new phone registers; none when left out"`
}

// SwapRequest names the phone to swap with.
type SwapRequest struct {
	With string `json:"with" required:"true" doc:"MAC address of the other device" example:"00:15:65:12:34:57"`
}

// ReplaceRequest names the phone that takes the place of another.
type ReplaceRequest struct {
	By    string `json:"by" required:"true" doc:"MAC address of the new phone" example:"00:15:65:12:34:57"`
	Model string `json:"model,omitempty" doc:"model of the new phone, as MODEL or VENDOR/MODEL; when left out, that of its record, what it was recognised as, or the old phone's" example:"yealink/T54W"`
}

// FillRequest describes which keys phones get, or a profile: one for each extension, in consecutive slots.
type FillRequest struct {
	Devices    []string `json:"devices,omitempty" maxItems:"10000" doc:"MAC addresses of the phones" example:"[\"00:15:65:12:34:56\"]"`
	Where      string   `json:"where,omitempty" doc:"the phones by conditions, as in the list of devices" example:"profile=desk"`
	Profile    string   `json:"profile,omitempty" doc:"the profile that gets the keys, in place of phones" example:"reception"`
	Area       string   `json:"area,omitempty" doc:"area of the keys; line when left out" example:"line"`
	From       int      `json:"from" required:"true" minimum:"1" maximum:"999" doc:"first slot" example:"5"`
	Type       string   `json:"type,omitempty" enum:"blf,speed_dial,intercom" doc:"type of the keys; blf when left out" example:"blf"`
	Extensions []string `json:"extensions" required:"true" minItems:"1" maxItems:"999" doc:"extensions and ranges; of a range, those that exist" example:"[\"1001-1040\"]"`
	Sort       string   `json:"sort,omitempty" enum:"number,label" doc:"order of the keys: by number or by label; as named when left out" example:"label"`
	SkipOwn    bool     `json:"skip_own,omitempty" doc:"whether the extensions on a phone's own lines are left out on it" example:"true"`
	Overwrite  bool     `json:"overwrite,omitempty" doc:"whether keys of other types in the slots are replaced; otherwise they are an error" example:"false"`
}

// Reassigned is what was moved in one step.
type Reassigned struct {
	Change  fleet.Change           `json:"change" doc:"the change; its id is 0 when nothing changed"`
	Devices []Device               `json:"devices" doc:"the devices after the change, the one that it is about first"`
	LeftOut []resolve.LeftOutCount `json:"left_out,omitempty" doc:"what the phones do not get that they did not lack before, by vendor"`

	Lost []string `json:"lost,omitempty" doc:"what the phones lost because their models can't have it" example:"[\"00:15:65:12:34:57: line 5 (1005@main): T31P has lines 1 to 2\"]"`
}

func yesQuery(yes bool) url.Values {
	if !yes {
		return nil
	}
	return url.Values{"yes": {"true"}}
}

func (c Fleet) reassign(ctx context.Context, path string, body any, query url.Values) (out Reassigned, err error) {
	_, err = c.conn.do(ctx, call{method: http.MethodPost, path: path, query: query, body: body, change: true}, &out)
	return out, err
}

// CopyDevice creates a device like another.
func (c Fleet) CopyDevice(ctx context.Context, mac string, r CopyRequest) (Reassigned, error) {
	return c.reassign(ctx, device(mac)+"/copy", r, nil)
}

// SwapDevices exchanges what two phones are for. With yes, also when they lose something.
func (c Fleet) SwapDevices(ctx context.Context, a, b string, yes bool) (Reassigned, error) {
	return c.reassign(ctx, device(a)+"/swap", SwapRequest{With: b}, yesQuery(yes))
}

// ReplaceDevice gives everything of the old phone to another. With yes, also when that loses something.
func (c Fleet) ReplaceDevice(ctx context.Context, old string, r ReplaceRequest, yes bool) (Reassigned, error) {
	return c.reassign(ctx, device(old)+"/replace", r, yesQuery(yes))
}

// FillKeys gives phones keys for extensions.
func (c Fleet) FillKeys(ctx context.Context, r FillRequest) (Reassigned, error) {
	return c.reassign(ctx, "/keys/fill", r, nil)
}
