package provision

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/provision/setting"
)

// Window is a time in which files of a phone, or of all phones, need no other proof.
type Window struct {
	MAC   MAC          `json:"mac,omitzero"` // zero: all phones
	From  netip.Prefix `json:"from,omitzero"`
	Until time.Time    `json:"until"`
}

// String says it in one sentence.
func (w Window) String() string {
	return fmt.Sprintf("files of %s need no proof from %s until %s", w.who(), w.where(), w.Until.UTC().Format("2006-01-02 15:04:05 MST"))
}

func (w Window) who() string {
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

// maxWindow is the longest time that a window stays open: whoever wants more wants another trust.
const maxWindow = 24 * time.Hour

// A window for all phones is remembered this long after its end, so that phones that came through it are no new ones after
// a restart either; of so many at most.
const (
	windowMemory = 24 * time.Hour
	windowsKept  = 256
)

// KeptWindow is a window as it is kept on disk.
type KeptWindow struct {
	Window
	Opened time.Time `json:"opened"`
	MACs   []MAC     `json:"macs,omitempty"` // all of the device; none for all phones
}

// WindowKeeper keeps windows through restarts: one that an operator has opened for half an hour is open for half an hour.
type WindowKeeper interface {
	LoadWindows() ([]KeptWindow, error)
	SaveWindows([]KeptWindow) error // returns when they are on disk
}

// noKeeper stands for a service whose windows end with it.
type noKeeper struct{}

func (noKeeper) LoadWindows() ([]KeptWindow, error) { return nil, nil }
func (noKeeper) SaveWindows([]KeptWindow) error     { return nil }

// windows are those that are open, and those for all phones that were a while ago.
type windows struct {
	keep   WindowKeeper
	saving sync.Mutex // held over the disk, so that the last to be kept is the last to count
	mu     sync.Mutex
	all    []KeptWindow
}

func newWindows(keep WindowKeeper, now time.Time) (*windows, error) {
	if keep == nil {
		keep = noKeeper{}
	}
	all, err := keep.LoadWindows()
	if err != nil {
		return nil, fmt.Errorf("windows of enrollment: %w", err)
	}
	// After the clock was set back a window would stay open for longer than anybody may say.
	all = slices.DeleteFunc(all, func(w KeptWindow) bool { return w.gone(now) || w.Until.Sub(now) > maxWindow })
	return &windows{keep: keep, all: all}, nil
}

// gone tells whether a window needs no more be remembered.
func (w *KeptWindow) gone(now time.Time) bool {
	if w.MAC.IsZero() {
		now = now.Add(-windowMemory)
	}
	return !w.Until.After(now)
}

// covers tells whether a window is, or was, open for the phone, from there, at that time.
func (w *windows) covers(mac MAC, from netip.Addr, at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.all, func(x KeptWindow) bool {
		return x.Until.After(at) && !x.Opened.After(at) && (!x.From.IsValid() || x.From.Contains(from)) &&
			(x.MAC.IsZero() || slices.Contains(x.MACs, mac))
	})
}

// forAll tells whether a window for all phones is, or was, open from there at that time.
func (w *windows) forAll(from netip.Addr, at time.Time) bool { return w.covers(MAC{}, from, at) }

// lifted is when a freeze was lifted last by opening a window for all phones; zero when none is remembered.
func (w *windows) lifted() (at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.all {
		if x.MAC.IsZero() && x.Until.After(x.Opened) && x.Opened.After(at) {
			at = x.Opened
		}
	}
	return at
}

// put opens a window, in the place of the one for the same phones from the same place. One that ends at once closes it.
// What can't be kept isn't done.
func (w *windows) put(x KeptWindow, now time.Time) error {
	w.saving.Lock()
	defer w.saving.Unlock()
	w.mu.Lock()
	all := slices.Clone(w.all)
	w.mu.Unlock()
	for i := range all {
		if o := &all[i]; o.MAC == x.MAC && o.From == x.From && o.Until.After(now) {
			o.Until = now.UTC()
		}
	}
	all = slices.DeleteFunc(all, func(o KeptWindow) bool { return o.gone(now) })
	if x.Until.After(now) {
		all = append(all, x)
	}
	if len(all) > windowsKept {
		ended := slices.IndexFunc(all, func(o KeptWindow) bool { return !o.Until.After(now) })
		if ended < 0 {
			return Invalid{{"mac", x.who(), fmt.Sprintf("%d windows are open already; device enroll --all opens one for all phones", windowsKept)}}
		}
		all = slices.Delete(all, ended, ended+1)
	}
	if err := w.keep.SaveWindows(all); err != nil {
		return fmt.Errorf("keep the window of %s: %w", x.who(), err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = all
	return nil
}

// Windows lists what is open.
func (s *Service) Windows() []Window {
	now := s.c.Now()
	s.windows.mu.Lock()
	defer s.windows.mu.Unlock()
	out := []Window{}
	for _, x := range s.windows.all {
		if x.Until.After(now) {
			out = append(out, x.Window)
		}
	}
	return out
}

// ServerURL is where phones go for their files: the external URL, else that of the first subnet that provisions.
func (s *Service) ServerURL() string {
	site := s.c.Site()
	if site.ExternalURL != "" {
		return slashed(site.ExternalURL)
	}
	for _, n := range site.Subnets {
		if n.Phones == "" || n.Phones == PhonesProvision {
			return n.url()
		}
	}
	return ""
}

// Enroll opens a window for the phone with mac, or for all phones when mac is zero, from the addresses of from, or from
// anywhere when it is zero. A time of 0 closes it. For all phones it also lifts the freeze of new phones' leases. It is on
// disk when Enroll returns.
func (s *Service) Enroll(mac MAC, from netip.Prefix, length time.Duration) (Window, error) {
	if length < 0 || length > maxWindow {
		return Window{}, Invalid{{"for", setting.Duration(length).String(), "allowed is 0s (closes it) to " + setting.Duration(maxWindow).String()}}
	}
	now := s.c.Now()
	x := KeptWindow{Window: Window{MAC: mac, From: from.Masked(), Until: now.Add(length).UTC()}, Opened: now.UTC()}
	if !mac.IsZero() {
		err := s.c.Records.View(func(f Fleet) error {
			d, err := f.DeviceByAny(mac)
			if err == nil {
				x.MAC, x.MACs = d.MAC, macsOf(d.MAC, d)
			}
			return err
		})
		if err != nil {
			return Window{}, err
		}
	}
	if err := s.windows.put(x, now); err != nil {
		return Window{}, err
	}
	reason := x.String()
	if length == 0 {
		reason = fmt.Sprintf("files of %s need a proof again from %s", x.who(), x.where())
	}
	s.alarm(Alarm{Time: now, Kind: AlarmEnroll, MAC: x.MAC, Reason: reason})
	if limit := s.c.Site().NewPhones; mac.IsZero() && length > 0 && limit != nil {
		if n := s.freeze.lift(*limit, now); n > 0 {
			s.alarm(Alarm{Time: now, Kind: AlarmThawed, Reason: fmt.Sprintf("leases of %d new phones are proof from now on: enrolled by hand", n)})
		}
	}
	return x.Window, nil
}
