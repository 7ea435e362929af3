package events

import (
	"errors"
	"maps"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store/dbfile"
)

// batch is what one flush writes.
type batch struct {
	upTo       uint64                         // number of the last entry that leaves the queue
	write      []queued                       // entries for the file; those of one phone in order
	strangers  strangers                      // entries that stay in memory
	all        bool                           // write has all entries of strangers
	recorded   map[dhcp.MAC]bool              // of the phones in write
	fetches    map[fetchKey]fleet.Fetch       // for the file
	discovered map[dhcp.MAC]*fleet.Discovered // for the file; nil to remove
}

// flush writes what waits, in one transaction. What it could not write goes on waiting. Entries of phones without a record
// are written once a minute, or with all.
func (db *DB) flush(all bool) error {
	db.writeMu.Lock()
	defer db.writeMu.Unlock()
	b, err := db.collect(all)
	if err != nil {
		return err
	}
	if db.file == nil || len(b.write)+len(b.fetches)+len(b.discovered) == 0 {
		db.forgetWritten(b)
		return nil
	}
	var written map[dhcp.MAC]phone
	var evicted []dhcp.MAC
	err = db.file.Update(func(tx dbfile.Tx) error {
		var err error
		if written, err = db.writeQueue(tx, b); err != nil {
			return err
		}
		if evicted, err = db.evict(tx, written); err != nil {
			return err
		}
		return errors.Join(writeFetches(tx, b.fetches), writeDiscovered(tx, b.discovered))
	})
	if err != nil {
		return err
	}
	maps.Copy(db.phones, written)
	for _, mac := range evicted {
		delete(db.phones, mac)
	}
	if b.all {
		db.strangerTime = db.c.Now()
	}
	db.forgetWritten(b)
	return nil
}

// collect decides what the next flush writes. The caller holds writeMu.
func (db *DB) collect(all bool) (batch, error) {
	b := batch{all: all || db.c.Now().Sub(db.strangerTime) >= strangerEvery}
	db.mu.Lock()
	queue := db.queue
	b.strangers = maps.Clone(db.strangers)
	b.upTo = db.last
	b.fetches = maps.Clone(db.fetches)
	b.discovered = make(map[dhcp.MAC]*fleet.Discovered, len(db.discoveredDirty))
	for mac := range db.discoveredDirty {
		b.discovered[mac] = nil
		if d, ok := db.discovered[mac]; ok {
			b.discovered[mac] = &d
		}
	}
	db.mu.Unlock()
	macs := make(map[dhcp.MAC]bool, len(b.strangers))
	for mac := range b.strangers {
		macs[mac] = true
	}
	for _, q := range queue {
		macs[q.entry.MAC] = true
	}
	var err error
	if b.recorded, err = db.c.Recorded(slices.Collect(maps.Keys(macs))); err != nil {
		return b, err
	}
	for mac, entries := range b.strangers {
		if b.recorded[mac] && db.file != nil { // it has got a record since
			b.write = append(b.write, entries...)
			delete(b.strangers, mac)
		}
	}
	for _, q := range queue {
		if b.recorded[q.entry.MAC] && db.file != nil {
			b.write = append(b.write, q)
		} else {
			b.strangers.add(q, db.c.PerPhone)
		}
	}
	b.strangers.limit(db.c.Strangers)
	if b.all && db.file != nil {
		for _, entries := range b.strangers {
			b.write = append(b.write, entries...)
		}
		b.strangers = strangers{}
	}
	return b, nil
}

// forgetWritten takes off the buffers what a flush has written, unless it changed meanwhile.
func (db *DB) forgetWritten(b batch) {
	db.mu.Lock()
	defer db.mu.Unlock()
	rest := slices.IndexFunc(db.queue, func(q queued) bool { return q.number > b.upTo })
	if rest < 0 {
		db.queue = nil
	} else {
		db.queue = slices.Clone(db.queue[rest:])
	}
	db.strangers = b.strangers
	if db.file == nil {
		clear(db.discoveredDirty)
		return
	}
	for k, f := range b.fetches {
		if db.fetches[k] == f {
			delete(db.fetches, k)
		}
	}
	for mac, d := range b.discovered {
		now, there := db.discovered[mac]
		if d == nil && !there || d != nil && there && now == *d {
			delete(db.discoveredDirty, mac)
		}
	}
}

// writeQueue appends the entries to their timelines and returns those.
func (db *DB) writeQueue(tx dbfile.Tx, b batch) (map[dhcp.MAC]phone, error) {
	if len(b.write) == 0 {
		return nil, nil
	}
	byPhone := map[dhcp.MAC][]queued{}
	for _, q := range b.write {
		byPhone[q.entry.MAC] = append(byPhone[q.entry.MAC], q)
	}
	written := make(map[dhcp.MAC]phone, len(byPhone))
	for _, mac := range slices.SortedFunc(maps.Keys(byPhone), compareMAC) { // in order: pages are then filled in order
		entries := byPhone[mac]
		if err := extend(tx.Table(tableTimeline), mac, entries, db.perPhone); err != nil {
			return nil, err
		}
		written[mac] = phone{newest: entries[len(entries)-1].entry.Time, stranger: !b.recorded[mac]}
	}
	return written, tx.SetNumber(keyFlushed, b.upTo)
}

// AppendTimeline takes entries to be written within a second or so. It never waits for the disk. When the disk can't follow
// the oldest entries are dropped and counted.
func (db *DB) AppendTimeline(entries []timeline.Entry) {
	db.mu.Lock()
	for _, entry := range entries {
		entry.Time = entry.Time.UTC().Round(0)
		for _, text := range []*string{&entry.Reason, &entry.File, &entry.Options, &entry.Vendor, &entry.Model, &entry.Firmware} {
			*text = clip(*text)
		}
		if len(db.queue) >= queueMax {
			db.queue = slices.Clone(db.queue[queueMax/4:]) // a copy: flush may be reading the old one
			db.drop(queueMax / 4)
		}
		db.last++
		db.queue = append(db.queue, queued{db.last, entry})
	}
	db.mu.Unlock()
	db.wakeUp()
}
