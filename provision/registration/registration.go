// Package registration follows who is registered at the PBXs that list their contacts (package pbxroute), and returns what that means for a phone.
//
// It states only what a PBX has listed or reported: of a registrar that is not polled, or whose PBX does not answer, there is nothing.
package registration

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pbxroute"
)

// The states of a line.
const (
	Registered    = "registered"
	Refused       = "refused"        // not registered, and the PBX refused its last REGISTER
	Elsewhere     = "elsewhere"      // the account is registered from other addresses only
	NotRegistered = "not_registered" // the account has no registration
)

// LineState is what the PBX has of one line of a phone.
type LineState struct {
	Position  int          `json:"position" doc:"number of the line" example:"1"`
	Extension string       `json:"extension" doc:"number of its extension" example:"1001"`
	Registrar string       `json:"registrar" doc:"its registrar" example:"main"`
	State     string       `json:"state" doc:"registered from the phone's address; elsewhere: from other addresses only; refused: the PBX refused the last REGISTER from the phone's address" example:"registered" enum:"registered,refused,elsewhere,not_registered"`
	Since     time.Time    `json:"since,omitzero" doc:"when the registration was seen first" example:"2026-11-22T12:00:00Z"`
	AtLeast   bool         `json:"at_least,omitempty" doc:"the registration may be older than since: it was in the first list" example:"false"`
	Addrs     []netip.Addr `json:"addresses,omitempty" doc:"addresses that the account is registered from" example:"[\"10.20.1.7\"]"`
	RefusedAt time.Time    `json:"refused_at,omitzero" doc:"when the PBX refused a REGISTER from the phone's address last, after the registration" example:"2026-11-22T12:00:00Z"`
	Reason    string       `json:"reason,omitempty" doc:"what the PBX answered then" example:"the PBX answered 403"`
	Checked   time.Time    `json:"checked_at" doc:"when the PBX was polled last" example:"2026-11-22T12:00:30Z"`
}

// Account is a line to look up.
type Account struct {
	Position          int
	Number, Registrar string
}

// Accounts returns the lines of a device that register with the server of their registrar.
func Accounts(d *fleet.Device) (out []Account) {
	for _, l := range d.Lines {
		if l.On() && (l.Override == nil || l.Override.Host == "") {
			out = append(out, Account{l.Position, l.Extension, l.Registrar})
		}
	}
	return out
}

// Change is a registration that has begun or ended, or was refused.
type Change struct {
	Time      time.Time
	Registrar string
	User      string
	Addr      netip.Addr
	State     string // Registered, NotRegistered or Refused
	Reason    string
}

// PBX is what is polled. pbxroute.PBX implements it.
type PBX interface {
	Contacts(ctx context.Context) ([]pbxroute.Contact, error)
	Watch(ctx context.Context, now func() time.Time, refused func(pbxroute.Refusal)) error
}

// Config has the dependencies. All members must be set.
type Config struct {
	PBXs    func() []pbxroute.Config // of the configuration in force
	Open    func(pbxroute.Config) PBX
	Domain  func(registrar string) string // SIP domain of a registrar in the records; "" when there is none
	Changed func(Change)                  // must not call the Tracker
	Now     func() time.Time
	Log     *slog.Logger
}

const (
	look        = 5 * time.Second // how often it is checked whether a poll is due: pbxroute allows no shorter interval
	maxRefusals = 10_000          // of one PBX; further ones are dropped until others have ended
	refusalTime = 24 * time.Hour  // for how long a refusal is kept without a registration
	repeat      = time.Hour       // how often the same refusal is a Change: a phone tries again every minute
)

// key is an account at an address.
type key struct {
	user string
	addr netip.Addr
}

// known is what one PBX has.
type known struct {
	config   pbxroute.Config
	tried    time.Time
	polled   time.Time // zero: never
	failed   bool
	since    map[key]time.Time
	first    map[key]bool // in the first list
	users    map[string][]netip.Addr
	domains  domains
	refusals map[key]pbxroute.Refusal
	changed  map[key]time.Time // when a refusal was a Change last
	stop     context.CancelFunc
}

// Tracker polls PBXs. Its methods may be called from any goroutine.
type Tracker struct {
	c    Config
	mu   sync.Mutex
	pbxs map[string]*known // by registrar
}

// New returns a Tracker that has polled nothing.
func New(c Config) *Tracker { return &Tracker{c: c, pbxs: map[string]*known{}} }

// Run polls until ctx ends.
func (t *Tracker) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		for _, k := range t.due(ctx, &running) {
			running.Go(func() { t.poll(ctx, k) })
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// due returns the PBXs to poll now, and forgets those that the configuration does not have any more.
func (t *Tracker) due(ctx context.Context, running *sync.WaitGroup) (out []*known) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.c.Now()
	in := map[string]bool{}
	for _, c := range t.c.PBXs() {
		if c.Poll == 0 {
			continue
		}
		in[c.Registrar] = true
		k := t.pbxs[c.Registrar]
		if k == nil || k.config != c {
			if k != nil {
				k.stop()
			}
			watch, stop := context.WithCancel(ctx)
			k = &known{config: c, since: map[key]time.Time{}, first: map[key]bool{}, users: map[string][]netip.Addr{}, refusals: map[key]pbxroute.Refusal{},
				changed: map[key]time.Time{}, stop: stop}
			t.pbxs[c.Registrar] = k
			running.Go(func() { t.watch(watch, k) })
		}
		if k.tried.IsZero() || now.Sub(k.tried) >= c.Poll {
			k.tried = now
			out = append(out, k)
		}
	}
	for name, k := range t.pbxs {
		if !in[name] {
			k.stop()
			delete(t.pbxs, name)
		}
	}
	return out
}

