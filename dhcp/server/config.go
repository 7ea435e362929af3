package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/netif"
	"plugtone/dhcp/sharing"
)

// Config is what a server needs besides engine and leases.
type Config struct {
	Interfaces []string         // attached links that are served; relayed packets and renewals are taken on any
	Now        func() time.Time // the clock
	Log        *slog.Logger
	Observer   Observer
	Queue      int                    // packets of unknown clients that may wait; 0: 2048, of 4 MB
	Sharing    func() sharing.Subnets // the subnets that other servers serve, too; nil: there are none
	ScanEvery  time.Duration          // how often to look for other DHCP servers; 0: 10 minutes, negative: only listen

	// InNetns runs every function that opens sockets; nil runs them as they are. Tests put a server into another network
	// namespace with it.
	InNetns netif.Namespace
}

// Leases is the part of *leasetable.Table that serves packets.
type Leases interface {
	Serve(decide func(now time.Time, leases *leasetable.Leases) dhcp.Decision, done func(*dhcp.Decision, error))
	Probed(addr netip.Addr, inUse bool)
	Known(mac dhcp.MAC) bool // reports whether mac has a lease record on disk; waits for nothing
	WriteQueued()            // writes what Serve queued, or has it written where that would take longer
	Flush()                  // has what Serve queued written, and returns at once
}

// Observer receives what happens, for timeline, log and metrics. Any function may be nil. They are called from many
// goroutines, must not block and must not change their arguments.
type Observer struct {
	// Decided receives each decision after its reply has left, and how long that took since the packet was read.
	Decided func(ev *dhcp.Event, took time.Duration)
	// Dropped counts packets without a decision, and replies that could not be sent.
	Dropped func(why Drop, n int)
	// Fallback is called when a reply went by broadcast because an Ethernet frame could not be sent.
	Fallback func(err error)
	// LinksChanged is called when links, addresses or routes of this host may have changed.
	LinksChanged func()
	// OtherServer receives each OFFER or ACK of another server that was seen, and each REQUEST that takes such an offer.
	OtherServer func(Offer)
}

// Drop is the reason why a packet was dropped: a closed set of words, for a metric label.
type Drop string

// The reasons to drop a packet.
const (
	DropQueue     Drop = "queue_full" // too many unknown clients wait
	DropTruncated Drop = "truncated"  // longer than any DHCP packet
	DropInterface Drop = "interface"  // came in on a link that is not served
	DropKernel    Drop = "kernel"     // the socket's buffer was full
	DropPanic     Drop = "panic"      // an internal error
	DropSend      Drop = "send"       // the kernel refused the reply, or its send buffer was full
	DropRepeated  Drop = "repeated"   // a DISCOVER less than 100 ms after the same client's last one
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

func (o *Observer) linksChanged() {
	if o.LinksChanged != nil {
		o.LinksChanged()
	}
}

func (o *Observer) otherServer(f Offer) {
	if o.OtherServer != nil {
		o.OtherServer(f)
	}
}

// check returns all problems of c and fills in the defaults.
func (c *Config) check() error {
	var errs []error
	if c.Now == nil {
		errs = append(errs, errors.New("dhcp server: no clock"))
	}
	if c.Log == nil {
		errs = append(errs, errors.New("dhcp server: no logger"))
	}
	if c.Queue < 0 {
		errs = append(errs, fmt.Errorf("dhcp server: a queue of %d packets", c.Queue))
	}
	if slices.Contains(c.Interfaces, "") {
		errs = append(errs, errors.New("dhcp server: an interface without a name"))
	}
	if c.Queue == 0 {
		c.Queue = 2048
	}
	if c.ScanEvery == 0 {
		c.ScanEvery = 10 * time.Minute
	}
	if c.Sharing == nil {
		c.Sharing = func() sharing.Subnets { return nil }
	}
	if c.InNetns == nil {
		c.InNetns = func(f func() error) error { return f() }
	}
	return errors.Join(errs...)
}
