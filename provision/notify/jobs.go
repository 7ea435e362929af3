package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// How many jobs are kept, and how many phones they have in all; the oldest that has ended goes first. A phone takes some hundred bytes, in
// memory and in events.db.
const (
	keepJobs   = 100
	keepPhones = 100_000
)

// Store keeps jobs over a restart.
type Store interface {
	// SaveJob stores a part of a job. The parts are small, so that a job of many phones is not written whole for each of them.
	SaveJob(id uint64, part int, data []byte) error
	LoadJobs(part func(id uint64, part int, data []byte) error) error
	DeleteJob(id uint64) error
}

// Config has the dependencies of Jobs. All members must be set.
type Config struct {
	Target   func(mac dhcp.MAC, reboot bool) (Target, error)                 // how a phone is notified; a *Skipped error when it can't be
	Send     func(ctx context.Context, t Target, reboot bool) (Reply, error) // Sender.Notify; a *Skipped error when nothing was sent
	Timeline func(mac dhcp.MAC, limit int) ([]timeline.Entry, error)         // newest last
	Fetches  func(dhcp.MAC) ([]fleet.Fetch, error)                           // the last of each file, from any member of a cluster
	Record   func(timeline.Entry)                                            // writes what was done to the phone's timeline
	Counted  func(Outcome)                                                   // a final outcome
	Store    Store
	Now      func() time.Time
	Log      *slog.Logger
}

// Jobs runs resync jobs. Its methods may be called from any goroutine.
type Jobs struct {
	c    Config
	wake chan struct{}

	mu   sync.Mutex
	jobs map[uint64]*run
	next uint64
}

// New returns the jobs of the store. None runs before Run.
func New(c Config) (*Jobs, error) {
	j := &Jobs{c: c, wake: make(chan struct{}, 1), jobs: map[uint64]*run{}, next: 1}
	loaded, err := load(c.Store)
	if err != nil {
		return nil, fmt.Errorf("load jobs: %w", err)
	}
	for _, job := range loaded {
		r := newRun(&j.c, &job.Job)
		r.loaded, r.lost = true, !job.Paused
		j.jobs[job.ID] = r
		j.next = max(j.next, job.ID+1)
	}
	return j, nil
}

// Run runs jobs until ctx ends. Jobs that it did not finish go on at the next start.
func (j *Jobs) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		for _, r := range j.startable() {
			running.Go(func() { r.run(ctx) })
		}
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		}
	}
}

// startable returns the jobs to start, marked as started.
func (j *Jobs) startable() (out []*run) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.jobs {
		if !r.started && r.job.State == Running {
			r.started = true
			out = append(out, r)
		}
	}
	return out
}

// Start begins a job for phones, in this order, and returns it without its phones.
func (j *Jobs) Start(actor, message string, phones []dhcp.MAC, o Options) (Job, error) {
	if len(phones) == 0 {
		return Job{}, errors.New("no phone is selected")
	}
	if o.Wait == 0 {
		o.Wait = DefaultWait
	}
	if err := o.Validate(); err != nil {
		return Job{}, err
	}
	job := &Job{Actor: actor, Message: message, State: Running, Created: j.c.Now().UTC(), Options: o}
	seen := make(map[dhcp.MAC]bool, len(phones))
	for _, mac := range phones {
		if !seen[mac] {
			seen[mac] = true
			job.Phones = append(job.Phones, Result{MAC: mac})
		}
	}
	j.mu.Lock()
	job.ID = j.next
	j.next++
	j.mu.Unlock()
	r := newRun(&j.c, job)
	if err := r.save(); err != nil { // before it is among the jobs: Run must not begin one that a restart would forget
		return Job{}, fmt.Errorf("store the job: %w", err)
	}
	j.mu.Lock()
	j.jobs[job.ID] = r
	old := j.surplus()
	j.mu.Unlock()
	for _, id := range old {
		if err := j.c.Store.DeleteJob(id); err != nil {
			j.c.Log.Warn("delete an old job", "job", id, "err", err)
		}
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return r.summary(), nil
}

// Planned is what a job would send to a phone.
type Planned struct {
	MAC     dhcp.MAC       `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Addr    netip.AddrPort `json:"addr,omitzero" doc:"where the NOTIFY would be sent" example:"10.20.1.7:5060"`
	Over    string         `json:"over,omitempty" doc:"SIP transport, or the route through the PBX" example:"udp" enum:"udp,tcp,tls,esl,ami,fspbx"`
	Request string         `json:"request,omitempty" doc:"the NOTIFY, without the headers that are made when it is sent" example:"NOTIFY sip:1001@10.20.1.7:5060 SIP/2.0"`
	Skipped string         `json:"skipped,omitempty" doc:"why nothing would be sent" example:"the device is disabled"`
}

// Plan returns what a job would send to phones, and sends nothing.
func (j *Jobs) Plan(phones []dhcp.MAC, reboot bool) []Planned {
	out := make([]Planned, 0, len(phones))
	for _, mac := range phones {
		p := Planned{MAC: mac}
		if t, err := j.c.Target(mac, reboot); err != nil {
			p.Skipped = err.Error()
		} else {
			p.of(t, reboot)
		}
		out = append(out, p)
	}
	return out
}

// of fills in what is sent to a phone.
func (p *Planned) of(t Target, reboot bool) {
	p.Addr, p.Over = t.Addr, t.Transport
	if t.Route != "" {
		p.Over = t.Route
		n := Through(t, reboot)
		p.Request = fmt.Sprintf("NOTIFY to the registration of %s@%s, sent by the PBX of %s\nEvent: %s\n", n.User, n.Domain, t.Registrar, n.Event)
		if n.Body != "" {
			p.Request += "Content-Type: " + n.ContentType + "\n\n" + n.Body
		}
		return
	}
	local, err := localAddr(t.Addr)
	if err != nil {
		p.Skipped = err.Error()
		return
	}
	p.Request = Request(t, reboot, local, "").String()
}

// surplus removes the oldest jobs that have ended, and returns their numbers. The caller holds mu.
func (j *Jobs) surplus() (ids []uint64) {
	phones := 0
	for id, r := range j.jobs {
		phones += len(r.job.Phones)
		if r.state() != Running {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for i, id := range ids {
		if len(j.jobs) <= keepJobs && phones <= keepPhones {
			return ids[:i]
		}
		phones -= len(j.jobs[id].job.Phones)
		delete(j.jobs, id)
	}
	return ids
}

// List returns the jobs without their phones, newest first.
func (j *Jobs) List() (out []Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.jobs {
		out = append(out, r.summary())
	}
	slices.SortFunc(out, func(a, b Job) int { return int(b.ID) - int(a.ID) })
	return out
}

// Job returns a job with its phones.
func (j *Jobs) Job(id uint64) (Job, error) {
	r, err := j.find(id)
	if err != nil {
		return Job{}, err
	}
	return r.whole(), nil
}

// Stop ends a job: phones that are not notified yet are skipped. It does nothing to a job that has ended.
func (j *Jobs) Stop(id uint64, reason string) (Job, error) {
	r, err := j.find(id)
	if err != nil {
		return Job{}, err
	}
	r.stop(reason)
	return r.summary(), r.save()
}

func (j *Jobs) find(id uint64) (*run, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r, ok := j.jobs[id]
	if !ok {
		return nil, fmt.Errorf("job %d: %w", id, ErrNotFound)
	}
	return r, nil
}
