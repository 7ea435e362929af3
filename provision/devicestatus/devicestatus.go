// Package devicestatus computes the state of a device: whether the phone was seen, and whether what it fetched last is what it would get now.
// It reads what others have stored, and renders nothing itself.
package devicestatus

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/registration"
	"plugtone/provision/resolve"
	"plugtone/provision/timeline"
)

// The states of a device.
const (
	StateNeverSeen    = "never_seen"
	StateNeverFetched = "never_fetched"
	StateInSync       = "in_sync"
	StateStale        = "stale"
	StateRefused      = "refused"
	StateDisabled     = "disabled"
)

// Status is the state of a device.
type Status struct {
	State        string                   `json:"state" doc:"state of the device: in_sync when its last fetches are what it would get now (of a phone whose files a PBX renders: what the PBX answered last), stale when they differ" example:"in_sync" enum:"never_seen,never_fetched,in_sync,stale,refused,disabled"`
	IP           netip.Addr               `json:"ip,omitzero" doc:"address of its active lease" example:"10.20.1.7"`
	LastSeen     time.Time                `json:"last_seen,omitzero" doc:"when the phone sent something last" example:"2026-11-22T12:00:00Z"`
	LastFetch    time.Time                `json:"last_fetch,omitzero" doc:"when it fetched a file last" example:"2026-11-22T12:00:00Z"`
	Firmware     string                   `json:"firmware,omitempty" doc:"firmware that it reported last" example:"108.86.0.70"`
	Upstream     *Upstream                `json:"upstream,omitempty" doc:"set when a PBX renders its files: in_sync then means that it has what the PBX answered last; whether the PBX would answer the same now is not known"`
	Beyond       []string                 `json:"beyond_model,omitempty" doc:"lines and keys that the phone gets although the pack states fewer of its model" example:"[\"line 5: T44W has lines 1 to 4, as far as is known; that is not certain\"]"`
	Registered   string                   `json:"registered,omitempty" doc:"the worst state of its lines at the PBX; absent when the PBX is not polled or does not answer" example:"registered" enum:"registered,refused,elsewhere,not_registered"`
	Registration []registration.LineState `json:"registration,omitempty" doc:"its lines at the PBX"`
	LeftOut      []string                 `json:"left_out,omitempty" doc:"keys, lines and settings that the phone does not get, with the reason" example:"[\"key 13: the model has 12\"]"`
}

// recentEntries is how much of a timeline the status looks at.
const recentEntries = 20

// Upstream is what is known of the PBX that renders a device's files.
type Upstream struct {
	Hosts    string    `json:"hosts" doc:"hosts of the PBXs, in the order in which they are requested" example:"pbx1.example.net, pbx2.example.net"`
	Answered time.Time `json:"answered_at,omitzero" doc:"when one of them answered last for the phone's own configuration; absent when none has" example:"2026-11-22T12:00:00Z"`
	By       string    `json:"answered_by,omitempty" doc:"which one that was" example:"pbx1.example.net"`
}

// File is a file that a phone would get now.
type File struct {
	Served   bool
	Digest   string // SHA-256, hexadecimal; "" for static files
	Upstream *Upstream
}

// Leases reads leases.
type Leases interface {
	LeaseAt(addr netip.Addr) (dhcp.Lease, bool)
	LeasesOf(mac dhcp.MAC) []dhcp.Lease
}

// Reader computes states. All members but Timeline and Registration are required.
type Reader struct {
	Records      fleet.Records
	Leases       Leases
	Packs        *pack.Set
	Site         *fleet.Site
	Subnets      fleet.SubnetFinder
	Fetches      func(mac dhcp.MAC) ([]fleet.Fetch, error)
	Timeline     func(mac dhcp.MAC, limit int) ([]timeline.Entry, error) // nil: no device is shown as refused
	File         func(ctx context.Context, mac dhcp.MAC, name string) File
	Registration func([]registration.Account, netip.Addr) []registration.LineState // registration.Tracker.Of; nil: nothing is known
	Now          time.Time
}

// Read returns the state of a device.
func (s Reader) Read(ctx context.Context, d *fleet.Device) (Status, error) {
	var st Status
	s.seen(&st, d)
	if s.Registration != nil {
		st.Registration = s.Registration(registration.Accounts(d), st.IP)
		st.Registered = registration.Summary(st.Registration)
	}
	fetches, err := s.Fetches(d.MAC)
	if err != nil {
		return Status{}, err
	}
	var own fleet.Fetch // the latest of its own files
	for _, f := range fetches {
		if f.Time.After(st.LastFetch) {
			st.LastFetch, st.Firmware = f.Time, cmp.Or(f.Firmware, st.Firmware)
		}
		if f.Kind == string(phonefile.KindDevice) && f.Time.After(own.Time) {
			own = f
		}
	}
	if st.LastFetch.After(st.LastSeen) {
		st.LastSeen = st.LastFetch
	}
	refused, err := s.refusedSince(d, st.LastFetch)
	if err != nil {
		return Status{}, err
	}
	if st.Upstream = s.upstream(d); st.Upstream == nil {
		st.LeftOut, st.Beyond = s.leftOut(d)
	} else {
		st.LeftOut = unused(d, st.Upstream.Hosts)
		if u := s.File(ctx, d.MAC, own.File).Upstream; u != nil && own.File != "" {
			st.Upstream = u
		}
	}
	switch {
	case !d.Enabled:
		st.State = StateDisabled
	case refused:
		st.State = StateRefused
	case own.Time.IsZero() && st.LastSeen.IsZero():
		st.State = StateNeverSeen
	case own.Time.IsZero():
		st.State = StateNeverFetched
	case s.same(ctx, d, own, fetches):
		st.State = StateInSync
	default:
		st.State = StateStale
	}
	return st, nil
}

