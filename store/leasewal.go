package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"

	"plugtone/provision/fleet"
	"plugtone/store/wal"
)

// logFile has the changes of leases that are not in leases.db yet. A bbolt transaction writes whole pages, twice, and
// waits for the disk each time; before each ACK that was most of the work of an exchange. One write into the journal is as
// durable, and leases.db takes thousands of changes at once.
const logFile = "leases.journal"

// checkpointRetry is how long to wait when leases.db refused to take what is in the journal.
const checkpointRetry = 5 * time.Second

// leaseWAL is the journal before leases.db.
type leaseWAL struct {
	store   *Store
	path    string
	log     *wal.Log
	commits prometheus.Observer

	mu      sync.Mutex
	lastErr error       // of the last write into the journal
	again   *time.Timer // set while leases.db is to be asked again
	closed  bool
	aside   sync.WaitGroup
}

// errLogFull says why a change found no room.
var errLogFull = errors.New("journal is full and leases.db takes nothing")

// openLeaseWAL opens the journal that belongs to the open s.leases. fresh tells that leases.db was missing: then what an
// old journal holds are nobody's leases.
func (s *Store) openLeaseWAL(side int, fresh bool) error {
	w := &leaseWAL{store: s, path: filepath.Join(s.cfg.Dir, logFile), commits: s.metrics.commits.WithLabelValues(logFile)}
	if fresh {
		if err := os.Remove(w.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the journal of a lease file that is gone: %w", err)
		}
	}
	var err error
	if w.log, err = wal.Open(w.path, side); errors.Is(err, wal.ErrDamaged) {
		aside := w.path + ".damaged-" + stamp(s.cfg.Now())
		if err := os.Rename(w.path, aside); err != nil {
			return fmt.Errorf("set damaged file aside: %w", err)
		}
		s.notice(w.path + " is damaged and was set aside as " + aside + "; leases of the last minutes may be missing: phones keep their addresses and are learned again as they renew")
		w.log, err = wal.Open(w.path, side)
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", w.path, err)
	}
	s.wal = w
	var after uint64
	if err := s.leaseDB.view(func(tx *bolt.Tx) error { after = metaNumber(tx, keyCheckpoint); return nil }); err != nil {
		return err
	}
	left, err := w.log.Recover(after)
	if err != nil {
		return fmt.Errorf("read %s: %w", w.path, err)
	}
	if len(left) > 0 && (!left.Contiguous() || after > 0 && left[0].Number != after+1) {
		s.notice(w.path + " has a gap: some leases of the last minutes are missing; phones keep their addresses and are learned again as they renew")
	}
	return nil
}

// write makes one batch durable.
func (w *leaseWAL) write(batch []byte) error {
	start := w.store.cfg.Now()
	rotated, err := w.log.Append(batch)
	if errors.Is(err, wal.ErrFull) {
		if err = w.log.Checkpoint(w.apply); err == nil {
			rotated, err = w.log.Append(batch)
		} else {
			w.retryLater()
			err = fmt.Errorf("%w: %w", errLogFull, err)
		}
	}
	if rotated {
		w.aside.Go(w.checkpoint)
	}
	if errors.Is(err, wal.ErrTooLong) {
		err = w.writeThrough(batch)
	}
	switch {
	case err == nil:
		w.commits.Observe(w.store.cfg.Now().Sub(start).Seconds())
	case !errors.Is(err, fleet.ErrInternal):
		err = fmt.Errorf("write %s: %w: %w", w.path, err, fleet.ErrInternal)
	}
	w.mu.Lock()
	w.lastErr = err
	w.mu.Unlock()
	return err
}

// checkpoint lets leases.db take the side of the journal that is full. While it refuses it is asked again from time to time,
// whether or not a client comes.
func (w *leaseWAL) checkpoint() {
	err := w.log.Checkpoint(w.apply)
	if err != nil {
		w.store.cfg.Log.Error("leases stay in the journal", "file", w.path, "err", err)
		w.retryLater()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(w.lastErr, errLogFull) {
		w.lastErr = nil // there is room now
	}
}

func (w *leaseWAL) retryLater() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.again != nil || w.closed {
		return
	}
	w.again = time.AfterFunc(checkpointRetry, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.again = nil; !w.closed {
			w.aside.Go(w.checkpoint)
		}
	})
}

// checkpointAll lets leases.db take everything.
func (w *leaseWAL) checkpointAll() error { return w.log.CheckpointAll(w.apply) }

// writeThrough is for more changes at once than the journal has room for.
func (w *leaseWAL) writeThrough(batch []byte) error {
	if err := w.checkpointAll(); err != nil {
		return err
	}
	records := map[string][]byte{}
	if err := readChanges(batch, records); err != nil {
		return err
	}
	return w.store.leaseDB.update(func(tx *bolt.Tx) error { return putRecords(tx, records) })
}

// apply writes batches into leases.db.
func (w *leaseWAL) apply(batches wal.Batches) error {
	if !batches.Contiguous() {
		w.store.cfg.Log.Error("a part of the journal can't be read; leases of the last minutes are missing after a restart until phones renew them", "file", w.path)
	}
	records, err := w.read(batches)
	if err != nil {
		return err
	}
	return w.store.leaseDB.update(func(tx *bolt.Tx) error {
		if err := putRecords(tx, records); err != nil {
			return err
		}
		return setMetaNumber(tx, keyCheckpoint, batches.Last())
	})
}

// newest are the changes that leases.db has not, by key; nil where a lease was deleted.
func (w *leaseWAL) newest() (map[string][]byte, error) {
	batches, err := w.log.Pending()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", w.path, err, fleet.ErrInternal)
	}
	return w.read(batches)
}

func (w *leaseWAL) read(batches wal.Batches) (map[string][]byte, error) {
	records := make(map[string][]byte, len(batches))
	for _, b := range batches {
		if err := readChanges(b.Data, records); err != nil {
			return nil, fmt.Errorf("%s, batch %d: %w", w.path, b.Number, err)
		}
	}
	return records, nil
}

// putRecords writes in order of the keys: neighbours share pages.
func putRecords(tx *bolt.Tx, records map[string][]byte) error {
	b := tx.Bucket(bucketLeases)
	for _, k := range slices.Sorted(maps.Keys(records)) {
		var err error
		if v := records[k]; v == nil {
			err = b.Delete([]byte(k))
		} else {
			err = b.Put([]byte(k), v)
		}
		if err != nil {
			return fmt.Errorf("lease %x: %w", k, err)
		}
	}
	return nil
}

func (w *leaseWAL) health() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lastErr
}

func (w *leaseWAL) size() int64 { return w.log.Size() }

// close leaves nothing in the journal if leases.db takes it.
func (w *leaseWAL) close() error {
	w.mu.Lock()
	w.closed = true
	if w.again != nil {
		w.again.Stop()
	}
	w.mu.Unlock()
	w.aside.Wait()
	if err := w.checkpointAll(); err != nil {
		w.store.cfg.Log.Error("leases stay in the journal", "file", w.path, "err", err)
	}
	return w.log.Close()
}
