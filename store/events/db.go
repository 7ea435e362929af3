package events

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store/dbfile"
)

// FileName is the name of the file.
const FileName = "events.db"

const (
	tableTimeline   = "timeline" // MAC number, numbers without gaps
	tableFetches    = "fetches"  // MAC file
	tableDiscovered = "seen"     // MAC
	keyFlushed      = "flushed"  // number of the last timeline entry that was queued
)

const (
	queueMax      = 32_768 // entries that wait to be written
	fetchQueueMax = 16_384 // fetches that wait to be written
	textMax       = 1_024  // bytes of one text of an entry
	flushEvery    = time.Second
	strangerEvery = time.Minute // how often timelines of phones without a record are written
	logEvery      = time.Minute // how often a disk that fails is logged
)

// Spec returns what events.db holds.
func Spec() dbfile.Spec {
	return dbfile.Spec{Name: FileName, Schema: dbfile.Schema{Version: 4, Checksums: 2,
		Tables: []string{tableTimeline, tableFetches, tableDiscovered, tableJobs, tableUsage}}}
}

// Config is what a DB needs. All members must be set.
type Config struct {
	Now     func() time.Time
	Log     *slog.Logger
	Dropped prometheus.Counter // entries that could not be written in time

	PerPhone   int   // entries of a timeline
	Phones     int   // timelines
	Strangers  int   // of them, those of phones without a record
	Discovered int   // length of the discovered list
	MaxSize    int64 // bytes of the file

	// Recorded returns which of these MACs belong to a device record.
	Recorded func([]dhcp.MAC) (map[dhcp.MAC]bool, error)
}

// DB is the open events. Its methods may be called from any goroutine.
type DB struct {
	c    Config
	file *dbfile.File // nil when it can't be used: then everything is in memory only
	wake token        // there while something waits

	mu         sync.Mutex // of what follows; never held over the disk
	queue      []queued
	last       uint64 // number of the newest entry queued
	fetches    map[fetchKey]fleet.Fetch
	pending    map[dhcp.MAC]int // how many of fetches each phone has
	discovered discoveredList
	strangers  strangers // entries of phones without a record that are in memory only
	lost       uint64    // dropped since it was last logged

	jobs jobs

	writeMu      sync.Mutex // one writer of events.db at a time; taken before mu
	timelines    timelines  // those in the file; under writeMu
	strangerTime time.Time  // when strangers were written last; under writeMu
	logged       time.Time  // under writeMu
}

// queued is an entry that is not in the file yet. It is small, as queues are copied and searched: a queue of a second of a busy
// server has 30,000.
type queued struct {
	number uint64
	mac    dhcp.MAC
	entry  *timeline.Entry // never changed
}

// New returns the events in an open file, or only in memory without one.
func New(f *dbfile.File, c Config) (*DB, error) {
	db := &DB{c: c, file: f, wake: make(token, 1), fetches: map[fetchKey]fleet.Fetch{}, pending: map[dhcp.MAC]int{},
		discovered: discoveredList{phones: map[dhcp.MAC]fleet.Discovered{}, changed: map[dhcp.MAC]bool{}, max: c.Discovered},
		strangers:  strangers{}, strangerTime: c.Now(), jobs: jobs{parts: map[string][]byte{}}}
	db.timelines = timelines{c: &db.c, file: f, phones: map[dhcp.MAC]phone{}, perPhone: c.PerPhone}
	if f == nil {
		return db, nil
	}
	if err := load(db); err != nil {
		return nil, err
	}
	return db, db.timelines.shrink()
}

// load reads what is kept in memory.
func load(db *DB) error {
	err := db.file.View(func(tx dbfile.Tx) error {
		db.last = tx.Number(keyFlushed)
		return db.discovered.load(tx, db.c.Log)
	})
	return errors.Join(err, db.reload())
}

// reload reads which timelines are in the file. The caller holds writeMu, or is alone.
func (db *DB) reload() error {
	last, err := db.timelines.load()
	db.mu.Lock()
	db.last = max(db.last, last)
	db.mu.Unlock()
	return err
}

// view reads the file, and nothing without one.
func (db *DB) view(fn func(dbfile.Tx) error) error {
	if db.file == nil {
		return nil
	}
	return db.file.View(fn)
}

// token wakes a loop: there is one at most.
type token chan struct{}

func (t token) put() {
	select {
	case t <- struct{}{}:
	default:
	}
}

// drop counts what is lost. The caller holds mu.
func (db *DB) drop(n int) {
	db.lost += uint64(n)
	db.c.Dropped.Add(float64(n))
}

// Run flushes when there is something, and not again before flushEvery has gone by. It returns when ctx ends.
func (db *DB) Run(ctx context.Context) {
	pause := time.NewTimer(flushEvery)
	defer pause.Stop()
	strangers := time.NewTicker(strangerEvery)
	defer strangers.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-db.wake:
		case <-strangers.C:
		}
		db.flushAndLog(ctx.Err() != nil)
		pause.Reset(flushEvery)
		select {
		case <-ctx.Done():
			db.flushAndLog(true)
			return
		case <-pause.C:
		}
	}
}

// flushAndLog flushes. A disk that fails is logged once a minute and tried again after a pause.
func (db *DB) flushAndLog(all bool) {
	err := db.flush(all)
	if err != nil {
		db.wake.put()
	}
	db.writeMu.Lock()
	defer db.writeMu.Unlock()
	now := db.c.Now()
	if !db.logged.IsZero() && now.Sub(db.logged) < logEvery {
		return
	}
	db.mu.Lock()
	lost := db.lost
	db.lost = 0
	db.mu.Unlock()
	if err != nil || lost > 0 {
		db.logged = now
		db.c.Log.Error("timelines are not kept", "file", FileName, "dropped", lost, "err", err)
	}
}

// Flush writes all that waits, that of phones without a record too.
func (db *DB) Flush() error { return db.flush(true) }

// Close writes what waits and waits for the disk.
func (db *DB) Close() error {
	if db.file == nil {
		return nil
	}
	return errors.Join(db.Flush(), db.file.Sync())
}
