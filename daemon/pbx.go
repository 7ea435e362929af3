package daemon

import (
	"context"

	"plugtone/daemon/push"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pbxsync"
)

// buildPBX makes the PBX sources.
func buildPBX(d *Daemon) (err error) {
	d.pbx, err = push.NewSources(pushConfig(d), d.jobs, push.Files{Now: d.service, Before: d.preview}, pbxsync.Config{
		Sources: func() []pbxsync.Source { return d.current.Load().cfg.PBX }, Packs: d.packs, Discovered: d.store, Memory: d.memory.Grant,
		Render: func(f fleet.View, mac dhcp.MAC) error {
			_, err := d.service.ValidateRendering(f, []dhcp.MAC{mac})
			return err
		},
	})
	return err
}

// runPBX syncs the PBX sources until ctx ends.
func (s servers) runPBX(ctx context.Context, ready func()) error {
	ready()
	s.d.pbx.Run(ctx)
	return nil
}
