package webtest

import (
	"maps"
	"sync"

	"plugtone/admin/admintest"
	"plugtone/dhcp"
	"plugtone/provision/notify"
)

// Jobs are resync jobs whose outcomes the test sets. They implement resyncapi.Jobs.
type Jobs struct {
	mu   sync.Mutex
	jobs []notify.Job
}

// Start begins a job that sends nothing.
func (j *Jobs) Start(actor, message string, phones []dhcp.MAC, o notify.Options) (notify.Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	job := notify.Job{ID: uint64(len(j.jobs) + 1), Actor: actor, Message: message, State: notify.Running, Created: admintest.Noon, Options: o, Total: len(phones), Counts: map[notify.Outcome]int{}}
	for _, mac := range phones {
		job.Phones = append(job.Phones, notify.Result{MAC: mac})
	}
	j.jobs = append(j.jobs, job)
	return job, nil
}

// Plan skips every fourth phone.
func (j *Jobs) Plan(phones []dhcp.MAC, _ bool) (out []notify.Planned) {
	for i, mac := range phones {
		p := notify.Planned{MAC: mac, Over: "udp", Request: "NOTIFY"}
		if i%4 == 3 {
			p = notify.Planned{MAC: mac, Skipped: "its address is not known"}
		}
		out = append(out, p)
	}
	return out
}

// List returns the jobs, the newest first.
func (j *Jobs) List() (out []notify.Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := len(j.jobs) - 1; i >= 0; i-- {
		job := j.jobs[i]
		job.Phones = nil
		out = append(out, job)
	}
	return out
}

// Job returns a job.
func (j *Jobs) Job(id uint64) (notify.Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if id > uint64(len(j.jobs)) {
		return notify.Job{}, notify.ErrNotFound
	}
	return clone(j.jobs[id-1]), nil
}

// Stop ends a job.
func (j *Jobs) Stop(id uint64, reason string) (notify.Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	job := &j.jobs[id-1]
	job.State, job.Reason, job.Ended = notify.Stopped, reason, admintest.Noon
	return clone(*job), nil
}

func clone(j notify.Job) notify.Job {
	j.Phones = append([]notify.Result{}, j.Phones...)
	j.Counts = maps.Clone(j.Counts)
	return j
}

// Set changes the last job.
func (j *Jobs) Set(f func(*notify.Job)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(&j.jobs[len(j.jobs)-1])
}
