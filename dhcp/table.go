package dhcp

import (
	"context"
	"net/netip"
	"time"
)

// Writer makes changes durable: all of them in one transaction, or none.
type Writer interface {
	WriteLeases([]Change) error
}

// Table owns all leases of the daemon: in memory, written by group commit. All methods may be called at any time from
// any goroutine.
type Table struct{}

// View is what an engine sees of the leases: everything that was decided so far, whether or not it is on disk yet.
type View struct{}

// Stats counts one subnet's addresses.
type Stats struct {
	Subnet   netip.Prefix
	Pool     int // addresses that may be handed out
	Active   int
	Phones   int // of the active ones
	Offered  int
	Declined int
	Free     int // of the pool
}

// NewTable returns a table for the subnets of cfg that reads the time from clock and writes through w.
func NewTable(cfg Config, w Writer, clock func() time.Time) *Table { return &Table{} }

// Load fills the table at start from what store kept. load calls its argument for each lease.
func (t *Table) Load(load func(func(Lease) error) error) error { return nil }

// Configure changes the subnets after a reload; leases stay.
func (t *Table) Configure(cfg Config) {}

// Run writes what is committed until ctx ends and everything queued before is written.
func (t *Table) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Serve lets e decide about req and calls done exactly once: when Decision.Changes is on disk, at once if there are none.
// With an error nothing was written: the decision's reply must not be sent. done runs without locks, on the caller's
// goroutine or on the writer's: it must not block for long. When Decision.Probe is valid, the caller probes aside, reports by
// Probed and calls Serve again.
func (t *Table) Serve(e *Engine, req *Request, link *Link, done func(*Decision, error)) {}

// Commit queues changes and calls done when they are on disk, or with the error that kept them from it.
func (t *Table) Commit(changes []Change, done func(error)) {}

// Probed reports the result of a probe: free addresses are known to be so for 30 s, used ones go into quarantine.
func (t *Table) Probed(addr netip.Addr, inUse bool) {}

// Read runs f on the leases as decisions see them, for dry runs. Nothing else is decided meanwhile: f must be quick.
func (t *Table) Read(f func(v *View)) {}

// LeaseAt returns the acknowledged, unexpired lease on addr that is safe on disk.
func (t *Table) LeaseAt(addr netip.Addr) (Lease, bool) { return Lease{}, false }

// LeasesOf returns the durable lease records of mac, newest first, whatever their state.
func (t *Table) LeasesOf(mac MAC) []Lease { return nil }

// All returns all durable lease records in address order.
func (t *Table) All() []Lease { return nil }

// Delete forgets the record of addr and returns when that is durable.
func (t *Table) Delete(ctx context.Context, addr netip.Addr) error { return nil }

// Stats counts the addresses of each subnet, in the order of the configuration.
func (t *Table) Stats() []Stats { return nil }
