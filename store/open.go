package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"plugtone/store/dbfile"
	"plugtone/store/events"
	"plugtone/store/leases"
	"plugtone/store/records"
	"plugtone/store/wal"
)

// Open opens or makes the files in c.Dir and repairs what can be repaired. What was damaged or missing is logged, and
// returned by Damage.
func Open(c Config) (*Store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.setDefaults()
	return open(c, limits{})
}

// limits are for tests that fill a disk.
type limits struct {
	most    map[string]int // bytes that a file may reach
	segment int            // of the log; 0: wal.DefaultSegment
}

// open is Open with limits.
func open(c Config, most limits) (*Store, error) {
	s := &Store{cfg: c, started: c.Now(), metrics: newMetrics(), files: map[string]*dbfile.File{}}
	o := &opening{Store: s, limits: most, states: map[string]dbfile.State{}, opened: map[string]dbfile.Opened{}}
	if err := o.open(); err != nil {
		_, closeErr := s.closeFiles()
		return nil, errors.Join(err, closeErr, s.unlock())
	}
	return s, nil
}

// opening is the state of a running Open.
type opening struct {
	*Store
	limits
	stopped  map[string]uint64       // digests of the files when plugtone stopped, nil when it was killed
	states   map[string]dbfile.State // by file
	opened   map[string]dbfile.Opened
	identity wal.Identity

	logExpected bool // the lease log must exist
}

