// Package record has what the screens of single records share: the head of a phone's screens, the effect of a change before it is made, and the
// settings of a record with a form for each type. It is no screen.
package record

import (
	"context"
	"embed"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/provision/diagnosis"
)

// Parts are the templates of this package, for page.Frame.Templates.
//
//go:embed templates
var Parts embed.FS

// Tab is one tab of a record's screens.
type Tab struct {
	URL, Text string
	Count     int
	Here      bool
}

// Head is the top of each screen of a phone. A view embeds it; the template "phone-head" shows it.
type Head struct {
	Device  client.Device
	ETag    string
	Tabs    []Tab
	Main    diagnosis.Finding   // the worst finding
	Other   []diagnosis.Finding // the others, in the order of a boot
	Actions []Action
}

// Action is one thing that can be done with a phone: a screen below /phones/MAC/do.
type Action struct {
	ID, Text, Icon string
	Danger         bool
	Group          string // title above it in the menu
}

// Actions lists what can be done with a phone.
func Actions(d client.Device) []Action {
	able := Action{"disable", "Disable", "stop", false, ""}
	if !d.Enabled {
		able = Action{"enable", "Enable", "play", false, ""}
	}
	return []Action{
		{"resync", "Resync", "sync", false, ""},
		{"edit", "Edit", "edit", false, ""},
		{"reassign", "Reassign to another extension", "user", false, "People move"},
		{"swap", "Swap with another phone", "sync", false, ""},
		{"replace", "Replace by a new phone", "right", false, ""},
		{"copy", "Copy to a new phone", "copy", false, ""},
		{"enroll", "Enroll", "lock", false, "State"},
		able,
		{"delete", "Delete", "trash", true, ""},
	}
}

// LoadHead reads a device and what is known of the phone. tab is the tab that is shown, "" for none. It also returns the newest entries of the
// timeline, newest last, entries at most.
func LoadHead(ctx context.Context, api *client.Client, mac, tab string, entries int) (Head, client.Timeline, error) {
	var h Head
	var err error
	if h.Device, h.ETag, err = api.Devices().Get(ctx, mac, false); err != nil {
		return h, client.Timeline{}, err
	}
	t, err := api.Timeline(ctx, mac, entries)
	if err != nil {
		return h, t, err
	}
	h.Main, h.Other = worst(t.Diagnosis)
	h.Actions = Actions(h.Device)
	base := "/phones/" + h.Device.MAC.String()
	h.Tabs = []Tab{
		{base, "Timeline", 0, tab == "timeline"},
		{base + "/lines", "Lines", len(h.Device.Lines), tab == "lines"},
		{base + "/keys", "Keys", len(h.Device.Keys), tab == "keys"},
		{base + "/settings", "Settings", len(h.Device.Settings), tab == "settings"},
		{base + "/files", "Files", 0, tab == "files"},
		{base + "/history", "History", 0, tab == "history"},
	}
	return h, t, nil
}

// OwnedBySource reports whether a member, named as in source_members, comes from a PBX source and is changed there only.
func (h Head) OwnedBySource(member string) bool {
	return slices.Contains(h.Device.SourceMembers, member)
}

// Name returns the label of the phone, else its MAC.
func (h Head) Name() string { return NameOf(h.Device) }

// NameOf returns the label of a device, else its MAC.
func NameOf(d client.Device) string {
	if d.Label != "" {
		return d.Label
	}
	return d.MAC.String()
}

// LeftOut returns what the phone does not get, with the reasons.
func (h Head) LeftOut() []string {
	if h.Device.Status == nil {
		return nil
	}
	return h.Device.Status.LeftOut
}

// Tone returns the tone of a finding's banner.
func Tone(f diagnosis.Finding) string {
	switch f.Severity {
	case diagnosis.OK:
		return "ok"
	case diagnosis.Problem:
		return "bad"
	}
	return "info"
}

// MainTone returns the tone of the worst finding.
func (h Head) MainTone() string { return Tone(h.Main) }

// worst returns the first problem, else the last of what is worth knowing, else the last that is right; and the others. Findings are in the order
// of a boot: the first problem causes the later ones.
func worst(all []diagnosis.Finding) (main diagnosis.Finding, other []diagnosis.Finding) {
	at := -1
	rank := map[diagnosis.Severity]int{diagnosis.OK: 1, diagnosis.Note: 2, diagnosis.Problem: 3}
	for i, f := range all {
		if at < 0 || rank[f.Severity] > rank[all[at].Severity] || f.Severity != diagnosis.Problem && f.Severity == all[at].Severity {
			at = i
		}
	}
	for i, f := range all {
		if text, ok := strings.CutPrefix(f.Text, "it "); ok {
			f.Text = "It " + text
		}
		if i == at {
			main = f
			continue
		}
		other = append(other, f)
	}
	return main, other
}

// View is a screen of a phone.
type View struct {
	page.Base
	Head
}
