package diagnosis

import (
	"fmt"

	"plugtone/provision/devicestatus"
	"plugtone/provision/registration"
)

// registrations concludes from what the PBX has of the phone's lines. Of a PBX that is not polled nothing is said.
func (h *history) registrations() (out []conclusion) {
	for _, l := range h.f.Lines {
		text := fmt.Sprintf("line %d (%s at %s) is %s", l.Position, l.Extension, l.Registrar, l)
		switch {
		case l.State == registration.Registered && l.RefusedAt.IsZero():
			out = append(out, good(l.Checked, text))
		case l.State == registration.Registered:
			out = append(out, note(l.RefusedAt, text, "its registration ends when it can't be renewed; compare the password with that of the PBX"))
		case l.State == registration.Refused && h.f.State == devicestatus.StateInSync:
			out = append(out, problem(l.RefusedAt, text+"; its configuration is current", "the PBX has another password or no such account: plugtone pbx sync, or look at the extension there"))
		case l.State == registration.Refused:
			out = append(out, problem(l.RefusedAt, text, "its configuration is not current: plugtone resync MAC"))
		case l.State == registration.Elsewhere:
			out = append(out, doubtful(l.Checked, text, "another phone has this extension, or this one is behind NAT or a proxy"))
		case h.f.State == devicestatus.StateInSync:
			out = append(out, problem(l.Checked, text+"; its configuration is current", "look at host, port and transport of the registrar, and whether the phone reaches it"))
		default:
			out = append(out, doubtful(l.Checked, text, ""))
		}
	}
	return out
}
