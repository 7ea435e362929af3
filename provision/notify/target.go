package notify

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

// Target is a phone as it can be notified now.
type Target struct {
	MAC       dhcp.MAC
	Addr      netip.AddrPort
	Transport string // udp, tcp or tls
	Route     string // the route through the PBX of the registrar, by which Addr need not be known; "": none, directly
	Registrar string // name of the first line's registrar
	User      string // user of the phone's first line
	Domain    string // SIP domain of that line
	AuthUser  string
	Password  setting.Secret // never sent in clear; "": a challenge can't be answered
	Notify    packdoc.Notify
	// RegistrarOnly is set when the phone is set to take SIP from its registrar only.
	RegistrarOnly bool
}

// Skipped is why a phone can't be notified.
type Skipped struct{ Reason string }

func (s *Skipped) Error() string { return s.Reason }

func skip(format string, args ...any) error { return &Skipped{fmt.Sprintf(format, args...)} }

// Leases reads the lease table.
type Leases interface {
	LeasesOf(mac dhcp.MAC) []dhcp.Lease
	LeaseAt(addr netip.Addr) (dhcp.Lease, bool)
}

// Directory finds out how phones can be notified. All members must be set.
type Directory struct {
	Records fleet.Records
	Leases  Leases
	Packs   func() *pack.Set
	Site    func() *fleet.Site
	Fetches func(dhcp.MAC) ([]fleet.Fetch, error)
	Route   func(registrar string) string // the route through the PBX of a registrar; "": its phones are notified directly
	Now     func() time.Time
}

// Target returns how a phone is notified, so that it restarts with reboot. The error is a *Skipped when it can't be.
func (d Directory) Target(mac dhcp.MAC, reboot bool) (Target, error) {
	var rec *fleet.Device
	var phone phonefile.Phone
	err := d.Records.View(func(v fleet.View) (err error) {
		if rec, err = v.DeviceByAny(mac); err != nil {
			return err
		}
		if rec.Enabled && rec.Vendor != "" {
			phone, err = d.resolve(v, rec)
		}
		return err
	})
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		return Target{}, skip("it has no device record")
	case err != nil:
		return Target{}, err
	case !rec.Enabled:
		return Target{}, skip("the device is disabled")
	case rec.Vendor == "":
		return Target{}, skip("the device has no vendor")
	}
	return d.target(rec, phone, reboot)
}

func (d Directory) resolve(v fleet.View, rec *fleet.Device) (phonefile.Phone, error) {
	finder := fleet.SubnetFinder{Leases: d.Leases, Fetches: d.Fetches, Now: d.Now}
	subnet, _ := finder.Find(d.Site(), rec.MAC, rec)
	phone, _, err := resolve.Phone(v, d.Packs(), d.Site(), subnet.Prefix, rec, d.Now())
	return phone, err
}

func (d Directory) target(rec *fleet.Device, phone phonefile.Phone, reboot bool) (Target, error) {
	fetches, err := d.Fetches(rec.MAC)
	if err != nil {
		return Target{}, err
	}
	last, _ := fleet.LastFetch(fetches)
	vendor, _ := d.Packs().Vendor(rec.Vendor) // resolve.Phone has found it
	method, ok := vendor.Resync(rec.Model, last.Firmware)
	if !ok {
		return Target{}, skip("the pack %s has no way to notify %s/%s", vendor.ID, vendor.ID, rec.Model)
	}
	if reboot && !restarts(method) {
		return Target{}, skip("the pack %s has no NOTIFY that makes %s/%s restart; without reboot it fetches its files", vendor.ID, vendor.ID, rec.Model)
	}
	t := Target{MAC: rec.MAC, Transport: "udp", Notify: method}
	if len(phone.Lines) == 0 {
		return Target{}, skip("it has no line, and without an account a phone ignores a NOTIFY")
	}
	line := phone.Lines[0]
	if !registersElsewhere(rec, line.Position) {
		t.Route = d.Route(line.Registrar.Name)
	}
	if line.Registrar.Transport != "" {
		t.Transport = line.Registrar.Transport
	}
	t.Registrar, t.User, t.Domain = line.Registrar.Name, line.Number, cmp.Or(line.Registrar.SIPDomain, line.Registrar.Host)
	addr, leased := d.address(rec, last)
	if !addr.IsValid() && t.Route == "" {
		return Target{}, skip("its address is not known: it has no lease, and has not fetched lately")
	}
	if leased { // at any other address another host could collect answers to challenges
		t.AuthUser, t.Password = line.AuthUser, line.Password
	}
	t.RegistrarOnly, _ = phone.Settings["sip_from_registrar_only"].(bool)
	if addr.IsValid() {
		t.Addr = netip.AddrPortFrom(addr, sipPort(t.Transport, phone.Settings, method))
	}
	return t, nil
}

// registersElsewhere reports whether a line has a server of its own instead of that of its registrar.
func registersElsewhere(rec *fleet.Device, position int) bool {
	return slices.ContainsFunc(rec.Lines, func(l fleet.Line) bool {
		return l.Position == position && l.Override != nil && l.Override.Host != ""
	})
}

// restarts reports whether a phone can be made to restart.
func restarts(n packdoc.Notify) bool {
	return n.Reboot != "" || n.RebootEvent != "" || n.RebootBody != "" || n.Plain == "reboot=true"
}

// recentFetch is for how long the address of a phone's last fetch counts as its own while it has no lease here.
const recentFetch = 48 * time.Hour

// address returns where a phone is, and whether by its own lease.
func (d Directory) address(rec *fleet.Device, last fleet.Fetch) (addr netip.Addr, leased bool) {
	for _, mac := range fleet.MACsOf(rec.MAC, rec) {
		for _, l := range d.Leases.LeasesOf(mac) {
			if l.State == dhcp.LeaseActive && l.Expires.After(d.Now()) {
				return l.Addr, true
			}
		}
	}
	_, other := d.Leases.LeaseAt(last.From)
	if !last.From.IsValid() || other || d.Now().Sub(last.Time) > recentFetch {
		return netip.Addr{}, false
	}
	return last.From, false
}

// sipPort returns the port on which a phone listens: that of its settings, its vendor's, or SIP's own (RFC 3261, 18.1.1).
func sipPort(transport string, settings map[string]any, n packdoc.Notify) uint16 {
	if p, ok := settings["local_sip_port"].(int); ok && p > 0 {
		return uint16(p)
	}
	return uint16(cmp.Or(n.Port, fleet.DefaultPort(transport)))
}
