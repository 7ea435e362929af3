package trust

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/internal/lru"
)

// The limits on enumeration. A phone requests its own files, so an address that requests files of more phones than this
// without proving to be one of them is guessing names, unless a whole site is behind it: each phone that proves itself
// there raises the bound.
const (
	EnumerationFree  = 16               // different phones whose files may be requested without proof
	EnumerationPause = 10 * time.Minute // how long a limit lasts
	EnumerationDelay = 2 * time.Second  // of each refusal in our own subnets

	enumerationWindow  = 10 * time.Minute // requests are counted within this time
	challengeGrace     = 2 * time.Minute  // to answer a challenge
	challengesOpen     = 512              // challenges that may wait for an answer; no site has so many phones between two messages
	enumerationSources = 8192             // sources remembered of either sort, half a KiB each
)

// Source is where requests come from. The address of a datagram can be forged, that of a connection can't: requests over
// TFTP never count against HTTP.
type Source struct {
	Addr     netip.Addr
	Datagram bool
}

// phoneSet holds phones by the hash of their name. Two may collide, in the requester's favour.
type phoneSet [16]uint64

func (s *phoneSet) add(h uint64)    { s[h>>6%16] |= 1 << (h & 63) }
func (s *phoneSet) remove(h uint64) { s[h>>6%16] &^= 1 << (h & 63) }

func (s *phoneSet) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// moveFrom moves all of t that aren't in except into s.
func (s *phoneSet) moveFrom(t, except *phoneSet) {
	for i := range s {
		s[i] |= t[i] &^ except[i]
		t[i] = 0
	}
}

// sourceState is what is remembered of one source.
type sourceState struct {
	began    time.Time // of the window
	rotated  time.Time // when challenged became earlier
	failed   phoneSet  // requested without proof
	current  phoneSet  // challenged a moment ago
	earlier  phoneSet  // challenged before that
	proved   phoneSet  // proved themselves
	limitEnd time.Time
}

// EnumerationLimiter counts what requesters without proof request, in bounded memory: the sources that were quiet longest
// are dropped. Datagrams can't displace connections: each sort has its own table.
type EnumerationLimiter struct {
	seed                 maphash.Seed
	mu                   sync.Mutex
	connected, datagrams *lru.Cache[netip.Addr, *sourceState]
}

// NewEnumerationLimiter returns a limiter that has counted nothing.
func NewEnumerationLimiter() *EnumerationLimiter {
	return &EnumerationLimiter{
		seed:      maphash.MakeSeed(),
		connected: lru.New[netip.Addr, *sourceState](enumerationSources),
		datagrams: lru.New[netip.Addr, *sourceState](enumerationSources),
	}
}

// state returns what is remembered of a source, or nil. The caller holds mu.
func (l *EnumerationLimiter) state(k Source) *sourceState {
	s, _ := l.table(k).Get(k.Addr)
	return s
}

func (l *EnumerationLimiter) table(k Source) *lru.Cache[netip.Addr, *sourceState] {
	if k.Datagram {
		return l.datagrams
	}
	return l.connected
}

func (l *EnumerationLimiter) hash(phone string) uint64 { return maphash.String(l.seed, phone) }

// Limited returns when the limit on a source ends; zero when it has none.
func (l *EnumerationLimiter) Limited(k Source, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state(k)
	if s == nil || !s.limitEnd.After(now) {
		return time.Time{}
	}
	return s.limitEnd
}

// Failed counts a request without proof for a file of phone. challenged: the requester was challenged and still has
// time to. It reports whether a limit on the source begins now.
func (l *EnumerationLimiter) Failed(k Source, phone string, challenged bool, now time.Time) (began bool) {
	h := l.hash(phone)
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state(k)
	if s == nil {
		s = &sourceState{began: now, rotated: now}
		l.table(k).Put(k.Addr, s, 1)
	}
	s.age(now)
	if challenged {
		s.current.add(h)
	} else {
		s.failed.add(h)
	}
	proved := s.proved.count()
	if s.limitEnd.After(now) || s.failed.count() <= EnumerationFree+proved && s.current.count()+s.earlier.count() <= challengesOpen+proved {
		return false
	}
	s.limitEnd = now.Add(EnumerationPause)
	return true
}

// Proved removes what was counted for phones that have proved themselves since.
func (l *EnumerationLimiter) Proved(k Source, phones []dhcp.MAC, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state(k)
	if s == nil {
		return
	}
	s.age(now)
	for _, mac := range phones {
		h := l.hash(mac.Hex())
		s.proved.add(h)
		s.failed.remove(h)
		s.current.remove(h)
		s.earlier.remove(h)
	}
}

// age counts challenges that were not answered in time as failures, and drops what is older than the window.
func (s *sourceState) age(now time.Time) {
	if now.Sub(s.began) >= enumerationWindow && !s.limitEnd.After(now) {
		*s = sourceState{began: now, rotated: now}
		return
	}
	if now.Sub(s.rotated) >= challengeGrace {
		if now.Sub(s.rotated) >= 2*challengeGrace {
			s.failed.moveFrom(&s.current, &s.proved)
		}
		s.failed.moveFrom(&s.earlier, &s.proved)
		s.earlier, s.current, s.rotated = s.current, phoneSet{}, now
	}
}
