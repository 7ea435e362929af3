// Package devicestatus computes the state of a device: whether the phone was seen, has fetched its files, and has what it would get
// now. It keeps nothing; package deviceindex does.
package devicestatus

import (
	"cmp"
	"context"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/overrides"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/registration"
	"plugtone/provision/resolve"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
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
	SwitchPort   string                   `json:"switch_port,omitempty" doc:"switch port of its last lease, as the relay or switch wrote it into DHCP option 82: remote id, then circuit id, each as text or hexadecimal with 0x" example:"switch-3 Gi1/0/7"`
	LastSeen     time.Time                `json:"last_seen,omitzero" doc:"when the phone sent something last" example:"2026-11-22T12:00:00Z"`
	LastFetch    time.Time                `json:"last_fetch,omitzero" doc:"when it fetched a file last" example:"2026-11-22T12:00:00Z"`
	Firmware     string                   `json:"firmware,omitempty" doc:"firmware that it reported last" example:"108.86.0.70"`
	Upstream     *Upstream                `json:"upstream,omitempty" doc:"set when a PBX renders its files: in_sync then means that it has what the PBX answered last; whether the PBX would answer the same now is not known"`
	Beyond       []string                 `json:"beyond_model,omitempty" doc:"lines and keys that the phone gets although the pack states fewer of its model" example:"[\"line 5: T44W has lines 1 to 4, as far as is known; that is not certain\"]"`
	Registered   string                   `json:"registered,omitempty" doc:"the worst state of its lines at the PBX; absent when the PBX is not polled or does not answer" example:"registered" enum:"registered,refused,elsewhere,not_registered"`
	Registration []registration.LineState `json:"registration,omitempty" doc:"its lines at the PBX"`
	OnPhone      []overrides.Override     `json:"overridden_on_phone,omitempty" doc:"what its user changed on the phone, as the phone uploaded it, 200 parameters at most; it wins over the configuration until it is removed on the phone"`
	LeftOut      []string                 `json:"left_out,omitempty" doc:"keys, lines and settings that the phone does not get, with the reason" example:"[\"key 13: the model has 12\"]"`
}

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

// Elsewhere returns a file as another member of a cluster would answer, if the phone has fetched it from that one. A nil one returns none.
type Elsewhere func(ctx context.Context, mac dhcp.MAC, fetched fleet.Fetch) (f File, ok bool)

// File calls it.
func (e Elsewhere) File(ctx context.Context, mac dhcp.MAC, fetched fleet.Fetch) (f File, ok bool) {
	if e == nil {
		return f, false
	}
	return e(ctx, mac, fetched)
}

// Leases is what a Reader reads from the lease table.
type Leases interface {
	LeaseAt(addr netip.Addr) (dhcp.Lease, bool) // confirmed leases only
	LeasesOf(mac dhcp.MAC) []dhcp.Lease
}

// Reader computes states. Its members are what a state depends on.
type Reader struct {
	Records  fleet.Records
	Leases   Leases
	Packs    func() *pack.Set
	Site     func() *fleet.Site
	Fetches  func(mac dhcp.MAC) ([]fleet.Fetch, error)
	Timeline func(mac dhcp.MAC, limit int) ([]timeline.Entry, error)           // the last entries, oldest first; nil: no device is shown as refused
	File     func(ctx context.Context, mac dhcp.MAC, fetched fleet.Fetch) File // what it would get now for this fetch
	// Registration is registration.Tracker.Of; nil: nothing is known.
	Registration func([]registration.Account, netip.Addr) []registration.LineState
	Overrides    func(*fleet.Device) []overrides.Override // nil: none are known
	Now          func() time.Time
	Places       func() *resolve.Places // nil: nothing is remembered
}

// Computed is the status of a device, and when it must be computed again.
type Computed struct {
	Status
	Until   time.Time    // the status may differ from then on, although nothing has happened
	Watched []netip.Addr // whose leases decide whether a refusal counts
	Known   Known
}

// Known is what was found by rendering. It holds as long as no record, pack or configuration changes that the device's files
// depend on, and its inputs are the same.
type Known struct {
	Inputs   uint64 // digest of the other things that decide it; 0: nothing is known
	Compared bool   // Same was found out
	Same     bool   // what the phone fetched is what it would get
	LeftOut  []string
	Beyond   []string
}

