package deviceindex

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
)

// Run computes states in the background until ctx ends: at each tick those that are pending. wait is called before each state; it returns when
// phones can spare the time, and an error when ctx has ended. failed receives errors of the records.
func (x *Index) Run(ctx context.Context, tick <-chan time.Time, wait func(context.Context) error, failed func(error)) {
	for {
		if x.outdated() {
			if err := x.round(ctx, wait); ctx.Err() != nil {
				return
			} else if err != nil {
				failed(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}

// outdated reports whether a state may be pending. It looks at no row.
func (x *Index) outdated() bool {
	x.syncing.Lock()
	defer x.syncing.Unlock()
	return !x.uptodate() || x.seconds() >= x.next.Load()
}

// round computes all states that are pending at its beginning.
func (x *Index) round(ctx context.Context, wait func(context.Context) error) error {
	if err := x.sync(); err != nil {
		return err
	}
	for _, mac := range x.pending(newMatcher(Query{}, x.texts), x.seconds()) {
		if err := wait(ctx); err != nil {
			return err
		}
		if err := x.compute(ctx, mac); err != nil {
			return err
		}
	}
	x.schedule()
	return nil
}

// schedule finds out when the next status becomes pending by itself.
func (x *Index) schedule() {
	next := uint32(math.MaxUint32)
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, r := range x.rows {
		if next = min(next, r.until); r.has(pending) {
			next = 0
			break
		}
	}
	x.next.Store(next)
}

func (x *Index) seconds() uint32 { return packSeconds(x.c.Now()) }

// running returns the seconds since the index was made, from 1 on. Steps of the clock change nothing of it.
func running(x *Index) uint32 { return 1 + uint32(max(0, x.c.Now().Sub(x.began)/time.Second)) }

// pending returns the rows whose status is pending, of those whose records a query selects.
func (x *table) pending(m *matcher, now uint32) (macs []dhcp.MAC) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	m.begin()
	for _, r := range x.rows {
		if r.isPending(now) && m.record(r) {
			macs = append(macs, r.mac)
		}
	}
	return macs
}

// refresh computes the status of rows until the deadline; the zero deadline never comes.
func (x *Index) refresh(ctx context.Context, macs []dhcp.MAC, deadline time.Time) error {
	for _, mac := range macs {
		if !deadline.IsZero() && x.c.Now().After(deadline) {
			return nil
		}
		if err := x.compute(ctx, mac); err != nil {
			return err
		}
	}
	return nil
}

// attempts is how often a status is computed at most while its inputs change.
const attempts = 4

// compute computes the status of a row. When its inputs change each time meanwhile, the row stays pending. A status that can't be computed
// leaves the row pending, and without a state.
func (x *Index) compute(ctx context.Context, mac dhcp.MAC) error {
	for range attempts {
		marks, known, ok := x.start(mac)
		if !ok {
			return nil
		}
		var d *fleet.Device
		err := x.c.Records.View(func(f fleet.View) (err error) {
			d, err = f.Device(mac)
			return err
		})
		if errors.Is(err, fleet.ErrNotFound) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		c, err := x.c.Compute(ctx, d, known)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c = devicestatus.Computed{Until: x.c.Now()}
		}
		if x.put(mac, marks, c, x.subnetOf(d, c.Status), running(x)) {
			return nil
		}
	}
	return nil
}

// start returns how often a row was marked, and what rendering found of it.
func (x *table) start(mac dhcp.MAC) (marks uint32, known devicestatus.Known, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	i, ok := x.find(mac)
	if !ok {
		return 0, known, false
	}
	return x.rows[i].marks, x.rows[i].knownOf(x.texts), true
}

// put sets the status of a row. It returns false when the status must be computed again: the row was marked meanwhile, or depends on leases
// that were not watched.
func (x *table) put(mac dhcp.MAC, marks uint32, c devicestatus.Computed, subnet netip.Prefix, running uint32) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	i, ok := x.find(mac)
	if !ok {
		return true
	}
	if x.rows[i].marks != marks || !x.watch(x.rows[i], c.Watched) {
		return false
	}
	x.rows[i].setStatus(x.texts, c, subnet, running)
	return true
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
