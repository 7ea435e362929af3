package trust

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/internal/lru"
)

// The limit on wrong passwords for one phone. A phone has one or two; what is tried beyond this is guessed.
const (
	passwordsFree   = 10
	passwordsWindow = 10 * time.Minute
	// PasswordDelay is how long the answer to a wrong password takes beyond the limit.
	PasswordDelay = 2 * time.Second
)

// PasswordLimiter counts wrong passwords for each phone, whether the phone exists or not. It limits refusals only: a right
// password is accepted after any number of wrong ones.
type PasswordLimiter struct {
	mu     sync.Mutex
	phones *lru.Cache[dhcp.MAC, *triedPasswords]
}

type triedPasswords struct {
	began time.Time
	wrong int
}

// NewPasswordLimiter returns a limiter that has counted nothing.
func NewPasswordLimiter() *PasswordLimiter {
	return &PasswordLimiter{phones: lru.New[dhcp.MAC, *triedPasswords](rememberedPhones)}
}

// Limited reports whether refusals for the phone are delayed.
func (l *PasswordLimiter) Limited(phone dhcp.MAC, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.phones.Get(phone)
	return ok && p.wrong >= passwordsFree && within(p.began, now, passwordsWindow)
}

// Wrong counts a wrong password and returns the event when the limit begins.
func (l *PasswordLimiter) Wrong(phone dhcp.MAC, from netip.Addr, now time.Time) *Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.phones.Get(phone)
	if !ok || !within(p.began, now, passwordsWindow) {
		p = &triedPasswords{began: now}
		l.phones.Put(phone, p, 1)
	}
	p.wrong++
	if p.wrong != passwordsFree {
		return nil
	}
	return &Event{Time: now, Kind: EventPassword, MAC: phone, Addr: from, Reason: fmt.Sprintf(
		"%d wrong passwords for %s since %s, the last from %s: refusals take %s until %s; the right password is accepted at once",
		p.wrong, phone, p.began.UTC().Format(time.RFC3339), from, PasswordDelay, p.began.Add(passwordsWindow).UTC().Format(time.RFC3339))}
}
