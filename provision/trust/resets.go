package trust

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/dhcp"
)

// ResetStore stores what step up has to remember through a restart.
type ResetStore interface {
	LoadResets() (ResetState, error)
	SaveResets(ResetState) error // returns when it is on disk
}

// ResetState is what is left of each subnet's budget, and what phones have shown.
type ResetState struct {
	Budgets []StoredBudget    `json:"budgets,omitempty"`
	Phones  []StoredChallenge `json:"phones,omitempty"` // the last ones, at most maxStoredPhones
}

// StoredBudget is what is left of a subnet's budget at a time.
type StoredBudget struct {
	Subnet netip.Prefix `json:"subnet"`
	Tokens float64      `json:"tokens"`
	At     time.Time    `json:"at"`
}

// StoredChallenge is a phone's unanswered challenges, and when it was served as factory-reset.
type StoredChallenge struct {
	MAC        dhcp.MAC  `json:"mac"`
	Challenged time.Time `json:"challenged,omitzero"`
	File       uint64    `json:"file,omitempty"` // hash of its name
	Boots      int       `json:"boots,omitempty"`
	Granted    time.Time `json:"granted,omitzero"`
}

// maxStoredPhones bounds the size of a stored ResetState, to about a tenth of a megabyte.
const maxStoredPhones = 1024

// noResetStore is for a service whose budgets end with it.
type noResetStore struct{}

func (noResetStore) LoadResets() (ResetState, error) { return ResetState{}, nil }
func (noResetStore) SaveResets(ResetState) error     { return nil }

// fileHash replaces a file's name in a challenge; it is never 0.
func fileHash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64() | 1
}

// restore takes over a stored state. A time in the future, from before the clock was set back, counts as now.
func (s *stepUp) restore(state ResetState, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	past := func(t time.Time) time.Time {
		if t.After(now) {
			return now
		}
		return t
	}
	for _, b := range state.Budgets {
		s.budgets[b.Subnet] = &resetBudget{tokens: b.Tokens, at: past(b.At)}
	}
	for _, p := range slices.Backward(state.Phones) {
		s.phones.Put(p.MAC, &stepUpPhone{challenged: past(p.Challenged), file: p.File, boots: p.Boots, granted: past(p.Granted), reported: past(p.Granted)}, 1)
	}
}

// state returns what is to be stored: the phones that were seen last.
func (s *stepUp) state() (state ResetState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for subnet, b := range s.budgets {
		state.Budgets = append(state.Budgets, StoredBudget{Subnet: subnet, Tokens: b.tokens, At: b.at.UTC()})
	}
	slices.SortFunc(state.Budgets, func(a, b StoredBudget) int { return a.Subnet.Compare(b.Subnet) })
	for mac, p := range s.phones.All() {
		if len(state.Phones) == maxStoredPhones {
			break
		}
		state.Phones = append(state.Phones, StoredChallenge{MAC: mac, Challenged: p.challenged.UTC(), File: p.file, Boots: p.boots, Granted: p.granted.UTC()})
	}
	return state
}

// resetSaver stores the state of step up.
type resetSaver struct {
	store  ResetStore
	stepUp *stepUp
	mu     sync.Mutex // the last state to be stored is the last to count
}

// storeReset stores that a reset has used up a part of its subnet's budget, before the file leaves: a restart must not fill it again. An
// error is added to the event: the phone is served all the same.
func (r *resetSaver) storeReset(v *StepUpVerdict) {
	if err := r.save(); err != nil {
		v.Event.Reason += fmt.Sprintf("; a restart would lose this: %v", err)
	}
}

func (r *resetSaver) save() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.SaveResets(r.stepUp.state())
}

// Close stores what is remembered of unanswered challenges. After a kill those since the last reset are lost: a phone that can't answer is
// challenged once more.
func (s *Service) Close() error {
	if state := s.stepUp.state(); len(state.Budgets)+len(state.Phones) == 0 {
		return nil
	}
	if err := s.resets.save(); err != nil {
		return fmt.Errorf("store resets: %w", err)
	}
	return nil
}
