package impact

import (
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
)

// NotRendered counts phones whose files can't be rendered.
type NotRendered struct {
	Reason string   `json:"reason" doc:"why" example:"there is no server address for the phone: set provisioning.external_url, or add the phone's subnet"`
	Phones int      `json:"phones" doc:"how many phones" example:"12" minimum:"1"`
	MAC    dhcp.MAC `json:"mac" doc:"one of them" example:"00:15:65:12:34:56"`
}

// maxReasons is how many reasons a preview lists.
const maxReasons = 10

// notRendered adds a phone to a preview.
func (p *Preview) notRendered(mac dhcp.MAC, reason string) {
	if reason == "" {
		return
	}
	i := slices.IndexFunc(p.NotRendered, func(n NotRendered) bool { return n.Reason == reason })
	if i < 0 && len(p.NotRendered) == maxReasons {
		return
	}
	if i < 0 {
		i = len(p.NotRendered)
		p.NotRendered = append(p.NotRendered, NotRendered{Reason: reason, MAC: mac})
	}
	p.NotRendered[i].Phones++
}

// failure returns why the first of the files that can't be rendered can't, alike for phones with the same reason; "" when there is none.
func failure(mac dhcp.MAC, list []provision.FileContent) string {
	for _, f := range list {
		if f.Outcome != string(provision.InternalError) {
			continue
		}
		if text := fleet.ErrNoServerAddress.Error(); strings.HasSuffix(f.Reason, text) {
			return text
		}
		return strings.TrimPrefix(strings.TrimPrefix(f.Reason, "internal error: "), mac.String()+": ")
	}
	return ""
}
