package provision

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
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
	State     string     `json:"state" doc:"state of the device: in_sync when its last fetches are what it would get now, stale when they differ" example:"in_sync" enum:"never_seen,never_fetched,in_sync,stale,refused,disabled"`
	IP        netip.Addr `json:"ip,omitzero" doc:"address of its active lease" example:"10.20.1.7"`
	LastSeen  time.Time  `json:"last_seen,omitzero" doc:"when the phone sent something last" example:"2026-11-22T12:00:00Z"`
	LastFetch time.Time  `json:"last_fetch,omitzero" doc:"when it fetched a file last" example:"2026-11-22T12:00:00Z"`
	Firmware  string     `json:"firmware,omitempty" doc:"firmware that it reported last" example:"108.86.0.70"`
	Beyond    []string   `json:"beyond_model,omitempty" doc:"lines and keys that the phone gets although the pack states fewer of its model" example:"[\"line 5: T44W has lines 1 to 4, as far as is known; that is not certain\"]"`
	LeftOut   []string   `json:"left_out,omitempty" doc:"keys, lines and settings that the phone does not get, with the reason" example:"[\"key 13: the model has 12\"]"`
}

// recentEntries is how much of a timeline the status looks at.
const recentEntries = 20

// Status compares what the device fetched last with what it would get now.
func (s *Service) Status(ctx context.Context, mac dhcp.MAC) (Status, error) {
	var d *fleet.Device
	err := s.c.Records.View(func(f fleet.View) error {
		var err error
		d, err = f.DeviceByAny(mac)
		return err
	})
	if err != nil {
		return Status{}, err
	}
	return s.StatusOf(ctx, d)
}

// State is the state alone.
func (s *Service) State(ctx context.Context, mac dhcp.MAC) (string, error) {
	st, err := s.Status(ctx, mac)
	return st.State, err
}

// StatusOf is Status for a record that was read already.
func (s *Service) StatusOf(ctx context.Context, d *fleet.Device) (Status, error) {
	return statusReader{s}.read(ctx, d)
}

// statusReader compares what a device fetched with what it would get.
type statusReader struct{ *Service }

func (s statusReader) read(ctx context.Context, d *fleet.Device) (Status, error) {
	var st Status
	s.seen(&st, d)
	fetches, err := s.c.Fetches(d.MAC)
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
	st.LeftOut, st.Beyond = s.leftOut(d)
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

// leftOut returns what of its record and profiles the device does not get, and what it gets beyond its model. An error shows
// in its files.
func (s statusReader) leftOut(d *fleet.Device) (left, beyond []string) {
	if d.Vendor == "" {
		return nil, nil
	}
	site := s.c.Site()
	subnet, _ := s.subnets.Find(site, d.MAC, d)
	_ = s.c.Records.View(func(f fleet.View) (err error) {
		left, beyond, err = resolve.LeftOut(f, s.c.Packs(), site, subnet.Prefix, d, s.c.Now())
		return err
	})
	return left, beyond
}

// seen fills in what the leases show.
func (s statusReader) seen(st *Status, d *fleet.Device) {
	now := s.c.Now()
	for _, mac := range fleet.MACsOf(d.MAC, d) {
		for _, l := range s.c.Leases.LeasesOf(mac) {
			if l.State == dhcp.LeaseDeclined {
				continue
			}
			if l.Starts.After(st.LastSeen) {
				st.LastSeen = l.Starts
			}
			if isActive(l, now) {
				st.IP = l.Addr
			}
		}
	}
}

func isActive(l dhcp.Lease, now time.Time) bool {
	return l.State == dhcp.LeaseActive && l.Expires.After(now)
}

// refusedSince reports whether the last thing that happened to the device's files was a refusal.
func (s statusReader) refusedSince(d *fleet.Device, fetched time.Time) (bool, error) {
	if s.c.Timeline == nil {
		return false, nil
	}
	entries, err := s.c.Timeline(d.MAC, recentEntries)
	if err != nil {
		return false, err
	}
	refused := false
	for _, e := range entries {
		if timeline.IsFile(e.Source) && e.Time.After(fetched) && !s.elsewhere(d, e.Addr) {
			switch e.Verdict {
			case string(Refused):
				refused = true
			case string(Served), string(NotModified):
				refused = false
			}
		}
	}
	return refused, nil
}

// elsewhere reports whether the device is not at an address, which is leased to another client or differs from the one that
// the device has a lease on: what was refused there does not concern it.
func (s statusReader) elsewhere(d *fleet.Device, addr netip.Addr) bool {
	own := fleet.MACsOf(d.MAC, d)
	if l, ok := s.c.Leases.LeaseAt(addr); ok {
		return !slices.Contains(own, l.MAC)
	}
	return slices.ContainsFunc(own, func(mac dhcp.MAC) bool {
		return slices.ContainsFunc(s.c.Leases.LeasesOf(mac), func(l dhcp.Lease) bool { return isActive(l, s.c.Now()) })
	})
}

// same reports whether everything that the device fetched is what it would get now. Of a file that was requested by several
// names (phones differ in case between firmwares) only the last fetch counts.
func (s statusReader) same(ctx context.Context, d *fleet.Device, own fleet.Fetch, fetches []fleet.Fetch) bool {
	latest := slices.SortedFunc(slices.Values(fetches), func(a, b fleet.Fetch) int { return b.Time.Compare(a.Time) })
	seen := make(map[string]bool, len(latest))
	for _, f := range latest {
		if name := strings.ToLower(f.File); seen[name] {
			continue
		} else {
			seen[name] = true
		}
		a := s.preview(ctx, Request{Name: f.File, As: d.MAC}).Answer
		a.discard()
		served := a.Outcome == Served
		switch {
		case f.File == own.File && (!served || a.Digest != f.Digest):
			return false
		case served && a.Digest != "" && f.Digest != "" && a.Digest != f.Digest:
			return false
		}
	}
	return true
}

// ValidateRendering renders the files of devices as the view has them; see resolve.ValidateRendering.
func (s *Service) ValidateRendering(view fleet.View, macs []dhcp.MAC) error {
	site := s.c.Site()
	subnetOf := func(d *fleet.Device) fleet.Subnet {
		subnet, _ := s.subnets.Find(site, d.MAC, d)
		return subnet
	}
	return resolve.ValidateRendering(view, s.c.Packs(), site, subnetOf, macs, s.c.Now())
}
