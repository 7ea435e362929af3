package deviceindex

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Facets are the fields that devices are counted by.
func Facets() []string {
	return []string{"state", "vendor", "model", "profile", "subnet", "tag", "left_out"}
}

// Value is how many devices have a value.
type Value struct {
	Value string
	Count int
}

// Counts is how many devices a query selects.
type Counts struct {
	Total   int
	Pending int                // of all devices that may be selected, those whose status is from before its inputs changed
	By      map[string][]Value // by facet; the values that most devices have come first
}

// Count counts the devices of a query by facets.
func (x *Index) Count(ctx context.Context, q Query, facets []string) (Counts, error) {
	out := Counts{By: map[string][]Value{}}
	needed := func(field string) bool { return q.Where.Names(field) || slices.Contains(facets, field) }
	m, err := x.prepare(ctx, q, needed)
	if err != nil {
		return out, err
	}
	now := x.seconds()
	x.mu.RLock()
	defer x.mu.RUnlock()
	m.begin()
	counted := make([]map[uint32]int, len(facets))
	for i := range counted {
		counted[i] = map[uint32]int{}
	}
	status := slices.ContainsFunc(ofStatus, needed)
	for _, r := range x.rows {
		if !m.record(r) {
			continue
		}
		if status && r.isPending(now) {
			out.Pending++
		}
		if !m.status(r) {
			continue
		}
		out.Total++
		for i, f := range facets {
			counted[i][r.place(f)]++
		}
	}
	for i, f := range facets {
		out.By[f] = valuesOf(m.texts, f, counted[i])
	}
	return out, nil
}

// place returns the shared text of a facet; of the state its number.
func (r *row) place(facet string) uint32 {
	switch facet {
	case "state":
		return uint32(r.state)
	case "vendor", "model":
		return r.kind
	case "profile":
		return r.profile
	case "subnet":
		return r.subnet
	case "tag":
		return r.tags
	}
	return r.leftOut
}

// valuesOf returns the values of a facet. Devices without one are counted as "".
func valuesOf(t *interned, facet string, counted map[uint32]int) []Value {
	by := map[string]int{}
	for at, n := range counted {
		var values []string
		switch facet {
		case "state":
			values = []string{states[at]}
		case "vendor":
			values = t.values(at)[:1]
		case "model":
			if kind := t.values(at); kind[1] != "" {
				values = []string{kind[0] + "/" + kind[1]}
			}
		default:
			values = t.values(at)
		}
		if len(values) == 0 {
			by[""] += n
		}
		for _, v := range values {
			by[v] += n
		}
	}
	out := make([]Value, 0, len(by))
	for v, n := range by {
		out = append(out, Value{v, n})
	}
	slices.SortFunc(out, func(a, b Value) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
	return out
}

// VendorState is how many devices of a vendor have a state.
type VendorState struct {
	Vendor, State string // the state is "unknown" until it is computed for the first time
	Devices       int
}

// States counts devices by vendor and state. It computes no state: those that are pending count as before.
func (x *Index) States() ([]VendorState, error) {
	if err := x.sync(); err != nil {
		return nil, err
	}
	type place struct {
		kind  uint32
		state uint8
	}
	counted := map[place]int{}
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, r := range x.rows {
		counted[place{r.kind, r.state}]++
	}
	by := map[VendorState]int{}
	for p, n := range counted {
		by[VendorState{Vendor: x.texts.values(p.kind)[0], State: cmp.Or(states[p.state], "unknown")}] += n
	}
	out := make([]VendorState, 0, len(by))
	for v, n := range by {
		v.Devices = n
		out = append(out, v)
	}
	return out, nil
}

// LongestStale returns for how long the device has been stale that has been longest, without a gap, as far as that was computed: since
// the index was made at most, and 0 when none is.
func (x *Index) LongestStale() (time.Duration, error) {
	if err := x.sync(); err != nil {
		return 0, err
	}
	now := running(x)
	oldest := now
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, r := range x.rows {
		if r.stale > 0 {
			oldest = min(oldest, r.stale)
		}
	}
	return time.Duration(now-oldest) * time.Second, nil
}
