package notify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/provision/timeline"
)

const (
	tick       = time.Second // how often fetches are looked for
	minLook    = tick / 4    // the same at most, while the pace wakes the job more often: each look reads the timelines of all phones that are waited for
	saveEvery  = 2 * time.Second
	lookBehind = 50 // entries of a timeline that are searched for the fetch

	// maxSending is how many phones of a job are waited for an answer from at a time: each takes a socket, which the file servers need too.
	maxSending = 256
)

// run is a job while it is in memory.
type run struct {
	c       *Config
	started bool // under Jobs.mu
	loaded  bool // it was begun before the daemon started
	lost    bool // what happened last before that may be lost

	mu      sync.Mutex
	job     *Job
	paused  bool         // ctx has ended
	first   int          // the phones before it are notified or skipped
	dirty   map[int]bool // parts that are not stored
	saved   time.Time
	sending int                      // phones that are being notified
	last    time.Time                // when a phone was notified last
	looked  time.Time                // when fetches were looked for last
	address map[netip.Addr]time.Time // the same for each address
	replies chan reply
	stopped chan struct{} // closed by stop
}

type reply struct {
	phone int
	to    Target
	Reply
	err error
}

func newRun(c *Config, job *Job) *run {
	return &run{c: c, job: job, dirty: map[int]bool{}, address: map[netip.Addr]time.Time{}, replies: make(chan reply, 16), stopped: make(chan struct{})}
}

func (r *run) state() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job.State
}

func (r *run) summary() Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job.summary()
}

func (r *run) whole() Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.job.summary()
	out.Phones = slices.Clone(r.job.Phones)
	return out
}

// run notifies the phones and waits for them, until all are done or ctx ends.
func (r *run) run(ctx context.Context) {
	sends, cancel := context.WithCancel(ctx)
	var senders sync.WaitGroup
	defer senders.Wait()
	defer cancel()
	clock := time.NewTimer(0)
	defer clock.Stop()
	r.resume()
	for r.state() == Running {
		select {
		case <-ctx.Done():
			r.mu.Lock()
			r.paused = true
			r.mu.Unlock()
			_ = r.save()
			return
		case a := <-r.replies:
			r.answered(a)
		case <-r.stopped:
		case <-clock.C:
		}
		for {
			i, t, ok := r.nextPhone()
			if !ok {
				break
			}
			senders.Go(func() { r.send(sends, i, t) })
		}
		r.checkFetches()
		r.finish()
		r.saveSometimes()
		clock.Reset(r.pause())
	}
	if err := r.save(); err != nil {
		r.c.Log.Error("store a job", "job", r.job.ID, "err", err)
	}
}

// resume prepares a job of the store. When the daemon did not stop in order, the last answers and fetches may be lost: phones that were waited for and have no fetch are
// notified again, unless that would restart them a second time.
func (r *run) resume() {
	if !r.loaded {
		return
	}
	r.checkFetches()
	r.mu.Lock()
	for i := range r.job.Phones {
		if p := &r.job.Phones[i]; r.lost && !r.job.Options.Reboot && p.Outcome == Waiting {
			*p = Result{MAC: p.MAC}
		}
	}
	r.mu.Unlock()
	if err := r.save(); err != nil { // without the mark of an orderly stop
		r.c.Log.Error("store a job", "job", r.job.ID, "err", err)
	}
}

// pause returns how long to wait before looking again: until the pace allows the next phone, or a tick.
func (r *run) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := r.last.Add(r.job.Options.Pace.interval()).Sub(r.c.Now())
	if wait <= 0 { // what holds the next phone back is its address, a canary, or that there is none
		return tick
	}
	return min(tick, wait)
}

// send notifies one phone and passes on what it answered.
func (r *run) send(ctx context.Context, i int, t Target) {
	res, err := r.c.Send(ctx, t, r.job.Options.Reboot)
	r.mu.Lock()
	r.sending--
	r.mu.Unlock()
	select {
	case r.replies <- reply{i, t, res, err}:
	case <-ctx.Done():
	}
}

