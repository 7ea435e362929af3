package provision

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Window is a time in which files of a phone, or of all phones, need no other proof.
type Window struct {
	MAC   MAC          `json:"mac,omitzero"` // zero: all phones
	From  netip.Prefix `json:"from,omitzero"`
	Until time.Time    `json:"until"`
}

// String says it in one sentence.
func (w Window) String() string {
	return fmt.Sprintf("files of %s need no proof from %s until %s", w.who(), w.where(), w.Until.UTC().Format(time.RFC3339))
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

// windows are those that are open. They end with the daemon: a restart must not open what an operator has forgotten.
type windows struct {
	mu   sync.Mutex
	open []window
}

type window struct {
	Window
	macs []MAC // all of the device
}

// covers tells whether a window is open for the phone, from there.
func (w *windows) covers(mac MAC, from netip.Addr, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.open {
		if x.Until.After(now) && (!x.From.IsValid() || x.From.Contains(from)) && (x.MAC.IsZero() || slices.Contains(x.macs, mac)) {
			return true
		}
	}
	return false
}

// all tells whether a window for all phones is open from there.
func (w *windows) all(from netip.Addr, now time.Time) bool { return w.covers(MAC{}, from, now) }

// put opens a window, in the place of the one for the same phones from the same place. One that ends at once closes it.
func (w *windows) put(x window, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = slices.DeleteFunc(w.open, func(o window) bool {
		return !o.Until.After(now) || o.MAC == x.MAC && o.From == x.From
	})
	if x.Until.After(now) {
		w.open = append(w.open, x)
	}
}

// Windows lists what is open.
func (s *Service) Windows() []Window {
	now := s.c.Now()
	s.windows.mu.Lock()
	defer s.windows.mu.Unlock()
	out := []Window{}
	for _, x := range s.windows.open {
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
// anywhere when it is zero. A time of 0 closes it. For all phones it also lifts the freeze of new phones' leases.
func (s *Service) Enroll(mac MAC, from netip.Prefix, length time.Duration) (Window, error) {
	if length < 0 || length > maxWindow {
		return Window{}, Invalid{{"for", length.String(), "allowed is 0s (closes it) to " + maxWindow.String()}}
	}
	now := s.c.Now()
	x := window{Window: Window{MAC: mac, From: from.Masked(), Until: now.Add(length).UTC()}}
	if !mac.IsZero() {
		err := s.c.Records.View(func(f Fleet) error {
			d, err := f.DeviceByAny(mac)
			if err == nil {
				x.MAC, x.macs = d.MAC, macsOf(d.MAC, d)
			}
			return err
		})
		if err != nil {
			return Window{}, err
		}
	}
	s.windows.put(x, now)
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
