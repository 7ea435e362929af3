package trust

import (
	"fmt"
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// HistoryOf returns what a phone's fetches have shown, before and since the start.
func (s *Service) HistoryOf(mac dhcp.MAC) History {
	h, ok := s.history.Get(mac)
	if ok {
		return h
	}
	h, err := s.c.History(mac)
	if err != nil {
		return h // an error of the store must not refuse the phone; it is read again for the next request
	}
	s.history.Put(mac, h, 1)
	return h
}

// Learned takes in what fetches of a phone have shown that were stored by others than Record: those from another server.
func (s *Service) Learned(mac dhcp.MAC) {
	known, ok := s.history.Get(mac)
	if !ok {
		return // it is read from the store when it is needed
	}
	h, err := s.c.History(mac)
	if err != nil {
		return // the next fetch is tried again
	}
	if known.OwnProof.After(h.OwnProof) {
		h.OwnProof = known.OwnProof
	}
	if known.Given.After(h.Given) {
		h.Given = known.Given
	}
	if h.Port == "" {
		h.Port = known.Port
	}
	s.history.Put(mac, h, 1)
}

// Weak decides about a request for a guarded file with a proof that a borrowed MAC has as well. It fills in LastOwnProof,
// Given, Limits and Enrolled. commit: the request is a real one; without it nothing is counted or reported.
func (s *Service) Weak(r WeakRequest, commit bool) StepUpVerdict {
	h := s.HistoryOf(r.MAC)
	r.Limits = s.c.Policy().Limits()
	if h.OwnProof.After(r.Since) {
		r.LastOwnProof = h.OwnProof
	}
	if h.Given.After(r.Since) {
		r.Given = h.Given
	}
	r.Enrolled = s.windows.covers(r.MAC, r.From, r.Time)
	v := r.pinnedPort(h.Port)
	if v.Action == StepUpAccept {
		if v = s.stepUp.decide(r, commit); commit && v.Event != nil && v.Action == StepUpAccept {
			s.resets.storeReset(&v)
		}
	} else if reported, _ := s.refused.Get(r.MAC); commit && reported != r.Port {
		s.refused.Put(r.MAC, r.Port, 1)
	} else {
		v.Event = nil
	}
	if commit && v.Event != nil {
		s.Report(*v.Event)
	}
	return v
}

// pinnedPort refuses another switch port than the remembered one where the subnet pins ports.
func (r *WeakRequest) pinnedPort(before string) StepUpVerdict {
	if !r.Place.PinPort || r.Enrolled || r.Port == "" || before == "" || r.Port == before {
		return StepUpVerdict{}
	}
	reason := fmt.Sprintf("no proof: %s, but it is behind switch port %q and before it was behind %q (pin_port); plugtone device enroll %s accepts the new port", r.Proof, r.Port, before, r.MAC)
	return StepUpVerdict{Action: StepUpRefuse, Reason: reason, Event: &Event{Time: r.Time, Kind: EventPortChanged, MAC: r.MAC, Addr: r.From, Reason: reason}}
}

// Answered notes that a phone has answered a challenge, for any file.
func (s *Service) Answered(mac dhcp.MAC) { s.stepUp.ownProof(mac) }

// Served is what a guarded file that has left shows of its phone.
type Served struct {
	Time  time.Time
	MAC   dhcp.MAC
	From  netip.Addr
	Proof Proof
	Port  string    // switch port of the phone's lease; "" when none is known
	Given bool      // the file has given the phone its credentials
	Since time.Time // what was before the phone's record does not count
}

// Record remembers what a served file has shown, reports a change of the switch port, and returns all that is known now.
func (s *Service) Record(r Served) History {
	h := s.HistoryOf(r.MAC)
	next := h
	if r.Proof.Own() {
		next.OwnProof = r.Time
		s.stepUp.ownProof(r.MAC)
	}
	if r.Given && !h.Given.After(r.Since) {
		next.Given = r.Time
	}
	if r.Port != "" {
		next.Port = r.Port
	}
	if next != h {
		s.history.Put(r.MAC, next, 1)
	}
	if h.Port != "" && h.Port != next.Port {
		s.Report(Event{Time: r.Time, Kind: EventPortChanged, MAC: r.MAC, Addr: r.From,
			Reason: fmt.Sprintf("the phone is behind switch port %q now; before it was behind %q", next.Port, h.Port)})
	}
	return next
}

// Requested notes that the holder of a lease has requested a guarded file, and reports when many known phones do.
func (s *Service) Requested(leaseMAC dhcp.MAC, own bool, now time.Time) {
	if e := s.watch.fetched(leaseMAC, own, now); e != nil {
		s.Report(*e)
	}
}
