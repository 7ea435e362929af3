package pbxsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/resolve"
)

// Source is one PBX of the configuration.
type Source struct {
	Name string
	pbx.Source
	Domains  map[string]string
	Interval time.Duration // between syncs; 0: only when an operator starts one
	Resync   bool          // make the phones fetch whose files a sync has changed
}

// SourceStatus is what is known of a source.
type SourceStatus struct {
	Name     string        `json:"name" doc:"name of the source" example:"main"`
	Type     string        `json:"type" doc:"kind of PBX" example:"fusionpbx"`
	Interval time.Duration `json:"interval_ns,omitempty" doc:"time between syncs, in nanoseconds; absent when only an operator starts one" example:"900000000"`
	Server   string        `json:"server,omitempty" doc:"version of the server that was read last" example:"PostgreSQL 15.8"`
	TriedAt  time.Time     `json:"tried_at,omitzero" doc:"when a sync was tried last" example:"2026-11-22T12:00:00Z"`
	SyncedAt time.Time     `json:"synced_at,omitzero" doc:"when a sync succeeded last" example:"2026-11-22T12:00:00Z"`
	Error    string        `json:"error,omitempty" doc:"why the last sync failed" example:"connect to postgres://reader@pbx.example.com/fusionpbx: connection refused"`
	Result   *SyncResult   `json:"result,omitempty" doc:"what the last successful sync did"`
}

// readTime is how long a read may take unless Config has another time. A PBX that does not go on must not keep the other sources from theirs.
const readTime = 2 * time.Minute

// Config has the dependencies of Sources. All members but Rendering, ReadTime and Memory must be set; Changed only when a source has Resync.
type Config struct {
	Sources    func() []Source // of the configuration in force
	Records    fleet.Records
	Packs      func() *pack.Set             // in force
	Rendering  func() resolve.Rendering     // what the files of devices are rendered with; nil: they are not
	Discovered Discovered                   // phones without a record
	Synced     func(source string, ok bool) // for metrics
	// Changed returns the devices whose files a change has changed: also those that show the name of an extension of another phone.
	Changed   func(ctx context.Context, change uint64) ([]dhcp.MAC, error)
	Concerned func(source string, phones []dhcp.MAC) // phones to be notified, of sources with Resync
	Now       func() time.Time
	Log       *slog.Logger
	ReadTime  time.Duration // how long a read may take; 0: two minutes
	// Memory lets the process use this many bytes more until done is called; nil: it may use as much as it needs.
	Memory func(bytes int64) (done func())
}

// Discovered is the list of phones without a record. The store implements it.
type Discovered interface {
	DiscoveredPhones() ([]fleet.Discovered, error)
	ForgetPhone(mac dhcp.MAC) error
}

// forget takes devices that a sync has added off the list of phones without a record. They are stored already, so an error is only logged.
func (s *Sources) forget(devices []dhcp.MAC) {
	found, err := s.c.Discovered.DiscoveredPhones()
	for _, phone := range found {
		if err == nil && slices.Contains(devices, phone.MAC) {
			err = s.c.Discovered.ForgetPhone(phone.MAC)
		}
		if errors.Is(err, fleet.ErrNotFound) {
			err = nil
		}
	}
	if err != nil {
		s.c.Log.Warn("forget discovered phones", "err", err)
	}
}

// Sources reads the PBXs of the configuration, regularly and on request of an operator. Its methods may be called from any goroutine.
type Sources struct {
	c       Config
	mu      sync.Mutex
	status  map[string]SourceStatus
	running sync.Mutex   // one sync at a time
	started atomic.Int64 // unix time
}

// New returns sources that were never read.
func New(c Config) *Sources {
	s := &Sources{c: c, status: map[string]SourceStatus{}}
	s.started.Store(c.Now().Unix())
	return s
}

// ErrUnknown is wrapped by the error about a source that is not in the configuration.
var ErrUnknown = errors.New("there is no such PBX source in the configuration")

// find returns a source of the configuration.
func (s *Sources) find(name string) (Source, error) {
	for _, x := range s.c.Sources() {
		if x.Name == name {
			return x, nil
		}
	}
	return Source{}, fmt.Errorf("%.64q: %w", name, ErrUnknown)
}

