// Package deviceindex has one compact row in memory for each device: what lists are searched, sorted and counted by. A row has two
// parts. That of the record is exact: before a query, the index takes in all changes of the records up to their revision. That of
// the status is pending from the moment when one of its inputs changes until it is computed again; queries compute what they need,
// and report how many rows are still pending when their time has ended. The package stores nothing.
package deviceindex

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/pack"
	"plugtone/provision/registration"
)

// Config is what an Index needs. All members but Registration are required.
type Config struct {
	Records fleet.Records
	Packs   func() *pack.Set
	Site    func() *fleet.Site
	Compute func(context.Context, *fleet.Device, devicestatus.Known) (devicestatus.Computed, error)
	Now     func() time.Time
	// Registration is registration.Tracker.Of: it changes with no revision, so rows don't have it. nil: nothing is known.
	Registration func([]registration.Account, netip.Addr) []registration.LineState
}

// Index has a row for each device. Its methods may be called from any goroutine.
type Index struct {
	c       Config
	began   time.Time // when it was made, with the reading of the monotonic clock
	touched touched
	next    atomic.Uint32 // when the next status becomes pending by itself, in seconds since 1970

	syncing  sync.Mutex // of what follows; taken before mu
	revision uint64     // of the records that the rows have
	filled   bool
	packs    weak.Pointer[pack.Set] // that the rows were made with
	site     *fleet.Site

	table
}

// table is the rows.
type table struct {
	mu      sync.RWMutex // never held while a record is read or a status computed
	rows    []*row       // by MAC
	texts   *interned
	watched map[netip.Addr][]dhcp.MAC // rows whose state depends on whose lease an address has
}

// New returns an index that is filled at its first use.
func New(c Config) *Index {
	return &Index{c: c, began: c.Now(), table: table{texts: newInterned(), watched: map[netip.Addr][]dhcp.MAC{}}}
}

// sync takes in what has changed since the last time.
func (x *Index) sync() error {
	x.syncing.Lock()
	defer x.syncing.Unlock()
	if x.uptodate() {
		return nil
	}
	defer x.next.Store(0) // after the rows are marked: schedule must not overwrite it
	if packs, site := x.c.Packs(), x.c.Site(); weak.Make(packs) != x.packs || site != x.site {
		x.packs, x.site = weak.Make(packs), site
		x.markAll()
	}
	if !x.filled || x.c.Records.Revision() != x.revision {
		if err := x.c.Records.View(x.takeIn); err != nil {
			return err
		}
	}
	return x.takeTouched()
}

// uptodate reports whether nothing has changed since sync. The caller holds syncing.
func (x *Index) uptodate() bool {
	return x.filled && x.packs == weak.Make(x.c.Packs()) && x.site == x.c.Site() && x.revision == x.c.Records.Revision() && !x.touched.any()
}

// manyChanges is how many changed records are taken in one by one; after more changes all devices are read.
const manyChanges = 1000

// takeIn brings the rows to the revision of f.
func (x *Index) takeIn(f fleet.View) error {
	back, ok, err := fleet.Change{}, false, error(nil)
	if x.filled {
		back, ok, err = impact.Back(f, x.revision, max(manyChanges, len(x.rows)/20))
	}
	if err != nil || !ok { // a change that can't be read is no reason to show nothing
		return x.rebuild(f)
	}
	macs, err := impact.Affected(f, x.site, back, x.followers)
	if err != nil {
		return err
	}
	if err := x.replace(f, back); err != nil {
		return err
	}
	x.mark(macs, true)
	x.revision = f.Revision()
	return nil
}

// followers implements impact.Followers.
func (x *table) followers(all bool) (macs []dhcp.MAC, err error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, r := range x.rows {
		if all || r.has(showsNames) {
			macs = append(macs, r.mac)
		}
	}
	return macs, nil
}

