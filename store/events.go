package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

const (
	queueMax      = 32_768 // entries that wait to be written
	fetchQueueMax = 16_384 // fetches that wait to be written
	textMax       = 1_024  // bytes of one text of an entry
	flushEvery    = time.Second
	logEvery      = time.Minute // how often a disk that fails is said
)

// events takes what happened at the speed of the network and writes it at the speed of the disk. What waits is bounded:
// the oldest goes first, and is counted.
type events struct {
	s    *Store
	wake chan struct{} // holds one token while something waits

	mu              sync.Mutex // of what follows; never held over the disk
	queue           []queued
	last            uint64 // number of the newest entry queued
	fetches         map[fetchKey]fleet.Fetch
	discovered      map[dhcp.MAC]fleet.Discovered // the whole list
	discoveredDirty map[dhcp.MAC]bool             // to be written, or removed where seen has none
	lost            uint64                        // dropped since it was last said

	writeMu  sync.Mutex             // one writer of events.db at a time; taken before mu
	phones   map[dhcp.MAC]time.Time // newest written entry of each timeline; under writeMu
	grumbled time.Time              // under writeMu
}

type queued struct {
	number uint64
	entry  timeline.Entry
}

// loadEvents reads what the buffers need to know of events.db.
func loadEvents(s *Store) (*events, error) {
	e := &events{s: s, wake: make(chan struct{}, 1), fetches: map[fetchKey]fleet.Fetch{},
		discovered: map[dhcp.MAC]fleet.Discovered{}, discoveredDirty: map[dhcp.MAC]bool{}, phones: map[dhcp.MAC]time.Time{}}
	err := s.eventDB.view(func(tx *bolt.Tx) error {
		e.last = metaNumber(tx, keyFlushed)
		e.loadPhones(tx)
		return e.loadSeen(tx)
	})
	return e, err
}

// loadPhones jumps from the end of one timeline to the end of the next.
func (e *events) loadPhones(tx *bolt.Tx) {
	c := tx.Bucket(bucketTimeline).Cursor()
	for k, v := c.Last(); len(k) == 14; k, v = c.Prev() {
		mac := dhcp.MAC(k[:6])
		var entry timeline.Entry
		if err := decode(v, &entry); err != nil {
			e.s.cfg.Log.Warn("timeline entry can't be read", "mac", mac, "err", err)
		}
		e.phones[mac] = entry.Time
		c.Seek(mac[:])
	}
}

// AppendTimeline takes entries to be written within a second or so. It never waits for the disk; when the disk can't
// follow the oldest entries are dropped and counted.
func (s *Store) AppendTimeline(entries []timeline.Entry) {
	e := s.events
	e.mu.Lock()
	for _, entry := range entries {
		entry.Time = entry.Time.UTC().Round(0)
		for _, text := range []*string{&entry.Reason, &entry.File, &entry.Options, &entry.Vendor, &entry.Model, &entry.Firmware} {
			*text = clip(*text)
		}
		if len(e.queue) >= queueMax {
			e.queue = slices.Clone(e.queue[queueMax/4:]) // a copy: flush may be reading the old one
			e.drop(queueMax / 4)
		}
		e.last++
		e.queue = append(e.queue, queued{e.last, entry})
	}
	e.mu.Unlock()
	e.wakeUp()
}

// clip bounds a text that came from the network and makes it one that reads back as it is.
func clip(s string) string {
	return strings.Clone(strings.ToValidUTF8(s[:min(len(s), textMax)], "\uFFFD"))
}

// drop counts what is lost. The caller holds mu.
func (e *events) drop(n int) {
	e.lost += uint64(n)
	e.s.metrics.dropped.Add(float64(n))
}

func (e *events) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// run flushes when there is something, and not again before flushEvery has gone by.
func (e *events) run(ctx context.Context) {
	pause := time.NewTimer(flushEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			e.flushAndLog()
			return
		case <-e.wake:
		}
		e.flushAndLog()
		pause.Reset(flushEvery)
		select {
		case <-ctx.Done():
			e.flushAndLog()
			return
		case <-pause.C:
		}
	}
}