func (o *opening) open() error {
	if err := os.MkdirAll(o.backups(), 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	lock, err := dbfile.LockDir(o.cfg.Dir)
	if err != nil {
		return err
	}
	o.lock = lock
	if err := finishRestore(o.cfg.Dir); err != nil {
		return fmt.Errorf("finish the restore that was interrupted: %w", err)
	}
	o.stopped = readMarker(o.cfg.Dir)
	var errs []error
	for _, spec := range specs() {
		if err := o.examine(spec); err != nil {
			errs = append(errs, err)
			if errors.Is(err, dbfile.ErrBusy) || errors.Is(err, fs.ErrPermission) {
				break // it is the same for the others
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := removeMarker(o.cfg.Dir); err != nil {
		return err
	}
	if err := o.readKeys(); err != nil {
		return err
	}
	for _, spec := range specs() {
		errs = append(errs, o.openFile(spec))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return o.openParts()
}

func specs() []dbfile.Spec { return []dbfile.Spec{records.Spec(), leases.Spec(), events.Spec()} }

// examine judges a file while nothing is open. A damaged one is set aside under another name, never removed.
func (o *opening) examine(spec dbfile.Spec) error {
	path := o.path(spec.Name)
	st, err := dbfile.Examine(path, spec, o.stopped[spec.Name], o.cfg.CheckCommand)
	if err != nil {
		if spec.Name == events.FileName && !errors.Is(err, dbfile.ErrBusy) && !errors.Is(err, fs.ErrPermission) {
			o.withoutTimeline(err)
			return nil
		}
		return err
	}
	o.states[spec.Name] = st
	if st.Empty || st.Known || len(st.Report.Pages) == 0 {
		return nil
	}
	o.states[spec.Name] = dbfile.State{Empty: true}
	aside := path + ".damaged-" + dbfile.Stamp(o.cfg.Now())
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("set damaged file aside: %w", err)
	}
	text := fmt.Sprintf("%s is damaged (%s) and was set aside as %s", path, st.Report.Damage(), aside)
	switch spec.Name {
	case records.FileName:
		text += o.useSnapshot(path, spec)
	case leases.FileName:
		text += "; it starts with what its log still has: other phones keep their addresses and are learned again as they renew"
	default:
		text += "; it starts empty: timelines begin again"
	}
	o.found(Damage{File: spec.Name, Kind: DamagedPages, Text: text})
	return nil
}

// withoutTimeline goes on without events.db.
func (o *opening) withoutTimeline(err error) {
	o.states[events.FileName] = dbfile.State{}
	o.found(Damage{File: events.FileName, Kind: Unreadable,
		Text: fmt.Sprintf("%s can't be used (%v): timelines and the discovered list are in memory only, and are gone with the next start", o.path(events.FileName), err)})
}

// useSnapshot puts the newest sound snapshot in the place of a file and returns what to report.
func (o *opening) useSnapshot(path string, spec dbfile.Spec) (text string) {
	for _, snapshot := range o.snapshots() {
		if err := copySnapshot(snapshot, path, spec, o.cfg.CheckCommand); err != nil {
			text += fmt.Sprintf("; snapshot %s can't be used: %v", snapshot, err)
			continue
		}
		o.states[spec.Name] = dbfile.State{}
		return text + "; the snapshot " + snapshot + " took its place: what was entered after it is lost"
	}
	return text + "; no good snapshot was found: it starts empty; restore a backup"
}

// openFile opens and migrates a file.
func (o *opening) openFile(spec dbfile.Spec) error {
	name := spec.Name
	st, ok := o.states[name]
	if name == events.FileName && o.has(name, Unreadable) {
		return nil
	}
	options := dbfile.Options{Now: o.cfg.Now, Log: o.cfg.Log, MaxSize: o.most[name],
		Commits: o.metrics.commits.WithLabelValues(name), Damaged: o.metrics.damaged.WithLabelValues(name)}
	if name == records.FileName {
		options.Keys = o.keys
	}
	if name == events.FileName {
		options.NoSync = true
		if info, err := os.Stat(o.path(name)); options.MaxSize == 0 && (err != nil || info.Size() <= o.cfg.TimelineMaxSize) {
			options.MaxSize = int(o.cfg.TimelineMaxSize)
		}
	}
	if ok && st.Empty {
		if err := dbfile.Create(o.path(name)); err != nil {
			if name == events.FileName {
				o.withoutTimeline(err)
				return nil
			}
			return fmt.Errorf("make %s: %w", name, err)
		}
	}
	opened, err := dbfile.Open(o.path(name), spec, o.backups(), ok && !st.Empty && !st.Known, options)
	if err != nil {
		if name == events.FileName && !errors.Is(err, dbfile.ErrNewer) {
			o.withoutTimeline(err)
			return nil
		}
		return err
	}
	o.files[name], o.opened[name] = opened.File, opened
	if err := opened.Locked(); err != nil {
		o.found(Damage{File: name, Kind: NoKey, Text: fmt.Sprintf("%v: phones get addresses and no files, and nothing can be changed; put the key into %s and restart plugtone", err, o.cfg.KeyFile)})
	}
	if opened.Damaged > 0 {
		o.found(Damage{File: name, Kind: DamagedRecords, Leases: name == leases.FileName,
			Text: fmt.Sprintf("%s: %d of its records were damaged and were set aside; the log names them", o.path(name), opened.Damaged)})
	} else if st.Changed {
		o.found(Damage{File: name, Kind: Changed, Leases: name == leases.FileName,
			Text: o.path(name) + " is not as plugtone left it at its last stop: something else changed or replaced it, and records may be missing"})
	}
	return nil
}

// openParts opens what works on the files.
func (o *opening) openParts() (err error) {
	if err := o.identify(); err != nil {
		return err
	}
	s := o.Store
	log, leaseFile := s.cfg.Log, s.files[leases.FileName]
	db, damage, err := leases.Open(leaseFile, leases.Config{Now: s.cfg.Now, Log: log, Commits: s.metrics.commits.WithLabelValues(leases.LogName),
		Segment: cmp.Or(o.segment, wal.DefaultSegment), Identity: o.identity, Expected: o.logExpected})
	if err != nil {
		return err
	}
	s.leasesDB = db
	for _, text := range damage {
		o.found(Damage{File: leases.LogName, Kind: DamagedLog, Leases: true,
			Text: s.path(leases.LogName) + ": " + text + "; leases of the last minutes may be missing: phones keep their addresses and are learned again as they renew"})
	}
	repair := o.opened[records.FileName].Damaged > 0
	if s.recordsDB, err = records.New(s.files[records.FileName], s.cfg.Now, log, repair); err != nil {
		return err
	}
	s.eventsDB, err = events.New(s.files[events.FileName], events.Config{Now: s.cfg.Now, Log: log, Dropped: s.metrics.dropped,
		PerPhone: s.cfg.TimelineEntries, Phones: s.cfg.TimelinePhones, Strangers: s.cfg.TimelineStrangers,
		Discovered: s.cfg.DiscoveredMax, MaxSize: s.cfg.TimelineMaxSize, Recorded: s.recordsDB.Recorded})
	if err != nil {
		return err
	}
	return errors.Join(o.seal(), removeLeftovers(s.cfg.Dir, log), s.metrics.register(s.cfg.Registerer, s))
}

// has reports whether damage of this kind was found.
func (s *Store) has(file string, kind Kind) bool {
	for _, d := range s.damage {
		if d.File == file && d.Kind == kind {
			return true
		}
	}
	return false
}
