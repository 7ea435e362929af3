// Package copies copies what members of a cluster receive from phones to the other members: the files that phones upload, and which files phones
// have fetched. Each member reads from the others what it lacks; nothing is sent to a member that does not request it.
//
// A member lists what it has received since a position (recent), and all that it has (all, by phone). The others read the first all the time,
// and the second when they have missed something of the first, and once a day.
package copies

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/uploads"
)

// Bounds of the work for other members, and of what they can make this one do.
const (
	journalLength  = 8192             // recent items that are listed; who has missed more compares
	pageItems      = 2048             // items of one answer, at least those of one phone; also of several bounded lists
	pollTime       = 8 * time.Second  // for how long a request for recent items waits
	answerTime     = 30 * time.Second // how long an answer may take, and the next bytes of a file
	compareEvery   = 24 * time.Hour
	roundLeast     = 200 * time.Millisecond // between requests for recent items
	pauseLeast     = 2 * time.Second        // after a failure; it doubles
	pauseMost      = time.Minute
	transfers      = 4 // files that are copied at the same time
	maxAnswer      = 4 << 20
	rateTime       = time.Second
	bytesPerTime   = 1 << 20          // of files that are read from others in rateTime, all together
	fetchesPerTime = 4096             // that are recorded in rateTime: 16,384 wait in store/events at most, which writes them each second
	leastRoom      = 256 << 20        // bytes that stay free on the disk
	logAfter       = 20 * time.Second // a member that stops fails for some seconds
	lookEvery      = 5 * time.Second  // for members that have come or gone
)

// Config is what a member needs to copy uploads. All members are required.
type Config struct {
	Uploads *uploads.Store
	Fetches Fetches
	// Recorded reports whether a phone has a device record. What is of others is neither offered nor copied.
	Recorded func(dhcp.MAC) (bool, error)
	// Sources returns the members that are copied from and alive, by name.
	Sources func() map[string]http.RoundTripper
	// Copied is called after an upload or a fetch of a phone was copied.
	Copied func(dhcp.MAC)
	// Room returns how many bytes the disk has left.
	Room func() (int64, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Fetches are the last fetches of phones. *store.Store implements it.
type Fetches interface {
	Fetches(dhcp.MAC) ([]fleet.Fetch, error)
	FetchesAfter(key []byte, n int) ([]fleet.Fetch, []byte, error) // of all phones
	RecordFetch(fleet.Fetch)
}

// Copies copies from other members, and serves them.
type Copies struct {
	cfg     Config
	uploads *subject[listed]
	fetches *subject[fleet.Fetch]
	slots   *semaphore.Weighted
	bytes   rate
	records rate

	mu      sync.Mutex
	states  map[[2]string]*State // by subject, and member that is copied from
	coming  map[string]bool      // files that are being copied
	counts  map[[2]string]uint64 // by what and outcome
	copied  uint64               // bytes
	skipped map[string]bool      // names of files whose refusal was logged
}

// New returns what copies the uploads of a store and the fetches. From then on each upload to the store is noted for the other members.
func New(c Config) *Copies {
	x := &Copies{cfg: c, slots: semaphore.NewWeighted(transfers), bytes: rate{most: bytesPerTime}, records: rate{most: fetchesPerTime}, states: map[[2]string]*State{}, coming: map[string]bool{}, counts: map[[2]string]uint64{}, skipped: map[string]bool{}}
	x.uploads = &subject[listed]{name: "uploads", journal: newJournal[listed](), all: x.allUploads, copy: x.copyFile,
		mac: func(l listed) dhcp.MAC { return l.MAC }, text: func(l listed) string { return fileName(l.MAC, l.Key) }}
	x.fetches = &subject[fleet.Fetch]{name: "fetches", journal: newJournal[fleet.Fetch](), all: x.allFetches, copy: x.copyFetch,
		mac: func(f fleet.Fetch) dhcp.MAC { return f.MAC }, text: func(f fleet.Fetch) string { return "the fetch of " + fileName(f.MAC, f.File) }}
	c.Uploads.OnStored(func(f uploads.File) { x.uploads.journal.add(listed{f.MAC, f.Key, f.Time.UnixMicro()}) })
	return x
}

// Fetched notes for the other members that a phone has fetched a file from this one.
func (x *Copies) Fetched(f fleet.Fetch) { x.fetches.journal.add(f) }

// State is how far what a member has is copied.
type State struct {
	Waiting int       // items that are known and not copied yet
	Problem string    // why; "" while they are copied
	Since   time.Time // of Problem
	Done    time.Time // when this member had all of them; zero: not since it started
}

// Of returns how far what a member has is copied. ok is false when nothing is copied from it.
func (x *Copies) Of(member string) (s State, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, subject := range []string{x.uploads.name, x.fetches.name} {
		p := x.states[[2]string{subject, member}]
		if p == nil {
			continue
		}
		s.Waiting += p.Waiting
		if s.Problem == "" {
			s.Problem, s.Since = p.Problem, p.Since
		}
		if !ok || p.Done.Before(s.Done) {
			s.Done = p.Done
		}
		ok = true
	}
	return s, ok
}

// count counts an item.
func (x *Copies) count(what, outcome string, bytes int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.counts[[2]string{what, outcome}]++
	x.copied += uint64(bytes)
}

// Stats are figures of all members.
type Stats struct {
	Items   map[[2]string]uint64 // by what, upload or fetch, and outcome
	Bytes   uint64               // of uploads that were copied
	Waiting int                  // uploads and fetches that are known and not copied yet
	Failing int                  // members from which something is not copied because of an error
}

// Stats returns the figures since the start.
func (x *Copies) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := Stats{Items: map[[2]string]uint64{}, Bytes: x.copied}
	for _, what := range []string{Upload, Fetch} {
		for _, outcome := range []string{outcomeCopied, outcomeSame, outcomeRefused, outcomeFailed} {
			out.Items[[2]string{what, outcome}] = x.counts[[2]string{what, outcome}]
		}
	}
	failing := map[string]bool{}
	for key, s := range x.states {
		out.Waiting += s.Waiting
		if s.Problem != "" {
			failing[key[1]] = true
		}
	}
	out.Failing = len(failing)
	return out
}

// What is copied.
const (
	Upload = "upload"
	Fetch  = "fetch"
)

// Outcomes of an item.
const (
	outcomeCopied  = "copied"
	outcomeSame    = "same"    // this member has the same bytes of an upload
	outcomeRefused = "refused" // it can't be a copy, or is beyond the bounds of its phone
	outcomeFailed  = "failed"  // it is tried again
)
