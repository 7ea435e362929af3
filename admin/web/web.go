// Package web is the admin page: it puts the screens into the server's mux. Each screen is a package of its own; how to add one is in the
// comment of package page.
package web

import (
	"log/slog"
	"net/http"
	"time"

	"plugtone/admin/client"
	"plugtone/admin/web/activity"
	"plugtone/admin/web/assets"
	"plugtone/admin/web/changing"
	"plugtone/admin/web/discovered"
	"plugtone/admin/web/importing"
	"plugtone/admin/web/inprocess"
	"plugtone/admin/web/keys"
	"plugtone/admin/web/login"
	"plugtone/admin/web/network"
	"plugtone/admin/web/overview"
	"plugtone/admin/web/page"
	"plugtone/admin/web/pbxscreen"
	"plugtone/admin/web/phone"
	"plugtone/admin/web/phones"
	"plugtone/admin/web/records"
	"plugtone/admin/web/session"
)

// Config has what the page needs. All members are required.
type Config struct {
	Mux      *http.ServeMux
	API      http.Handler // the admin API; the caller is in the context of its requests
	Sessions *session.Sessions
	Now      func() time.Time
	Log      *slog.Logger
	Version  string
}

// Register adds the page to the mux. It returns the page's answer to paths that don't exist.
func Register(c Config) (notFound http.HandlerFunc, err error) {
	a, err := assets.New()
	if err != nil {
		return nil, err
	}
	c.Mux.Handle(assets.Pattern, a)
	f, err := page.New(page.Config{
		Mux: c.Mux, API: client.Over(inprocess.Transport{Handler: c.API}), Sessions: c.Sessions, Assets: a, Now: c.Now, Log: c.Log, Version: c.Version,
	})
	if err != nil {
		return nil, err
	}
	for _, register := range []func(*page.Frame) error{
		login.Register,
		overview.Register,
		phones.Register,
		activity.Register,
		changing.Register,
		network.Register,
		pbxscreen.Register,
		phone.Register,
		keys.Register,
		records.Register,
		importing.Register,
		discovered.Register,
	} {
		if err := register(f); err != nil {
			return nil, err
		}
	}
	return f.NotFound, nil
}
