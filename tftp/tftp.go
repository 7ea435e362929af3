// Package tftp serves phones' files over TFTP (RFC 1350, 2347, 2348, 2349). It knows no files: every name goes to an
// Answerer, and what comes back is sent, refused or met with silence.
//
// A guard reads the requests on port 69: it drops what is forged, doubled or too much, asks the Answerer, and sends refusals
// itself. Transfers have a socket each and are carried by one thread that waits for all of them (loop), because the boot of a
// whole site is many short transfers at once: a packet costs two system calls and wakes nobody. Whatever might have to wait,
// for the disk or an observer, is done by workers meanwhile, so that no transfer holds up another.
//
// github.com/pin/tftp/v3 carried them before. It gives each transfer a goroutine, which is parked and woken for each packet
// under a deadline of its own; measured, it needed twice dnsmasq's CPU time for a file of 10 kB, nearly all of it out of our
// reach, and it can't give an error code, choose its source address or answer strangers. Its netascii is still used here,
// and all of it as the client in tests and simulated phones.
//
// What differs from the RFCs, or from what one might expect:
//   - The options timeout (RFC 2349) and windowsize (RFC 7440) are never accepted: they are missing from the OACK (F14).
//   - tsize is left out with netascii, where the size on the wire isn't the size of the file.
//   - Packets are sent again after 1, 1, 2, 2 and 3 s (F05): a backoff that stays within the 2 to 4 s that phones wait.
//   - A transfer that fails halfway, by our fault or by the phone's silence, ends without an ERROR packet.
//   - A file of one block that is never acknowledged counts as failed even when only its ACK was lost, because nothing tells
//     it from a forged request (F09). With options there is an ACK of the OACK before it, and it counts as fetched.
//   - Requests beyond the limits of F16 take the places of those that have waited longest for a first sign of life, so that
//     forged ones can't keep phones out; only when all that are left are alive is a request dropped.
package tftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"plugtone/provision"
)

// Answerer says what is to be sent for a name. provision.Service is one.
type Answerer interface {
	Answer(ctx context.Context, r provision.Request) provision.Answer
}

// Observer is told of each request once, when it has ended. sent counts bytes of the file, took the time since the request
// was read. err is nil when the phone has everything or a refusal has been sent; else it wraps one of the errors of this
// package, or is what failed on our side. Observers are called from many goroutines and must not wait.
type Observer func(r provision.Request, a provision.Answer, sent int64, took time.Duration, err error)

// Why a transfer ended early, as Observer is told.
var (
	ErrAborted  = errors.New("the phone ended the transfer")       // an ERROR packet, often on purpose once the size is known
	ErrTimeout  = errors.New("the phone stopped answering")        // after all resends
	ErrTooLong  = errors.New("the transfer took too long")         // Config.TransferTime or Config.StaticTime
	ErrStopped  = errors.New("the server stopped during transfer") // the grace time of the shutdown is over
	ErrCrowded  = errors.New("too many transfers at once")         // the phone had given no sign of life, or proved nothing
	ErrAnew     = errors.New("the phone asked anew with other options")
	ErrNoUpload = errors.New("the upload is not taken") // a WRQ that was refused
)

// Config is what a Server needs. Zero values of numbers and durations mean the default named beside them.
type Config struct {
	Listen []string         // UDP addresses, ":69"; IPv4 only
	Conns  []net.PacketConn // sockets already open, used beside Listen and closed by Run
	Now    func() time.Time // the clock; must be given
	Log    *slog.Logger     // nil: no log

	// Allow says whether requests from an address are looked at; others are dropped silently. nil: all.
	Allow func(netip.Addr) bool

	MaxTransfers  int           // 1024: transfers and waiting requests in all
	MaxPerAddress int           // 512: of which one address may hold; a whole site can be one address
	MaxUnknown    int           // half of MaxTransfers: of which those may hold who aren't known to be phones with a record, and of each address half of its own
	Workers       int           // 16: requests answered, and disks waited for, at the same time
	BlockSize     int           // 1468: largest blksize agreed to, fits Ethernet without fragments; at most 32768
	Resend        time.Duration // 1s: silence after which a packet is sent again the first time
	Retries       int           // 5: how often
	TransferTime  time.Duration // 2m: the longest a rendered file may take
	StaticTime    time.Duration // 30m: the longest a streamed file (firmware) may take
	Grace         time.Duration // 5s: how long running transfers are let go on at shutdown
}

// Names and requests longer than these are refused: F12, and RFC 2347 for the request.
const (
	maxName    = 128
	maxRequest = 512
)

func (c *Config) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.MaxTransfers, 1024)
	def(&c.MaxPerAddress, 512)
	def(&c.MaxUnknown, (c.MaxTransfers+1)/2)
	def(&c.Workers, 16)
	def(&c.BlockSize, 1468)
	def(&c.Retries, 5)
	dur(&c.Resend, time.Second)
	dur(&c.TransferTime, 2*time.Minute)
	dur(&c.StaticTime, 30*time.Minute)
	dur(&c.Grace, 5*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Allow == nil {
		c.Allow = func(netip.Addr) bool { return true }
	}
}

// check returns all faults of the configuration at once.
func (c *Config) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("tftp: "+format, args...)) }
	if len(c.Listen)+len(c.Conns) == 0 {
		fault("no address to listen on")
	}
	for _, l := range c.Listen {
		if _, err := net.ResolveUDPAddr("udp4", l); err != nil {
			fault("listen address %q is not an IPv4 address and port: %w", l, err)
		}
	}
	if c.Now == nil {
		fault("no clock")
	}
	if c.BlockSize < 512 || c.BlockSize > chunkSize {
		fault("block size %d is not within 512 to %d", c.BlockSize, chunkSize)
	}
	for _, n := range []struct {
		name string
		n    int
	}{{"max transfers", c.MaxTransfers}, {"max per address", c.MaxPerAddress}, {"max unknown", c.MaxUnknown}, {"workers", c.Workers}, {"retries", c.Retries}} {
		if n.n < 1 {
			fault("%s %d is less than 1", n.name, n.n)
		}
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"resend", c.Resend}, {"transfer time", c.TransferTime}, {"static time", c.StaticTime}, {"grace", c.Grace}} {
		if d.d < 0 {
			fault("%s time %v is negative", d.name, d.d)
		}
	}
	return errors.Join(faults...)
}
