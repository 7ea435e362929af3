package trust

import (
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
)

var voice = Place{Subnet: netip.MustParsePrefix("10.20.0.0/22"), Leased: true, Proofs: []Proof{ProofLease}}

func phone(i int) dhcp.MAC { return dhcp.MAC{0x00, 0x15, 0x65, 1, byte(i >> 8), byte(i)} }

// weak is a request by lease alone, of a phone that used its credentials an hour ago.
func weak(i int, now time.Time) WeakRequest {
	return WeakRequest{
		Time: now, MAC: phone(i), From: netip.AddrFrom4([4]byte{10, 20, 1, byte(i)}), Place: voice, Limits: Limits{StepUp: StepUpAuto, Resets: DefaultResets},
		Proof: "10.20.1.1 is leased to the phone", File: "GET " + phone(i).Hex() + ".cfg",
		LastOwnProof: now.Add(-time.Hour), Given: now.Add(-time.Hour), CanSend: true, CanAnswer: true,
	}
}

func TestPhoneThatUsedItsCredentialsIsChallenged(t *testing.T) {
	s := newStepUp()
	v := s.decide(weak(1, testNow), true)
	if v.Action != StepUpChallenge || v.Event != nil || !strings.Contains(v.Reason, "used its own credentials last at 2026-11-22T11:00:00Z") {
		t.Errorf("first request: %+v", v)
	}
	other := weak(1, testNow.Add(time.Second))
	other.File = "GET another.cfg"
	if v := s.decide(other, true); v.Action != StepUpChallenge {
		t.Errorf("another file while the challenge may still be answered: %+v", v)
	}
	s.ownProof(phone(1))
	if v := s.decide(weak(1, testNow.Add(time.Minute)), true); v.Action != StepUpChallenge {
		t.Errorf("after it has answered: %+v", v)
	}
}

func TestPhoneThatDoesNotAnswerItsChallengeCountsAsFactoryReset(t *testing.T) {
	for name, change := range map[string]func(*WeakRequest){
		"same file again":      func(*WeakRequest) {},
		"other file later":     func(r *WeakRequest) { r.File, r.Time = "GET other.cfg", r.Time.Add(challengeAnswer) },
		"wrong password":       func(r *WeakRequest) { r.File, r.Wrong = "GET other.cfg", true },
		"cannot be challenged": func(r *WeakRequest) { r.File, r.CanAnswer = "GET other.cfg", false },
		"in its third boot":    func(r *WeakRequest) { r.Time = r.Time.Add(2 * time.Hour) },
		"hours later, always": func(r *WeakRequest) {
			r.Limits.StepUp, r.CanSend, r.CanAnswer, r.Time = StepUpAlways, false, false, r.Time.Add(3*time.Hour)
		},
	} {
		s := newStepUp()
		if name == "in its third boot" {
			if v := s.decide(weak(1, testNow.Add(-time.Hour)), true); v.Action != StepUpChallenge {
				t.Fatalf("%s, the first: %+v", name, v)
			}
		}
		if v := s.decide(weak(1, testNow), true); v.Action != StepUpChallenge {
			t.Fatalf("%s, before: %+v", name, v)
		}
		r := weak(1, testNow)
		change(&r)
		v := s.decide(r, true)
		if v.Action != StepUpAccept || v.Event == nil || v.Event.Kind != EventStepUp || v.Event.MAC != phone(1) || !strings.Contains(v.Event.Reason, "4 more may in subnet 10.20.0.0/22") {
			t.Fatalf("%s: %+v", name, v)
		}
		r.File, r.Time = "GET third.cfg", r.Time.Add(resetGrant/2)
		if v := s.decide(r, true); v.Action != StepUpAccept || v.Event != nil {
			t.Errorf("%s: the rest of its boot: %+v", name, v)
		}
	}
}

func TestResetsAreBounded(t *testing.T) {
	s := newStepUp()
	served := func(now time.Time) (n int) {
		for i := range 120 {
			for range 3 {
				if s.decide(weak(i, now), true).Action == StepUpAccept {
					n++
					break
				}
			}
		}
		return n
	}
	if n := served(testNow); n != 5 {
		t.Errorf("%d phones are served at once, want 5", n)
	}
	if n := served(testNow.Add(11 * time.Minute)); n != 0 {
		t.Errorf("%d phones are served 11 minutes later, want none", n)
	}
	if n := served(testNow.Add(12 * time.Minute)); n != 1 {
		t.Errorf("%d phones are served 12 minutes later, want 1", n)
	}
	if n := served(testNow.Add(50 * time.Hour)); n != 5 {
		t.Errorf("%d phones are served two days later, want 5", n)
	}
	other := weak(7, testNow.Add(50*time.Hour))
	other.Place.Subnet, other.CanAnswer = netip.MustParsePrefix("10.30.0.0/24"), false
	if v := s.decide(other, true); v.Action != StepUpAccept {
		t.Errorf("another subnet has its own budget: %+v", v)
	}
}

