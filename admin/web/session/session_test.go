package session_test

import (
	"errors"
	"testing"
	"time"

	"plugtone/admin/access"
	"plugtone/admin/web/session"
	"plugtone/provision/fleet"
)

// fixture is sessions with a clock and one token, "secret".
type fixture struct {
	session.Sessions
	now  time.Time
	role string // of the token; "" when it is revoked
}

func newFixture() *fixture {
	f := &fixture{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), role: "operator"}
	f.Now = func() time.Time { return f.now }
	f.Token = func(hash string) (fleet.Token, error) {
		if f.role == "" || hash != access.HashToken("secret") {
			return fleet.Token{}, fleet.ErrNotFound
		}
		return fleet.Token{Name: "desk", Role: f.role}, nil
	}
	return f
}

func (f *fixture) signedIn(t *testing.T, cookie string, background bool) bool {
	t.Helper()
	s, err := f.Find(cookie, background)
	if err != nil {
		t.Fatal(err)
	}
	return s != nil
}

func TestATokenBeginsASessionWithItsNameAndRole(t *testing.T) {
	f := newFixture()
	if _, err := f.SignIn("wrong", ""); !errors.Is(err, session.ErrToken) {
		t.Errorf("a wrong token: %v", err)
	}
	cookie, err := f.SignIn("secret", "10.0.0.7")
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Find(cookie, false)
	if err != nil || s == nil {
		t.Fatalf("%v, %v", s, err)
	}
	if c := s.Caller(); c != (access.Caller{Name: "token:desk", Role: access.Operator, From: "10.0.0.7", Token: access.HashToken("secret")}) {
		t.Errorf("caller %+v", c)
	}
	if s.ValidCSRF("") || s.ValidCSRF("x") || !s.ValidCSRF(s.CSRF()) {
		t.Error("the CSRF text is not checked")
	}
	f.End(s)
	if f.signedIn(t, cookie, false) {
		t.Error("the session goes on after its end")
	}
}

func TestASessionEndsWithItsToken(t *testing.T) {
	for _, role := range []string{"", "viewer"} {
		f := newFixture()
		cookie, err := f.SignIn("secret", "")
		if err != nil {
			t.Fatal(err)
		}
		f.role = role
		if f.signedIn(t, cookie, false) {
			t.Errorf("the session goes on when the token's role is %q", role)
		}
	}
	f := newFixture()
	f.role = "push"
	if _, err := f.SignIn("secret", ""); !errors.Is(err, session.ErrToken) {
		t.Errorf("a token that can only push signs in: %v", err)
	}
}

func TestASessionEndsWhenItIsIdleAndAfterADay(t *testing.T) {
	f := newFixture()
	cookie, err := f.SignIn("secret", "")
	if err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(session.IdleTime - time.Second)
	if !f.signedIn(t, cookie, true) {
		t.Fatal("ended early")
	}
	f.now = f.now.Add(time.Second)
	if f.signedIn(t, cookie, false) {
		t.Error("a request of the page itself kept the session alive")
	}
	if cookie, err = f.SignIn("secret", ""); err != nil {
		t.Fatal(err)
	}
	for passed := time.Duration(0); passed < session.MaxTime-time.Hour; passed += time.Hour {
		f.now = f.now.Add(time.Hour)
		if !f.signedIn(t, cookie, false) {
			t.Fatalf("ended after %v of use", passed)
		}
	}
	f.now = f.now.Add(time.Hour)
	if f.signedIn(t, cookie, false) {
		t.Error("a session goes on for more than a day")
	}
}

func TestACodeSignsInOnceAndForAShortTime(t *testing.T) {
	f := newFixture()
	caller := access.Caller{Name: "local:root", Role: access.Admin}
	code, until := f.Code(caller)
	if until.Sub(f.now) != session.CodeTime {
		t.Errorf("valid until %v", until)
	}
	cookie, err := f.Redeem(code, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := f.Find(cookie, false); s == nil || s.Caller().Name != "local:root" || s.Caller().From != "127.0.0.1" || s.Caller().Role != access.Admin {
		t.Errorf("session %+v", s)
	}
	if _, err := f.Redeem(code, ""); !errors.Is(err, session.ErrCode) {
		t.Errorf("the second time: %v", err)
	}
	code, _ = f.Code(caller)
	f.now = f.now.Add(session.CodeTime)
	if _, err := f.Redeem(code, ""); !errors.Is(err, session.ErrCode) {
		t.Errorf("an old code: %v", err)
	}
}

// An address that was made with a token must not outlive the token: nor must one that was made by the session of such an address.
func TestASessionByACodeEndsWithTheTokenThatMadeIt(t *testing.T) {
	for _, role := range []string{"", "viewer"} {
		f := newFixture()
		caller := access.Caller{Name: "token:desk", Role: access.Operator, Token: access.HashToken("secret")}
		var cookies []string
		for range 2 {
			code, _ := f.Code(caller)
			cookie, err := f.Redeem(code, "10.0.0.7")
			if err != nil {
				t.Fatal(err)
			}
			s, err := f.Find(cookie, false)
			if err != nil || s == nil {
				t.Fatalf("session %v, %v", s, err)
			}
			cookies, caller = append(cookies, cookie), s.Caller()
		}
		late, _ := f.Code(caller)
		f.role = role
		cookie, err := f.Redeem(late, "")
		if err != nil {
			t.Fatal(err)
		}
		for i, cookie := range append(cookies, cookie) {
			if f.signedIn(t, cookie, false) {
				t.Errorf("session %d goes on when the token's role is %q", i, role)
			}
		}
	}
}

func TestSessionsAndCodesAreBounded(t *testing.T) {
	f := newFixture()
	first, err := f.SignIn("secret", "")
	if err != nil {
		t.Fatal(err)
	}
	code, _ := f.Code(access.Caller{Role: access.Admin})
	var last string
	for range 300 {
		f.now = f.now.Add(time.Millisecond)
		if last, err = f.SignIn("secret", ""); err != nil {
			t.Fatal(err)
		}
		f.Code(access.Caller{Role: access.Admin})
	}
	if f.signedIn(t, first, false) || !f.signedIn(t, last, false) {
		t.Error("the oldest session did not make way for the newest")
	}
	if _, err := f.Redeem(code, ""); !errors.Is(err, session.ErrCode) {
		t.Error("the oldest code did not make way")
	}
}
