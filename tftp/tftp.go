// Package tftp serves phones' files over TFTP (RFC 1350, 2347, 2348, 2349, 7440). It is for sockets, packets and limits, and not for
// the files: every name goes to an Answerer, and its answer is sent, refused or ignored.
//
// A loop reads the requests on port 69. It drops what is forged, repeated or beyond the limits, and refuses on its own. Each
// transfer has a socket, and the loop waits for the packets of all of them, too, in one thread, because the boot of a whole site is
// many short transfers at once: a packet costs two system calls and wakes no goroutine. What might wait, for the disk or
// an answer, is done by workers meanwhile, so that no transfer delays another. Nothing waits to send: a packet for which the
// kernel has no room is as good as lost on the way. Hosts that do not answer ARP can only fill the buffers of their own
// transfers, and a share of the listener's.
//
// The floor is two system calls for a packet of lock-step, about 5 µs with what the kernel does in them, so 100 µs for a file of 20
// blocks. The loop and its system calls past Go's scheduler are kept because of what they save beside a goroutine and a
// net.UDPConn for each transfer. Measured for files of 10 kB and 50 clients on a busy machine, medians of 7 runs in turn: the
// server's CPU time for a file is 15 % higher without them with blocks of 512 bytes, and 16 % with blocks of 1428. Batches of
// different transfers (recvmmsg) are not possible: each has a socket of its own, for its port must not be guessed by a host that
// forges requests, and in lock-step one packet is under way. A socket whose peer has received everything loses its port and gets
// another one for the next transfer, which takes 1.6 µs instead of the 7.2 of a new socket (BenchmarkSocket). A window is one batch: the kernel splits it into packets
// (UDP_SEGMENT), which takes 0.29 of the CPU time of a call for each, and is 2.7 times as fast.
//
// github.com/pin/tftp/v3 (v3.2.0) has a goroutine for each transfer too. It answers from the address that the request came to, but its
// errors all have code 1, it sends one even to a phone that has become silent, and it has neither windows (RFC 7440) nor a limit of
// transfers. Its netascii is used here, and its client and server in tests.
//
// What differs from the RFCs, or from what one might expect:
//   - An ACK that repeats the last one within a window is answered only when no other follows at once (F22).
//   - tsize is left out with netascii, where the size on the wire isn't the size of the file.
//   - Packets are sent again after 1, 1, 2, 2 and 3 s (F05): a backoff that stays within the 2 to 4 s that phones wait. Where
//     the phone sets a timeout there is none (F23).
//   - A transfer that fails halfway, by an internal error or by the phone's silence, ends without an ERROR packet.
//   - A file of one block that is never acknowledged counts as failed even when only its ACK was lost, because it looks like a
//     forged request (F09). With options there is an ACK of the OACK before it, and it counts as fetched.
//   - Requests beyond the limits of F16 take the places of those that have waited longest for a first packet of their peer, so
//     that forged ones can't keep phones out; only when all that are left are alive is a request dropped.
//   - Where Config.Leased is set, addresses without a lease share a budget of requests and of ERROR packets (F16).
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

// Answerer returns what is to be sent for a name. provision.Service is one.
type Answerer interface {
	Answer(ctx context.Context, r provision.Request) provision.Answer
}

// Observer is called once for each request, when it has ended. sent counts bytes of the file, took the time since the request
// was read. err is nil when the phone has everything or an ERROR has been sent; else it wraps one of the errors of this
// package, or is an internal error. Observers are called from many goroutines and must not wait.
type Observer func(r provision.Request, a provision.Answer, sent int64, took time.Duration, err error)

// Why a transfer ended early, as Observer receives it.
var (
	ErrAborted    = errors.New("the phone ended the transfer")       // an ERROR packet, often on purpose once the size is known
	ErrTimeout    = errors.New("the phone stopped answering")        // after all resends
	ErrTooLong    = errors.New("the transfer took too long")         // Config.TransferTime or Config.StaticTime
	ErrStopped    = errors.New("the server stopped during transfer") // the grace time of the shutdown has ended
	ErrEvicted    = errors.New("too many transfers at once")         // the phone had not answered yet, or proved nothing
	ErrSuperseded = errors.New("the phone repeated its request with other options")
	ErrNoUpload   = errors.New("the upload is not accepted") // a WRQ that was refused
)

// Config is what a Server needs. Zero values of numbers and durations mean the default named beside them.
type Config struct {
	Listen []string         // UDP addresses, ":69"; IPv4 only
	Conns  []net.PacketConn // sockets already open, used beside Listen and closed by Run
	Now    func() time.Time // the clock; must be given
	Log    *slog.Logger     // nil: no log

	// Allow reports whether requests from an address are served; others are dropped silently. nil: all.
	Allow func(netip.Addr) bool
	// Leased reports whether an address is leased to a phone. Those of all other addresses share a budget, for they may be
	// forged. nil: requesters are distinguished by their answers alone (provision.Answer.Known). It must not wait.
	Leased func(netip.Addr) bool

	MaxTransfers  int           // 1024: transfers and waiting requests in all
	MaxPerAddress int           // 512: of which one address may hold; a whole site can be one address
	MaxUnknown    int           // half of MaxTransfers: of which requesters may hold that are not known to be phones, and of each address half of its own
	Workers       int           // 16: requests answered, and disks waited for, at the same time
	BlockSize     int           // 1468: largest blksize agreed to, fits Ethernet without fragments; at most 32768
	Resend        time.Duration // 1s: silence after which a packet is sent again the first time
	Retries       int           // 5: how often
	TransferTime  time.Duration // 2m: the longest a rendered file may take
	StaticTime    time.Duration // 30m: the longest a streamed file (firmware) may take
	Grace         time.Duration // 5s: how long running transfers go on at shutdown
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

// check returns all problems of the configuration at once.
func (c *Config) check() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf("tftp: "+format, args...)) }
	if len(c.Listen)+len(c.Conns) == 0 {
		problem("no address to listen on")
	}
	for _, l := range c.Listen {
		if _, err := net.ResolveUDPAddr("udp4", l); err != nil {
			problem("listen address %q is not an IPv4 address and port: %w", l, err)
		}
	}
	if c.Now == nil {
		problem("no clock")
	}
	if c.BlockSize < 512 || c.BlockSize > chunkSize {
		problem("block size %d is not within 512 to %d", c.BlockSize, chunkSize)
	}
	for _, n := range []struct {
		name string
		n    int
	}{{"max transfers", c.MaxTransfers}, {"max per address", c.MaxPerAddress}, {"max unknown", c.MaxUnknown}, {"workers", c.Workers}, {"retries", c.Retries}} {
		if n.n < 1 {
			problem("%s %d is less than 1", n.name, n.n)
		}
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"resend", c.Resend}, {"transfer time", c.TransferTime}, {"static time", c.StaticTime}, {"grace", c.Grace}} {
		if d.d < 0 {
			problem("%s time %v is negative", d.name, d.d)
		}
	}
	return errors.Join(problems...)
}
