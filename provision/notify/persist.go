package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// partSize is how many phones one stored part has. Part 0 is the job without its phones.
const partSize = 100

func partOf(phone int) int { return 1 + phone/partSize }

// head is part 0 of a job.
type head struct {
	Job
	Paused bool `json:"paused,omitempty"` // stored when the daemon stopped: it lost nothing after that
}

// saveSometimes stores what has changed, every two seconds at most. An error is logged: the job goes on in memory.
func (r *run) saveSometimes() {
	r.mu.Lock()
	due := len(r.dirty) > 0 && r.c.Now().Sub(r.saved) >= saveEvery
	r.mu.Unlock()
	if !due {
		return
	}
	if err := r.save(); err != nil {
		r.c.Log.Error("store a job", "job", r.job.ID, "err", err)
	}
}

// save stores the job and the parts that have changed; all of them at first.
func (r *run) save() error {
	r.mu.Lock()
	parts := slices.Sorted(maps.Keys(r.dirty))
	if r.saved.IsZero() {
		parts = nil
		for i := 0; i < len(r.job.Phones); i += partSize {
			parts = append(parts, partOf(i))
		}
	}
	h := head{*r.job, r.paused}
	h.Phones = nil
	data := map[int]any{0: h}
	for _, n := range parts {
		from := (n - 1) * partSize
		data[n] = slices.Clone(r.job.Phones[from:min(from+partSize, len(r.job.Phones))])
	}
	clear(r.dirty)
	r.saved = r.c.Now()
	r.mu.Unlock()
	// The phones come first: a job without them would be complete.
	for _, n := range append(parts, 0) {
		b, err := json.Marshal(data[n])
		if err == nil {
			err = r.c.Store.SaveJob(h.ID, n, b)
		}
		if err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, n := range parts {
				r.dirty[n] = true
			}
			return fmt.Errorf("job %d: %w", h.ID, err)
		}
	}
	return nil
}

// load reads all jobs. Parts of a job that has no head are left over from a start that was cut off: they are removed, and so is a job that
// can't be read whole: the daemon starts without it.
func load(s Store) ([]*head, error) {
	broken := map[uint64]bool{}
	heads := map[uint64]*head{}
	phones := map[uint64]map[int][]Result{}
	err := s.LoadJobs(func(id uint64, part int, data []byte) error {
		if part == 0 {
			var j head
			if err := json.Unmarshal(data, &j); err != nil {
				broken[id] = true
				return nil
			}
			heads[id] = &j
			return nil
		}
		var list []Result
		if err := json.Unmarshal(data, &list); err != nil {
			broken[id] = true
			return nil
		}
		if phones[id] == nil {
			phones[id] = map[int][]Result{}
		}
		phones[id][part] = list
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []*head
	for id, parts := range phones {
		job, ok := heads[id]
		if last := slices.Max(slices.Collect(maps.Keys(parts))); !ok || broken[id] || last != len(parts) {
			if err := s.DeleteJob(id); err != nil {
				return nil, err
			}
			continue
		}
		for _, n := range slices.Sorted(maps.Keys(parts)) {
			job.Phones = append(job.Phones, parts[n]...)
		}
		out = append(out, job)
	}
	return out, nil
}