// nextPhone returns the next phone to notify, marked as waiting. ok is false when none can be notified now.
func (r *run) nextPhone() (phone int, t Target, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.c.Now()
	if r.job.State != Running || r.sending >= maxSending || r.last.Add(r.job.Options.Pace.interval()).After(now) {
		return 0, Target{}, false
	}
	end := len(r.job.Phones)
	if canaries, fetched := r.canaries(); !fetched {
		end = canaries
	}
	for ; r.first < end && r.job.Phones[r.first].Outcome != ""; r.first++ {
	}
	for i := r.first; i < end; i++ {
		p := &r.job.Phones[i]
		if p.Outcome != "" {
			continue
		}
		t, err := r.c.Target(p.MAC, r.job.Options.Reboot)
		if err != nil {
			r.skip(i, err)
			end = min(end+1, len(r.job.Phones)) // a canary that can't be notified is none: the next one is
			continue
		}
		if addr := t.Addr.Addr(); addr.IsValid() && r.address[addr].Add(r.job.Options.PerAddress.interval()).After(now) {
			continue
		}
		p.Outcome, p.Addr, p.SentAt = Waiting, t.Addr, now.UTC()
		r.last, r.address[t.Addr.Addr()] = now, now
		r.dirty[partOf(i)] = true
		r.sending++
		if t.Route == "" { // a PBX may send nothing
			r.record(p, "sent", sentText(t, r.job.Options.Reboot))
		}
		return i, t, true
	}
	return 0, Target{}, false
}

// sentText is the entry of the timeline about a NOTIFY.
func sentText(t Target, reboot bool) string {
	text := "SIP NOTIFY, Event: " + eventOf(t.Notify, reboot)
	if t.Route != "" {
		text += fmt.Sprintf(", through the PBX of %s (%s)", t.Registrar, t.Route)
	}
	return text
}

// canaries returns the number of phones up to the last canary, and whether all canaries have fetched. The canaries are the first phones that
// could be notified. The caller holds mu.
func (r *run) canaries() (end int, fetched bool) {
	left := r.job.Options.Canary
	for i := range r.job.Phones {
		if left == 0 {
			return end, true
		}
		p := &r.job.Phones[i]
		if p.Outcome == SkippedOut {
			continue
		}
		left--
		end = i + 1
		if p.Outcome != Fetched {
			return min(i+1+left, len(r.job.Phones)), false
		}
	}
	return end, true
}

// skip ends a phone that can't be notified. The caller holds mu.
func (r *run) skip(i int, err error) {
	detail := err.Error()
	if _, known := errors.AsType[*Skipped](err); !known {
		r.c.Log.Error("resync", "mac", r.job.Phones[i].MAC, "err", err)
		detail = "internal error, see the log"
	}
	r.end(i, SkippedOut, detail)
}

// answered handles the answer of a phone.
func (r *run) answered(a reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.job.Phones[a.phone]
	if p.Outcome != Waiting {
		return
	}
	p.Code = a.Code
	r.dirty[partOf(a.phone)] = true
	skipped, notSent := errors.AsType[*Skipped](a.err)
	switch {
	case notSent:
		r.end(a.phone, SkippedOut, skipped.Reason)
	case a.err != nil:
		p.Detail = a.err.Error() // the phone may still fetch: a stream that breaks off can have carried the NOTIFY
	case a.Refused:
		r.end(a.phone, Rejected, a.Reason)
	case a.Relayed:
		r.record(p, "sent", sentText(a.to, r.job.Options.Reboot))
		p.Detail = fmt.Sprintf("the PBX took the NOTIFY, and there was no fetch within %s", r.job.Options.Wait)
	case a.Challenged:
		r.end(a.phone, Challenged, fmt.Sprintf("it answered %d: it requires other credentials", a.Code))
	case a.Code >= 300:
		r.end(a.phone, Rejected, fmt.Sprintf("it answered %d %.100s%s", a.Code, a.Reason, registrarHint(a.to)))
	case a.Code == 0 && registrarHint(a.to) != "":
		p.Detail = fmt.Sprintf("no answer, and no fetch within %s%s", r.job.Options.Wait, registrarHint(a.to))
	}
}

