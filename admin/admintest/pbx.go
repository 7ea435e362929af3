package admintest

import (
	"log/slog"

	"plugtone/dhcp"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
)

// Sources returns two PBX sources: main, whose file does not exist, and pushed, with what it takes.
func Sources(h *Fixture, pushed pbx.Take) *pbxsync.Sources {
	return pbxsync.New(pbxsync.Config{
		Sources: func() []pbxsync.Source {
			return []pbxsync.Source{{Name: "main", Source: pbx.Source{Type: "asterisk-files", Files: []string{"/nowhere/pjsip.conf"}}}, {Name: "pushed", Source: pbx.Source{Type: pbx.Pushed, Take: pushed}}}
		},
		Records: h.Records, Rendering: h.Service.Rendering, Packs: func() *pack.Set { return h.Packs }, Discovered: h, Synced: func(string, bool) {}, Concerned: func(string, []dhcp.MAC) {}, Now: clock, Log: slog.New(slog.DiscardHandler),
	})
}
