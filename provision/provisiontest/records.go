// Package provisiontest has stand-ins for what provisioning needs, for tests of the packages that use it.
package provisiontest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// ErrBroken is what broken records answer.
var ErrBroken = errors.New("disk on fire")

// Records keeps a fleet in memory. The zero value is empty and ready.
type Records struct {
	editing sync.Mutex // one edit at a time; the records can be read meanwhile

	mu     sync.RWMutex
	fleet  view
	broken bool
	views  int

	decoded atomic.Int64
	open    atomic.Int64 // Views going on
}

// Break makes every later call fail, as a damaged store does.
func (r *Records) Break(broken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = broken
}

// Views returns how often the fleet was read.
func (r *Records) Views() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.views
}

// Reads returns how many records were looked up or decoded for a View, since the records were made.
func (r *Records) Reads() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.views + int(r.decoded.Load())
}

// View implements fleet.Records.
func (r *Records) View(f func(fleet.View) error) error {
	r.mu.Lock()
	r.views++
	broken, fleet := r.broken, r.fleet
	fleet.decoded = &r.decoded
	r.mu.Unlock()
	if broken {
		return ErrBroken
	}
	r.open.Add(1)
	defer r.open.Add(-1)
	return f(&fleet)
}

// Open reports whether a View is running.
func (r *Records) Open() bool { return r.open.Load() > 0 }

// Revision is that of the last Edit.
func (r *Records) Revision() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.fleet.revision
}

// Edit implements fleet.Records.
func (r *Records) Edit(actor, action string, f func(fleet.Edit) error) error {
	_, err := r.Write(fleet.Write{Actor: actor, Action: action}, f)
	return err
}

// Write implements fleet.Records.
func (r *Records) Write(w fleet.Write, f func(fleet.Edit) error) (fleet.Change, error) {
	r.editing.Lock()
	defer r.editing.Unlock()
	r.mu.RLock()
	was, broken := r.fleet, r.broken
	r.mu.RUnlock()
	if broken {
		return fleet.Change{}, ErrBroken
	}
	undone := was.clone() // as when another member of a cluster has made a change at the same time
	undone.revision++
	_ = f(&undone) // the second time decides
	next := was.clone()
	next.revision++
	if err := f(&next); err != nil {
		return fleet.Change{}, err
	}
	c, err := changeOf(w, &was, &next)
	if err != nil || w.DryRun || c.Total() == 0 {
		return c, err
	}
	next.changeList = append(slices.Clip(next.changeList), c)
	r.mu.Lock()
	r.fleet = next
	r.mu.Unlock()
	c.Records = nil
	return c, nil
}

// extensionKey names an extension.
type extensionKey struct{ number, registrar string }

// view is one revision. Records are kept as JSON, as a store does, so that no caller shares memory with it and what
// doesn't survive JSON is found.
type view struct {
	revision   uint64
	devices    map[dhcp.MAC][]byte
	extensions map[extensionKey][]byte
	registrars map[string][]byte
	profiles   map[string][]byte
	changeList
	decoded *atomic.Int64 // devices read by their own MAC or in order
}

func (f *view) clone() view {
	c := view{f.revision, maps.Clone(f.devices), maps.Clone(f.extensions), maps.Clone(f.registrars), maps.Clone(f.profiles), f.changeList, f.decoded}
	if c.devices == nil {
		c.devices, c.extensions = map[dhcp.MAC][]byte{}, map[extensionKey][]byte{}
		c.registrars, c.profiles = map[string][]byte{}, map[string][]byte{}
	}
	return c
}

func decode[T any](b []byte) (*T, error) {
	var v T
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return &v, dec.Decode(&v)
}

func find[K comparable, T any](m map[K][]byte, k K, what string) (*T, error) {
	b, ok := m[k]
	if !ok {
		return nil, fmt.Errorf("%s: %w", what, fleet.ErrNotFound)
	}
	return decode[T](b)
}

func all[K comparable, T any](m map[K][]byte, order func(a, b K) int) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(m), order) {
			if !yield(decode[T](m[k])) {
				return
			}
		}
	}
}

func (f *view) Revision() uint64 { return f.revision }

// count notes that a device was read. An index that a store has needs no reading.
func (f *view) count() {
	if f.decoded != nil {
		f.decoded.Add(1)
	}
}

func (f *view) Device(mac dhcp.MAC) (*fleet.Device, error) {
	if _, ok := f.devices[mac]; ok {
		f.count()
	}
	return find[dhcp.MAC, fleet.Device](f.devices, mac, "device "+mac.String())
}

func (f *view) DeviceByAny(mac dhcp.MAC) (*fleet.Device, error) {
	if d, err := f.Device(mac); err == nil {
		return d, nil
	}
	for d, err := range f.each(dhcp.MAC{}) {
		if err != nil || slices.Contains(d.OtherMACs, mac) {
			f.count()
			return d, err
		}
	}
	return nil, fmt.Errorf("device %s: %w", mac, fleet.ErrNotFound)
}