// registrarHint is what may be wrong when a phone does not accept a NOTIFY of this host.
func registrarHint(t Target) string {
	if !t.RegistrarOnly || t.Route != "" {
		return ""
	}
	return "; it takes SIP from its registrar only (sip_from_registrar_only): set registrars[].notify"
}

// checkFetches ends the phones that have fetched, and those whose time has ended.
func (r *run) checkFetches() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.c.Now(); now.Sub(r.looked) < minLook {
		return
	} else {
		r.looked = now
	}
	for i := range r.job.Phones {
		p := &r.job.Phones[i]
		if p.Outcome != Waiting {
			continue
		}
		at, refused := r.fetchSince(p)
		switch {
		case !at.IsZero():
			p.After = at.Sub(p.SentAt)
			r.end(i, Fetched, fmt.Sprintf("fetched after %.0f s", p.After.Seconds()))
		case r.c.Now().Sub(p.SentAt) < r.job.Options.Wait:
		case p.Code == 0:
			detail := fmt.Sprintf("no answer, and no fetch within %s", r.job.Options.Wait)
			if p.Detail != "" {
				detail = p.Detail
			}
			r.end(i, Silent, detail)
		case refused != "":
			r.end(i, Answered, "it answered, and its request was refused: "+refused)
		default:
			r.end(i, Answered, fmt.Sprintf("it answered %d, and did not fetch within %s", p.Code, r.job.Options.Wait))
		}
	}
}

// end sets the final outcome of a phone. The caller holds mu.
func (r *run) end(i int, o Outcome, detail string) {
	p := &r.job.Phones[i]
	p.Outcome, p.Detail = o, detail
	r.dirty[partOf(i)] = true
	r.c.Counted(o)
	r.record(p, string(o), detail)
}

// record writes what was done to the timeline of the phone.
func (r *run) record(p *Result, verdict, reason string) {
	r.c.Record(timeline.Entry{Time: r.c.Now(), MAC: p.MAC, Source: "sip", Event: "notify", Verdict: verdict, Reason: fmt.Sprintf("%s (job %d)", reason, r.job.ID), Addr: p.Addr.Addr()})
}

// finish stops the job after a canary that failed, and ends it when no phone is left.
func (r *run) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.job.State != Running {
		return
	}
	end, fetched := r.canaries()
	for i := range end {
		if p := &r.job.Phones[i]; !fetched && p.Outcome.Final() && p.Outcome != Fetched && p.Outcome != SkippedOut {
			r.stopNow(fmt.Sprintf("canary %s: %s", p.MAC, p.Detail))
			return
		}
	}
	for i := range r.job.Phones {
		if !r.job.Phones[i].Outcome.Final() {
			return
		}
	}
	r.job.State, r.job.Ended = Done, r.c.Now().UTC()
}

// stop ends the job.
func (r *run) stop(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.job.State == Running {
		r.stopNow(reason)
		close(r.stopped)
	}
}

// stopNow ends the job: what is not sent is skipped, and nothing is waited for. The caller holds mu.
func (r *run) stopNow(reason string) {
	for i := range r.job.Phones {
		switch p := &r.job.Phones[i]; {
		case p.Outcome == "":
			r.end(i, SkippedOut, "the job was stopped before its turn")
		case p.Outcome == Waiting && p.Code == 0:
			r.end(i, Silent, "neither an answer nor a fetch before the job was stopped")
		case p.Outcome == Waiting:
			r.end(i, Answered, "it answered, and had not fetched when the job was stopped")
		}
	}
	r.job.State, r.job.Reason, r.job.Ended = Stopped, reason, r.c.Now().UTC()
}
