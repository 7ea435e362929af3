package leases

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
	"plugtone/store/wal"
)

// The names of the files.
const (
	FileName = "leases.db"
	LogName  = "leases.journal"
)

const (
	tableLeases   = "leases"  // address
	keyCheckpoint = "settled" // number of the log's last batch that is in leases.db
)

// checkpointRetry is how long to wait when leases.db refused what is in the log.
const checkpointRetry = 5 * time.Second

// Spec returns what leases.db holds. Since schema 2 there is a log beside the file, without which it may be minutes old.
func Spec() dbfile.Spec {
	return dbfile.Spec{Name: FileName, Schema: dbfile.Schema{Version: 3, Checksums: 3, Tables: []string{tableLeases}}}
}

// Config is what a DB needs. All members must be set.
type Config struct {
	Now      func() time.Time
	Log      *slog.Logger
	Commits  prometheus.Observer // seconds of each write into the log
	Segment  int                 // bytes of a segment of the log
	Identity wal.Identity        // of the data directory
	Expected bool                // the log must exist
}

// DB is the open leases. Its methods may be called from any goroutine.
type DB struct {
	c       Config
	file    *dbfile.File
	path    string // of the log
	place   dbfile.Place
	log     *wal.Log
	writing dbfile.Progress
	writes  atomic.Uint64
	gone    atomic.Bool // leases.db was not there at the last look

	mu          sync.Mutex
	lastErr     error       // of the last write into the log
	retry       *time.Timer // set while a checkpoint is to be tried again
	closed      bool
	checkpoints sync.WaitGroup
}

// errLogFull returns why a change found no room.
var errLogFull = errors.New("the log is full and " + FileName + " takes nothing")

// Open opens the log that belongs to an open leases.db and recovers what is in it. damage describes what was wrong with
// the log.
func Open(f *dbfile.File, c Config) (db *DB, damage []string, err error) {
	db = &DB{c: c, file: f, path: filepath.Join(filepath.Dir(f.Path()), LogName)}
	db.log, err = wal.Open(db.path, c.Segment, c.Identity)
	if errors.Is(err, wal.ErrDamaged) || errors.Is(err, wal.ErrForeign) {
		aside := db.path + ".damaged-" + dbfile.Stamp(c.Now())
		damage = append(damage, fmt.Sprintf("%v; it was set aside as %s", err, aside))
		if err := os.Rename(db.path, aside); err != nil {
			return nil, nil, fmt.Errorf("set damaged file aside: %w", err)
		}
		c.Expected = false
		db.log, err = wal.Open(db.path, c.Segment, c.Identity)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", db.path, err)
	}
	if db.log.Created() && c.Expected {
		damage = append(damage, "it was missing or empty, and was made again")
	}
	if err := db.recover(); err != nil {
		return nil, nil, errors.Join(err, db.log.Close())
	}
	return db, append(damage, db.log.Damage()...), nil
}

func (db *DB) recover() (err error) {
	if db.place, err = dbfile.PlaceOf(db.path); err != nil {
		return err
	}
	var after uint64
	if err := db.file.View(func(tx dbfile.Tx) error { after = tx.Number(keyCheckpoint); return nil }); err != nil {
		return err
	}
	if _, err := db.log.Recover(after); err != nil {
		return fmt.Errorf("read %s: %w", db.path, err)
	}
	return nil
}

// WriteLeases makes all changes durable, or none: when it returns nil they survive the loss of power.
func (db *DB) WriteLeases(changes []dhcp.Change) error {
	if len(changes) == 0 {
		return nil
	}
	for _, c := range changes {
		if !c.Lease.Addr.IsValid() {
			return fmt.Errorf("lease of %s has no address", c.Lease.MAC)
		}
	}
	start := db.c.Now()
	db.writing.Begin(start)
	err := db.write(appendChanges(nil, changes))
	now := db.c.Now()
	db.writing.End(now)
	switch {
	case err == nil:
		db.c.Commits.Observe(now.Sub(start).Seconds())
	case !errors.Is(err, fleet.ErrInternal):
		err = fmt.Errorf("write %s: %w: %w", db.path, err, fleet.ErrInternal)
	}
	db.mu.Lock()
	db.lastErr = err
	db.mu.Unlock()
	return err
}

// write makes one batch durable.
func (db *DB) write(batch []byte) error {
	if err := db.present(); err != nil {
		return err
	}
	rotated, err := db.log.Append(batch)
	if errors.Is(err, wal.ErrFull) {
		if err = db.log.Checkpoint(db.apply); err == nil {
			rotated, err = db.log.Append(batch)
		} else {
			db.retryLater()
			err = fmt.Errorf("%w: %w", errLogFull, err)
		}
	}
	if rotated {
		db.checkpoints.Go(db.checkpoint)
	}
	if errors.Is(err, wal.ErrTooLong) {
		err = db.writeThrough(batch)
	}
	return err
}

// placeEvery is how many writes go by between two looks at leases.db. A look costs about as much as a tenth of a write.
const placeEvery = 16

// present returns an error when what is written would be lost: the data directory or the log is no longer the one that is
// open, or leases.db was not when it was last looked at.
func (db *DB) present() error {
	if err := db.place.Check(); err != nil {
		return err
	}
	if db.writes.Add(1)%placeEvery == 0 || db.gone.Load() {
		err := db.file.Place().Check()
		db.gone.Store(err != nil)
		return err
	}
	return nil
}

