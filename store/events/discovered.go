package events

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// discoveredList is the list of phones without a record, and what of it is not in the file yet.
type discoveredList struct {
	phones  map[dhcp.MAC]fleet.Discovered // the whole list
	changed map[dhcp.MAC]bool             // to be written, or removed where phones has none
	max     int
}

// load reads the list. A phone that can't be read is left out.
func (l *discoveredList) load(tx dbfile.Tx, log *slog.Logger) error {
	t := tx.Table(tableDiscovered)
	return t.ForEach(func(k, v []byte) error {
		b, err := t.Payload(k, v)
		if err != nil {
			return nil // damaged
		}
		var d fleet.Discovered
		if err := dbfile.Decode(b, &d); err != nil {
			log.Warn("discovered phone can't be read", "key", k, "err", err)
			return nil
		}
		l.phones[d.MAC] = d
		return nil
	})
}

// SeePhone puts a phone on the discovered list, or brings it up to date there; when the list is full those that were not
// seen for longest make room. It never waits for the disk.
func (db *DB) SeePhone(d fleet.Discovered) {
	for _, text := range []*string{&d.Vendor, &d.Model, &d.Firmware, &d.Hostname, &d.Reason, &d.CircuitID, &d.RemoteID} {
		*text = strings.Clone(clip(*text)) // the list is long-lived, and what the text is part of need not be
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
	l := &db.discovered
	if old, known := l.phones[d.MAC]; known {
		d = mergeDiscovered(old, d)
	} else if len(l.phones) >= l.max {
		l.makeRoom()
	}
	l.phones[d.MAC] = d
	l.changed[d.MAC] = true
	db.mu.Unlock()
	db.wake.put()
}

// mergeDiscovered keeps what the newer sighting lacks. The model and firmware of another vendor are not kept.
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
func (l *discoveredList) makeRoom() {
	order := slices.SortedFunc(maps.Keys(l.phones), func(a, b dhcp.MAC) int {
		return cmp.Or(l.phones[a].LastSeen.Compare(l.phones[b].LastSeen), compareMAC(a, b))
	})
	room := max(1, l.max/20, len(order)-l.max+1)
	for _, mac := range order[:min(room, len(order))] {
		delete(l.phones, mac)
		l.changed[mac] = true
	}
	if len(l.changed) > 4*l.max { // only when the disk does not follow
		l.forgetRemoved()
	}
}

// forgetRemoved bounds what is to be written under a flood and a failing disk: removals are given up. What then stays in the file is
// taken off the list when it is next read or full.
func (l *discoveredList) forgetRemoved() {
	for mac := range l.changed {
		if _, ok := l.phones[mac]; !ok {
			delete(l.changed, mac)
		}
	}
}

// pending returns what is to be written; nil where a phone is to be removed.
func (l *discoveredList) pending() map[dhcp.MAC]*fleet.Discovered {
	pending := make(map[dhcp.MAC]*fleet.Discovered, len(l.changed))
	for mac := range l.changed {
		pending[mac] = nil
		if d, ok := l.phones[mac]; ok {
			pending[mac] = &d
		}
	}
	return pending
}

// written notes what was written, unless it has changed meanwhile.
func (l *discoveredList) written(written map[dhcp.MAC]*fleet.Discovered) {
	for mac, d := range written {
		now, there := l.phones[mac]
		if d == nil && !there || d != nil && there && now == *d {
			delete(l.changed, mac)
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
	list := slices.Collect(maps.Values(db.discovered.phones))
	db.mu.Unlock()
	slices.SortFunc(list, func(a, b fleet.Discovered) int { return compareMAC(a.MAC, b.MAC) })
	return list, nil
}

// DiscoveredCount is the length of the discovered list.
func (db *DB) DiscoveredCount() int {
	db.mu.Lock()
	defer db.mu.Unlock()
	return len(db.discovered.phones)
}

// ForgetPhone takes a phone off the discovered list. The file follows within a second or so.
func (db *DB) ForgetPhone(mac dhcp.MAC) error {
	db.mu.Lock()
	defer db.wake.put()
	defer db.mu.Unlock()
	if _, ok := db.discovered.phones[mac]; !ok {
		return fmt.Errorf("discovered phone %s: %w", mac, fleet.ErrNotFound)
	}
	delete(db.discovered.phones, mac)
	db.discovered.changed[mac] = true
	return nil
}
