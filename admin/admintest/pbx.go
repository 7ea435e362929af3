package admintest

import (
	"log/slog"

	"plugtone/dhcp"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
)

// sources returns two PBX sources: main, whose file does not exist, and pushed.
func sources(h *Fixture) *pbxsync.Sources {
	return pbxsync.New(pbxsync.Config{
		Sources: func() []pbxsync.Source {
			return []pbxsync.Source{{Name: "main", Source: pbx.Source{Type: "asterisk-files", Files: []string{"/nowhere/pjsip.conf"}}}, {Name: "pushed", Source: pbx.Source{Type: pbx.Pushed}}}
		},
		Records: h.Records, Packs: func() *pack.Set { return h.Packs }, Discovered: h, Synced: func(string, bool) {}, Concerned: func(string, []dhcp.MAC) {}, Now: clock, Log: slog.New(slog.DiscardHandler),
	})
}
