package deviceindex

import (
	"errors"
	"net/netip"
	"slices"
	"sync"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// touched is what has happened to phones since the index took it in. Those who report it never wait for the index.
type touched struct {
	mu    sync.Mutex
	macs  map[dhcp.MAC]struct{}
	addrs map[netip.Addr]struct{}
}

func (t *touched) any() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.macs)+len(t.addrs) > 0
}

// Touch makes the status of a phone pending. It is called after the phone's fetches or timeline have changed, and never waits for a record.
func (x *Index) Touch(mac dhcp.MAC) { x.touched.add(mac) }

// LeaseChanged makes the status of those phones pending that have or had the lease of an address, and of those whose state depends on whose
// it is. It is called after the lease has changed, with the zero MAC for none, and never waits for a record.
func (x *Index) LeaseChanged(addr netip.Addr, was, is dhcp.MAC) {
	x.touched.add(was, is)
	t := &x.touched
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.addrs == nil {
		t.addrs = map[netip.Addr]struct{}{}
	}
	t.addrs[addr] = struct{}{}
}

func (t *touched) add(macs ...dhcp.MAC) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.macs == nil {
		t.macs = map[dhcp.MAC]struct{}{}
	}
	for _, mac := range macs {
		if !mac.IsZero() {
			t.macs[mac] = struct{}{}
		}
	}
}

// take returns what there is and forgets it.
func (t *touched) take() (macs map[dhcp.MAC]struct{}, addrs map[netip.Addr]struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	macs, addrs = t.macs, t.addrs
	t.macs, t.addrs = nil, nil
	return macs, addrs
}

// takeTouched marks the rows of what has happened. The caller holds syncing.
func (x *Index) takeTouched() error {
	macs, addrs := x.touched.take()
	if len(macs)+len(addrs) == 0 {
		return nil
	}
	var others []dhcp.MAC // of no device as its own: one of the other MACs of a device, or no device at all
	x.mu.Lock()
	for mac := range macs {
		if i, ok := x.find(mac); ok {
			x.rows[i].mark(false)
		} else {
			others = append(others, mac)
		}
	}
	for addr := range addrs {
		for _, mac := range x.watched[addr] {
			if i, ok := x.find(mac); ok {
				x.rows[i].mark(false)
			}
		}
	}
	x.mu.Unlock()
	if len(others) == 0 {
		return nil
	}
	var owners []dhcp.MAC
	err := x.c.Records.View(func(f fleet.View) error {
		for _, mac := range others {
			d, err := f.DeviceByAny(mac)
			if err == nil {
				owners = append(owners, d.MAC)
			} else if !errors.Is(err, fleet.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil { // what happened must not be forgotten
		x.touched.add(others...)
		return err
	}
	x.mark(owners, false)
	return nil
}

// watch makes the state of a row depend on whose lease some addresses have. It reports whether all of them were watched before: else their
// leases may have changed since the state was computed. The caller holds mu.
func (x *table) watch(r *row, addrs []netip.Addr) (before bool) {
	before = true
	for _, addr := range addrs {
		if !slices.Contains(x.watched[addr], r.mac) {
			before = false
			x.watched[addr] = append(x.watched[addr], r.mac)
			r.set(watching, true)
		}
	}
	if len(addrs) == 0 {
		x.unwatch(r)
	}
	return before
}

// unwatch ends what watch began. The caller holds mu.
func (x *table) unwatch(r *row) {
	if !r.has(watching) {
		return
	}
	r.set(watching, false)
	for addr, macs := range x.watched {
		if macs = slices.DeleteFunc(macs, func(m dhcp.MAC) bool { return m == r.mac }); len(macs) == 0 {
			delete(x.watched, addr)
		} else {
			x.watched[addr] = macs
		}
	}
}