// flushAndLog flushes; a disk that fails is said once a minute and tried again after a pause.
func (e *events) flushAndLog() {
	err := e.flush()
	if err != nil {
		e.wakeUp()
	}
	e.writeMu.Lock()
	defer e.writeMu.Unlock()
	now := e.s.cfg.Now()
	if !e.grumbled.IsZero() && now.Sub(e.grumbled) < logEvery {
		return
	}
	e.mu.Lock()
	lost := e.lost
	e.lost = 0
	e.mu.Unlock()
	if err != nil || lost > 0 {
		e.grumbled = now
		e.s.cfg.Log.Error("timelines are not kept", "file", e.s.eventDB.path, "dropped", lost, "err", err)
	}
}

// flush writes all that waits, in one transaction. What it could not write goes on waiting.
func (e *events) flush() error {
	e.writeMu.Lock()
	defer e.writeMu.Unlock()
	e.mu.Lock()
	queue := e.queue
	fetches := maps.Clone(e.fetches)
	seen := make(map[dhcp.MAC]*fleet.Discovered, len(e.discoveredDirty))
	for mac := range e.discoveredDirty {
		seen[mac] = nil
		if d, ok := e.discovered[mac]; ok {
			seen[mac] = &d
		}
	}
	e.mu.Unlock()
	if len(queue)+len(fetches)+len(seen) == 0 {
		return nil
	}
	var written map[dhcp.MAC]time.Time
	var evicted []dhcp.MAC
	err := e.s.eventDB.update(func(tx *bolt.Tx) error {
		var err error
		written, err = e.writeQueue(tx, queue)
		if err == nil {
			evicted, err = e.evict(tx, written)
		}
		return errors.Join(err, writeFetches(tx, fetches), writeSeen(tx, seen))
	})
	if err != nil {
		return err
	}
	maps.Copy(e.phones, written)
	for _, mac := range evicted {
		delete(e.phones, mac)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetWritten(queue, fetches, seen)
	return nil
}

// forgetWritten takes off the buffers what is kept, unless it changed meanwhile. The caller holds mu.
func (e *events) forgetWritten(queue []queued, fetches map[fetchKey]fleet.Fetch, seen map[dhcp.MAC]*fleet.Discovered) {
	if len(queue) > 0 {
		upTo := queue[len(queue)-1].number
		rest := slices.IndexFunc(e.queue, func(q queued) bool { return q.number > upTo })
		if rest < 0 {
			e.queue = nil
		} else {
			e.queue = slices.Clone(e.queue[rest:])
		}
	}
	for k, f := range fetches {
		if e.fetches[k] == f {
			delete(e.fetches, k)
		}
	}
	for mac, d := range seen {
		now, there := e.discovered[mac]
		if d == nil && !there || d != nil && there && now == *d {
			delete(e.discoveredDirty, mac)
		}
	}
}

// writeQueue appends the entries to their timelines and returns the time of the newest of each.
func (e *events) writeQueue(tx *bolt.Tx, queue []queued) (map[dhcp.MAC]time.Time, error) {
	if len(queue) == 0 {
		return nil, nil
	}
	byPhone := map[dhcp.MAC][]timeline.Entry{}
	for _, q := range queue {
		byPhone[q.entry.MAC] = append(byPhone[q.entry.MAC], q.entry)
	}
	newest := make(map[dhcp.MAC]time.Time, len(byPhone))
	for _, mac := range slices.SortedFunc(maps.Keys(byPhone), compareMAC) { // in order: pages are then filled in order
		entries := byPhone[mac]
		if err := e.extend(tx.Bucket(bucketTimeline), mac, entries); err != nil {
			return nil, err
		}
		newest[mac] = entries[len(entries)-1].Time
	}
	return newest, setMetaNumber(tx, keyFlushed, queue[len(queue)-1].number)
}

// extend appends to one timeline and removes what exceeds its length at the other end.
func (e *events) extend(b *bolt.Bucket, mac dhcp.MAC, entries []timeline.Entry) error {
	keep := e.s.cfg.TimelineEntries
	entries = entries[max(0, len(entries)-keep):]
	first, last := ends(b.Cursor(), mac)
	for _, entry := range entries {
		v, err := encodeOnce(&entry)
		if err != nil {
			return err
		}
		last++
		if err := b.Put(timelineKey(mac, last), v); err != nil {
			return err
		}
	}
	for ; first+uint64(keep) <= last; first++ {
		if err := b.Delete(timelineKey(mac, first)); err != nil {
			return err
		}
	}
	return nil
}

func timelineKey(mac dhcp.MAC, n uint64) []byte { return append(mac[:], number(n)...) }

// ends returns the first and last number of a timeline, 1 and 0 when there is none. Numbers have no gaps.
func ends(c *bolt.Cursor, mac dhcp.MAC) (first, last uint64) {
	k, _ := c.Seek(mac[:])
	if !bytes.HasPrefix(k, mac[:]) {
		return 1, 0
	}
	first = binary.BigEndian.Uint64(k[6:])
	k, _ = lastOf(c, mac)
	return first, binary.BigEndian.Uint64(k[6:])
}

// lastOf moves c to the last key of a MAC, or to where it would be.
func lastOf(c *bolt.Cursor, mac dhcp.MAC) (k, v []byte) {
	if k, _ := c.Seek(timelineKey(mac, ^uint64(0))); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// Timeline returns the newest limit entries of a phone, the oldest of them first, those that are not written yet too.
func (s *Store) Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	e := s.events
	e.mu.Lock()
	queue := e.queue // before the file: what a flush writes in between is then seen twice, and told apart by its number
	e.mu.Unlock()
	var found []timeline.Entry
	err := s.eventDB.view(func(tx *bolt.Tx) error {
		flushed := metaNumber(tx, keyFlushed)
		for i := len(queue) - 1; i >= 0 && queue[i].number > flushed && len(found) < limit; i-- {
			if queue[i].entry.MAC == mac {
				found = append(found, queue[i].entry)
			}
		}
		c := tx.Bucket(bucketTimeline).Cursor()
		for k, v := lastOf(c, mac); len(found) < limit && bytes.HasPrefix(k, mac[:]); k, v = c.Prev() {
			var entry timeline.Entry
			if err := decode(v, &entry); err != nil {
				return broken("timeline entry of", mac.String(), err)
			}
			found = append(found, entry)
		}
		return nil
	})
	slices.Reverse(found)
	return found, err
}

func compareMAC(a, b dhcp.MAC) int { return bytes.Compare(a[:], b[:]) }

// evict removes the timelines and fetches of phones beyond the number that is kept: those without a record first, then
// those that were quiet for longest.
func (e *events) evict(tx *bolt.Tx, written map[dhcp.MAC]time.Time) ([]dhcp.MAC, error) {
	all := maps.Clone(written)
	if all == nil || len(all)+len(e.phones) <= e.s.cfg.TimelinePhones {
		return nil, nil
	}
	for mac, t := range e.phones {
		if _, ok := all[mac]; !ok {
			all[mac] = t
		}
	}
	excess := len(all) - e.s.cfg.TimelinePhones
	if excess <= 0 {
		return nil, nil
	}
	excess += e.s.cfg.TimelinePhones / 50 // some more, so that not every flush sorts them all
	recorded := map[dhcp.MAC]bool{}
	err := e.s.fleetDB.view(func(fleet *bolt.Tx) error {
		for mac := range all {
			recorded[mac] = fleet.Bucket(bucketDevices).Get(mac[:]) != nil || fleet.Bucket(bucketByMAC).Get(mac[:]) != nil
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	order := slices.SortedFunc(maps.Keys(all), func(a, b dhcp.MAC) int {
		if recorded[a] != recorded[b] {
			if recorded[a] {
				return 1
			}
			return -1
		}
		return cmp.Or(all[a].Compare(all[b]), compareMAC(a, b))
	})
	gone := order[:min(excess, len(order))]
	for _, mac := range gone {
		if err := errors.Join(removeUnder(tx.Bucket(bucketTimeline), mac), removeUnder(tx.Bucket(bucketFetches), mac)); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// removeUnder removes all keys that begin with a MAC.
func removeUnder(b *bolt.Bucket, mac dhcp.MAC) error {
	c := b.Cursor()
	for k, _ := c.Seek(mac[:]); bytes.HasPrefix(k, mac[:]); k, _ = c.Seek(mac[:]) {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