// Followers returns what finds the devices whose files may show names of extensions that are not on their lines, with what is known now.
func (x *Index) Followers() (impact.Followers, error) { return x.followers, x.sync() }

// replace brings the rows of changed devices to the revision of f.
func (x *Index) replace(f fleet.View, back fleet.Change) error {
	var records []*fleet.Device
	gone := map[dhcp.MAC]bool{}
	for _, c := range back.Records {
		if c.Kind != fleet.KindDevice {
			continue
		}
		mac := cmp.Or(c.Before, c.After).Device.MAC
		d, err := f.Device(mac)
		switch {
		case errors.Is(err, fleet.ErrNotFound):
			gone[mac] = true
		case err != nil:
			return err
		default:
			records = append(records, d)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(gone) > 0 {
		x.rows = slices.DeleteFunc(x.rows, func(r *row) bool {
			if gone[r.mac] {
				x.release(r)
			}
			return gone[r.mac]
		})
	}
	var added []*row
	for _, d := range records {
		i, ok := x.find(d.MAC)
		var r *row
		if ok {
			r = x.rows[i]
		} else {
			r = new(row)
			added = append(added, r)
		}
		r.setRecord(x.texts, d)
	}
	if len(added) > 0 {
		x.rows = append(x.rows, added...)
		slices.SortFunc(x.rows, func(a, b *row) int { return compareMAC(a.mac, b.mac) })
	}
	return nil
}

// atOnce is how many records are in memory while all devices are read.
const atOnce = 256

// rebuild brings all rows to the revision of f by reading all devices. Every status is pending then.
func (x *Index) rebuild(f fleet.View) error {
	x.mu.RLock()
	old := x.rows
	x.mu.RUnlock()
	rows := make([]*row, 0, len(old))
	var changed []*fleet.Device
	var at []*row // the rows of changed
	set := func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		for i, d := range changed {
			at[i].setRecord(x.texts, d)
		}
		changed, at = changed[:0], at[:0]
	}
	var gone []*row
	for d, err := range f.Devices(dhcp.MAC{}) {
		if err != nil {
			return err
		}
		for len(old) > 0 && compareMAC(old[0].mac, d.MAC) < 0 {
			gone, old = append(gone, old[0]), old[1:]
		}
		r := new(row)
		if len(old) > 0 && old[0].mac == d.MAC {
			r, old = old[0], old[1:]
		}
		rows = append(rows, r)
		if r.revision == 0 || r.revision != d.Revision {
			changed, at = append(changed, d), append(at, r)
		}
		if len(changed) == atOnce {
			set()
		}
	}
	set()
	x.mu.Lock()
	for _, r := range append(gone, old...) {
		x.release(r)
	}
	x.rows = rows
	x.mu.Unlock()
	x.revision, x.filled = f.Revision(), true
	x.markAll()
	return nil
}

// release gives up what a row that is removed has of others. The caller holds mu.
func (x *table) release(r *row) {
	x.unwatch(r)
	r.release(x.texts)
}

// mark makes the status pending. With render, what rendering found no longer holds.
func (r *row) mark(render bool) {
	r.set(pending, true)
	r.marks++
	if render {
		r.known = 0
	}
}

// mark makes the status of some rows pending.
func (x *table) mark(macs []dhcp.MAC, render bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, mac := range macs {
		if i, ok := x.find(mac); ok {
			x.rows[i].mark(render)
		}
	}
}

// markAll makes the status of all rows pending.
func (x *table) markAll() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.rows {
		r.mark(true)
	}
}

func compareMAC(a, b dhcp.MAC) int { return bytes.Compare(a[:], b[:]) }

// find returns the place of a MAC, or where its row would be. The caller holds mu.
func (x *table) find(mac dhcp.MAC) (int, bool) {
	return slices.BinarySearchFunc(x.rows, mac, func(r *row, mac dhcp.MAC) int { return compareMAC(r.mac, mac) })
}
