package impact

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// changesAtOnce is how many changes Past reads at a time.
const changesAtOnce = 100

// Past returns the records as they were at a time, as far as changes are kept: a change for Records that leads back to it.
func Past(records fleet.Records, changes fleet.Changes, at time.Time) (fleet.Change, error) {
	back := fleet.Change{}
	place := map[[2]string]int{}
	before := uint64(0)
	for {
		list, err := changes.Changes(before, changesAtOnce)
		if err != nil {
			return back, err
		}
		for _, c := range list {
			if !c.Time.After(at) {
				return back, nil
			}
			before = c.ID
			err := records.View(func(f fleet.View) error {
				for r, err := range f.ChangeRecords(c.ID) {
					if err != nil {
						return err
					}
					addPast(&back, place, r)
				}
				return nil
			})
			if err != nil {
				return back, fmt.Errorf("records before change %d: %w", c.ID, err)
			}
		}
		if len(list) < changesAtOnce {
			return back, nil
		}
	}
}

// Back returns the change that leads from the records of f back to those of a revision. ok is false when a change between them is not
// kept, or when they are about more than most records.
func Back(f fleet.View, revision uint64, most int) (back fleet.Change, ok bool, err error) {
	place := map[[2]string]int{}
	for id := f.Revision(); id > revision; id-- {
		c, err := f.Change(id)
		if errors.Is(err, fleet.ErrNotFound) {
			return back, false, nil
		}
		if err != nil {
			return back, false, err
		}
		if most -= c.Total(); most < 0 {
			return back, false, nil
		}
		for r, err := range f.ChangeRecords(id) {
			if err != nil {
				return back, false, err
			}
			addPast(&back, place, r)
		}
	}
	return back, f.Revision() >= revision, nil
}

// addPast sets a record to what it was before a change; those are added from the newest to the oldest.
func addPast(back *fleet.Change, place map[[2]string]int, r fleet.ChangedRecord) {
	turned := fleet.ChangedRecord{Kind: r.Kind, Name: r.Name, Before: r.After, After: r.Before}
	if turned.Before == nil {
		turned.Before = r.Before // any state of it: it names the record
	}
	key := [2]string{r.Kind, r.Name}
	if i, again := place[key]; again {
		back.Records[i].After = turned.After
		return
	}
	place[key] = len(back.Records)
	back.Records = append(back.Records, turned)
}

// Phones returns the devices of now whose files a change that is stored has changed, by MAC. now renders their files, and before returns
// a renderer of the files that they would get from other records.
func Phones(ctx context.Context, records fleet.Records, now Renderer, before func(fleet.Records) (Renderer, error), id uint64, site *fleet.Site) ([]dhcp.MAC, error) {
	c, back := fleet.Change{}, fleet.Change{}
	place := map[[2]string]int{}
	err := records.View(func(f fleet.View) (err error) {
		if c, err = f.Change(id); err != nil {
			return err
		}
		for r, err := range f.ChangeRecords(id) {
			if err != nil {
				return err
			}
			c.Records = append(c.Records, r)
			addPast(&back, place, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	earlier := Records(records, back)
	was, err := before(earlier)
	if err != nil {
		return nil, err
	}
	var macs []dhcp.MAC
	err = earlier.View(func(f fleet.View) (err error) {
		macs, err = Affected(f, site, c, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []dhcp.MAC
	devices := changedDevices(c)
	for _, mac := range macs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, differs, _ := compare{was, now, true}.phone(ctx, mac, devices[mac])
		if differs && p.Change != Gone {
			out = append(out, mac)
		}
	}
	return out, nil
}

// Since returns the lines by which a file differs from what it was in the past; ok is false when its bytes then are not those
// with the digest, because configuration or packs were others.
func Since(ctx context.Context, past, now Renderer, mac dhcp.MAC, name, digest string) (diff string, ok bool) {
	was, err := past.File(ctx, mac, name, netip.Prefix{}, false)
	if err != nil || was.Digest != digest {
		return "", false
	}
	if was.Content != nil {
		_ = was.Content.Close() // it was only read from
		return "", false
	}
	is, err := masked(ctx, now, mac, name)
	if err != nil {
		return "", false
	}
	return Unified(name, was.Body, is), true
}
