package events

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

const (
	fetchesMax  = 64  // files of each phone
	fileNameMax = 255 // bytes of a file name; no pack has longer ones
)

type fetchKey struct {
	mac  dhcp.MAC
	file string
}

// RecordFetch remembers the last fetch of a file by a phone, for at most 64 files of each. It never waits for the disk.
func (db *DB) RecordFetch(f fleet.Fetch) {
	f.Time = f.Time.UTC().Round(0)
	for _, text := range []*string{&f.File, &f.Kind, &f.Digest, (*string)(&f.Transport), &f.UserAgent, &f.Vendor, &f.Model, &f.Firmware, &f.Port} {
		*text = clip(*text)
	}
	key := fetchKey{f.MAC, f.File}
	db.mu.Lock()
	_, waits := db.fetches[key]
	if len(f.File) > fileNameMax || !waits && len(db.fetches) >= fetchQueueMax {
		db.drop(1)
	} else {
		db.fetches[key] = f
		if !waits {
			db.pending[f.MAC]++
		}
	}
	db.mu.Unlock()
	db.wake.put()
}

// Fetches returns the last fetch of each file of a phone, in order of file name.
func (db *DB) Fetches(mac dhcp.MAC) ([]fleet.Fetch, error) {
	found := map[string]fleet.Fetch{}
	db.mu.Lock()
	if db.pending[mac] > 0 { // when many phones start, thousands of fetches of others are pending
		for k, f := range db.fetches {
			if k.mac == mac {
				found[k.file] = f
			}
		}
	}
	db.mu.Unlock()
	err := db.view(func(tx dbfile.Tx) error {
		t := tx.Table(tableFetches)
		c := t.Cursor()
		for k, v := c.Seek(mac[:]); bytes.HasPrefix(k, mac[:]); k, v = c.Next() {
			b, err := t.Payload(k, v)
			if err != nil {
				continue // damaged
			}
			var f fleet.Fetch
			if err := dbfile.Decode(b, &f); err != nil {
				return broken("fetch of", mac.String(), err)
			}
			if _, newer := found[f.File]; !newer {
				found[f.File] = f
			}
		}
		return nil
	})
	return slices.SortedFunc(maps.Values(found), func(a, b fleet.Fetch) int { return cmp.Compare(a.File, b.File) }), err
}

// FetchesAfter returns up to n fetches of all phones that are in the file, in order of MAC, and the key to go on with: nil at first,
// and nil again when there are no more.
func (db *DB) FetchesAfter(key []byte, n int) (page []fleet.Fetch, next []byte, err error) {
	err = db.view(func(tx dbfile.Tx) error {
		t := tx.Table(tableFetches)
		c := t.Cursor()
		for k, v := c.Seek(append(key, 0)); k != nil; k, v = c.Next() {
			if len(page) == n {
				return nil
			}
			next = append(next[:0], k...)
			var f fleet.Fetch
			if b, err := t.Payload(k, v); err == nil && dbfile.Decode(b, &f) == nil { // else damaged
				page = append(page, f)
			}
		}
		next = nil
		return nil
	})
	return page, next, err
}

func writeFetches(tx dbfile.Tx, fetches map[fetchKey]fleet.Fetch) error {
	b := tx.Table(tableFetches)
	phones := map[dhcp.MAC]bool{}
	for key, f := range fetches {
		v, err := dbfile.Encode(&f)
		if err != nil {
			return err
		}
		if err := b.Put(append(key.mac[:], key.file...), v); err != nil {
			return err
		}
		phones[key.mac] = true
	}
	for mac := range phones {
		if err := trimFetches(b, mac); err != nil {
			return err
		}
	}
	return nil
}

// trimFetches removes the oldest fetches of a phone beyond the number that is kept.
func trimFetches(b dbfile.Table, mac dhcp.MAC) error {
	type one struct {
		key []byte
		at  time.Time
	}
	var all []one
	c := b.Cursor()
	for k, v := c.Seek(mac[:]); bytes.HasPrefix(k, mac[:]); k, v = c.Next() {
		var f fleet.Fetch // stays zero when it can't be read: the first to go
		if payload, err := b.Payload(k, v); err == nil {
			_ = dbfile.Decode(payload, &f)
		}
		all = append(all, one{bytes.Clone(k), f.Time})
	}
	if len(all) <= fetchesMax {
		return nil
	}
	slices.SortFunc(all, func(a, b one) int { return a.at.Compare(b.at) })
	for _, o := range all[:len(all)-fetchesMax] {
		if err := b.Delete(o.key); err != nil {
			return err
		}
	}
	return nil
}
