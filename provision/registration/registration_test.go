package registration_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pbxroute"
	"plugtone/provision/registration"
)

// fixture is a PBX in memory.
type fixture struct {
	mu       sync.Mutex
	contacts []pbxroute.Contact
	err      error
	polls    int
	refuse   chan pbxroute.Refusal
	changes  []string
	configs  []pbxroute.Config
}

func (f *fixture) Contacts(context.Context) ([]pbxroute.Contact, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.polls++
	return f.contacts, f.err
}

func (f *fixture) Watch(ctx context.Context, now func() time.Time, refused func(pbxroute.Refusal)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-f.refuse:
			r.Time = now()
			refused(r)
		}
	}
}

func (f *fixture) set(err error, contacts ...pbxroute.Contact) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.contacts, f.err = contacts, err
}

// reported returns the changes up to now.
func (f *fixture) reported() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.changes)
}

// polled returns how many polls there were.
func (f *fixture) polled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.polls
}

var (
	atDesk = netip.MustParseAddr("10.20.1.7")
	other  = netip.MustParseAddr("10.20.1.8")
	line   = []registration.Account{{Position: 1, Number: "1001", Registrar: "main"}}
)

func contact(addr netip.Addr) pbxroute.Contact {
	return pbxroute.Contact{User: "1001", Domain: "pbx.example.com", Addr: addr, Inner: addr, Agent: "Yealink"}
}

// run runs a Tracker while check runs.
func run(t *testing.T, check func(f *fixture, tr *registration.Tracker)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{refuse: make(chan pbxroute.Refusal), configs: []pbxroute.Config{{Registrar: "main", Notify: pbxroute.ESL, Poll: time.Minute}, {Registrar: "unpolled", Notify: pbxroute.ESL}}}
		tr := registration.New(registration.Config{
			PBXs: func() []pbxroute.Config { f.mu.Lock(); defer f.mu.Unlock(); return f.configs }, Open: func(pbxroute.Config) registration.PBX { return f },
			Domain: func(string) string { return "pbx.example.com" },
			Changed: func(c registration.Change) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.changes = append(f.changes, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", c.User, c.Addr, c.State, c.Reason)))
			},
			Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			time.Sleep(time.Millisecond) // check sets the first list before
			tr.Run(ctx)
			close(ended)
		}()
		check(f, tr)
		cancel()
		<-ended
	})
}

// stateOf returns the state of the phone at atDesk.
func stateOf(tr *registration.Tracker) string {
	return registration.Summary(tr.Of(line, atDesk))
}

func TestNothingIsStatedOfAPBXThatIsNotPolledOrDoesNotAnswer(t *testing.T) {
	run(t, func(f *fixture, tr *registration.Tracker) {
		f.set(errors.New("connection refused"))
		time.Sleep(10 * time.Second)
		if got := stateOf(tr); got != "" {
			t.Errorf("%q without an answer", got)
		}
		f.set(nil, contact(atDesk))
		time.Sleep(time.Minute)
		if got := stateOf(tr); got != registration.Registered {
			t.Errorf("%q", got)
		}
		if got := tr.Of([]registration.Account{{Position: 1, Number: "1001", Registrar: "unpolled"}}, atDesk); got != nil {
			t.Errorf("%v of a registrar that is not polled", got)
		}
		if got := tr.Of(line, netip.Addr{}); got != nil {
			t.Errorf("%v of a phone without an address", got)
		}
		f.set(errors.New("connection refused"))
		time.Sleep(4 * time.Minute)
		if got := stateOf(tr); got != "" {
			t.Errorf("%q after three polls without an answer", got)
		}
		f.mu.Lock()
		polls := f.polls
		f.configs = nil
		f.mu.Unlock()
		time.Sleep(time.Hour)
		if f.polled() != polls || stateOf(tr) != "" {
			t.Errorf("%d polls after it left the configuration", f.polled()-polls)
		}
	})
}

func TestRegistrationIsSeenSince(t *testing.T) {
	run(t, func(f *fixture, tr *registration.Tracker) {
		f.set(nil, contact(other))
		time.Sleep(time.Second)
		if l := tr.Of(line, other); len(l) != 1 || !l[0].AtLeast || !strings.HasPrefix(l[0].String(), "registered, at least since ") {
			t.Errorf("in the first list: %+v", l)
		}
		if l := tr.Of(line, atDesk); l[0].State != registration.Elsewhere || l[0].String() != "registered from 10.20.1.8, and not from this phone's address" {
			t.Errorf("%+v", l)
		}
		f.set(nil, contact(other), contact(atDesk))
		time.Sleep(time.Minute)
		begun := tr.Of(line, atDesk)[0].Since
		time.Sleep(10 * time.Minute)
		if l := tr.Of(line, atDesk)[0]; l.Since != begun || l.AtLeast || l.String() != "registered since "+begun.UTC().Format(time.RFC3339) || time.Since(l.Checked) > time.Minute+5*time.Second {
			t.Errorf("%+v", l)
		}
		f.set(nil)
		time.Sleep(time.Minute)
		if got := stateOf(tr); got != registration.NotRegistered {
			t.Errorf("%q", got)
		}
		// What was there at the start is no change.
		if want := []string{"1001 10.20.1.7 registered Yealink", "1001 10.20.1.7 not_registered", "1001 10.20.1.8 not_registered"}; !slices.Equal(f.reported(), want) {
			t.Errorf("changes %q", f.reported())
		}
	})
}