// List returns the sources in the order of the configuration.
func (s *Sources) List() []SourceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []SourceStatus{}
	for _, x := range s.c.Sources() {
		st := s.status[x.Name]
		st.Name, st.Type, st.Interval = x.Name, x.Type, x.Interval
		out = append(out, st)
	}
	return out
}

// Age returns how long ago a source was synced, since the start when it never was.
func (s *Sources) Age(name string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.status[name].SyncedAt
	if at.IsZero() {
		at = time.Unix(s.started.Load(), 0)
	}
	return s.c.Now().Sub(at)
}

// Read returns what a source has now, and changes nothing.
func (s *Sources) Read(ctx context.Context, name string) (pbx.Snapshot, error) {
	x, err := s.find(name)
	if err != nil {
		return pbx.Snapshot{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.c.ReadTime, readTime))
	defer cancel()
	out, err := x.Source.Read(ctx)
	if err != nil {
		return out, &ReadError{name, err}
	}
	return out, nil
}

// errTested ends the edit of a test: nothing of it is kept.
var errTested = errors.New("tested")

// Test reads a source and returns what it has, with the problems that a sync would report. It changes nothing.
func (s *Sources) Test(ctx context.Context, name string) (pbx.Snapshot, []pbx.SourceProblem, error) {
	snapshot, err := s.Read(ctx, name)
	if err != nil {
		return snapshot, nil, err
	}
	x, err := s.find(name)
	if err != nil {
		return snapshot, nil, err
	}
	var out SyncResult
	err = s.c.Records.Edit("pbx:"+name, "test", func(e fleet.Edit) error {
		out, err = Apply(e, snapshot, Options{Source: x.Name, Domains: x.Domains, Take: x.Take, Force: true, Packs: s.c.Packs()})
		if err == nil || errors.Is(err, ErrUnchanged) {
			return errTested
		}
		return err
	})
	if errors.Is(err, errTested) {
		err = nil
	}
	return snapshot, out.Problems, err
}

// ReadError is why a PBX could not be read.
type ReadError struct {
	Source string
	Err    error
}

func (e *ReadError) Error() string { return "PBX source " + e.Source + ": " + e.Err.Error() }
func (e *ReadError) Unwrap() error { return e.Err }

// Write runs an edit of the records as one change, and returns it; a dry run returns an error of its own.
type Write func(action string, edit func(fleet.Edit) error) (fleet.Change, error)

// Sync reads a source and writes what it takes. ErrUnchanged is no error: the result counts them.
func (s *Sources) Sync(ctx context.Context, name string, o Options, write Write) (SyncResult, error) {
	snapshot, err := s.Read(ctx, name)
	if errors.Is(err, ErrUnknown) {
		return SyncResult{}, err
	}
	if err != nil && !o.DryRun {
		s.note(name, "", nil, err)
	}
	if err != nil {
		return SyncResult{}, err
	}
	return s.apply(ctx, name, snapshot, o, write)
}

// ErrRead is wrapped by the error about a push to a source that plugtone reads.
var ErrRead = errors.New("is read by plugtone: only a source with type: push takes what a PBX sends")

// Push writes a snapshot that a PBX has sent.
func (s *Sources) Push(ctx context.Context, name string, snapshot pbx.Snapshot, o Options, write Write) (SyncResult, error) {
	x, err := s.find(name)
	if err == nil && x.Type != pbx.Pushed {
		err = fmt.Errorf("PBX source %s %w", name, ErrRead)
	}
	if err != nil {
		return SyncResult{}, err
	}
	return s.apply(ctx, name, snapshot, o, write)
}

// memoryPerRecord is how many bytes a sync takes at most for each account and device: the changed pages of the store and the change itself.
const memoryPerRecord = 4 << 10

// apply writes a snapshot and has the phones notified. What is written is finished when ctx ends, as when the client of a request hangs up: a
// later sync would not find these phones again.
func (s *Sources) apply(ctx context.Context, name string, snapshot pbx.Snapshot, o Options, write Write) (SyncResult, error) {
	x, err := s.find(name)
	if err != nil {
		return SyncResult{}, err
	}
	out, change, err := s.write(x, snapshot, o, write)
	if err == nil && x.Resync && change.ID > 0 {
		s.notify(context.WithoutCancel(ctx), name, change.ID, out.Phones)
	}
	return out, err
}

