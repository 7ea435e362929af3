package trust

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/internal/lru"
)

const (
	// challengeAnswer is how long a phone that has credentials takes at most to answer a challenge.
	challengeAnswer = 5 * time.Second
	// challengeRetry is the time within which a phone that got no file tries again in the same boot.
	challengeRetry = time.Minute
	// challengePeriod is how long an unanswered challenge is remembered.
	challengePeriod = 24 * time.Hour
	// unansweredPeriod is how long a phone is left alone that did not answer two challenges, on different days, after it was given
	// credentials: its firmware ignores them, and it may fetch its file only once a day.
	unansweredPeriod = 30 * 24 * time.Hour
	// oneBoot is how long a phone takes at most from its first file until it uses what it was given.
	oneBoot = 10 * time.Minute
	// resetGrant is how long a phone that counts as factory-reset gets its files.
	resetGrant = oneBoot
	// stepUpReport is the least time between two events about the same phone.
	stepUpReport = 10 * time.Minute
)

// WeakRequest is a request for a guarded file whose only proof is one that a host with a borrowed MAC has as well:
// a lease, the neighbour table, a reserved address.
type WeakRequest struct {
	Time   time.Time
	MAC    dhcp.MAC
	From   netip.Addr
	Place  Place
	Limits Limits
	Proof  string // the weak proof in words
	File   string // method and name: a retry has the same

	Since        time.Time // what was before the phone's record does not count
	Port         string    // switch port of the lease; "" when none is known
	LastOwnProof time.Time // when the phone proved itself last by its own credentials or certificate; zero: never
	Given        time.Time // when a file gave it its credentials first; zero: none did
	CanSend      bool      // its pack can send credentials over the transport in use where it is
	CanAnswer    bool      // this request can be answered with a challenge
	Wrong        bool      // it came with a user or password that is wrong
	Enrolled     bool      // an enrollment window is open for the phone
}

// StepUpAction is what to do with a WeakRequest.
type StepUpAction int

// The actions.
const (
	StepUpAccept    StepUpAction = iota // the weak proof is enough
	StepUpChallenge                     // the phone is challenged for its credentials, and has not failed to send them yet
	StepUpRefuse                        // the weak proof is not enough
)

// StepUpVerdict is the decision on a WeakRequest.
type StepUpVerdict struct {
	Action StepUpAction
	Reason string // of a challenge or a refusal; of an accepted reset: to be added to the proof's
	Event  *Event // to be reported; nil: none
}

// stepUp decides about phones with weak proofs. A phone that has once proved itself by its own credentials or certificate
// needs them from then on; one that comes without counts as factory-reset, for which each subnet has a budget. A phone that
// was given credentials and has never used them is challenged once, so that it shows that it can.
type stepUp struct {
	mu      sync.Mutex
	phones  *lru.Cache[dhcp.MAC, *stepUpPhone]
	budgets map[netip.Prefix]*resetBudget // as many as there are subnets
}

// stepUpPhone is what is remembered of one phone.
type stepUpPhone struct {
	challenged time.Time // the first unanswered challenge of the last boot
	file       uint64    // hash of the file that it was for
	boots      int       // boots with unanswered challenges
	granted    time.Time // when it was served as factory-reset
	reported   time.Time // the last event
}

// resetBudget is a token bucket.
type resetBudget struct {
	tokens float64
	at     time.Time
}

func newStepUp() *stepUp {
	return &stepUp{phones: lru.New[dhcp.MAC, *stepUpPhone](rememberedPhones), budgets: map[netip.Prefix]*resetBudget{}}
}

// refill adds the tokens of the time that has passed.
func (b *resetBudget) refill(limit Resets, now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens += passed.Hours() * float64(limit.PerHour)
		b.at = now
	}
	b.tokens = min(b.tokens, float64(limit.Burst))
}

// next returns when the budget has a token again; zero: never by itself.
func (b *resetBudget) next(limit Resets) time.Time {
	if limit.PerHour <= 0 || limit.Burst <= 0 {
		return time.Time{}
	}
	return b.at.Add(time.Duration((1 - b.tokens) / float64(limit.PerHour) * float64(time.Hour)))
}

// ownProof notes that a phone has proved itself by its own credentials or certificate.
func (s *stepUp) ownProof(mac dhcp.MAC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phones.Delete(mac)
}

