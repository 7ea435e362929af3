package dhcptest

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
)

// Disk is a Writer that stores leases in memory, and that can be slow or fail.
type Disk struct {
	mu      sync.Mutex
	Leases  map[netip.Addr]dhcp.Lease
	Batches []int
	delay   time.Duration
	Err     error
}

// NewDisk returns an empty Disk.
func NewDisk() *Disk { return &Disk{Leases: map[netip.Addr]dhcp.Lease{}} }

// WriteLeases implements leasetable.Writer. It returns the error that Fail set.
func (d *Disk) WriteLeases(changes []dhcp.Change) error {
	d.mu.Lock()
	delay := d.delay
	d.mu.Unlock()
	time.Sleep(delay)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Err != nil {
		return d.Err
	}
	d.Batches = append(d.Batches, len(changes))
	for _, c := range changes {
		if c.Delete {
			delete(d.Leases, c.Lease.Addr)
		} else {
			d.Leases[c.Lease.Addr] = c.Lease
		}
	}
	return nil
}

// Slow makes each later write last for delay.
func (d *Disk) Slow(delay time.Duration) { d.mu.Lock(); d.delay = delay; d.mu.Unlock() }

// Fail makes later writes return err; nil ends it.
func (d *Disk) Fail(err error) { d.mu.Lock(); d.Err = err; d.mu.Unlock() }

// Load calls f for each written lease. It stops at the first error and returns it.
func (d *Disk) Load(f func(dhcp.Lease) error) error {
	for _, l := range d.Leases {
		if err := f(l); err != nil {
			return err
		}
	}
	return nil
}

// TableFixture is a running table in a synctest bubble.
type TableFixture struct {
	*leasetable.Table
	T      *testing.T
	Engine *engine.Engine
	Link   dhcp.Link
}

// NewTableFixture returns a running table with the leases of d.
func NewTableFixture(t *testing.T, cfg dhcp.Config, d *Disk, clock func() time.Time) *TableFixture {
	t.Helper()
	g := NewFixture(t, cfg, nil, Phones{})
	b := &TableFixture{Table: leasetable.NewTable(cfg, d, clock), T: t, Engine: g.Engine, Link: g.Link}
	if err := b.Load(d.Load); err != nil {
		t.Fatal(err)
	}
	RunTable(t, b.Table)
	return b
}

// RunTable runs a table until the test ends.
func RunTable(t testing.TB, table *leasetable.Table) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = table.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
}

// Serve classifies a request and has it decided.
func (b *TableFixture) Serve(e *engine.Engine, r *dhcp.Request, link *dhcp.Link, done func(*dhcp.Decision, error)) {
	ServeOn(b.Table, e, r, link, done)
}

// Do has a request decided, and waits until the decision is written.
func (b *TableFixture) Do(r *dhcp.Request) (*dhcp.Decision, error) {
	return ServeAndWait(b.Table, b.Engine, r, &b.Link)
}

// ServeAndWait has a request decided on a table, and waits until the decision is written.
func ServeAndWait(t *leasetable.Table, e *engine.Engine, r *dhcp.Request, link *dhcp.Link) (*dhcp.Decision, error) {
	type answer struct {
		d   *dhcp.Decision
		err error
	}
	c := make(chan answer, 1)
	ServeOn(t, e, r, link, func(d *dhcp.Decision, err error) { c <- answer{d, err} })
	t.Flush()
	a := <-c
	return a.d, a.err
}

// Want has a request decided and checks the verdict.
func (b *TableFixture) Want(v dhcp.Verdict, r *dhcp.Request) *dhcp.Decision {
	b.T.Helper()
	d, err := b.Do(r)
	if err != nil || d.Event.Verdict != v {
		b.T.Fatalf("%s: %s (%s), %v; want %s", r.Type, d.Event.Verdict, d.Event.Reason, err, v)
	}
	return d
}

// ServeOn classifies a request and has it decided on a table.
func ServeOn(t *leasetable.Table, e *engine.Engine, r *dhcp.Request, link *dhcp.Link, done func(*dhcp.Decision, error)) {
	c := e.Classify(r, link)
	t.Serve(func(now time.Time, leases *leasetable.Leases) dhcp.Decision { return e.Decide(now, r, link, c, leases) }, done)
}

// LeasesOf returns the leases of a table as the next decision sees them.
func LeasesOf(t *leasetable.Table) (leases *leasetable.Leases) {
	t.Serve(func(_ time.Time, l *leasetable.Leases) dhcp.Decision {
		leases = l
		return dhcp.Decision{}
	}, func(*dhcp.Decision, error) {})
	return leases
}