// upstreamFor is how long the status of a phone holds whose files a PBX renders.
const upstreamFor = time.Minute

// recentEntries is how much of a timeline the status looks at.
const recentEntries = 20

// Of computes the status of a device. known is what an earlier call found, or zero: its part is not rendered again.
func (s Reader) Of(ctx context.Context, d *fleet.Device, known Known) (Computed, error) {
	now := s.Now()
	out := Computed{Until: time.Date(now.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)} // time zone rules are those of a year
	s.seen(&out, d, now)
	out.Register(d, s.Registration)
	if s.Overrides != nil {
		out.OnPhone = s.Overrides(d)
	}
	fetches, err := s.Fetches(d.MAC)
	if err != nil {
		return out, err
	}
	own := latest(&out, fetches)
	refused, err := s.refusedSince(&out, d, now)
	if err != nil {
		return out, err
	}
	subnet, _ := fleet.SubnetFinder{Leases: s.Leases, Fetches: func(dhcp.MAC) ([]fleet.Fetch, error) { return fetches, nil }, Now: s.Now}.Find(s.Site(), d.MAC, d)
	fetches = current(fetches)
	in := inputs(subnet.Prefix, own, fetches, now)
	switch out.Upstream = s.upstream(d); {
	case out.Upstream != nil:
		known = Known{LeftOut: unused(d, out.Upstream.Hosts)}
		if u := s.File(ctx, d.MAC, own).Upstream; u != nil && own.File != "" {
			out.Upstream = u
		}
		// Answers are put away with the requests of the phone, and removed at any time.
		if soon := now.Add(upstreamFor); soon.Before(out.Until) {
			out.Until = soon
		}
	case known.Inputs != in:
		known = Known{Inputs: in}
		known.LeftOut, known.Beyond = s.leftOut(d, subnet)
	}
	out.LeftOut, out.Beyond = known.LeftOut, known.Beyond
	switch {
	case !d.Enabled:
		out.State = StateDisabled
	case refused:
		out.State = StateRefused
	case own.Time.IsZero() && out.LastSeen.IsZero():
		out.State = StateNeverSeen
	case own.Time.IsZero():
		out.State = StateNeverFetched
	default:
		if !known.Compared {
			known.Same, known.Compared = s.same(ctx, d, own, fetches), true
		}
		if out.State = StateStale; known.Same {
			out.State = StateInSync
		}
	}
	out.Known = known
	return out, ctx.Err()
}

