package record

import (
	"context"
	"net/url"

	"plugtone/admin/client"
	"plugtone/provision/fleet"
)

// ProfileHead is the top of each screen of a profile. A view embeds it; the template "profile-head" shows it.
type ProfileHead struct {
	Profile fleet.Profile
	ETag    string
	Tabs    []Tab
	Phones  int                 // that have it
	ByModel []client.ValueCount // of these phones, as VENDOR/MODEL, the most frequent first
	Where   string              // address of the list of these phones
}

// LoadProfile reads a profile and which phones have it. tab is the tab that is shown.
func LoadProfile(ctx context.Context, api *client.Client, name, tab string) (h ProfileHead, err error) {
	if h.Profile, h.ETag, err = api.Profiles().Get(ctx, name, false); err != nil {
		return h, err
	}
	where := "profile=" + name
	counts, err := api.DeviceCounts(ctx, url.Values{"where": {where}, "by": {"model"}})
	if err != nil {
		return h, err
	}
	h.Phones, h.ByModel = counts.Total, counts.Model
	h.Where = "/phones?" + url.Values{"where": {where}}.Encode()
	base := "/profiles/" + url.PathEscape(name)
	h.Tabs = []Tab{
		{base, "Keys", len(h.Profile.Keys), tab == "keys"},
		{base + "/settings", "Settings", len(h.Profile.Settings), tab == "settings"},
		{base + "/contacts", "Contacts", len(h.Profile.Contacts), tab == "contacts"},
		{base + "/history", "History", 0, tab == "history"},
	}
	return h, nil
}