func TestRefusalHoldsUntilTheNextRegistration(t *testing.T) {
	run(t, func(f *fixture, tr *registration.Tracker) {
		f.set(nil)
		time.Sleep(time.Second)
		for range 5 { // a phone tries again
			f.refuse <- pbxroute.Refusal{User: "1001", Addr: atDesk, Reason: "the PBX answered 403"}
			time.Sleep(time.Minute)
		}
		if l := tr.Of(line, atDesk)[0]; l.State != registration.Refused || !strings.HasPrefix(l.String(), "not registered: the PBX answered 403 at ") {
			t.Errorf("%+v", l)
		}
		if got := registration.Summary(tr.Of(line, other)); got != registration.NotRegistered {
			t.Errorf("another phone: %q", got)
		}
		f.set(nil, contact(atDesk))
		time.Sleep(time.Minute)
		if l := tr.Of(line, atDesk)[0]; l.State != registration.Registered || !l.RefusedAt.IsZero() {
			t.Errorf("%+v", l)
		}
		f.refuse <- pbxroute.Refusal{User: "1001", Addr: atDesk, Reason: "the PBX answered 403"}
		time.Sleep(time.Second)
		if l := tr.Of(line, atDesk)[0]; l.State != registration.Registered || !strings.Contains(l.String(), "; the PBX answered 403 at ") {
			t.Errorf("%+v", l)
		}
		if want := []string{"1001 10.20.1.7 refused the PBX answered 403", "1001 10.20.1.7 registered Yealink", "1001 10.20.1.7 refused the PBX answered 403"}; !slices.Equal(f.reported(), want) {
			t.Errorf("changes %q", f.reported())
		}
	})
}

// TestRefusalsAreBounded: a host can send a REGISTER for any user.
func TestRefusalsAreBounded(t *testing.T) {
	run(t, func(f *fixture, tr *registration.Tracker) {
		time.Sleep(time.Second)
		for i := range 10_100 {
			f.refuse <- pbxroute.Refusal{User: fmt.Sprint(i), Addr: atDesk, Reason: "the PBX answered 403"}
		}
		synctest.Wait()
		kept := registration.Summary(tr.Of([]registration.Account{{Position: 1, Number: "9999", Registrar: "main"}}, atDesk))
		dropped := registration.Summary(tr.Of([]registration.Account{{Position: 1, Number: "10099", Registrar: "main"}}, atDesk))
		if kept != registration.Refused || dropped != registration.NotRegistered {
			t.Errorf("%q %q", kept, dropped)
		}
	})
}

// in is a contact of the number 1001 in a domain.
func in(domain string, addr netip.Addr) pbxroute.Contact {
	return pbxroute.Contact{User: "1001", Domain: domain, Addr: addr}
}

// TestTheSameNumberInAnotherDomainIsAnotherAccount: a PBX of several tenants has 1001 in each of its domains.
func TestTheSameNumberInAnotherDomainIsAnotherAccount(t *testing.T) {
	run(t, func(f *fixture, tr *registration.Tracker) {
		time.Sleep(10 * time.Second) // between two polls
		for _, x := range []struct {
			want     string
			contacts []pbxroute.Contact
		}{
			{registration.Registered, []pbxroute.Contact{in("", atDesk)}},
			{registration.Registered, []pbxroute.Contact{in("10.20.0.9", atDesk)}}, // the PBX names its domain in another way
			{"", []pbxroute.Contact{in("a.example.com", other), in("b.example.com", other)}},
			{registration.Registered, []pbxroute.Contact{in("a.example.com", other), in("b.example.com", atDesk)}},
			{registration.NotRegistered, nil},
			{registration.Elsewhere, []pbxroute.Contact{in("PBX.example.com", other), in("b.example.com", atDesk)}},
			{registration.Registered, []pbxroute.Contact{in("pbx.example.com", atDesk), in("b.example.com", other)}},
			{registration.NotRegistered, []pbxroute.Contact{in("b.example.com", atDesk)}}, // the name of its domain is known by now
		} {
			f.set(nil, x.contacts...)
			time.Sleep(time.Minute)
			if got := stateOf(tr); got != x.want {
				t.Errorf("%q instead of %q with %v", got, x.want, x.contacts)
			}
		}
		f.refuse <- pbxroute.Refusal{User: "1001", Domain: "b.example.com", Addr: atDesk, Reason: "the PBX answered 403"}
		synctest.Wait()
		if got := stateOf(tr); got != registration.NotRegistered {
			t.Errorf("%q by a refusal in another domain", got)
		}
		f.refuse <- pbxroute.Refusal{User: "1001", Domain: "pbx.example.com", Addr: atDesk, Reason: "the PBX answered 403"}
		synctest.Wait()
		if got := stateOf(tr); got != registration.Refused {
			t.Errorf("%q", got)
		}
	})
}

func TestLinesWithAHostOfTheirOwnOrOffAreLeftOut(t *testing.T) {
	off := false
	d := &fleet.Device{Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}, {Position: 2, Extension: "1002", Registrar: "main", Enabled: &off},
		{Position: 3, Extension: "1003", Registrar: "main", Override: &fleet.RegistrarOverride{Host: "pbx-b"}}}}
	if got := registration.Accounts(d); !slices.Equal(got, line) {
		t.Errorf("%+v", got)
	}
}