// Register fills in what the PBXs have of the device's lines now. of may be nil.
func (st *Status) Register(d *fleet.Device, of func([]registration.Account, netip.Addr) []registration.LineState) {
	if of != nil {
		st.Registration = of(registration.Accounts(d), st.IP)
		st.Registered = registration.Summary(st.Registration)
	}
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

// seen fills in what the leases show.
func (s Reader) seen(out *Computed, d *fleet.Device, now time.Time) {
	for _, mac := range fleet.MACsOf(d.MAC, d) {
		for _, l := range s.Leases.LeasesOf(mac) {
			out.ends(l, now)
			if l.State == dhcp.LeaseDeclined {
				continue
			}
			if l.Starts.After(out.LastSeen) {
				out.LastSeen, out.SwitchPort = l.Starts, trust.PortOf(&l)
			}
			if isActive(l, now) {
				out.IP = l.Addr
			}
		}
	}
}

// ends notes that a lease ends.
func (c *Computed) ends(l dhcp.Lease, now time.Time) {
	if l.Expires.After(now) && l.Expires.Before(c.Until) {
		c.Until = l.Expires
	}
}

// isActive reports whether a client has a lease now.
func isActive(l dhcp.Lease, now time.Time) bool {
	return l.State == dhcp.LeaseActive && l.Expires.After(now)
}

// latest fills in what the fetches show, and returns the last one of the phone's own file.
func latest(out *Computed, fetches []fleet.Fetch) (own fleet.Fetch) {
	for _, f := range fetches {
		if f.Time.After(out.LastFetch) {
			out.LastFetch, out.Firmware = f.Time, cmp.Or(f.Firmware, out.Firmware)
		}
		if f.Kind == string(phonefile.KindDevice) && f.Time.After(own.Time) {
			own = f
		}
	}
	if out.LastFetch.After(out.LastSeen) {
		out.LastSeen = out.LastFetch
	}
	return own
}

// refusedSince reports whether the last thing that happened to the device's files was a refusal.
func (s Reader) refusedSince(out *Computed, d *fleet.Device, now time.Time) (bool, error) {
	if s.Timeline == nil {
		return false, nil
	}
	entries, err := s.Timeline(d.MAC, recentEntries)
	if err != nil {
		return false, err
	}
	refused := false
	for _, e := range entries {
		if !timeline.IsFile(e.Source) || !e.Time.After(out.LastFetch) {
			continue
		}
		switch e.Verdict {
		case timeline.Refused, timeline.Served, timeline.NotModified:
			if !slices.Contains(out.Watched, e.Addr) {
				out.Watched = append(out.Watched, e.Addr)
			}
			if !s.elsewhere(out, d, e.Addr, now) {
				refused = e.Verdict == timeline.Refused
			}
		}
	}
	return refused, nil
}

// elsewhere reports whether the device is not at an address, which is leased to another client or differs from the one that
// the device has a lease on: what was refused there does not concern it.
func (s Reader) elsewhere(out *Computed, d *fleet.Device, addr netip.Addr, now time.Time) bool {
	own := fleet.MACsOf(d.MAC, d)
	if l, ok := s.Leases.LeaseAt(addr); ok {
		out.ends(l, now)
		return !slices.Contains(own, l.MAC)
	}
	return out.IP.IsValid()
}

// current returns the fetches without those of a file that was requested later by another name: phones differ in case between firmwares.
func current(fetches []fleet.Fetch) []fleet.Fetch {
	fetches = slices.SortedFunc(slices.Values(fetches), func(a, b fleet.Fetch) int { return b.Time.Compare(a.Time) })
	seen := make(map[string]bool, len(fetches))
	return slices.DeleteFunc(fetches, func(f fleet.Fetch) bool {
		name := strings.ToLower(f.File)
		if seen[name] {
			return true
		}
		seen[name] = true
		return false
	})
}

// seed is of the digests of inputs, which are compared within one process.
var seed = maphash.MakeSeed()

// inputs returns a digest of what decides, besides records, packs and configuration, what rendering finds.
func inputs(subnet netip.Prefix, own fleet.Fetch, fetches []fleet.Fetch, now time.Time) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	text := func(s string) {
		_, _ = h.WriteString(s) // never fails
		_ = h.WriteByte(0)
	}
	text(subnet.String())
	text(own.File)
	_ = h.WriteByte(byte(now.UTC().Year()))
	for _, f := range slices.SortedFunc(slices.Values(fetches), func(a, b fleet.Fetch) int { return strings.Compare(a.File, b.File) }) {
		text(f.File)
		text(f.Digest)
		text(f.Server.String())
	}
	return max(h.Sum64(), 1)
}

// same reports whether everything that the device fetched is what it would get now.
func (s Reader) same(ctx context.Context, d *fleet.Device, own fleet.Fetch, fetches []fleet.Fetch) bool {
	for _, f := range fetches {
		now := s.File(ctx, d.MAC, f)
		switch {
		case f.File == own.File && (!now.Served || now.Digest != f.Digest):
			return false
		case now.Served && now.Digest != "" && f.Digest != "" && now.Digest != f.Digest:
			return false
		}
	}
	return true
}

// leftOut returns what of its record and profiles the device does not get, and what it gets beyond its model. An error shows
// in its files.
func (s Reader) leftOut(d *fleet.Device, subnet fleet.Subnet) (left, beyond []string) {
	if d.Vendor == "" {
		return nil, nil
	}
	var places *resolve.Places
	if s.Places != nil {
		places = s.Places()
	}
	_ = s.Records.View(func(f fleet.View) (err error) {
		left, beyond, err = places.LeftOut(f, s.Packs(), s.Site(), subnet.Prefix, d, s.Now())
		return err
	})
	return left, beyond
}