// watch follows the refusals of a PBX, and connects again at the pace of its polls.
func (t *Tracker) watch(ctx context.Context, k *known) {
	for ctx.Err() == nil {
		err := t.c.Open(k.config).Watch(ctx, t.c.Now, func(r pbxroute.Refusal) { t.refused(k, r) })
		if err != nil {
			t.c.Log.Debug("registrations: refusals are not reported", "registrar", k.config.Registrar, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(k.config.Poll):
		}
	}
}

func (t *Tracker) refused(k *known, r pbxroute.Refusal) {
	t.mu.Lock()
	if !k.domains.ours(r.Domain) {
		t.mu.Unlock()
		return
	}
	at := key{r.User, r.Addr}
	_, had := k.refusals[at]
	if !had && len(k.refusals) >= maxRefusals {
		t.mu.Unlock()
		return
	}
	k.refusals[at] = r
	report := r.Time.Sub(k.changed[at]) >= repeat
	if report {
		k.changed[at] = r.Time
	}
	t.mu.Unlock()
	if report {
		t.c.Changed(Change{r.Time, k.config.Registrar, r.User, r.Addr, Refused, r.Reason})
	}
}

// poll lists the contacts of a PBX once.
func (t *Tracker) poll(ctx context.Context, k *known) {
	list, err := t.c.Open(k.config).Contacts(ctx)
	if err != nil {
		t.mu.Lock()
		report := !k.failed && ctx.Err() == nil
		k.failed = true
		t.mu.Unlock()
		if report {
			t.c.Log.Warn("registrations are not known", "registrar", k.config.Registrar, "err", err)
		}
		return
	}
	for _, c := range t.take(k, list, t.c.Domain(k.config.Registrar)) {
		t.c.Changed(c)
	}
}

// take compares a list with the one before. own is the registrar's domain.
func (t *Tracker) take(k *known, list []pbxroute.Contact, own string) (changes []Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, initial := t.c.Now(), k.polled.IsZero()
	seen := map[key]bool{}
	k.users = map[string][]netip.Addr{}
	k.domains = k.domains.next(list, own)
	for _, c := range list {
		if !k.domains.ours(c.Domain) {
			continue
		}
		for _, addr := range []netip.Addr{c.Addr, c.Inner} {
			at := key{c.User, addr}
			if !addr.IsValid() || seen[at] {
				continue
			}
			seen[at] = true
			k.users[c.User] = append(k.users[c.User], addr)
			if _, had := k.since[at]; had {
				continue
			}
			k.since[at], k.first[at] = now, initial
			delete(k.refusals, at)
			delete(k.changed, at)
			if !initial {
				changes = append(changes, Change{now, k.config.Registrar, c.User, addr, Registered, c.Agent})
			}
		}
	}
	for at := range k.since {
		if !seen[at] {
			delete(k.since, at)
			delete(k.first, at)
			changes = append(changes, Change{now, k.config.Registrar, at.user, at.addr, NotRegistered, ""})
		}
	}
	for at, r := range k.refusals {
		if now.Sub(r.Time) > refusalTime {
			delete(k.refusals, at)
			delete(k.changed, at)
		}
	}
	k.polled, k.failed = now, false
	slices.SortFunc(changes, func(a, b Change) int { return a.Addr.Compare(b.Addr) })
	return changes
}

// Of returns what is known of the lines of a phone with an address. A line is left out when its registrar is not polled, when its PBX has not answered for three polls, and when
// its number is registered in domains of which none is that of the registrar; without an address all are.
func (t *Tracker) Of(accounts []Account, addr netip.Addr) (out []LineState) {
	if !addr.IsValid() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range accounts {
		k := t.pbxs[a.Registrar]
		if k == nil || k.polled.IsZero() || t.c.Now().Sub(k.polled) > 3*k.config.Poll+look {
			continue
		}
		l := LineState{Position: a.Position, Extension: a.Number, Registrar: a.Registrar, Checked: k.polled, Addrs: slices.Clone(k.users[a.Number])}
		at := key{a.Number, addr}
		refusal, refused := k.refusals[at]
		if refused {
			l.RefusedAt, l.Reason = refusal.Time, refusal.Reason
		}
		since, ok := k.since[at]
		switch {
		case ok:
			l.State, l.Since, l.AtLeast = Registered, since, k.first[at]
		case refused:
			l.State = Refused
		case len(l.Addrs) > 0 && k.domains.foreign:
			continue
		case len(l.Addrs) > 0:
			l.State = Elsewhere
		default:
			l.State = NotRegistered
		}
		out = append(out, l)
	}
	return out
}

// Summary is one word for all lines of a phone: the worst of their states; "" when nothing is known.
func Summary(lines []LineState) string {
	for _, state := range []string{Refused, NotRegistered, Elsewhere, Registered} {
		if slices.ContainsFunc(lines, func(l LineState) bool { return l.State == state }) {
			return state
		}
	}
	return ""
}

// String describes the state of a line, with times in UTC.
func (l LineState) String() string {
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	text := "not registered"
	switch l.State {
	case Registered:
		text = "registered since " + at(l.Since)
		if l.AtLeast {
			text = "registered, at least since " + at(l.Since)
		}
		if !l.RefusedAt.IsZero() {
			text += fmt.Sprintf("; %s at %s", l.Reason, at(l.RefusedAt))
		}
	case Refused:
		text = fmt.Sprintf("not registered: %s at %s", l.Reason, at(l.RefusedAt))
	case Elsewhere:
		text = fmt.Sprintf("registered from %s, and not from this phone's address", l.Addrs[0])
	}
	return text
}
