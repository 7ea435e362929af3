package trust

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/internal/lru"
	"plugtone/provision/setting"
)

// The limit on wrong passwords for one phone. A phone has one or two; what is tried beyond this is guessed.
const (
	passwordsFree   = 10
	passwordsWindow = 10 * time.Minute
	// PasswordDelay is how long the answer to a wrong password takes beyond the limit.
	PasswordDelay = 2 * time.Second
)

// Passwords counts wrong passwords for each phone, whether the phone exists or not. It limits refusals only: a right password is
// accepted after any number of wrong ones. It also remembers which phones have used their newest password.
type Passwords struct {
	mu     sync.Mutex
	phones *lru.Cache[dhcp.MAC, *triedPasswords]
	used   *lru.Cache[passwordKey, struct{}]
}

// passwordKey is one password of a phone.
type passwordKey struct {
	mac      dhcp.MAC
	password setting.Secret
}

type triedPasswords struct {
	began time.Time
	wrong int
}

func newPasswords() *Passwords {
	return &Passwords{phones: lru.New[dhcp.MAC, *triedPasswords](rememberedPhones), used: lru.New[passwordKey, struct{}](rememberedPhones)}
}

// MarkUsed remembers that a phone has used its newest password: the one before counts no more, also while the record
// still has it.
func (l *Passwords) MarkUsed(mac dhcp.MAC, password setting.Secret) {
	l.used.Put(passwordKey{mac, password}, struct{}{}, 1)
}

// HasUsed reports whether a phone has used this password.
func (l *Passwords) HasUsed(mac dhcp.MAC, password setting.Secret) bool {
	_, used := l.used.Get(passwordKey{mac, password})
	return used
}

// Limited reports whether refusals for the phone are delayed.
func (l *Passwords) Limited(phone dhcp.MAC, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.phones.Get(phone)
	return ok && p.wrong >= passwordsFree && within(p.began, now, passwordsWindow)
}

// Wrong counts a wrong password and returns the event when the limit begins.
func (l *Passwords) Wrong(phone dhcp.MAC, from netip.Addr, now time.Time) *Event {
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
