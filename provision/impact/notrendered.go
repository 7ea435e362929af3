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

// A preview lists maxReasons reasons, then the phones with any other as one.
const (
	maxReasons   = 10
	otherReasons = "other reasons"
)

// notRendered adds a phone to a preview.
func (p *Preview) notRendered(mac dhcp.MAC, reason string) {
	if reason == "" {
		return
	}
	same := func(n NotRendered) bool { return n.Reason == reason }
	i := slices.IndexFunc(p.NotRendered, same)
	if i < 0 && len(p.NotRendered) >= maxReasons {
		reason = otherReasons
		i = slices.IndexFunc(p.NotRendered, same)
	}
	if i < 0 {
		i = len(p.NotRendered)
		p.NotRendered = append(p.NotRendered, NotRendered{Reason: reason, MAC: mac})
	}
	p.NotRendered[i].Phones++
}

// failure returns why the first of the files that can't be rendered can't; "" when there is none.
func failure(mac dhcp.MAC, list []provision.FileContent) string {
	for _, f := range list {
		if f.Outcome == string(provision.InternalError) {
			return reasonOf(mac, f.Reason)
		}
	}
	return ""
}

// reasonOf returns the text of an error about a phone without the phone and the names of its files, so that it is alike for phones with the
// same reason.
func reasonOf(mac dhcp.MAC, text string) string {
	if reason := fleet.ErrNoServerAddress.Error(); strings.HasSuffix(text, reason) {
		return reason
	}
	text = strings.TrimPrefix(text, fleet.ErrInternal.Error()+": ")
	about := mac.String() + ": "
	if i := strings.LastIndex(text, about); i >= 0 {
		text = text[i+len(about):]
	}
	if _, reason, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, "render ") {
		text = reason
	}
	return text
}
