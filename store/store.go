package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/store/dbfile"
	"plugtone/store/events"
	"plugtone/store/leases"
	"plugtone/store/records"
	"plugtone/store/seal"
)

// Config is what a Store needs. Dir, Now, Log and Registerer must be set.
type Config struct {
	Dir        string // data directory; made when missing
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer

	// KeyFile has the key that records with secrets are encrypted with; it is made when the records are new. "": they are not encrypted.
	KeyFile string

	// Configuration is the configuration file, for backups with files; "" when there is none.
	Configuration string

	// CheckCommand is this program's command to check one file, "plugtone db check-file": a file that is not as plugtone
	// left it is checked in a process of its own, which a damaged file may end. Without it the records are read in this
	// process, and bbolt's check of the pages is left out.
	CheckCommand []string

	TimelineEntries   int   // kept for each phone; 0: 200
	TimelinePhones    int   // phones that have a timeline; 0: 100,000
	TimelineStrangers int   // of them, phones without a record; 0: 1,000
	TimelineMaxSize   int64 // bytes of events.db; 0: 256 MiB
	DiscoveredMax     int   // length of the discovered list; 0: 5,000
}

// The smallest size of events.db that can hold something.
const minTimelineSize = 4 << 20

func (c Config) check() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("store: no directory"))
	}
	if c.Now == nil || c.Log == nil || c.Registerer == nil {
		errs = append(errs, errors.New("store: clock, log and registerer must be given"))
	}
	if c.TimelineEntries < 0 || c.TimelinePhones < 0 || c.TimelineStrangers < 0 || c.DiscoveredMax < 0 || c.TimelineMaxSize < 0 {
		errs = append(errs, errors.New("store: a limit is negative"))
	}
	if c.TimelineMaxSize > 0 && c.TimelineMaxSize < minTimelineSize {
		errs = append(errs, fmt.Errorf("store: the timeline's limit of %d bytes is less than %d", c.TimelineMaxSize, minTimelineSize))
	}
	return errors.Join(errs...)
}

func (c *Config) setDefaults() {
	for _, limit := range []struct {
		value   *int
		initial int
	}{{&c.TimelineEntries, 200}, {&c.TimelinePhones, 100_000}, {&c.TimelineStrangers, 1_000}, {&c.DiscoveredMax, 5_000}} {
		if *limit.value == 0 {
			*limit.value = limit.initial
		}
	}
	if c.TimelineMaxSize == 0 {
		c.TimelineMaxSize = 256 << 20
	}
}

// The parts of a Store, by the file that they keep.
type (
	recordsDB = records.DB
	leasesDB  = leases.DB
	eventsDB  = events.DB
)

// Store is an open data directory. Its methods may be called from any goroutine.
type Store struct {
	*recordsDB
	*leasesDB
	*eventsDB

	cfg     Config
	started time.Time
	lock    *os.File // of the directory
	metrics *metrics
	files   map[string]*dbfile.File // by name; events.db is left out when it can't be used
	keys    *seal.Ring              // nil: nothing is encrypted, or the key is missing
	damage  []Damage
	notices []string
}

// Usage returns how full the subnets were.
func (s *Store) Usage() events.Usage { return events.UsageOf(s.eventsDB) }

func (s *Store) backups() string { return filepath.Join(s.cfg.Dir, "backups") }

func (s *Store) path(name string) string { return filepath.Join(s.cfg.Dir, name) }

// fileNames are the names of the bbolt files, in the order in which they are opened.
func fileNames() []string { return []string{records.FileName, leases.FileName, events.FileName} }

// Copy returns the records as a copy of which other machines have others.
func (s *Store) Copy() records.Copy { return records.Copy{DB: s.recordsDB} }

// Health returns nil while what is written reaches the disk, else the reasons why it doesn't: a write that failed, one that
// has been under way for three seconds, or a data directory that was replaced. It never waits for the disk.
func (s *Store) Health() error {
	errs := []error{s.leasesDB.Health()}
	for _, name := range fileNames() {
		if f := s.files[name]; f != nil {
			errs = append(errs, f.Health())
		}
	}
	return errors.Join(errs...)
}

// Sizes returns the size of each file in bytes, by name.
func (s *Store) Sizes() map[string]int64 {
	sizes := map[string]int64{leases.LogName: s.leasesDB.LogSize(), events.FileName: 0}
	for name, f := range s.files {
		sizes[name] = f.Size()
	}
	return sizes
}

// Run writes buffered events at most once a second until ctx ends, and then what is left. It is a task of the daemon.
func (s *Store) Run(ctx context.Context, ready func()) error {
	ready()
	s.eventsDB.Run(ctx)
	return nil
}

// Close writes what is buffered and closes the files. It waits for readers and writers; call it last.
func (s *Store) Close() error {
	err := errors.Join(s.ageDamage(), s.eventsDB.Close())
	s.metrics.unregister(s.cfg.Registerer)
	checkpointed, closeErr := s.closeFiles()
	err = errors.Join(err, closeErr)
	if err == nil && checkpointed {
		err = s.writeMarker()
	}
	return errors.Join(err, s.unlock())
}

// unlock lets another process open the directory.
func (s *Store) unlock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// closeFiles closes the files. checkpointed reports whether leases.db has all leases.
func (s *Store) closeFiles() (checkpointed bool, err error) {
	var errs []error
	if s.leasesDB != nil {
		checkpointed, err = s.leasesDB.Close()
		errs = append(errs, err)
	}
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return checkpointed, errors.Join(errs...)
}
