package push

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pbxroute"
	"plugtone/provision/registration"
	"plugtone/provision/timeline"
)

// NewRegistrations returns the tracker of who is registered at the PBXs. c is called when it runs.
func NewRegistrations(c func() Config, now func() time.Time, log *slog.Logger) *registration.Tracker {
	return registration.New(registration.Config{
		PBXs: func() []pbxroute.Config { return c().Registrars() }, Open: func(x pbxroute.Config) registration.PBX { return pbxroute.New(x) },
		Domain:  func(registrar string) string { return domain(c(), registrar) },
		Changed: func(change registration.Change) { changed(c(), change) }, Now: now, Log: log,
	})
}

// domain returns the SIP domain of a registrar; "" when there is no such record.
func domain(c Config, registrar string) (name string) {
	err := c.Records.View(func(v fleet.View) error {
		r, err := v.Registrar(registrar)
		if err == nil {
			name = cmp.Or(r.SIPDomain, r.Host)
		}
		return err
	})
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		c.Log.Error("registration", "registrar", registrar, "err", err)
	}
	return name
}

// changed writes a change of registration to the timeline of the phone that has the address, when the phone has a line of the account.
func changed(c Config, change registration.Change) {
	lease, ok := c.Leases.LeaseAt(change.Addr)
	if !ok {
		return
	}
	mac, err := phoneWith(c.Records, lease.MAC, change)
	if err != nil {
		if !errors.Is(err, fleet.ErrNotFound) {
			c.Log.Error("registration", "mac", lease.MAC, "err", err)
		}
		return
	}
	text := change.User + " at the PBX of " + change.Registrar
	if change.Reason != "" {
		text += ": " + change.Reason
	}
	c.Observer.Notified(timeline.Entry{Time: change.Time, MAC: mac, Source: "sip", Event: "register", Verdict: change.State, Reason: text, Addr: change.Addr})
}

// phoneWith returns the MAC of the device that has a line of the account. The error wraps fleet.ErrNotFound when there is none.
func phoneWith(records fleet.Records, mac dhcp.MAC, change registration.Change) (found dhcp.MAC, err error) {
	err = records.View(func(v fleet.View) error {
		d, err := v.DeviceByAny(mac)
		if err != nil {
			return err
		}
		for _, a := range registration.Accounts(d) {
			if a.Number == change.User && a.Registrar == change.Registrar {
				found = d.MAC
				return nil
			}
		}
		return fleet.ErrNotFound
	})
	return found, err
}