func TestRefusalBeyondTheBudgetNamesTheCommandThatHelps(t *testing.T) {
	s := newStepUp()
	r := weak(1, testNow)
	r.CanAnswer, r.Limits.Resets = false, Resets{Burst: 1, PerHour: 2}
	s.decide(r, true)
	r.MAC = phone(2)
	v := s.decide(r, true)
	want := "no proof: 10.20.1.1 is leased to the phone, but the phone used its own credentials last at 2026-11-22T11:00:00Z and came without them, and as many as " +
		"provisioning.resets allows in subnet 10.20.0.0/22 have done so: the next may at 2026-11-22T12:30:00Z; plugtone device enroll 00:15:65:01:00:02 serves it now"
	if v.Action != StepUpRefuse || v.Reason != want || v.Event == nil || v.Event.Reason != want {
		t.Errorf("%+v", v)
	}
	if v := s.decide(r, true); v.Action != StepUpRefuse || v.Event != nil {
		t.Errorf("the same again is no second event: %+v", v)
	}
	r.Enrolled = true
	if v := s.decide(r, true); v.Action != StepUpAccept {
		t.Errorf("while it is enrolled: %+v", v)
	}
	r.Enrolled, r.MAC, r.Limits.Resets = false, phone(3), Resets{}
	if v := s.decide(r, true); v.Action != StepUpRefuse || !strings.Contains(v.Reason, "none may come by itself") {
		t.Errorf("without a budget: %+v", v)
	}
}

func TestStepUpIsForPhonesThatHaveUsedTheirCredentials(t *testing.T) {
	for name, change := range map[string]func(*WeakRequest){
		"off":                              func(r *WeakRequest) { r.Limits.StepUp = StepUpOff },
		"pack sends none":                  func(r *WeakRequest) { r.CanSend = false },
		"never used, never given":          func(r *WeakRequest) { r.LastOwnProof, r.Given = time.Time{}, time.Time{} },
		"never used, cannot be challenged": func(r *WeakRequest) { r.LastOwnProof, r.CanAnswer = time.Time{}, false },
		"given them in this boot":          func(r *WeakRequest) { r.LastOwnProof, r.Given = time.Time{}, r.Time.Add(-time.Minute) },
		"never used, wrong password":       func(r *WeakRequest) { r.LastOwnProof, r.Wrong = time.Time{}, true },
		"always, but never used, given":    func(r *WeakRequest) { r.Limits.StepUp, r.LastOwnProof, r.CanAnswer = StepUpAlways, time.Time{}, false },
	} {
		s := newStepUp()
		for i := range 40 {
			r := weak(i, testNow)
			change(&r)
			if v := s.decide(r, true); v.Action != StepUpAccept || v.Event != nil || v.Reason != "" {
				t.Fatalf("%s, phone %d: %+v", name, i, v)
			}
		}
	}
}

// A phone whose file has credentials is challenged once. One that can't send them is served as before.
func TestPhoneThatWasGivenCredentialsIsChallengedOnce(t *testing.T) {
	s := newStepUp()
	for i := range 40 {
		r := weak(i, testNow)
		r.LastOwnProof = time.Time{}
		if v := s.decide(r, true); v.Action != StepUpChallenge {
			t.Fatalf("phone %d: %+v", i, v)
		}
		for _, later := range []time.Duration{0, time.Second, time.Hour} {
			r.Time = testNow.Add(later)
			if v := s.decide(r, true); v.Action != StepUpAccept || v.Event != nil {
				t.Fatalf("phone %d after %s: %+v", i, later, v)
			}
		}
	}
}

// A phone whose firmware ignores credentials is challenged at most once a day, and gets its file at its next request.
func TestPhoneThatIgnoresCredentialsIsServed(t *testing.T) {
	s := newStepUp()
	refused := 0
	for day := range 30 {
		r := weak(1, testNow.Add(time.Duration(day)*25*time.Hour))
		r.LastOwnProof, r.Given = time.Time{}, testNow.Add(-time.Hour)
		if v := s.decide(r, true); v.Action != StepUpAccept {
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("it was refused its file on %d of 30 days, want 2", refused)
	}
}

func TestDryRunCountsNothing(t *testing.T) {
	s := newStepUp()
	r := weak(1, testNow)
	for range 20 {
		if v := s.decide(r, false); v.Action != StepUpChallenge {
			t.Fatalf("dry run: %+v", v)
		}
	}
	r.CanAnswer = false
	for i := range 20 {
		r.MAC = phone(i)
		if v := s.decide(r, false); v.Action != StepUpAccept {
			t.Fatalf("dry run %d without a challenge: %+v", i, v)
		}
	}
	if phones := len(maps.Collect(s.phones.All())); phones != 0 || len(s.budgets) != 0 {
		t.Errorf("%d phones and %d budgets are remembered", phones, len(s.budgets))
	}
}

func TestWrongPasswordsAreLimitedPerPhone(t *testing.T) {
	l := newPasswords()
	from := netip.MustParseAddr("192.0.2.1")
	var events []Event
	for i := range 2000 {
		for p := range 2 {
			if e := l.Wrong(phone(p), from, testNow.Add(time.Duration(i)*time.Millisecond)); e != nil {
				events = append(events, *e)
			}
		}
	}
	if len(events) != 2 || events[0].Kind != EventPassword || events[0].MAC != phone(0) || events[1].MAC != phone(1) {
		t.Errorf("events %+v", events)
	}
	if !l.Limited(phone(0), testNow.Add(9*time.Minute)) || l.Limited(phone(0), testNow.Add(10*time.Minute)) || l.Limited(phone(9), testNow) {
		t.Error("the limit holds for another phone, or not for as long as it should")
	}
	if e := l.Wrong(phone(0), from, testNow.Add(time.Hour)); e != nil || l.Limited(phone(0), testNow.Add(time.Hour)) {
		t.Errorf("one wrong password an hour later: %v", e)
	}
}
