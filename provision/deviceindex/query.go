package deviceindex

import (
	"context"
	"errors"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/selector"
)

// Query selects devices.
type Query struct {
	Where selector.Selector
	Text  string        // only devices with this text in one of their texts, in lower case; "": all
	Wait  time.Duration // how long states are computed whose inputs have changed; 0: until all are
}

// Item is a device of a page.
type Item struct {
	Device *fleet.Device
	Status *devicestatus.Status // nil when it can't be computed
}

// Page is a part of a list.
type Page struct {
	Items   []Item
	Next    string // cursor of the next page; "" on the last one
	Total   int    // devices of all pages
	Pending int    // of all devices that may be in the list, those whose status is from before its inputs changed; 0 when conditions and order need none
}

// ofStatus are the fields that the record alone does not have.
var ofStatus = []string{"state", "subnet", "firmware", "left_out", "on_phone", "registered", "ip", "last_seen", "last_fetch", "switch_port"}

// Select returns the devices of a query in MAC order. It waits until all states that it needs are known.
func (x *Index) Select(ctx context.Context, where selector.Selector) ([]dhcp.MAC, error) {
	m, err := x.prepare(ctx, Query{Where: where}, where.Names)
	if err != nil {
		return nil, err
	}
	macs := []dhcp.MAC{}
	x.mu.RLock()
	defer x.mu.RUnlock()
	m.begin()
	for _, r := range x.rows {
		if m.all(r) {
			macs = append(macs, r.mac)
		}
	}
	return macs, nil
}

// prepare brings the rows up to date that a query needs. needed reports whether it needs a field of the status.
func (x *Index) prepare(ctx context.Context, q Query, needed func(field string) bool) (*matcher, error) {
	var deadline time.Time
	if q.Wait > 0 {
		deadline = x.c.Now().Add(q.Wait)
	}
	if err := x.sync(); err != nil {
		return nil, err
	}
	m := newMatcher(q, x.texts)
	m.registration = x.c.Registration
	if err := x.searchNotes(m); err != nil || !slices.ContainsFunc(ofStatus, needed) {
		return m, err
	}
	return m, x.refresh(ctx, x.pending(m, x.seconds()), deadline)
}

// List returns a page of the devices of a query, in an order.
func (x *Index) List(ctx context.Context, q Query, o Order) (Page, error) {
	page := Page{Items: []Item{}}
	after, err := o.start()
	if err != nil {
		return page, err
	}
	needed := func(field string) bool { return q.Where.Names(field) || o.by == field }
	m, err := x.prepare(ctx, q, needed)
	if err != nil {
		return page, err
	}
	page.Total, page.Pending = x.count(m, slices.ContainsFunc(ofStatus, needed), x.seconds())
	for {
		want := o.Limit + 1 - len(page.Items)
		found := x.after(m, o, after, want)
		for _, k := range found {
			after = k
			item, err := x.item(ctx, m, k.mac)
			if err != nil {
				return page, err
			}
			if item.Device == nil {
				continue
			}
			if len(page.Items) == o.Limit { // one more than the page has: there is a next one
				return page, nil
			}
			page.Items = append(page.Items, item)
			page.Next = o.encode(k)
		}
		if len(found) < want {
			page.Next = ""
			return page, nil
		}
	}
}

// count returns how many rows a query selects, and of those that it may select how many are pending.
func (x *table) count(m *matcher, status bool, now uint32) (total, pending int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	m.begin()
	for _, r := range x.rows {
		if !m.record(r) {
			continue
		}
		if status && r.isPending(now) {
			pending++
		}
		if m.status(r) {
			total++
		}
	}
	return total, pending
}

// item returns a device of a page. It has no Device when that is no longer selected.
func (x *Index) item(ctx context.Context, m *matcher, mac dhcp.MAC) (Item, error) {
	now := x.seconds()
	x.mu.RLock()
	i, ok := x.find(mac)
	outdated := ok && x.rows[i].isPending(now)
	x.mu.RUnlock()
	if outdated {
		if err := x.compute(ctx, mac); err != nil {
			return Item{}, err
		}
	}
	var item Item
	err := x.c.Records.View(func(f fleet.View) (err error) {
		item.Device, err = f.Device(mac)
		return err
	})
	if errors.Is(err, fleet.ErrNotFound) {
		return Item{}, nil
	}
	if err != nil {
		return Item{}, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	m.begin()
	i, ok = x.find(mac)
	if !ok || !m.all(x.rows[i]) {
		return Item{}, nil
	}
	if item.Status = x.rows[i].status(x.texts); item.Status != nil {
		item.Status.Register(item.Device, x.c.Registration)
	}
	return item, nil
}
