// Package session has the sessions of the admin page: who is signed in, by a token or by a one-time address, and for how long. Sessions are in
// memory only, so they end with the daemon.
package session

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"sync"
	"time"

	"plugtone/admin/access"
	"plugtone/provision/fleet"
)

// Limits of sessions.
const (
	IdleTime = 2 * time.Hour   // a session without a request ends
	MaxTime  = 24 * time.Hour  // a session ends, used or not
	CodeTime = 5 * time.Minute // how long a one-time address can be used
	most     = 256             // sessions at a time; the one that is idle for longest makes way
	maxCodes = 64              // one-time addresses at a time, likewise
	maxNotes = 8               // messages that wait to be shown in one session
)

// Errors of signing in.
var (
	ErrToken = errors.New("no such token")
	ErrCode  = errors.New("the address was used already, or is older than 5 minutes")
)

// Sessions are all sessions of the page. Its members are set once.
type Sessions struct {
	Now   func() time.Time
	Token func(hash string) (fleet.Token, error) // by the digest of its secret

	mu    sync.Mutex
	byKey map[string]*Session // by the digest of the cookie's value
	codes map[string]code     // by the digest of the code
}

type code struct {
	caller access.Caller
	until  time.Time
}

// Note is a message that the next page shows.
type Note struct {
	Kind string // ok, warn or error
	Text string
}

// Session is what is known of one signed-in browser.
type Session struct {
	all    *Sessions
	key    string
	csrf   string
	caller access.Caller

	// Guarded by all.mu.
	made, used time.Time
	notes      []Note
}

// Caller returns who is signed in.
func (s *Session) Caller() access.Caller { return s.caller }

// CSRF returns the text that every form of this session's pages sends back.
func (s *Session) CSRF() string { return s.csrf }

// ValidCSRF reports whether text is this session's.
func (s *Session) ValidCSRF(text string) bool {
	return subtle.ConstantTimeCompare([]byte(text), []byte(s.csrf)) == 1
}

// Add keeps a message for the next page.
func (s *Session) Add(n Note) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.notes = append(s.notes, n)
	s.notes = s.notes[max(0, len(s.notes)-maxNotes):]
}

// Notes returns the messages that wait, once.
func (s *Session) Notes() []Note {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	out := s.notes
	s.notes = nil
	return out
}

// SignIn begins a session for the holder of a token's secret. from is the address of the browser. It returns the value of the cookie.
func (s *Sessions) SignIn(token, from string) (cookie string, err error) {
	hash := access.HashToken(token)
	t, err := s.Token(hash)
	if errors.Is(err, fleet.ErrNotFound) {
		return "", ErrToken
	}
	if err != nil {
		return "", err
	}
	role := access.ParseRole(t.Role)
	if role < access.Viewer {
		return "", ErrToken
	}
	return s.begin(access.Caller{Name: "token:" + t.Name, Role: role, From: from, Token: hash}), nil
}

// Code makes a one-time code that signs in as caller until the time returned. The session ends with the caller's token, if the caller has one.
func (s *Sessions) Code(caller access.Caller) (text string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.codes == nil {
		s.codes = map[string]code{}
	}
	now := s.Now()
	for k, c := range s.codes {
		if !now.Before(c.until) {
			delete(s.codes, k)
		}
	}
	for len(s.codes) >= maxCodes {
		delete(s.codes, oldest(s.codes, func(c code) time.Time { return c.until }))
	}
	text, until = rand.Text(), now.Add(CodeTime)
	s.codes[access.HashToken(text)] = code{caller, until}
	return text, until
}

// Redeem begins a session with a one-time code. It returns the value of the cookie.
func (s *Sessions) Redeem(text, from string) (cookie string, err error) {
	s.mu.Lock()
	key := access.HashToken(text)
	c, ok := s.codes[key]
	delete(s.codes, key)
	s.mu.Unlock()
	if !ok || !s.Now().Before(c.until) {
		return "", ErrCode
	}
	c.caller.From = from
	return s.begin(c.caller), nil
}

func (s *Sessions) begin(caller access.Caller) (cookie string) {
	cookie = rand.Text() + rand.Text()
	key, now := access.HashToken(cookie), s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey == nil {
		s.byKey = map[string]*Session{}
	}
	for k, x := range s.byKey {
		if x.over(now) {
			delete(s.byKey, k)
		}
	}
	for len(s.byKey) >= most {
		delete(s.byKey, oldest(s.byKey, func(x *Session) time.Time { return x.used }))
	}
	s.byKey[key] = &Session{all: s, key: key, csrf: rand.Text(), caller: caller, made: now, used: now}
	return cookie
}

func oldest[T any](m map[string]T, when func(T) time.Time) (key string) {
	var first time.Time
	for k, v := range m {
		if t := when(v); key == "" || t.Before(first) {
			key, first = k, t
		}
	}
	return key
}

func (s *Session) over(now time.Time) bool {
	return now.Sub(s.used) >= IdleTime || now.Sub(s.made) >= MaxTime
}

// Find returns the session of a cookie's value; nil when it has ended. background marks requests that the page makes by itself: they
// don't keep a session alive.
func (s *Sessions) Find(cookie string, background bool) (*Session, error) {
	if cookie == "" {
		return nil, nil
	}
	key, now := access.HashToken(cookie), s.Now()
	s.mu.Lock()
	x := s.byKey[key]
	if x == nil || x.over(now) {
		delete(s.byKey, key)
		s.mu.Unlock()
		return nil, nil
	}
	if !background {
		x.used = now
	}
	s.mu.Unlock()
	return s.check(x)
}

// Live reports whether a session that Find has returned goes on. It does not keep it alive.
func (s *Sessions) Live(x *Session) (bool, error) {
	now := s.Now()
	s.mu.Lock()
	live := s.byKey[x.key] == x && !x.over(now)
	s.mu.Unlock()
	if !live {
		return false, nil
	}
	x, err := s.check(x)
	return x != nil, err
}

// check ends the session of a token that was revoked or has another role now.
func (s *Sessions) check(x *Session) (*Session, error) {
	if x.caller.Token == "" { // by an address that was made over the unix socket
		return x, nil
	}
	t, err := s.Token(x.caller.Token)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return nil, err
	}
	if err != nil || access.ParseRole(t.Role) != x.caller.Role {
		s.End(x)
		return nil, nil
	}
	return x, nil
}

// End ends a session.
func (s *Sessions) End(x *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byKey, x.key)
}

// Over TLS the name keeps other hosts and paths from setting the cookie (RFC 6265bis, 4.1.3.2).
const (
	plainName  = "plugtone"
	secureName = "__Host-plugtone"
)

// CookieName returns the name of the session's cookie.
func CookieName(secure bool) string {
	if secure {
		return secureName
	}
	return plainName
}

// Cookie returns a cookie that only this server gets, and no script.
func Cookie(r *http.Request, value string) *http.Cookie {
	secure := r.TLS != nil
	c := &http.Cookie{Name: CookieName(secure), Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// Of returns the session of a request; nil without one.
func (s *Sessions) Of(r *http.Request) (*Session, error) {
	c, err := r.Cookie(CookieName(r.TLS != nil))
	if err != nil {
		return nil, nil
	}
	return s.Find(c.Value, r.Header.Get(BackgroundHeader) != "")
}

// BackgroundHeader is set in requests that the page makes by itself.
const BackgroundHeader = "Plugtone-Background"