func (f *view) DeviceByIP(ip netip.Addr) (dhcp.MAC, error) {
	for d, err := range f.each(dhcp.MAC{}) {
		if err != nil || d.ReservedIP == ip {
			return d.MAC, err
		}
	}
	return dhcp.MAC{}, fmt.Errorf("device with %s: %w", ip, fleet.ErrNotFound)
}

func (f *view) Extension(number, registrar string) (*fleet.Extension, error) {
	return find[extensionKey, fleet.Extension](f.extensions, extensionKey{number, registrar}, "extension "+number+"@"+registrar)
}

func (f *view) ExtensionsNumbered(number string) ([]*fleet.Extension, error) {
	var out []*fleet.Extension
	for e, err := range f.Extensions() {
		if err != nil {
			return nil, err
		}
		if e.Number == number {
			out = append(out, e)
		}
	}
	return out, nil
}

func (f *view) Registrar(name string) (*fleet.Registrar, error) {
	return find[string, fleet.Registrar](f.registrars, name, "registrar "+name)
}

func (f *view) Profile(name string) (*fleet.Profile, error) {
	return find[string, fleet.Profile](f.profiles, name, "profile "+name)
}

func (f *view) Devices(after dhcp.MAC) iter.Seq2[*fleet.Device, error] {
	return func(yield func(*fleet.Device, error) bool) {
		for d, err := range f.each(after) {
			if f.count(); !yield(d, err) {
				return
			}
		}
	}
}

func (f *view) each(after dhcp.MAC) iter.Seq2[*fleet.Device, error] {
	return func(yield func(*fleet.Device, error) bool) {
		byMAC := func(a, b dhcp.MAC) int { return bytes.Compare(a[:], b[:]) }
		var macs []dhcp.MAC
		for mac := range f.devices {
			if byMAC(mac, after) > 0 {
				macs = append(macs, mac)
			}
		}
		slices.SortFunc(macs, byMAC)
		for _, mac := range macs {
			if !yield(decode[fleet.Device](f.devices[mac])) {
				return
			}
		}
	}
}

func (f *view) Extensions() iter.Seq2[*fleet.Extension, error] {
	return all[extensionKey, fleet.Extension](f.extensions, func(a, b extensionKey) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.registrar, b.registrar))
	})
}

func (f *view) Registrars() iter.Seq2[*fleet.Registrar, error] {
	return all[string, fleet.Registrar](f.registrars, cmp.Compare[string])
}

func (f *view) Profiles() iter.Seq2[*fleet.Profile, error] {
	return all[string, fleet.Profile](f.profiles, cmp.Compare[string])
}

func (f *view) DevicesWith(number, registrar string) ([]dhcp.MAC, error) {
	var out []dhcp.MAC
	for d, err := range f.Devices(dhcp.MAC{}) {
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(d.Lines, func(l fleet.Line) bool { return l.Extension == number && l.Registrar == registrar }) {
			out = append(out, d.MAC)
		}
	}
	return out, nil
}

func (f *view) DevicesWithProfile(name string) ([]dhcp.MAC, error) {
	var out []dhcp.MAC
	for d, err := range f.Devices(dhcp.MAC{}) {
		if err != nil {
			return nil, err
		}
		if d.Profile == name {
			out = append(out, d.MAC)
		}
	}
	return out, nil
}

// stamp sets what Put sets.
func stamp(revision uint64, rev *uint64, created, updated *time.Time) {
	now := time.Unix(int64(1_700_000_000+revision), 0).UTC()
	*rev, *updated = revision, now
	if created.IsZero() {
		*created = now
	}
}

func put[K comparable](m map[K][]byte, k K, v any) error {
	b, err := json.Marshal(v)
	m[k] = b
	return err
}

func remove[K comparable](m map[K][]byte, k K, what string) error {
	if _, ok := m[k]; !ok {
		return fmt.Errorf("%s: %w", what, fleet.ErrNotFound)
	}
	delete(m, k)
	return nil
}

func (f *view) PutDevice(d *fleet.Device) error {
	stamp(f.revision, &d.Revision, &d.CreatedAt, &d.UpdatedAt)
	return put(f.devices, d.MAC, d)
}

func (f *view) DeleteDevice(mac dhcp.MAC) error {
	return remove(f.devices, mac, "device "+mac.String())
}

func (f *view) PutExtension(e *fleet.Extension) error {
	stamp(f.revision, &e.Revision, &e.CreatedAt, &e.UpdatedAt)
	return put(f.extensions, extensionKey{e.Number, e.Registrar}, e)
}

func (f *view) DeleteExtension(number, registrar string) error {
	return remove(f.extensions, extensionKey{number, registrar}, "extension "+number+"@"+registrar)
}

func (f *view) PutRegistrar(r *fleet.Registrar) error {
	stamp(f.revision, &r.Revision, &r.CreatedAt, &r.UpdatedAt)
	return put(f.registrars, r.Name, r)
}

func (f *view) DeleteRegistrar(name string) error {
	return remove(f.registrars, name, "registrar "+name)
}

func (f *view) PutProfile(p *fleet.Profile) error {
	stamp(f.revision, &p.Revision, &p.CreatedAt, &p.UpdatedAt)
	return put(f.profiles, p.Name, p)
}

func (f *view) DeleteProfile(name string) error { return remove(f.profiles, name, "profile "+name) }
