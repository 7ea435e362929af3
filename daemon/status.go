package daemon

import (
	"fmt"
)

// warnings are those of the configuration in force and what the store mended at start.
func (d *Daemon) warnings() []string {
	p := d.current.Load()
	var out []string
	for _, w := range p.warnings {
		out = append(out, w.String())
	}
	if keys := d.first.needsRestart(p); len(keys) > 0 {
		out = append(out, fmt.Sprintf("restart to apply the changes of %v", keys))
	}
	if f := d.observe.OtherServerSeen(); f != nil {
		out = append(out, fmt.Sprintf("another DHCP server answers on %s: %s (%s)", f.Interface, f.Server, f.MAC))
	}
	if f := d.service.Freeze(); f.Frozen {
		out = append(out, f.String())
	}
	for _, w := range d.service.Windows() {
		out = append(out, w.String())
	}
	return append(out, d.damageWarnings()...)
}
