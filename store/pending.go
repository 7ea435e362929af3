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

	"plugtone/provision"
	"plugtone/store/journal"
)

// journalFile has the changes of leases that are not in leases.db yet. A bbolt transaction writes whole pages, twice, and
// waits for the disk each time; before each ACK that was most of the work of an exchange. One write into the journal is as
// durable, and leases.db takes thousands of changes at once.
const journalFile = "leases.journal"

// settleAgain is how long to wait when leases.db refused to take what is in the journal.
const settleAgain = 5 * time.Second

// pending is the journal before leases.db.
type pending struct {
	store   *Store
	path    string
	journal *journal.Journal
	commits prometheus.Observer

	mu      sync.Mutex
	lastErr error       // of the last write into the journal
	again   *time.Timer // set while leases.db is to be asked again
	closed  bool
	aside   sync.WaitGroup
}

// errUnsettled says why a change found no room.
var errUnsettled = errors.New("journal is full and leases.db takes nothing")

// openPending opens the journal that belongs to the open s.leases. fresh tells that leases.db was missing: then what an
// old journal holds are nobody's leases.
func (s *Store) openPending(side int, fresh bool) error {
	p := &pending{store: s, path: filepath.Join(s.cfg.Dir, journalFile), commits: s.metrics.commits.WithLabelValues(journalFile)}
	if fresh {
		if err := os.Remove(p.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the journal of a lease file that is gone: %w", err)
		}
	}
	var err error
	if p.journal, err = journal.Open(p.path, side); errors.Is(err, journal.ErrDamaged) {
		aside := p.path + ".damaged-" + stamp(s.cfg.Now())
		if err := os.Rename(p.path, aside); err != nil {
			return fmt.Errorf("set damaged file aside: %w", err)
		}
		s.notice(p.path + " is damaged and was set aside as " + aside + "; leases of the last minutes may be missing: phones keep their addresses and are learned again as they renew")
		p.journal, err = journal.Open(p.path, side)
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", p.path, err)
	}
	s.pending = p
	var after uint64
	if err := s.leases.view(func(tx *bolt.Tx) error { after = metaNumber(tx, keySettled); return nil }); err != nil {
		return err
	}
	left, err := p.journal.Left(after)
	if err != nil {
		return fmt.Errorf("read %s: %w", p.path, err)
	}
	if len(left) > 0 && (!left.Whole() || after > 0 && left[0].Number != after+1) {
		s.notice(p.path + " has a gap: some leases of the last minutes are missing; phones keep their addresses and are learned again as they renew")
	}
	return nil
}

// write makes one batch durable.
func (p *pending) write(batch []byte) error {
	start := p.store.cfg.Now()
	turned, err := p.journal.Append(batch)
	if errors.Is(err, journal.ErrFull) {
		if err = p.journal.Settle(p.take); err == nil {
			turned, err = p.journal.Append(batch)
		} else {
			p.askAgain()
			err = fmt.Errorf("%w: %w", errUnsettled, err)
		}
	}
	if turned {
		p.aside.Go(p.settle)
	}
	if errors.Is(err, journal.ErrTooLong) {
		err = p.writeThrough(batch)
	}
	switch {
	case err == nil:
		p.commits.Observe(p.store.cfg.Now().Sub(start).Seconds())
	case !errors.Is(err, provision.ErrFault):
		err = fmt.Errorf("write %s: %w: %w", p.path, err, provision.ErrFault)
	}
	p.mu.Lock()
	p.lastErr = err
	p.mu.Unlock()
	return err
}

// settle lets leases.db take the side of the journal that is full. While it refuses it is asked again from time to time,
// whether or not a client comes.
func (p *pending) settle() {
	err := p.journal.Settle(p.take)
	if err != nil {
		p.store.cfg.Log.Error("leases stay in the journal", "file", p.path, "err", err)
		p.askAgain()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(p.lastErr, errUnsettled) {
		p.lastErr = nil // there is room now
	}
}

func (p *pending) askAgain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.again != nil || p.closed {
		return
	}
	p.again = time.AfterFunc(settleAgain, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.again = nil; !p.closed {
			p.aside.Go(p.settle)
		}
	})
}

// settleAll lets leases.db take everything.
func (p *pending) settleAll() error { return p.journal.SettleAll(p.take) }

// writeThrough is for more changes at once than the journal has room for.
func (p *pending) writeThrough(batch []byte) error {
	if err := p.settleAll(); err != nil {
		return err
	}
	records := map[string][]byte{}
	if err := readChanges(batch, records); err != nil {
		return err
	}
	return p.store.leases.update(func(tx *bolt.Tx) error { return putRecords(tx, records) })
}

// take writes batches into leases.db.
func (p *pending) take(batches journal.Batches) error {
	if !batches.Whole() {
		p.store.cfg.Log.Error("a part of the journal can't be read; leases of the last minutes are missing after a restart until phones renew them", "file", p.path)
	}
	records, err := p.read(batches)
	if err != nil {
		return err
	}
	return p.store.leases.update(func(tx *bolt.Tx) error {
		if err := putRecords(tx, records); err != nil {
			return err
		}
		return setMetaNumber(tx, keySettled, batches.Last())
	})
}

// newest are the changes that leases.db has not, by key; nil where a lease was deleted.
func (p *pending) newest() (map[string][]byte, error) {
	batches, err := p.journal.Unsettled()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", p.path, err, provision.ErrFault)
	}
	return p.read(batches)
}

func (p *pending) read(batches journal.Batches) (map[string][]byte, error) {
	records := make(map[string][]byte, len(batches))
	for _, b := range batches {
		if err := readChanges(b.Data, records); err != nil {
			return nil, fmt.Errorf("%s, batch %d: %w", p.path, b.Number, err)
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

func (p *pending) health() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastErr
}

func (p *pending) size() int64 { return p.journal.Size() }

// close leaves nothing in the journal if leases.db takes it.
func (p *pending) close() error {
	p.mu.Lock()
	p.closed = true
	if p.again != nil {
		p.again.Stop()
	}
	p.mu.Unlock()
	p.aside.Wait()
	if err := p.settleAll(); err != nil {
		p.store.cfg.Log.Error("leases stay in the journal", "file", p.path, "err", err)
	}
	return p.journal.Close()
}
