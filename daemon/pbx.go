package daemon

import (
	"context"

	"plugtone/daemon/push"
	"plugtone/provision/pbxsync"
	"plugtone/provision/resolve"
)

// buildPBX makes the PBX sources.
func buildPBX(d *Daemon) (err error) {
	d.pbx, err = push.NewSources(pushConfig(d), d.jobs, push.Files{Now: d.service, Before: d.preview}, pbxsync.Config{
		Sources: func() []pbxsync.Source { return d.current.Load().cfg.PBX }, Packs: d.packs, Discovered: d.store, Memory: d.memory.Grant,
		Rendering: func() resolve.Rendering { return d.service.Rendering() },
	})
	return err
}

// runPBX syncs the PBX sources until ctx ends.
func (s servers) runPBX(ctx context.Context, ready func()) error {
	ready()
	s.d.pbx.Run(ctx)
	return nil
}
