package provision

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"sync"
	"time"
)

// What guessing may be. A phone asks for its own files, so an address that asks for more phones' files than this without
// proving to be one of them is guessing, unless it is a whole site: each phone that proves itself there raises the bound.
const (
	guessesFree   = 16               // different phones asked for in vain
	guessesWindow = 10 * time.Minute // within this time
	guessesGrace  = 2 * time.Minute  // to answer a challenge
	guessesOpen   = 512              // challenges that may wait for their answers; no site has so many phones between two messages
	guessesPause  = 10 * time.Minute // how long a limit holds
	guessesDelay  = 2 * time.Second  // each refusal takes this long on our own subnets
	guessesKept   = 8192             // sources remembered of either sort, half a KiB each
)

// sourceKey is who asks. The source of a datagram can be forged, that of a connection can't: what comes over TFTP never
// counts against HTTP.
type sourceKey struct {
	addr     netip.Addr
	datagram bool
}

// phoneSet holds phones by the hash of what they were asked for by. Two may fall together, in the requester's favour.
type phoneSet [16]uint64

func (s *phoneSet) add(h uint64)    { s[h>>6%16] |= 1 << (h & 63) }
func (s *phoneSet) remove(h uint64) { s[h>>6%16] &^= 1 << (h & 63) }

func (s *phoneSet) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// take moves all of t that aren't in not into s.
func (s *phoneSet) take(t, not *phoneSet) {
	for i := range s {
		s[i] |= t[i] &^ not[i]
		t[i] = 0
	}
}

// source is what is remembered of one requester.
type source struct {
	began  time.Time // of the window
	turned time.Time // when asked became before
	failed phoneSet  // asked for in vain
	asked  phoneSet  // challenged a moment ago
	before phoneSet  // challenged earlier
	proved phoneSet  // that proved themselves
	until  time.Time // limited until then
}

// guesses counts what requesters without proof ask for, in bounded memory: sources that were quiet longest are forgotten.
// Forged ones push out none that are connected: each sort has its own room.
type guesses struct {
	seed                 maphash.Seed
	mu                   sync.Mutex
	connected, datagrams *lru[netip.Addr, *source]
}

func newGuesses() *guesses {
	return &guesses{seed: maphash.MakeSeed(), connected: newLRU[netip.Addr, *source](guessesKept), datagrams: newLRU[netip.Addr, *source](guessesKept)}
}

// of finds what is remembered of a requester, nil when nothing is. The caller holds mu.
func (g *guesses) of(k sourceKey) *source {
	s, _ := g.room(k).get(k.addr)
	return s
}

func (g *guesses) room(k sourceKey) *lru[netip.Addr, *source] {
	if k.datagram {
		return g.datagrams
	}
	return g.connected
}

func (g *guesses) hash(what string) uint64 { return maphash.String(g.seed, what) }

// limited tells until when a requester is limited; zero when it isn't.
func (g *guesses) limited(k sourceKey, now time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.of(k)
	if s == nil || !s.until.After(now) {
		return time.Time{}
	}
	return s.until
}

// failed counts a request without proof. challenged: it was the first step of a proof, which the phone has time to make.
// It tells whether the requester is limited from now on.
func (g *guesses) failed(k sourceKey, what string, challenged bool, now time.Time) (began bool) {
	h := g.hash(what)
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.of(k)
	if s == nil {
		s = &source{began: now, turned: now}
		g.room(k).put(k.addr, s, 1)
	}
	s.age(now)
	if challenged {
		s.asked.add(h)
	} else {
		s.failed.add(h)
	}
	proved := s.proved.count()
	if s.until.After(now) || s.failed.count() <= guessesFree+proved && s.asked.count()+s.before.count() <= guessesOpen+proved {
		return false
	}
	s.until = now.Add(guessesPause)
	return true
}

// proved takes back what was counted against a phone that has proved itself since.
func (g *guesses) proved(k sourceKey, whats []MAC, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.of(k)
	if s == nil {
		return
	}
	s.age(now)
	for _, what := range whats {
		h := g.hash(what.Hex())
		s.proved.add(h)
		s.failed.remove(h)
		s.asked.remove(h)
		s.before.remove(h)
	}
}

// age moves on: challenges that were not answered in time become failures, and what is older than the window is forgotten.
func (s *source) age(now time.Time) {
	if now.Sub(s.began) >= guessesWindow && !s.until.After(now) {
		*s = source{began: now, turned: now}
		return
	}
	if now.Sub(s.turned) >= guessesGrace {
		if now.Sub(s.turned) >= 2*guessesGrace {
			s.failed.take(&s.asked, &s.proved)
		}
		s.failed.take(&s.before, &s.proved)
		s.before, s.asked, s.turned = s.asked, phoneSet{}, now
	}
}
