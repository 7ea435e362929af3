// Package syslog receives what phones log, by UDP in the forms of RFC 3164 and RFC 5424, and finds by the lease of the sender's address to which
// phone's timeline a line belongs.
//
// UDP proves nothing: a host on the link can log in the name of a phone. So the lines are something to read, and nothing is decided by them.
package syslog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/internal/lru"
	"plugtone/provision/timeline"
)

// Outcomes of datagrams, for the metrics.
const (
	Stored  = "stored"
	NoLease = "no_lease" // its sender has no lease
	NoPhone = "no_phone" // its sender has a lease and is no phone
	Limited = "limited"  // its phone logs more than is kept
	Empty   = "empty"    // it has no text
)

// Outcomes returns all outcomes.
func Outcomes() []string { return []string{Stored, NoLease, NoPhone, Limited, Empty} }

// What is kept of each phone: burst lines at once, and perSecond more. In a timeline, a line has maxText bytes at most.
const (
	burst     = 50
	perSecond = 1
	maxText   = 512
)

const (
	maxDatagram = 8192   // bytes that are read of one; RFC 5424, 6.1, demands 2,048 at most
	maxPhones   = 16_384 // whose rates and secrets are in memory
)

// Server receives lines. All members must be set.
type Server struct {
	Conns   []net.PacketConn // closed by Run
	LeaseAt func(netip.Addr) (dhcp.Lease, bool)
	// Secrets returns what is masked in the lines of a phone. It is called again when Generation has changed.
	Secrets    func(dhcp.MAC) []string
	Generation func() uint64
	Record     func(timeline.Entry)
	Counted    func(outcome string)
	Now        func() time.Time
	Log        *slog.Logger

	mu     sync.Mutex
	phones *lru.Cache[dhcp.MAC, *phone] // nil before the first line
}

// phone is what is remembered of a phone that logs.
type phone struct {
	tokens     float64
	at         time.Time // when tokens were counted
	dropped    int       // lines since the last that was stored
	generation uint64    // of secrets
	secrets    []string
}

// Run receives until ctx ends.
func (s *Server) Run(ctx context.Context, ready func()) error {
	stop := context.AfterFunc(ctx, func() {
		for _, c := range s.Conns {
			_ = c.Close() // ends the readers
		}
	})
	defer stop()
	failed := make(chan error, len(s.Conns))
	for _, c := range s.Conns {
		go func() { failed <- s.read(c) }()
	}
	ready()
	var errs []error
	for range s.Conns {
		if err := <-failed; err != nil && ctx.Err() == nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// read handles what comes to one socket until it is closed.
func (s *Server) read(c net.PacketConn) error {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if udp, ok := from.(*net.UDPAddr); ok {
			s.Counted(s.handle(string(buf[:n]), udp.AddrPort().Addr().Unmap()))
		}
	}
}

// handle stores one datagram in the timeline of its phone.
func (s *Server) handle(line string, from netip.Addr) (outcome string) {
	lease, ok := s.LeaseAt(from)
	if !ok {
		return NoLease
	}
	if !lease.Phone {
		return NoPhone
	}
	m, ok := Parse(line)
	if !ok {
		return Empty
	}
	now := s.Now()
	secrets, dropped, ok := s.admit(lease.MAC, now)
	if !ok {
		return Limited
	}
	reason := strings.Clone(dhcp.Printable(masked(m.Text, secrets), maxText)) // else it may keep the whole datagram in memory
	e := timeline.Entry{Time: now, MAC: lease.MAC, Source: timeline.Syslog, Event: "log", Verdict: m.SeverityName(), Reason: reason, Addr: from, Vendor: lease.Vendor}
	if dropped > 0 {
		e.Reason += fmt.Sprintf(" (%d lines before it are not kept: more than %d a second)", dropped, perSecond)
	}
	s.Record(e)
	return Stored
}

// admit counts a line of a phone. It returns what is to be masked in it, and how many lines before it were dropped.
func (s *Server) admit(mac dhcp.MAC, now time.Time) (secrets []string, dropped int, ok bool) {
	generation := s.Generation()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phones == nil {
		s.phones = lru.New[dhcp.MAC, *phone](maxPhones)
	}
	p, known := s.phones.Get(mac)
	if !known {
		p = &phone{tokens: burst, at: now, generation: generation - 1}
		s.phones.Put(mac, p, 1)
	}
	if passed := now.Sub(p.at); passed > 0 {
		p.tokens = min(burst, p.tokens+passed.Seconds()*perSecond)
	}
	p.at = now
	if p.tokens < 1 {
		p.dropped++
		return nil, 0, false
	}
	p.tokens--
	if p.generation != generation {
		p.secrets, p.generation = s.Secrets(mac), generation
	}
	dropped, p.dropped = p.dropped, 0
	return p.secrets, dropped, true
}
