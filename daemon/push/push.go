// Package push connects resync jobs and the SIP PnP responder with the daemon's records, leases, timelines and metrics.
package push

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/notify"
	"plugtone/provision/pack"
	"plugtone/provision/pbxroute"
	"plugtone/provision/timeline"
)

// Observer reads the timelines of phones and writes to them. *observe.Observer implements it.
type Observer interface {
	Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error)
	Notified(e timeline.Entry)
}

// Config has the dependencies. All members must be set.
type Config struct {
	Records    fleet.Records
	Leases     notify.Leases
	Packs      func() *pack.Set
	Site       func() *fleet.Site
	Fetches    func(dhcp.MAC) ([]fleet.Fetch, error)
	Observer   Observer
	Store      notify.Store
	Registrars func() []pbxroute.Config // of the configuration in force
	Registerer prometheus.Registerer
	Version    string
	Now        func() time.Time
	Log        *slog.Logger
}

// NewJobs returns the resync jobs, with plugtone_resync_total registered.
func NewJobs(c Config) (*notify.Jobs, error) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "plugtone_resync_total", Help: "Phones that resync jobs are done with, by what became of their NOTIFY."}, []string{"outcome"})
	for _, o := range notify.Outcomes() {
		total.WithLabelValues(string(o))
	}
	if err := c.Registerer.Register(total); err != nil {
		return nil, err
	}
	r := newRoutes(c)
	phones := notify.Directory{Records: c.Records, Leases: c.Leases, Packs: c.Packs, Site: c.Site, Fetches: c.Fetches, Route: r.route, Now: c.Now}
	return notify.New(notify.Config{
		Target: phones.Target, Send: r.send, Timeline: c.Observer.Timeline, Fetches: c.Fetches, Record: c.Observer.Notified,
		Counted: func(o notify.Outcome) { total.WithLabelValues(string(o)).Inc() }, Store: c.Store, Now: c.Now, Log: c.Log,
	})
}

// NewResponder returns the PnP responder for these interfaces. other is called for another responder that is seen, state when it listens or
// can't.
func NewResponder(c Config, interfaces func() []string, other func(ifname string, from netip.Addr), state func(error)) *notify.Responder {
	return &notify.Responder{
		Interfaces: interfaces, Now: c.Now, Log: c.Log, Other: other, State: state,
		URL: func(s notify.Subscription) (dhcp.MAC, string, error) { return pnpURL(c, s) },
		Answered: func(mac dhcp.MAC, s notify.Subscription, url string) {
			c.Observer.Notified(timeline.Entry{Time: c.Now(), MAC: mac, Source: "sip", Event: "pnp", Verdict: "answered", Reason: "given the URL " + url, Addr: s.From.Addr(), Interface: s.Interface})
		},
	}
}

// pnpURL finds the phone that sent a SUBSCRIBE, by the MAC in it or the lease of its address, and its provisioning URL.
func pnpURL(c Config, s notify.Subscription) (dhcp.MAC, string, error) {
	site := c.Site()
	subnet, ok := site.SubnetOf(s.From.Addr())
	if !ok {
		return dhcp.MAC{}, "", fmt.Errorf("%s is in no subnet", s.From.Addr())
	}
	if subnet.Phones != "" && subnet.Phones != dhcp.PhonesProvision {
		return dhcp.MAC{}, "", fmt.Errorf("phones in %s are not provisioned", subnet.Prefix)
	}
	mac := s.MAC
	lease, leased := c.Leases.LeaseAt(s.From.Addr())
	if mac.IsZero() && leased {
		mac = lease.MAC
	}
	vendor, model, err := recognise(c, mac, lease)
	if err != nil {
		return mac, "", err
	}
	v, ok := c.Packs().Vendor(vendor)
	if !ok {
		return mac, "", fmt.Errorf("%s is not recognised as a phone", mac)
	}
	url := site.URLFor(subnet)
	options, err := v.Options(model, mac, dhcp.Site{Subnet: subnet.Prefix, Phones: subnet.Phones, NextServer: subnet.NextServer, ProvisioningURL: url, VoiceVLAN: subnet.VoiceVLAN})
	return mac, optionURL(options, url), err
}

// recognise returns the vendor and model of a phone: of its record, else of its lease.
func recognise(c Config, mac dhcp.MAC, lease dhcp.Lease) (vendor, model string, err error) {
	if mac.IsZero() {
		return "", "", errors.New("the request names no MAC, and its address is not leased")
	}
	err = c.Records.View(func(v fleet.View) error {
		d, err := v.DeviceByAny(mac)
		if err == nil {
			vendor, model = d.Vendor, d.Model
		}
		return err
	})
	if errors.Is(err, fleet.ErrNotFound) {
		err = nil
		if lease.MAC == mac {
			vendor = lease.Vendor
		}
	}
	return vendor, model, err
}

// optionURL returns the URL in the form in which the vendor's DHCP option has it, url without one.
func optionURL(o pack.Options, url string) string {
	for _, opt := range o.List {
		if text := string(opt.Data); strings.Contains(text, "://") && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return text
		}
	}
	return url
}
