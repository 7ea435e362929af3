package trust

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/dhcp"
)

// Window is a time in which files of a phone, or of all phones, need no other proof.
type Window struct {
	MAC   dhcp.MAC     `json:"mac,omitzero" doc:"phone of the window; absent: all phones" example:"00:15:65:12:34:56"`
	From  netip.Prefix `json:"from,omitzero" doc:"network that requests must come from; absent: anywhere" example:"198.51.100.0/24"`
	Until time.Time    `json:"until" doc:"when the window closes" example:"2026-11-22T12:30:00Z"`
}

// String returns it as one sentence.
func (w Window) String() string {
	return fmt.Sprintf("files of %s need no proof from %s until %s", w.Phones(), w.where(), w.Until.UTC().Format(time.RFC3339))
}

// Phones returns in words whose window it is.
func (w Window) Phones() string {
	if w.MAC.IsZero() {
		return "all phones"
	}
	return w.MAC.String()
}

func (w Window) where() string {
	if !w.From.IsValid() {
		return "anywhere"
	}
	return w.From.String()
}

// MaxWindow is the longest time that a window stays open. Who needs more needs another entry in trust.
const MaxWindow = 24 * time.Hour

// A window for all phones is remembered this long after its end, so that phones that came through it are not new ones
// after a restart either.
const windowMemory = 24 * time.Hour

// MaxWindows bounds the windows that are open or remembered.
const MaxWindows = 256

// ErrTooManyWindows is returned when MaxWindows are open.
var ErrTooManyWindows = errors.New("too many windows are open")

// EnrollmentWindow is a window as it is stored.
type EnrollmentWindow struct {
	Window
	Opened time.Time  `json:"opened"`
	MACs   []dhcp.MAC `json:"macs,omitempty"` // all of the device; none for all phones
}

// WindowStore stores windows, so that one that was opened for half an hour survives a restart.
type WindowStore interface {
	LoadWindows() ([]EnrollmentWindow, error)
	// UpdateWindows stores what change makes of the windows that are stored, and returns that. It may call change several times.
	UpdateWindows(change func([]EnrollmentWindow) ([]EnrollmentWindow, error)) ([]EnrollmentWindow, error)
}

// noWindowStore is for a service whose windows end with it.
type noWindowStore struct{ all []EnrollmentWindow }

func (s *noWindowStore) LoadWindows() ([]EnrollmentWindow, error) { return s.all, nil }

func (s *noWindowStore) UpdateWindows(change func([]EnrollmentWindow) ([]EnrollmentWindow, error)) (all []EnrollmentWindow, err error) {
	if all, err = change(slices.Clone(s.all)); err == nil {
		s.all = all
	}
	return all, err
}

// windows are those that are open, and those for all phones that were open a while ago.
type windows struct {
	store  WindowStore
	saving sync.Mutex // held while storing, so that the last to be stored is the last to count
	mu     sync.Mutex
	all    []EnrollmentWindow
}

func newWindows(store WindowStore, now time.Time) (*windows, error) {
	if store == nil {
		store = &noWindowStore{}
	}
	w := &windows{store: store}
	return w, w.load(now)
}

// load reads the windows from the store.
func (w *windows) load(now time.Time) error {
	w.saving.Lock()
	defer w.saving.Unlock()
	all, err := w.store.LoadWindows()
	if err != nil {
		return fmt.Errorf("enrollment windows: %w", err)
	}
	w.set(current(all, now))
	return nil
}

func (w *windows) set(all []EnrollmentWindow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = all
}

// current leaves out windows that need not be stored, and those that would stay open for longer than is allowed, after the clock was set
// back.
func current(all []EnrollmentWindow, now time.Time) []EnrollmentWindow {
	return slices.DeleteFunc(all, func(w EnrollmentWindow) bool { return w.expired(now) || w.Until.Sub(now) > MaxWindow })
}

// expired reports whether a window need not be stored any more.
func (w *EnrollmentWindow) expired(now time.Time) bool {
	if w.MAC.IsZero() {
		now = now.Add(-windowMemory)
	}
	return !w.Until.After(now)
}

// covers reports whether a window is, or was, open for the phone, from there, at that time.
func (w *windows) covers(mac dhcp.MAC, from netip.Addr, at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.all, func(x EnrollmentWindow) bool {
		return x.Until.After(at) && !x.Opened.After(at) && (!x.From.IsValid() || x.From.Contains(from)) &&
			(x.MAC.IsZero() || slices.Contains(x.MACs, mac))
	})
}

// forAll reports whether a window for all phones is, or was, open from there at that time.
func (w *windows) forAll(from netip.Addr, at time.Time) bool { return w.covers(dhcp.MAC{}, from, at) }

// lastOpenedForAll returns when a window for all phones was opened last; zero when none is remembered.
func (w *windows) lastOpenedForAll() (at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.all {
		if x.MAC.IsZero() && x.Until.After(x.Opened) && x.Opened.After(at) {
			at = x.Opened
		}
	}
	return at
}

// open lists the windows that are open.
func (w *windows) open(now time.Time) []Window {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []Window{}
	for _, x := range w.all {
		if x.Until.After(now) {
			out = append(out, x.Window)
		}
	}
	return out
}

// put opens a window in the place of the one for the same phones from the same place. One that ends at once closes it.
// When it can't be stored, nothing changes.
func (w *windows) put(x EnrollmentWindow, now time.Time) error {
	w.saving.Lock()
	defer w.saving.Unlock()
	all, err := w.store.UpdateWindows(func(all []EnrollmentWindow) ([]EnrollmentWindow, error) { return with(current(all, now), x, now) })
	if errors.Is(err, ErrTooManyWindows) {
		return err
	}
	if err != nil {
		return fmt.Errorf("store the window of %s: %w", x.Phones(), err)
	}
	w.set(all)
	return nil
}

// with returns all windows and x.
func with(all []EnrollmentWindow, x EnrollmentWindow, now time.Time) ([]EnrollmentWindow, error) {
	for i := range all {
		if o := &all[i]; o.MAC == x.MAC && o.From == x.From && o.Until.After(now) {
			o.Until = now.UTC()
		}
	}
	all = current(all, now)
	if x.Until.After(now) {
		all = append(all, x)
	}
	if len(all) > MaxWindows {
		ended := slices.IndexFunc(all, func(o EnrollmentWindow) bool { return !o.Until.After(now) })
		if ended < 0 {
			return nil, ErrTooManyWindows
		}
		all = slices.Delete(all, ended, ended+1)
	}
	return all, nil
}