// decide returns what to do with a request. commit: the request is a real one, and what it uses up is counted; without it
// nothing changes.
func (s *stepUp) decide(r WeakRequest, commit bool) StepUpVerdict {
	if r.Enrolled || r.Limits.StepUp == StepUpOff || r.Limits.StepUp != StepUpAlways && !r.CanSend {
		return StepUpVerdict{}
	}
	used, invitable := !r.LastOwnProof.IsZero(), !r.Given.IsZero() && r.Time.Sub(r.Given) >= oneBoot
	if !used && !invitable {
		return StepUpVerdict{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.phones.Get(r.MAC)
	if !known {
		p = &stepUpPhone{}
	}
	if !commit {
		copied := *p
		p = &copied
	}
	var v StepUpVerdict
	if used {
		v = s.required(r, p, commit)
	} else {
		v = invited(r, p)
	}
	if commit && !known && *p != (stepUpPhone{}) {
		s.phones.Put(r.MAC, p, 1)
	}
	return v
}

// invited decides about a phone that was given credentials and has never used them. It is challenged for one file; when it
// does not answer, its weak proof is enough as before. So it is once more on another day, and then rarely.
func invited(r WeakRequest, p *stepUpPhone) StepUpVerdict {
	period := challengePeriod
	if p.boots >= 2 {
		period = unansweredPeriod
	}
	if !r.CanAnswer || r.Wrong || within(p.challenged, r.Time, period) && p.file != 0 {
		return StepUpVerdict{}
	}
	p.challenged, p.file = r.Time, fileHash(r.File)
	p.boots++
	return StepUpVerdict{Action: StepUpChallenge, Reason: "the phone was given credentials of its own and is asked for them; without them it is served when it sends the request again"}
}

// required decides about a phone that has used its credentials before.
func (s *stepUp) required(r WeakRequest, p *stepUpPhone, commit bool) StepUpVerdict {
	used := r.LastOwnProof.UTC().Format(time.RFC3339)
	if within(p.granted, r.Time, resetGrant) {
		return StepUpVerdict{Reason: "it counts as factory-reset since " + p.granted.UTC().Format(time.RFC3339)}
	}
	if r.CanAnswer && !r.Wrong && !p.unanswered(r) {
		if !within(p.challenged, r.Time, challengePeriod) {
			p.boots = 0
		}
		if !within(p.challenged, r.Time, challengeRetry) {
			p.challenged, p.file = r.Time, fileHash(r.File)
			p.boots++
		}
		return StepUpVerdict{Action: StepUpChallenge, Reason: "the phone used its own credentials last at " + used + " and is asked for them"}
	}
	b := s.budget(r.Place.Subnet, r.Limits.Resets, r.Time, commit)
	where := r.Place.Name()
	if b.tokens >= 1 {
		b.tokens--
		*p = stepUpPhone{granted: r.Time, reported: r.Time}
		reason := fmt.Sprintf("it came without the credentials that it used last at %s and counts as factory-reset; %d more may in %s (provisioning.resets)", used, int(b.tokens), where)
		return StepUpVerdict{Reason: reason, Event: &Event{Time: r.Time, Kind: EventStepUp, MAC: r.MAC, Addr: r.From, Reason: "the phone was served by its lease alone: " + reason}}
	}
	when := "none may come by itself"
	if at := b.next(r.Limits.Resets); !at.IsZero() {
		when = "the next may at " + at.UTC().Format(time.RFC3339)
	}
	v := StepUpVerdict{Action: StepUpRefuse, Reason: fmt.Sprintf(
		"no proof: %s, but the phone used its own credentials last at %s and came without them, and as many as provisioning.resets allows in %s have done so: %s; plugtone device enroll %s serves it now",
		r.Proof, used, where, when, r.MAC)}
	if !within(p.reported, r.Time, stepUpReport) {
		p.reported = r.Time
		v.Event = &Event{Time: r.Time, Kind: EventStepUp, MAC: r.MAC, Addr: r.From, Reason: v.Reason}
	}
	return v
}

// budget returns the subnet's budget at that time; a copy when nothing is to be counted.
func (s *stepUp) budget(subnet netip.Prefix, limit Resets, now time.Time, commit bool) *resetBudget {
	b, ok := s.budgets[subnet]
	if !ok {
		b = &resetBudget{tokens: float64(limit.Burst), at: now}
		if commit {
			s.budgets[subnet] = b
		}
	}
	if !commit {
		copied := *b
		b = &copied
	}
	b.refill(limit, now)
	return b
}

// unanswered reports whether the phone has shown by this request that it does not answer challenges: in the same boot it
// requests the same file again, or has let the time pass in which a phone with credentials answers. One unanswered challenge
// of an earlier boot shows nothing: power may have failed, or another host may have caused it. Two do.
func (p *stepUpPhone) unanswered(r WeakRequest) bool {
	if within(p.challenged, r.Time, challengeRetry) {
		return p.file == fileHash(r.File) || r.Time.Sub(p.challenged) >= challengeAnswer
	}
	return within(p.challenged, r.Time, challengePeriod) && p.boots >= 2
}

// within reports whether at is at most d before now.
func within(at, now time.Time, d time.Duration) bool {
	return !at.IsZero() && now.Sub(at) < d
}