// upstream returns which PBX renders the device's files; nil when they are rendered here. An error shows in its files.
func (s Reader) upstream(d *fleet.Device) *Upstream {
	if !d.Enabled || d.Profile == "" || d.Vendor == "" {
		return nil
	}
	var up fleet.Upstream
	_ = s.Records.View(func(f fleet.View) (err error) {
		up, err = fleet.UpstreamOf(f, d.Profile)
		return err
	})
	if len(up.URLs) == 0 {
		return nil
	}
	return &Upstream{Hosts: up.Hosts()}
}

// unused returns what of its record a device does not get because a PBX renders its files.
func unused(d *fleet.Device, hosts string) []string {
	var out []string
	for _, part := range []struct {
		name string
		set  bool
	}{{"lines", len(d.Lines) > 0}, {"keys", len(d.Keys) > 0}, {"settings", len(d.Settings) > 0}, {"vendor_settings", len(d.VendorSettings) > 0}, {"contacts", len(d.Contacts) > 0}} {
		if part.set {
			out = append(out, part.name+": its files are rendered by "+hosts)
		}
	}
	return out
}

// leftOut returns what of its record and profiles the device does not get, and what it gets beyond its model. An error shows
// in its files.
func (s Reader) leftOut(d *fleet.Device) (left, beyond []string) {
	if d.Vendor == "" {
		return nil, nil
	}
	subnet, _ := s.Subnets.Find(s.Site, d.MAC, d)
	_ = s.Records.View(func(f fleet.View) (err error) {
		left, beyond, err = resolve.LeftOut(f, s.Packs, s.Site, subnet.Prefix, d, s.Now)
		return err
	})
	return left, beyond
}

// seen fills in what the leases show.
func (s Reader) seen(st *Status, d *fleet.Device) {
	for _, mac := range fleet.MACsOf(d.MAC, d) {
		for _, l := range s.Leases.LeasesOf(mac) {
			if l.State == dhcp.LeaseDeclined {
				continue
			}
			if l.Starts.After(st.LastSeen) {
				st.LastSeen = l.Starts
			}
			if isActive(l, s.Now) {
				st.IP = l.Addr
			}
		}
	}
}

func isActive(l dhcp.Lease, now time.Time) bool {
	return l.State == dhcp.LeaseActive && l.Expires.After(now)
}

// refusedSince reports whether the last thing that happened to the device's files was a refusal.
func (s Reader) refusedSince(d *fleet.Device, fetched time.Time) (bool, error) {
	if s.Timeline == nil {
		return false, nil
	}
	entries, err := s.Timeline(d.MAC, recentEntries)
	if err != nil {
		return false, err
	}
	refused := false
	for _, e := range entries {
		if timeline.IsFile(e.Source) && e.Time.After(fetched) && !s.elsewhere(d, e.Addr) {
			switch e.Verdict {
			case "refused":
				refused = true
			case "served", "not_modified":
				refused = false
			}
		}
	}
	return refused, nil
}

// elsewhere reports whether the device is not at an address, which is leased to another client or differs from the one that
// the device has a lease on: what was refused there does not concern it.
func (s Reader) elsewhere(d *fleet.Device, addr netip.Addr) bool {
	own := fleet.MACsOf(d.MAC, d)
	if l, ok := s.Leases.LeaseAt(addr); ok {
		return !slices.Contains(own, l.MAC)
	}
	return slices.ContainsFunc(own, func(mac dhcp.MAC) bool {
		return slices.ContainsFunc(s.Leases.LeasesOf(mac), func(l dhcp.Lease) bool { return isActive(l, s.Now) })
	})
}

// same reports whether everything that the device fetched is what it would get now. Of a file that was requested by several
// names (phones differ in case between firmwares) only the last fetch counts.
func (s Reader) same(ctx context.Context, d *fleet.Device, own fleet.Fetch, fetches []fleet.Fetch) bool {
	latest := slices.SortedFunc(slices.Values(fetches), func(a, b fleet.Fetch) int { return b.Time.Compare(a.Time) })
	seen := make(map[string]bool, len(latest))
	for _, f := range latest {
		if name := strings.ToLower(f.File); seen[name] {
			continue
		} else {
			seen[name] = true
		}
		a := s.File(ctx, d.MAC, f.File)
		switch {
		case f.File == own.File && (!a.Served || a.Digest != f.Digest):
			return false
		case a.Served && a.Digest != "" && f.Digest != "" && a.Digest != f.Digest:
			return false
		}
	}
	return true
}
