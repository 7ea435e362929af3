package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
)

// Config is what a server needs besides engine and leases.
type Config struct {
	Interfaces []string         // attached links that are served; relayed packets and renewals are taken on any
	Now        func() time.Time // the clock
	Log        *slog.Logger
	Observer   Observer
	Workers    int           // 0: 4. One client's packets always meet the same worker
	Queue      int           // packets that may wait for each worker; 0: 512
	WatchEvery time.Duration // how often to look for other DHCP servers; 0: 10 minutes, negative: only listen

	// Within runs every function that opens sockets; nil runs them as they are. Tests and the demo put a server into
	// another network namespace with it.
	Within func(func() error) error
}

// Leases is the part of *dhcp.Table that serves packets.
type Leases interface {
	Serve(e *dhcp.Engine, req *dhcp.Request, link *dhcp.Link, done func(*dhcp.Decision, error))
	Probed(addr netip.Addr, inUse bool)
	Flush() // lets be written what Serve has queued
}

// Observer is told what happens, for timeline, log and metrics. Any function may be nil. They are called from many
// goroutines, must not block and must not change what they are given.
type Observer struct {
	// Decided is told each decision after its reply has left, and how long that took since the packet was read.
	Decided func(ev *dhcp.Event, took time.Duration)
	// Dropped is told of packets that got no decision, or a reply that could not leave.
	Dropped func(why Drop, n int)
	// Fallback is told when a reply went by broadcast because a frame of our own could not be sent.
	Fallback func(err error)
	// Links is told that links, addresses or routes of this host may have changed.
	Links func()
	// Foreign is told each OFFER or ACK of another server that was seen, and each REQUEST that takes another server's offer.
	Foreign func(Offer)
}

// Drop says why a packet went no further: a closed set of words, for a metric label.
type Drop string

// The reasons to drop a packet.
const (
	DropQueue     Drop = "queue_full" // its client's worker has too many waiting
	DropTruncated Drop = "truncated"  // longer than any DHCP packet
	DropInterface Drop = "interface"  // came in on a link that is not served
	DropKernel    Drop = "kernel"     // the socket's buffer was full
	DropPanic     Drop = "panic"      // a fault of ours
	DropSend      Drop = "send"       // the reply was refused by the kernel
	DropRepeated  Drop = "repeated"   // a DISCOVER on the heels of the same client's last one
)

// Drops lists all reasons, for metrics that want every label from the start.
func Drops() []Drop {
	return []Drop{DropQueue, DropTruncated, DropInterface, DropKernel, DropPanic, DropSend, DropRepeated}
}

func (o *Observer) decided(ev *dhcp.Event, took time.Duration) {
	if o.Decided != nil {
		o.Decided(ev, took)
	}
}

func (o *Observer) dropped(why Drop, n int) {
	if o.Dropped != nil {
		o.Dropped(why, n)
	}
}

func (o *Observer) fallback(err error) {
	if o.Fallback != nil {
		o.Fallback(err)
	}
}

func (o *Observer) links() {
	if o.Links != nil {
		o.Links()
	}
}

func (o *Observer) foreign(f Offer) {
	if o.Foreign != nil {
		o.Foreign(f)
	}
}

// check names all faults of c and fills in what may be left out.
func (c *Config) check() error {
	var errs []error
	if c.Now == nil {
		errs = append(errs, errors.New("dhcp server: no clock"))
	}
	if c.Log == nil {
		errs = append(errs, errors.New("dhcp server: no logger"))
	}
	if c.Workers < 0 || c.Queue < 0 {
		errs = append(errs, fmt.Errorf("dhcp server: %d workers with %d waiting: at least 0 of each", c.Workers, c.Queue))
	}
	if slices.Contains(c.Interfaces, "") {
		errs = append(errs, errors.New("dhcp server: an interface without a name"))
	}
	if c.Workers == 0 {
		c.Workers = 4
	}
	if c.Queue == 0 {
		c.Queue = 512
	}
	if c.WatchEvery == 0 {
		c.WatchEvery = 10 * time.Minute
	}
	if c.Within == nil {
		c.Within = func(f func() error) error { return f() }
	}
	return errors.Join(errs...)
}
