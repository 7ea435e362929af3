package store

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

const (
	fetchesKept = 64  // files of each phone
	fileNameMax = 255 // bytes of a file name; no pack has longer ones
)

type fetchKey struct {
	mac  dhcp.MAC
	file string
}

// RecordFetch remembers the last fetch of a file by a phone, for at most 64 files of each. It never waits for the disk.
func (s *Store) RecordFetch(f fleet.Fetch) {
	e := s.events
	f.Time = f.Time.UTC().Round(0)
	for _, text := range []*string{&f.File, &f.UserAgent, &f.Vendor, &f.Model, &f.Firmware} {
		*text = clip(*text)
	}
	key := fetchKey{f.MAC, f.File}
	e.mu.Lock()
	_, waits := e.fetches[key]
	if len(f.File) > fileNameMax || !waits && len(e.fetches) >= fetchQueueMax {
		e.drop(1)
	} else {
		e.fetches[key] = f
	}
	e.mu.Unlock()
	e.wakeUp()
}

// Fetches returns the last fetch of each file of a phone, in order of file name.
func (s *Store) Fetches(mac dhcp.MAC) ([]fleet.Fetch, error) {
	e := s.events
	found := map[string]fleet.Fetch{}
	e.mu.Lock()
	for k, f := range e.fetches {
		if k.mac == mac {
			found[k.file] = f
		}
	}
	e.mu.Unlock()
	err := s.eventDB.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketFetches).Cursor()
		for k, v := c.Seek(mac[:]); bytes.HasPrefix(k, mac[:]); k, v = c.Next() {
			var f fleet.Fetch
			if err := decode(v, &f); err != nil {
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

func writeFetches(tx *bolt.Tx, fetches map[fetchKey]fleet.Fetch) error {
	b := tx.Bucket(bucketFetches)
	phones := map[dhcp.MAC]bool{}
	for key, f := range fetches {
		v, err := encodeOnce(&f)
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
func trimFetches(b *bolt.Bucket, mac dhcp.MAC) error {
	type one struct {
		key []byte
		at  time.Time
	}
	var all []one
	c := b.Cursor()
	for k, v := c.Seek(mac[:]); bytes.HasPrefix(k, mac[:]); k, v = c.Next() {
		var f fleet.Fetch
		if decode(v, &f) != nil {
			f = fleet.Fetch{} // the first to go
		}
		all = append(all, one{bytes.Clone(k), f.Time})
	}
	if len(all) <= fetchesKept {
		return nil
	}
	slices.SortFunc(all, func(a, b one) int { return a.at.Compare(b.at) })
	for _, o := range all[:len(all)-fetchesKept] {
		if err := b.Delete(o.key); err != nil {
			return err
		}
	}
	return nil
}

func (e *events) loadSeen(tx *bolt.Tx) error {
	return tx.Bucket(bucketSeen).ForEach(func(k, v []byte) error {
		var d fleet.Discovered
		if err := decode(v, &d); err != nil {
			e.s.cfg.Log.Warn("discovered phone can't be read", "key", k, "err", err)
			return nil
		}
		e.discovered[d.MAC] = d
		return nil
	})
}

// SeePhone puts a phone on the discovered list, or brings it up to date there; when the list is full those that were not
// seen for longest make room. It never waits for the disk.
func (s *Store) SeePhone(d fleet.Discovered) {
	e := s.events
	for _, text := range []*string{&d.Vendor, &d.Model, &d.Firmware, &d.Hostname, &d.Reason, &d.CircuitID, &d.RemoteID} {
		*text = clip(*text)
	}
	if d.LastSeen.IsZero() {
		d.LastSeen = s.cfg.Now()
	}
	d.LastSeen = d.LastSeen.UTC().Round(0)
	if d.FirstSeen.IsZero() {
		d.FirstSeen = d.LastSeen
	}
	d.FirstSeen = d.FirstSeen.UTC().Round(0)
	e.mu.Lock()
	if old, known := e.discovered[d.MAC]; known {
		d = mergeSeen(old, d)
	} else if len(e.discovered) >= s.cfg.DiscoveredMax {
		e.makeRoom()
	}
	e.discovered[d.MAC] = d
	e.discoveredDirty[d.MAC] = true
	e.mu.Unlock()
	e.wakeUp()
}

// mergeSeen keeps what the newer sighting does not say. The model and firmware of another vendor are not kept.
func mergeSeen(old, d fleet.Discovered) fleet.Discovered {
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
func (e *events) makeRoom() {
	order := slices.SortedFunc(maps.Keys(e.discovered), func(a, b dhcp.MAC) int {
		return cmp.Or(e.discovered[a].LastSeen.Compare(e.discovered[b].LastSeen), compareMAC(a, b))
	})
	room := max(1, e.s.cfg.DiscoveredMax/20, len(order)-e.s.cfg.DiscoveredMax+1)
	for _, mac := range order[:min(room, len(order))] {
		delete(e.discovered, mac)
		e.discoveredDirty[mac] = true
	}
	if len(e.discoveredDirty) > 4*e.s.cfg.DiscoveredMax { // only when the disk does not follow
		e.forgetRemoved()
	}
}

// forgetRemoved bounds discoveredDirty under a flood and a failing disk: removals are given up. What then stays in the file is
// taken off the list when it is next read or full. The caller holds mu.
func (e *events) forgetRemoved() {
	for mac := range e.discoveredDirty {
		if _, ok := e.discovered[mac]; !ok {
			delete(e.discoveredDirty, mac)
		}
	}
}

func writeSeen(tx *bolt.Tx, seen map[dhcp.MAC]*fleet.Discovered) error {
	b := tx.Bucket(bucketSeen)
	for mac, d := range seen {
		if d == nil {
			if err := b.Delete(mac[:]); err != nil {
				return err
			}
			continue
		}
		v, err := encodeOnce(d)
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
func (s *Store) DiscoveredPhones() ([]fleet.Discovered, error) {
	e := s.events
	e.mu.Lock()
	list := slices.Collect(maps.Values(e.discovered))
	e.mu.Unlock()
	slices.SortFunc(list, func(a, b fleet.Discovered) int { return compareMAC(a.MAC, b.MAC) })
	return list, nil
}

// DiscoveredCount is the length of the discovered list.
func (s *Store) DiscoveredCount() int {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	return len(s.events.discovered)
}

// ForgetPhone takes a phone off the discovered list. The file follows within a second or so.
func (s *Store) ForgetPhone(mac dhcp.MAC) error {
	e := s.events
	e.mu.Lock()
	defer e.wakeUp()
	defer e.mu.Unlock()
	if _, ok := e.discovered[mac]; !ok {
		return notFound("discovered phone", mac.String())
	}
	delete(e.discovered, mac)
	e.discoveredDirty[mac] = true
	return nil
}
