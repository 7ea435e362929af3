package notify

import (
	"errors"
	"fmt"
	"time"

	"net/netip"

	"plugtone/dhcp"
)

// Outcome is what became of the NOTIFY to one phone.
type Outcome string

// The outcomes. A phone that is still to be notified has none.
const (
	Waiting    Outcome = "waiting"    // notified; it has not fetched yet
	Fetched    Outcome = "fetched"    // it fetched its files
	Answered   Outcome = "answered"   // it answered 200, and did not fetch in time
	Challenged Outcome = "challenged" // it wanted credentials that plugtone does not have, or did not accept them
	Rejected   Outcome = "rejected"   // it answered with another code
	Silent     Outcome = "silent"     // it did not answer
	SkippedOut Outcome = "skipped"    // it was not notified
)

// Outcomes lists the final outcomes, for metrics that need every label.
func Outcomes() []Outcome {
	return []Outcome{Fetched, Answered, Challenged, Rejected, Silent, SkippedOut}
}

// Final reports whether an outcome does not change any more.
func (o Outcome) Final() bool { return o != "" && o != Waiting }

// Options control how a job runs. The zero value of a member is its default.
type Options struct {
	Reboot     bool          `json:"reboot,omitempty" doc:"make the phones restart, where the vendor has a way to request it" example:"false"`
	Pace       Rate          `json:"pace" doc:"phones in a time, as 50/m; off for no limit; 50/m when left out" example:"50/m"`
	PerAddress Rate          `json:"per_address" doc:"phones behind one address in a time, as 5/m; off for no limit; 5/m when left out" example:"5/m"`
	Canary     int           `json:"canary,omitempty" doc:"so many phones first: when one of them does not fetch, the job stops" example:"2" minimum:"0"`
	Wait       time.Duration `json:"wait_ns" doc:"how long to wait for the fetch of a phone, in nanoseconds" example:"900000000"`
}

// Defaults of the options.
var (
	DefaultPace       = Rate{50, time.Minute}
	DefaultPerAddress = Rate{5, time.Minute}
)

// DefaultWait is how long a job waits for the fetch of a phone.
const DefaultWait = 90 * time.Second

// MaxWait bounds Options.Wait.
const MaxWait = time.Hour

// Validate returns an error that names the option that can't be used.
func (o Options) Validate() error {
	switch {
	case o.Canary < 0:
		return fmt.Errorf("canary %d must not be negative", o.Canary)
	case o.Wait < 0 || o.Wait > MaxWait:
		return fmt.Errorf("wait %s must be at most %s", o.Wait, MaxWait)
	}
	return nil
}

// Result is what a job has done with one phone.
type Result struct {
	MAC     dhcp.MAC       `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Outcome Outcome        `json:"outcome,omitempty" doc:"what became of the NOTIFY; absent before it is sent" example:"fetched" enum:"waiting,fetched,answered,challenged,rejected,silent,skipped"`
	Addr    netip.AddrPort `json:"addr,omitzero" doc:"address and port that the NOTIFY was sent to" example:"10.20.1.7:5060"`
	Code    int            `json:"code,omitempty" doc:"SIP code that the phone answered" example:"200"`
	Detail  string         `json:"detail,omitempty" doc:"the outcome in one sentence" example:"fetched after 8 s"`
	SentAt  time.Time      `json:"sent_at,omitzero" doc:"when the NOTIFY was sent" example:"2026-11-22T12:00:00Z"`
	After   time.Duration  `json:"after_ns,omitempty" doc:"time from the NOTIFY to the fetch, in nanoseconds" example:"900000000"`
}

// State is where a job is.
type State string

// The states of a job.
const (
	Running State = "running"
	Done    State = "done"
	Stopped State = "stopped"
)

// Job is one resync of one or many phones.
type Job struct {
	ID      uint64          `json:"id" doc:"number of the job" example:"12"`
	Actor   string          `json:"actor" doc:"who started it" example:"root"`
	Message string          `json:"message,omitempty" doc:"what it is for" example:"new key layout"`
	State   State           `json:"state" doc:"running, done or stopped" example:"done" enum:"running,done,stopped"`
	Reason  string          `json:"reason,omitempty" doc:"why it was stopped" example:"canary 00:15:65:12:34:56 did not fetch"`
	Created time.Time       `json:"created_at" doc:"when it was started" example:"2026-11-22T12:00:00Z"`
	Ended   time.Time       `json:"ended_at,omitzero" doc:"when its last phone was done" example:"2026-11-22T12:02:00Z"`
	Options Options         `json:"options" doc:"how the phones are notified"`
	Total   int             `json:"total" doc:"number of phones" example:"213"`
	Counts  map[Outcome]int `json:"counts" doc:"phones by outcome" example:"{\"fetched\":210,\"silent\":3}"`
	Phones  []Result        `json:"phones,omitempty" doc:"the phones, canaries first; absent in lists"`
}

// ErrNotFound is returned for a job that does not exist, or no longer.
var ErrNotFound = errors.New("there is no such job; the last 100 are kept, with 100,000 phones in all")

// summary returns the job without its phones.
func (j *Job) summary() Job {
	out := *j
	out.Phones, out.Counts, out.Total = nil, map[Outcome]int{}, len(j.Phones)
	for _, r := range j.Phones {
		if r.Outcome != "" {
			out.Counts[r.Outcome]++
		}
	}
	return out
}
