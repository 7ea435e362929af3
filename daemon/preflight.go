package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
)

// PreflightReport is what this version would do to the phones of a data folder.
type PreflightReport struct {
	Version string            `json:"version"`
	Devices int               `json:"devices"` // with a record
	States  map[string]int    `json:"states"`  // how many devices are in each state under this version
	Changed []PreflightDevice `json:"changed"` // those whose files differ from what they fetched last, by MAC
	Damage  []string          `json:"damage"`  // found while the folder was opened
}

// PreflightDevice is a phone whose files would change.
type PreflightDevice struct {
	MAC   dhcp.MAC `json:"mac"`
	Label string   `json:"label"`
	Model string   `json:"model"` // vendor/model
	Files []string `json:"files"` // those that would change
	Error string   `json:"error,omitempty"`
}

// Preflight opens the copy of a data folder in o.DataDir as Run would, which changes its files to this version's schema, and
// compares what each phone would get with what it fetched last. Nothing listens. A folder that a daemon uses is an error.
func Preflight(ctx context.Context, o Options) (*PreflightReport, error) {
	if o.DataDir == "" {
		return nil, errors.New("name a copy of the data folder with --data-dir")
	}
	if _, err := os.Stat(keyFile(o.DataDir)); o.KeyFile == "" && errors.Is(err, fs.ErrNotExist) { // a backup has no key
		c, err := readConfig(Options{Config: o.Config})
		if err != nil {
			return nil, err
		}
		o.KeyFile = keyFile(c.DataDir)
	}
	d, err := New(o)
	if err != nil {
		return nil, err
	}
	r, err := preflight(ctx, d)
	return r, errors.Join(err, d.Close())
}

func preflight(ctx context.Context, d *Daemon) (*PreflightReport, error) {
	r := &PreflightReport{Version: d.opts.Version, States: map[string]int{}, Changed: []PreflightDevice{}, Damage: []string{}}
	for _, x := range d.store.Damage() {
		r.Damage = append(r.Damage, fmt.Sprintf("%s: %s", x.File, x.Text))
	}
	var devices []*fleet.Device
	err := d.store.View(func(f fleet.View) error {
		for device, err := range f.Devices(dhcp.MAC{}) {
			if err != nil {
				return err
			}
			devices = append(devices, device)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, device := range devices {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		status, err := d.service.StatusOf(ctx, device)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", device.MAC, err)
		}
		r.Devices++
		r.States[status.State]++
		if status.State == devicestatus.StateStale {
			r.Changed = append(r.Changed, changedFiles(ctx, d, device))
		}
	}
	return r, nil
}

// changedFiles lists the files of a device that differ from its last fetches.
func changedFiles(ctx context.Context, d *Daemon, device *fleet.Device) PreflightDevice {
	out := PreflightDevice{MAC: device.MAC, Label: device.Label, Model: device.Vendor + "/" + device.Model, Files: []string{}}
	fetches, err := d.store.Fetches(device.MAC)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	files, err := d.service.Files(ctx, device.MAC, netip.Prefix{})
	if err != nil {
		out.Error = err.Error()
		return out
	}
	last := make(map[string]fleet.Fetch, len(fetches))
	for _, f := range fetches {
		if name := strings.ToLower(f.File); f.Time.After(last[name].Time) {
			last[name] = f
		}
	}
	for _, f := range files {
		was, fetched := last[strings.ToLower(f.Name)]
		switch {
		case !fetched:
		case f.Outcome != string(provision.Served):
			out.Files = append(out.Files, f.Name)
			out.Error = f.Reason
		case f.Digest != was.Digest:
			out.Files = append(out.Files, f.Name)
		}
	}
	return out
}
