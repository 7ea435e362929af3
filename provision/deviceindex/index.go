// Package deviceindex has one compact row in memory for each device: what lists are searched, sorted and counted by. A row has two
// parts. That of the record is exact: before a query, the index takes in all changes of the records up to their revision. That of
// the status is pending from the moment when one of its inputs changes until it is computed again; queries compute what they need,
// and report how many rows are still pending when their time has ended. The package stores nothing.
package deviceindex

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/registration"
)

// Config is what an Index needs. All members but Registration are required.
type Config struct {
	Records fleet.Records
	Packs   func() *pack.Set
	Site    func() *fleet.Site
	Status  func(context.Context, *fleet.Device) (devicestatus.Status, error) // of a record that was just read
	Now     func() time.Time
	// Registration is registration.Tracker.Of: it changes with no revision, so rows don't have it. nil: nothing is known.
	Registration func([]registration.Account, netip.Addr) []registration.LineState
}

// Index has a row for each device. Its methods may be called from any goroutine.
type Index struct {
	c Config

	syncing  sync.Mutex // of what follows; taken before mu
	revision uint64     // of the records that the rows have
	packs    *pack.Set
	site     *fleet.Site

	mu    sync.RWMutex // of what follows; never held while a record or status is read
	rows  []*row       // by MAC
	texts *interned
}

// New returns an index that is filled at its first use.
func New(c Config) *Index { return &Index{c: c, texts: newInterned()} }

// sync takes in what has changed since the last time.
func (x *Index) sync() error {
	x.syncing.Lock()
	defer x.syncing.Unlock()
	if x.c.Records.Revision() != x.revision {
		if err := x.c.Records.View(x.rebuild); err != nil {
			return err
		}
	}
	x.packs, x.site = x.c.Packs(), x.c.Site()
	x.markAll()
	return nil
}

// rebuild brings all rows to the revision of f.
func (x *Index) rebuild(f fleet.View) error {
	x.mu.RLock()
	old := x.rows
	x.mu.RUnlock()
	rows := make([]*row, 0, len(old))
	var changed []*fleet.Device // with the place of its row in at
	var at []int
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
			changed, at = append(changed, d), append(at, len(rows)-1)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, d := range changed {
		rows[at[i]].setRecord(x.texts, d)
		rows[at[i]].mark()
	}
	for _, r := range append(gone, old...) {
		r.release(x.texts)
	}
	x.rows = rows
	x.revision = f.Revision()
	return nil
}

// mark makes the status pending.
func (r *row) mark() {
	r.pending = true
	r.marks++
}

// markAll makes the status of all rows pending.
func (x *Index) markAll() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.rows {
		r.mark()
	}
}

func compareMAC(a, b dhcp.MAC) int { return bytes.Compare(a[:], b[:]) }

// find returns the place of a MAC, or where its row would be. The caller holds mu.
func (x *Index) find(mac dhcp.MAC) (int, bool) {
	return slices.BinarySearchFunc(x.rows, mac, func(r *row, mac dhcp.MAC) int { return compareMAC(r.mac, mac) })
}

// outdated is a row whose status is pending.
type outdated struct {
	mac   dhcp.MAC
	marks uint32
}

// pending returns the rows whose status is pending, of those whose records a query selects.
func (x *Index) pending(m *matcher) (list []outdated) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	m.begin()
	for _, r := range x.rows {
		if r.pending && m.record(r) {
			list = append(list, outdated{r.mac, r.marks})
		}
	}
	return list
}

// refresh computes the status of rows until the deadline; the zero deadline never comes.
func (x *Index) refresh(ctx context.Context, list []outdated, deadline time.Time) error {
	for _, o := range list {
		if !deadline.IsZero() && x.c.Now().After(deadline) {
			return nil
		}
		if err := x.compute(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// compute computes the status of one row. A change of its inputs meanwhile leaves the row pending. A status that can't be computed,
// because a file can't be rendered for instance, leaves the row without a state.
func (x *Index) compute(ctx context.Context, o outdated) error {
	var d *fleet.Device
	err := x.c.Records.View(func(f fleet.View) (err error) {
		d, err = f.Device(o.mac)
		return err
	})
	if errors.Is(err, fleet.ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	st, err := x.c.Status(ctx, d)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		st = devicestatus.Status{}
	}
	subnet := x.subnetOf(d, st)
	x.mu.Lock()
	defer x.mu.Unlock()
	if i, ok := x.find(o.mac); ok && x.rows[i].marks == o.marks {
		x.rows[i].setStatus(x.texts, st, subnet)
		x.rows[i].pending = false
	}
	return nil
}

// subnetOf returns the subnet that a device is in: of its lease, else of its reservation.
func (x *Index) subnetOf(d *fleet.Device, st devicestatus.Status) netip.Prefix {
	addr := st.IP
	if !addr.IsValid() {
		addr = d.ReservedIP
	}
	n, _ := x.c.Site().SubnetOf(addr)
	return n.Prefix
}