// checkpoint writes the segment of the log that is full into leases.db. While that fails it is tried again from time to
// time, whether or not a client comes.
func (db *DB) checkpoint() {
	err := db.log.Checkpoint(db.apply)
	if err != nil {
		db.c.Log.Error("leases stay in the log", "file", db.path, "err", err)
		db.retryLater()
		return
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if errors.Is(db.lastErr, errLogFull) {
		db.lastErr = nil // there is room now
	}
}

func (db *DB) retryLater() {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.retry != nil || db.closed {
		return
	}
	db.retry = time.AfterFunc(checkpointRetry, func() {
		db.mu.Lock()
		defer db.mu.Unlock()
		if db.retry = nil; !db.closed {
			db.checkpoints.Go(db.checkpoint)
		}
	})
}

// Checkpoint writes everything that is in the log into leases.db.
func (db *DB) Checkpoint() error { return db.log.CheckpointAll(db.apply) }

// writeThrough is for more changes at once than the log has room for.
func (db *DB) writeThrough(batch []byte) error {
	if err := db.Checkpoint(); err != nil {
		return err
	}
	records := map[string][]byte{}
	if err := readChanges(batch, records); err != nil {
		return err
	}
	return db.file.Update(func(tx dbfile.Tx) error { return putRecords(tx, records) })
}

// apply writes batches into leases.db.
func (db *DB) apply(batches wal.Batches) error {
	if !batches.Contiguous() {
		db.c.Log.Error("a part of the log can't be read; leases of the last minutes are missing after a restart until phones renew them", "file", db.path)
	}
	records, err := db.read(batches)
	if err != nil {
		return err
	}
	return db.file.Update(func(tx dbfile.Tx) error {
		if err := putRecords(tx, records); err != nil {
			return err
		}
		return tx.SetNumber(keyCheckpoint, batches.Last())
	})
}

// newest returns the changes that leases.db does not have, by key; nil where a lease was deleted.
func (db *DB) newest() (map[string][]byte, error) {
	batches, err := db.log.Pending()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", db.path, err, fleet.ErrInternal)
	}
	return db.read(batches)
}

func (db *DB) read(batches wal.Batches) (map[string][]byte, error) {
	records := make(map[string][]byte, len(batches))
	for _, b := range batches {
		if err := readChanges(b.Data, records); err != nil {
			return nil, fmt.Errorf("%s, batch %d: %w", db.path, b.Number, err)
		}
	}
	return records, nil
}

// putRecords writes in order of the keys: neighbours share pages.
func putRecords(tx dbfile.Tx, records map[string][]byte) error {
	t := tx.Table(tableLeases)
	for _, k := range slices.Sorted(maps.Keys(records)) {
		var err error
		if v := records[k]; v == nil {
			err = t.Delete([]byte(k))
		} else {
			err = t.PutRecord([]byte(k), v)
		}
		if err != nil {
			return fmt.Errorf("lease %x: %w", k, err)
		}
	}
	return nil
}

// LoadLeases calls f for each lease. A damaged one is left out: its client renews it, and one bad record must not keep
// every other phone from its address. A lease that a newer plugtone wrote is an error.
func (db *DB) LoadLeases(f func(dhcp.Lease) error) error {
	newer, err := db.newest()
	if err != nil {
		return err
	}
	each := func(table dbfile.Table, k, v []byte) error {
		payload, err := table.Payload(k, v)
		if err != nil {
			return nil // damaged: it is logged and counted
		}
		addr, ok := netip.AddrFromSlice(k)
		l, err := ReadLease(payload)
		l.Addr = addr
		switch {
		case errors.Is(err, dbfile.ErrNewer):
			return fmt.Errorf("lease %s in %s: %w", addr, FileName, err)
		case err != nil || !ok:
			db.c.Log.Error("lease left out", "addr", addr, "key", fmt.Sprintf("%x", k), "err", err)
			return nil
		}
		return f(l)
	}
	return db.file.View(func(tx dbfile.Tx) error {
		table := tx.Table(tableLeases)
		err := table.ForEach(func(k, v []byte) error {
			if _, again := newer[string(k)]; again {
				return nil
			}
			return each(table, k, v)
		})
		for k, v := range newer {
			if err == nil && v != nil {
				err = each(table, []byte(k), v)
			}
		}
		return err
	})
}

// Health returns nil while writes into the log succeed, else the reason why they don't. It never waits for the disk.
func (db *DB) Health() error {
	db.mu.Lock()
	err := db.lastErr
	db.mu.Unlock()
	if gone := db.place.Check(); gone != nil && !errors.Is(err, dbfile.ErrReplaced) {
		err = errors.Join(err, fmt.Errorf("write %s: %w: %w", db.path, gone, fleet.ErrInternal))
	}
	return errors.Join(err, db.writing.Health(db.path, db.c.Now()))
}

// LogSize returns the size of the log in bytes.
func (db *DB) LogSize() int64 { return db.log.Size() }

// Close leaves nothing in the log if leases.db takes it, and closes the log. checkpointed reports whether that is so.
func (db *DB) Close() (checkpointed bool, err error) {
	db.mu.Lock()
	db.closed = true
	if db.retry != nil {
		db.retry.Stop()
	}
	db.mu.Unlock()
	db.checkpoints.Wait()
	err = db.Checkpoint()
	if err != nil {
		db.c.Log.Error("leases stay in the log", "file", db.path, "err", err)
	}
	return err == nil, db.log.Close()
}
