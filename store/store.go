package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"

	"plugtone/store/wal"
)

// The names of the three files.
const (
	fleetFile = "plugtone.db"
	leaseFile = "leases.db"
	eventFile = "events.db"
)

// Config is what a Store needs. All members but the limits must be set.
type Config struct {
	Dir        string // data directory; made when missing
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer

	TimelineEntries int // kept for each phone; 0: 200
	TimelinePhones  int // phones that have a timeline; 0: 100,000
	DiscoveredMax   int // length of the discovered list; 0: 5,000
}

func (c Config) check() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("store: no directory"))
	}
	if c.Now == nil || c.Log == nil || c.Registerer == nil {
		errs = append(errs, errors.New("store: clock, log and registerer must be given"))
	}
	if c.TimelineEntries < 0 || c.TimelinePhones < 0 || c.DiscoveredMax < 0 {
		errs = append(errs, errors.New("store: a limit is negative"))
	}
	return errors.Join(errs...)
}

// Store keeps what operators enter, leases and events. Its methods may be called from any goroutine.
type Store struct {
	cfg     Config
	metrics *metrics

	fleetDB, leaseDB, eventDB *file
	wal                       *leaseWAL // before leases

	notices []string

	editMu   sync.Mutex // one Edit at a time, from its first read to the last notification
	revision atomic.Uint64
	onChange []func(uint64)

	reserved *reservations
	events   *events
}

// Open opens or makes the three files in c.Dir, mends what can be mended and says so in the log.
func Open(c Config) (*Store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.TimelineEntries = orDefault(c.TimelineEntries, 200)
	c.TimelinePhones = orDefault(c.TimelinePhones, 100_000)
	c.DiscoveredMax = orDefault(c.DiscoveredMax, 5_000)
	return open(c, limits{})
}

func orDefault(n, d int) int {
	if n == 0 {
		return d
	}
	return n
}

// limits are for tests that fill a disk.
type limits struct {
	most map[string]int // bytes that a file may reach
	side int            // of the journal; 0: wal.DefaultSegment
}

// open is Open with limits.
func open(c Config, most limits) (*Store, error) {
	s := &Store{cfg: c, reserved: newReservations(), metrics: newMetrics()}
	if err := os.MkdirAll(s.backups(), 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	_, err := os.Stat(filepath.Join(c.Dir, leaseFile))
	fresh := errors.Is(err, os.ErrNotExist)
	var errs []error
	for _, one := range []struct {
		spec
		to **file
	}{
		{spec{name: fleetFile, schema: fleetSchema(), snapshots: true,
			lost: "no good snapshot was found: it starts empty; restore a backup"}, &s.fleetDB},
		{spec{name: leaseFile, schema: leaseSchema(),
			lost: "it starts with what its journal still has: other phones keep their addresses and are learned again as they renew"}, &s.leaseDB},
		{spec{name: eventFile, schema: eventSchema(), noSync: true,
			lost: "it starts empty: timelines begin anew"}, &s.eventDB},
	} {
		one.maxSize = most.most[one.name]
		f, err := s.openFile(one.spec)
		if err != nil {
			errs = append(errs, err)
			if errors.Is(err, errBusy) || errors.Is(err, fs.ErrPermission) {
				break // it is the same for the others
			}
			continue
		}
		*one.to = f
	}
	if len(errs) == 0 {
		errs = append(errs, s.openLeaseWAL(orDefault(most.side, wal.DefaultSegment), fresh))
	}
	if len(errs) == 1 && errs[0] == nil {
		errs = append(errs, s.load(), s.sweep(), s.metrics.register(c.Registerer, s))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	return s, nil
}

// load fills what is kept in memory.
func (s *Store) load() error {
	err := s.fleetDB.view(func(tx *bolt.Tx) error {
		s.revision.Store(metaNumber(tx, keyRevision))
		return s.reserved.load(tx)
	})
	if err != nil {
		return err
	}
	s.events, err = loadEvents(s)
	return err
}

// sweep removes copies that a killed process left unfinished. The locks are held by now: nobody else is making one.
func (s *Store) sweep() error {
	var errs []error
	for _, pattern := range []string{".tmp-*", ".backup-*"} {
		left, err := filepath.Glob(filepath.Join(s.backups(), pattern))
		errs = append(errs, err)
		for _, path := range left {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

func (s *Store) backups() string { return filepath.Join(s.cfg.Dir, "backups") }

func (s *Store) notice(msg string) {
	s.notices = append(s.notices, msg)
	s.cfg.Log.Error("store mended a file", "notice", msg)
}

// Notices says what Open found wrong and mended: files set aside, snapshots used.
func (s *Store) Notices() []string { return append([]string(nil), s.notices...) }

// Health is nil while the last write of each file succeeded, else the errors, which name the files.
func (s *Store) Health() error {
	return errors.Join(s.fleetDB.health(), s.leaseDB.health(), s.wal.health(), s.eventDB.health())
}

// Sizes returns the size of each file in bytes, by name.
func (s *Store) Sizes() map[string]int64 {
	sizes := make(map[string]int64, 4)
	for _, f := range s.files() {
		sizes[f.name] = f.size()
	}
	sizes[logFile] = s.wal.size()
	return sizes
}

func (s *Store) files() []*file { return []*file{s.fleetDB, s.leaseDB, s.eventDB} }

// Run writes buffered events at most once a second until ctx ends, and then what is left. It is a task of the daemon.
func (s *Store) Run(ctx context.Context, ready func()) error {
	ready()
	s.events.run(ctx)
	return nil
}

// Close writes what is buffered and closes the files. It waits for readers and writers; call it last.
func (s *Store) Close() error {
	err := errors.Join(s.events.flush(), s.eventDB.db.Sync())
	s.metrics.unregister(s.cfg.Registerer)
	return errors.Join(err, s.closeFiles())
}

func (s *Store) closeFiles() error {
	var errs []error
	if s.wal != nil {
		errs = append(errs, s.wal.close())
	}
	for _, f := range s.files() {
		if f != nil {
			errs = append(errs, f.db.Close())
		}
	}
	return errors.Join(errs...)
}