// write writes a snapshot. The change is zero when nothing was changed.
func (s *Sources) write(x Source, snapshot pbx.Snapshot, o Options, write Write) (out SyncResult, change fleet.Change, err error) {
	s.running.Lock()
	defer s.running.Unlock()
	if s.c.Memory != nil {
		defer s.c.Memory(int64(len(snapshot.Extensions)+len(snapshot.Devices)) * memoryPerRecord)()
	}
	o.Source, o.Domains, o.Take, o.Packs = x.Name, x.Domains, x.Take, s.c.Packs()
	if s.c.Rendering != nil {
		rendering := s.c.Rendering()
		o.LeftOut = rendering.LeftOut
		o.Render = func(f fleet.View, mac dhcp.MAC) error {
			r := rendering
			r.Own = mac
			_, err := r.Validate(f, []dhcp.MAC{mac})
			return err
		}
	}
	change, err = write("sync of the PBX source "+x.Name, func(e fleet.Edit) (err error) {
		out, err = Apply(e, snapshot, o)
		return err
	})
	if errors.Is(err, ErrUnchanged) {
		err = nil
	}
	if o.DryRun {
		return out, fleet.Change{}, err
	}
	s.note(x.Name, snapshot.Server, &out, err)
	if err == nil && len(out.created) > 0 {
		s.forget(out.created)
	}
	for _, n := range out.LeftOut {
		if err == nil {
			s.c.Log.Warn("left out since pbx sync", "source", x.Name, "vendor", n.Vendor, "member", n.Member, "phones", n.Phones, "mac", n.MAC, "text", n.Text)
		}
	}
	return out, change, err
}

// notify has the phones notified that a sync has changed, and all others whose files its change has changed.
func (s *Sources) notify(ctx context.Context, name string, change uint64, synced []dhcp.MAC) {
	phones := slices.Clone(synced) // also those whose files a PBX renders: whether it renders others now is not known here
	others, err := s.c.Changed(ctx, change)
	if err != nil {
		s.c.Log.Warn("phones whose files a pbx sync has changed", "source", name, "change", change, "err", err)
	}
	seen := map[dhcp.MAC]bool{}
	for _, mac := range synced {
		seen[mac] = true
	}
	for _, mac := range others {
		if !seen[mac] {
			phones = append(phones, mac)
		}
	}
	if len(phones) > 0 {
		s.c.Concerned(name, phones)
	}
}

// note remembers what became of a sync.
func (s *Sources) note(name, server string, r *SyncResult, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status[name]
	st.TriedAt = s.c.Now().UTC()
	if err != nil {
		st.Error = err.Error()
	} else {
		st.Error, st.SyncedAt, st.Server, st.Result = "", st.TriedAt, server, r
	}
	s.status[name] = st
	s.c.Synced(name, err == nil)
}

// Run syncs each source when its interval has ended, until ctx ends. A source that fails is tried again after its interval. Problems that
// remain are logged once.
func (s *Sources) Run(ctx context.Context) {
	problems := map[string]int{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for _, x := range s.due() {
			r, err := s.Sync(ctx, x.Name, Options{}, func(action string, edit func(fleet.Edit) error) (fleet.Change, error) {
				return s.c.Records.Write(fleet.Write{Actor: "pbx:" + x.Name, Action: action}, edit)
			})
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				s.c.Log.Error("pbx sync", "source", x.Name, "err", err)
			case r.touched() || len(r.Problems) != problems[x.Name]:
				problems[x.Name] = len(r.Problems)
				s.c.Log.Info("pbx sync", "source", x.Name, "result", r.String())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// due returns the sources whose interval has ended.
func (s *Sources) due() (out []Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.c.Sources() {
		if st := s.status[x.Name]; x.Interval > 0 && x.Type != pbx.Pushed && (st.TriedAt.IsZero() || s.c.Now().Sub(st.TriedAt) >= x.Interval) {
			out = append(out, x)
		}
	}
	return out
}
