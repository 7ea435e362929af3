package provisiontest

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// changeOf compares two revisions.
func changeOf(w fleet.Write, old, next *view) (fleet.Change, error) {
	c := fleet.Change{ID: next.revision, Time: time.Unix(int64(1_700_000_000+next.revision), 0).UTC(), Actor: w.Actor, From: w.From,
		Action: w.Action, Message: w.Message, Undoes: w.Undoes}
	if w.DryRun {
		c.ID = 0
	}
	err := compare(&c, fleet.KindRegistrar, old.registrars, next.registrars, func(s string) string { return s }, func(r *fleet.Registrar) *fleet.Record { return &fleet.Record{Registrar: r} })
	if err == nil {
		err = compare(&c, fleet.KindProfile, old.profiles, next.profiles, func(s string) string { return s }, func(p *fleet.Profile) *fleet.Record { return &fleet.Record{Profile: p} })
	}
	if err == nil {
		err = compare(&c, fleet.KindExtension, old.extensions, next.extensions, extensionKey.String, func(x *fleet.Extension) *fleet.Record { return &fleet.Record{Extension: x} })
	}
	if err == nil {
		err = compare(&c, fleet.KindDevice, old.devices, next.devices, dhcp.MAC.String, func(d *fleet.Device) *fleet.Record { return &fleet.Record{Device: d} })
	}
	if c.Total() == 0 {
		c.ID = 0
	}
	return c, err
}

// String returns NUMBER@REGISTRAR.
func (k extensionKey) String() string { return k.number + "@" + k.registrar }

func compare[K comparable, T any](c *fleet.Change, kind string, old, next map[K][]byte, name func(K) string, wrap func(*T) *fleet.Record) error {
	keys := maps.Clone(old)
	if keys == nil {
		keys = map[K][]byte{}
	}
	maps.Copy(keys, next)
	var found []fleet.ChangedRecord
	for k := range keys {
		if bytes.Equal(old[k], next[k]) {
			continue
		}
		r := fleet.ChangedRecord{Kind: kind, Name: name(k)}
		for _, side := range []struct {
			b  []byte
			to **fleet.Record
		}{{old[k], &r.Before}, {next[k], &r.After}} {
			if side.b == nil {
				continue
			}
			v, err := decode[T](side.b)
			if err != nil {
				return err
			}
			*side.to = wrap(v)
		}
		switch r.Change() {
		case "created":
			c.Created++
		case "deleted":
			c.Deleted++
		default:
			c.Changed++
		}
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b fleet.ChangedRecord) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	c.Records = append(c.Records, found...)
	return nil
}

// changeList is changes with their records, by id.
type changeList []fleet.Change

// Change implements fleet.ChangeView.
func (l changeList) Change(id uint64) (fleet.Change, error) {
	for _, c := range l {
		if c.ID == id {
			c.Records = nil
			return c, nil
		}
	}
	return fleet.Change{}, fmt.Errorf("change %d: %w", id, fleet.ErrNotFound)
}

// ChangeRecords implements fleet.ChangeView.
func (l changeList) ChangeRecords(id uint64) iter.Seq2[fleet.ChangedRecord, error] {
	return func(yield func(fleet.ChangedRecord, error) bool) {
		for _, c := range l {
			for _, r := range c.Records {
				if c.ID == id && !yield(r, nil) {
					return
				}
			}
		}
	}
}

// Changes implements fleet.Changes.
func (r *Records) Changes(before uint64, limit int) ([]fleet.Change, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.broken {
		return nil, ErrBroken
	}
	var out []fleet.Change
	for _, c := range slices.Backward(r.fleet.changeList) {
		if (before == 0 || c.ID < before) && len(out) < limit {
			c.Records = nil
			out = append(out, c)
		}
	}
	return out, nil
}

// RecordHistory implements fleet.Changes.
func (r *Records) RecordHistory(kind, name string, limit int) ([]fleet.RecordRevision, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.broken {
		return nil, ErrBroken
	}
	var out []fleet.RecordRevision
	for _, c := range slices.Backward(r.fleet.changeList) {
		for _, x := range c.Records {
			if x.Kind == kind && x.Name == name && len(out) < limit {
				header := c
				header.Records = nil
				out = append(out, fleet.RecordRevision{Change: header, ChangedRecord: x})
			}
		}
	}
	return out, nil
}
