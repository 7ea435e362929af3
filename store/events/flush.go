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
	chunks := chunk(b.write, db.timelines.chunkSize(), db.timelines.chunkSize()*8)
	for i, entries := range chunks {
		err := db.timelines.makeRoom()
		if err == nil {
			err = db.writeChunk(entries, b, i == len(chunks)-1)
		}
		if err != nil {
			return errors.Join(err, db.reload()) // an entry that was written is known by its number
		}
	}
	if b.all {
		db.strangerTime = db.c.Now()
	}
	db.forgetWritten(b)
	return nil
}

// chunk sorts entries by phone, so that pages are filled in order, and cuts them where one transaction ends: at so many
// phones or entries. There is one chunk at least.
func chunk(all []queued, phones, entries int) (chunks []map[dhcp.MAC][]queued) {
	byPhone := map[dhcp.MAC][]queued{}
	for _, q := range all {
		byPhone[q.mac] = append(byPhone[q.mac], q)
	}
	chunks = []map[dhcp.MAC][]queued{{}}
	n := 0 // entries in the last
	for _, mac := range slices.SortedFunc(maps.Keys(byPhone), compareMAC) {
		last := chunks[len(chunks)-1]
		if len(last) == phones || n > entries {
			last, n = map[dhcp.MAC][]queued{}, 0
			chunks = append(chunks, last)
		}
		last[mac] = byPhone[mac]
		n += len(byPhone[mac])
	}
	return chunks
}

// collect decides what the next flush writes. The caller holds writeMu.
func (db *DB) collect(all bool) (batch, error) {
	b := batch{all: all || db.c.Now().Sub(db.strangerTime) >= strangerEvery}
	db.mu.Lock()
	queue := db.queue
	b.strangers = maps.Clone(db.strangers)
	b.upTo = db.last
	b.fetches = maps.Clone(db.fetches)
	b.discovered = db.discovered.pending()
	db.mu.Unlock()
	macs := make(map[dhcp.MAC]bool, len(b.strangers))
	for mac := range b.strangers {
		macs[mac] = true
	}
	for _, q := range queue {
		macs[q.mac] = true
	}
	var err error
	if b.recorded, err = db.c.recorded(slices.Collect(maps.Keys(macs))); err != nil {
		return b, err
	}
	for mac, entries := range b.strangers {
		if b.recorded[mac] && db.file != nil { // it has got a record since
			b.write = append(b.write, entries...)
			delete(b.strangers, mac)
		}
	}
	for _, q := range queue {
		if b.recorded[q.mac] && db.file != nil {
			b.write = append(b.write, q)
		} else {
			b.strangers.add(q, lengthOf(q.mac, db.c.PerPhone))
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
		clear(db.discovered.changed)
		return
	}
	for k, f := range b.fetches {
		if db.fetches[k] == f {
			delete(db.fetches, k)
			if db.pending[k.mac]--; db.pending[k.mac] == 0 {
				delete(db.pending, k.mac)
			}
		}
	}
	db.discovered.written(b.discovered)
}

// writeChunk appends entries to their timelines, in one transaction, with everything else of the batch when it is the last.
func (db *DB) writeChunk(entries map[dhcp.MAC][]queued, b batch, last bool) error {
	return db.file.Update(func(tx dbfile.Tx) error {
		for _, mac := range slices.SortedFunc(maps.Keys(entries), compareMAC) {
			of := entries[mac]
			if err := extend(tx.Table(tableTimeline), mac, of, lengthOf(mac, db.timelines.perPhone)); err != nil {
				return err
			}
			db.timelines.phones[mac] = phone{newest: of[len(of)-1].entry.Time, stranger: !b.recorded[mac]}
		}
		if len(entries) > 0 {
			if err := errors.Join(db.timelines.evict(tx, db.timelines.excess()), tx.SetNumber(keyFlushed, b.upTo)); err != nil {
				return err
			}
		}
		if !last {
			return nil
		}
		return errors.Join(writeFetches(tx, b.fetches), writeDiscovered(tx, b.discovered))
	})
}

// AppendTimeline takes an entry to be written within a second or so. It never waits for the disk. When the disk can't follow
// the oldest entries are dropped and counted.
func (db *DB) AppendTimeline(entry timeline.Entry) {
	entry.Time = entry.Time.UTC().Round(0)
	for _, text := range []*string{&entry.Reason, &entry.File, &entry.Options, &entry.Vendor, &entry.Model, &entry.Firmware} {
		*text = clip(*text)
	}
	db.mu.Lock()
	if len(db.queue) >= queueMax {
		db.queue = slices.Clone(db.queue[queueMax/4:]) // a copy: flush may be reading the old one
		db.drop(queueMax / 4)
	}
	db.last++
	db.queue = append(db.queue, queued{db.last, keyOf(&entry), &entry})
	db.mu.Unlock()
	db.wake.put()
}
