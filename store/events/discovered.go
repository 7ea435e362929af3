package events

import (
	"bytes"
	"cmp"
	"fmt"
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
	for _, text := range []*string{&f.File, &f.UserAgent, &f.Vendor, &f.Model, &f.Firmware} {
		*text = clip(*text)
	}
	key := fetchKey{f.MAC, f.File}
	db.mu.Lock()
	_, waits := db.fetches[key]
	if len(f.File) > fileNameMax || !waits && len(db.fetches) >= fetchQueueMax {
		db.drop(1)
	} else {
		db.fetches[key] = f
	}
	db.mu.Unlock()
	db.wakeUp()
}

// Fetches returns the last fetch of each file of a phone, in order of file name.
func (db *DB) Fetches(mac dhcp.MAC) ([]fleet.Fetch, error) {
	found := map[string]fleet.Fetch{}
	db.mu.Lock()
	for k, f := range db.fetches {
		if k.mac == mac {
			found[k.file] = f
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

func (db *DB) loadDiscovered(tx dbfile.Tx) error {
	t := tx.Table(tableDiscovered)
	return t.ForEach(func(k, v []byte) error {
		b, err := t.Payload(k, v)
		if err != nil {
			return nil // damaged
		}
		var d fleet.Discovered
		if err := dbfile.Decode(b, &d); err != nil {
			db.c.Log.Warn("discovered phone can't be read", "key", k, "err", err)
			return nil
		}
		db.discovered[d.MAC] = d
		return nil
	})
}

// SeePhone puts a phone on the discovered list, or brings it up to date there; when the list is full those that were not
// seen for longest make room. It never waits for the disk.
func (db *DB) SeePhone(d fleet.Discovered) {
	for _, text := range []*string{&d.Vendor, &d.Model, &d.Firmware, &d.Hostname, &d.Reason, &d.CircuitID, &d.RemoteID} {
		*text = clip(*text)
	}
	if d.LastSeen.IsZero() {
		d.LastSeen = db.c.Now()
	}
	d.LastSeen = d.LastSeen.UTC().Round(0)
	if d.FirstSeen.IsZero() {
		d.FirstSeen = d.LastSeen
	}
	d.FirstSeen = d.FirstSeen.UTC().Round(0)
	db.mu.Lock()
	if old, known := db.discovered[d.MAC]; known {
		d = mergeDiscovered(old, d)
	} else if len(db.discovered) >= db.c.Discovered {
		db.makeRoom()
	}
	db.discovered[d.MAC] = d
	db.discoveredDirty[d.MAC] = true
	db.mu.Unlock()
	db.wakeUp()
}

// mergeDiscovered keeps what the newer sighting does not say. The model and firmware of another vendor are not kept.
func mergeDiscovered(old, d fleet.Discovered) fleet.Discovered {
	d.FirstSeen = old.FirstSeen
	if old.LastSeen.After(d.LastSeen) {
		d.LastSeen = old.LastSeen
	}
	if d.Vendor == "" || d.Vendor == old.Vendor {
		d.Vendor, d.Model, d.Firmware = old.Vendor, cmp.Or(d.Model, old.Model), cmp.Or(d.Firmware, old.Firmware)
	}
	d.Hostname = cmp.Or(d.Hostname, old.Hostname)
	d.IP, d.Subnet = cmp.Or(d.IP, old.IP), cmp.Or(d.Subnet, old.Subnet)
	d.Reason = cmp.Or(d.Reason, old.Reason)
	d.CircuitID, d.RemoteID = cmp.Or(d.CircuitID, old.CircuitID), cmp.Or(d.RemoteID, old.RemoteID)
	return d
}

// makeRoom takes a twentieth off the list at once, so that a flood of new MACs does not sort the list for each of them.
// The caller holds mu.
func (db *DB) makeRoom() {
	order := slices.SortedFunc(maps.Keys(db.discovered), func(a, b dhcp.MAC) int {
		return cmp.Or(db.discovered[a].LastSeen.Compare(db.discovered[b].LastSeen), compareMAC(a, b))
	})
	room := max(1, db.c.Discovered/20, len(order)-db.c.Discovered+1)
	for _, mac := range order[:min(room, len(order))] {
		delete(db.discovered, mac)
		db.discoveredDirty[mac] = true
	}
	if len(db.discoveredDirty) > 4*db.c.Discovered { // only when the disk does not follow
		db.forgetRemoved()
	}
}

// forgetRemoved bounds discoveredDirty under a flood and a failing disk: removals are given up. What then stays in the file is
// taken off the list when it is next read or full. The caller holds mu.
func (db *DB) forgetRemoved() {
	for mac := range db.discoveredDirty {
		if _, ok := db.discovered[mac]; !ok {
			delete(db.discoveredDirty, mac)
		}
	}
}

func writeDiscovered(tx dbfile.Tx, discovered map[dhcp.MAC]*fleet.Discovered) error {
	b := tx.Table(tableDiscovered)
	for mac, d := range discovered {
		if d == nil {
			if err := b.Delete(mac[:]); err != nil {
				return err
			}
			continue
		}
		v, err := dbfile.Encode(d)
		if err != nil {
			return err
		}
		if err := b.Put(mac[:], v); err != nil {
			return err
		}
	}
	return nil
}

// DiscoveredPhones returns the discovered list in order of MAC.
func (db *DB) DiscoveredPhones() ([]fleet.Discovered, error) {
	db.mu.Lock()
	list := slices.Collect(maps.Values(db.discovered))
	db.mu.Unlock()
	slices.SortFunc(list, func(a, b fleet.Discovered) int { return compareMAC(a.MAC, b.MAC) })
	return list, nil
}

// DiscoveredCount is the length of the discovered list.
func (db *DB) DiscoveredCount() int {
	db.mu.Lock()
	defer db.mu.Unlock()
	return len(db.discovered)
}

// ForgetPhone takes a phone off the discovered list. The file follows within a second or so.
func (db *DB) ForgetPhone(mac dhcp.MAC) error {
	db.mu.Lock()
	defer db.wakeUp()
	defer db.mu.Unlock()
	if _, ok := db.discovered[mac]; !ok {
		return fmt.Errorf("discovered phone %s: %w", mac, fleet.ErrNotFound)
	}
	delete(db.discovered, mac)
	db.discoveredDirty[mac] = true
	return nil
}
