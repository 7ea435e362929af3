package push

import (
	"context"
	"errors"

	"plugtone/provision/notify"
	"plugtone/provision/pbxroute"
)

// maxConnections is how many connections to PBXs are open at a time for NOTIFY requests. Asterisk takes 50 that have not logged in (authlimit).
const maxConnections = 8

// routes notifies phones through the PBXs of their registrars.
type routes struct {
	registrars func() []pbxroute.Config
	direct     func(ctx context.Context, t notify.Target, reboot bool) (notify.Reply, error)
	slots      chan struct{}
}

func newRoutes(c Config) routes {
	return routes{c.Registrars, notify.NewSender(c.Version).Notify, make(chan struct{}, maxConnections)}
}

// find returns the configuration of a registrar.
func (r routes) find(registrar string) (pbxroute.Config, bool) {
	for _, c := range r.registrars() {
		if c.Registrar == registrar {
			return c, true
		}
	}
	return pbxroute.Config{}, false
}

// route returns the route to the phones of a registrar; "" for the direct one.
func (r routes) route(registrar string) string {
	if c, ok := r.find(registrar); ok && c.Notify != pbxroute.Direct {
		return c.Notify
	}
	return ""
}

// send notifies a phone by its route.
func (r routes) send(ctx context.Context, t notify.Target, reboot bool) (notify.Reply, error) {
	if t.Route == "" {
		return r.direct(ctx, t, reboot)
	}
	c, ok := r.find(t.Registrar)
	if !ok || c.Notify != t.Route {
		return notify.Reply{}, &notify.Skipped{Reason: "the route of the registrar " + t.Registrar + " was changed meanwhile"}
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return notify.Reply{}, ctx.Err()
	}
	defer func() { <-r.slots }()
	err := pbxroute.New(c).Notify(ctx, notify.Through(t, reboot))
	switch sent, notSent := errors.AsType[*pbxroute.NotSent](err); {
	case err == nil:
		return notify.Reply{Relayed: true}, nil
	case notSent && sent.Refused:
		return notify.Reply{Refused: true, Reason: sent.Reason}, nil
	}
	return notify.Reply{}, &notify.Skipped{Reason: err.Error()}
}
