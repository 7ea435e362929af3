package trust

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
)

// resetStore is a ResetStore in memory.
type resetStore struct {
	state ResetState
	saved int
	err   error
}

func (r *resetStore) LoadResets() (ResetState, error) { return r.state, nil }

func (r *resetStore) SaveResets(s ResetState) error {
	if r.err == nil {
		r.state = s
		r.saved++
	}
	return r.err
}

type noLeases struct{}

func (noLeases) LeasesOf(dhcp.MAC) []dhcp.Lease { return nil }

type stepUpPolicy struct{ Policy }

func (stepUpPolicy) Limits() Limits { return Limits{StepUp: StepUpAuto, Resets: DefaultResets} }

// restart returns a service as it is after a restart, with the events that it reports.
func restart(t *testing.T, store ResetStore, now *time.Time) (*Service, *[]Event) {
	t.Helper()
	var events []Event
	s, err := New(Config{Leases: noLeases{}, Policy: func() Policy { return stepUpPolicy{} }, Now: func() time.Time { return *now }, Resets: store,
		Event:   func(e Event) { events = append(events, e) },
		History: func(dhcp.MAC) (History, error) { return History{OwnProof: testNow.Add(-time.Hour)}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s, &events
}

func reset(i int, now time.Time) WeakRequest {
	r := weak(i, now)
	r.CanAnswer = false
	return r
}

// A restart, also by kill -9, does not fill a subnet's budget of resets again, and a reset phone is not counted twice.
func TestRestartDoesNotRefillTheBudgetOfResets(t *testing.T) {
	store, now := &resetStore{}, testNow
	served := 0
	for n := range 20 {
		s, _ := restart(t, store, &now) // the one before was killed
		for range 2 {
			if s.Weak(reset(n, now), true).Action == StepUpAccept {
				served++
			}
		}
	}
	if served != 10 {
		t.Errorf("%d requests of 20 phones were served across restarts, want 10 of 5 phones", served)
	}
	s, _ := restart(t, store, &now)
	other := reset(30, now)
	other.Place.Subnet = netip.MustParsePrefix("10.30.0.0/24")
	if v := s.Weak(other, true); v.Action != StepUpAccept {
		t.Errorf("another subnet: %+v", v)
	}
	now = now.Add(12 * time.Minute)
	s, _ = restart(t, store, &now)
	if v := s.Weak(reset(31, now), true); v.Action != StepUpAccept {
		t.Errorf("12 minutes later: %+v", v)
	}
	now = now.Add(-24 * time.Hour) // the clock is set back
	s, _ = restart(t, store, &now)
	if v := s.Weak(reset(32, now), true); v.Action != StepUpRefuse {
		t.Errorf("with an earlier clock: %+v", v)
	}
	now = now.Add(12 * time.Minute)
	if v := s.Weak(reset(32, now), true); v.Action != StepUpAccept {
		t.Errorf("12 minutes after the clock was set back: %+v", v)
	}
}

// A phone that did not answer its challenge is not challenged again because plugtone was restarted.
func TestRestartKeepsUnansweredChallenges(t *testing.T) {
	store, now := &resetStore{}, testNow
	s, _ := restart(t, store, &now)
	if v := s.Weak(weak(1, now), true); v.Action != StepUpChallenge {
		t.Fatalf("%+v", v)
	}
	if store.saved != 0 {
		t.Error("each challenge is written")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = restart(t, store, &now)
	if v := s.Weak(weak(1, now), true); v.Action != StepUpAccept || v.Event == nil {
		t.Errorf("the same file after a restart: %+v", v)
	}
}

// What is stored is bounded, and an error of the store is reported.
func TestStoredResetsAreBounded(t *testing.T) {
	store, now := &resetStore{}, testNow
	s, events := restart(t, store, &now)
	for n := range 2 * maxStoredPhones {
		s.Weak(weak(n, now), true)
	}
	if err := s.Close(); err != nil || len(store.state.Phones) != maxStoredPhones || store.state.Phones[0].MAC != phone(2*maxStoredPhones-1) {
		t.Errorf("%d phones are stored, %v", len(store.state.Phones), err)
	}
	store.err = errors.New("disk full")
	if v := s.Weak(reset(5000, now), true); v.Action != StepUpAccept {
		t.Errorf("%+v", v)
	}
	if e := (*events)[len(*events)-1]; !strings.Contains(e.Reason, "a restart would lose this: disk full") {
		t.Errorf("%+v", e)
	}
}
