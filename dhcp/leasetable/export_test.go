package leasetable

import "time"

// What tests of the table from outside the package look at.
const (
	MaxDecliners = maxDecliners
	MaxQueued    = maxQueued
	SlowWrite    = slowWrite
)

// SetSince replaces the monotonic clock.
func SetSince(t *Table, since func(now, before time.Time) time.Duration) { t.since = since }

// QueueLen counts what waits to be written.
func QueueLen(t *Table) int { return len(t.queue) }

// WriteQueued writes what is queued, on the caller's goroutine.
func WriteQueued(t *Table) { t.writing.Lock(); t.writeQueue() }

// LeasesOf returns the leases without reading the clock.
func LeasesOf(t *Table) *Leases { return t.view }

// Sizes counts what is held in memory: of the first subnet, and of all.
type Sizes struct{ States, Clients, Offers, Busy, NonPhones, Probes, Declines, Subnets int }

// SizesOf counts what v holds.
func SizesOf(v *Leases) Sizes {
	x := v.indexes[0]
	return Sizes{len(x.states), len(x.byMAC), len(x.offers), len(x.busy), x.nonPhones, len(v.probes), len(v.declines), len(v.indexes)}
}
