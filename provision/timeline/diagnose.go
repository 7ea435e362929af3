package timeline

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
)

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	OK      Severity = "ok"      // as it should be
	Note    Severity = "note"    // worth knowing
	Problem Severity = "problem" // the phone doesn't have what it should
)

// Finding is one thing that can be concluded, in plain words.
type Finding struct {
	Severity Severity  `json:"severity" doc:"ok: as it should be; note: worth knowing; problem: the phone lacks something" example:"problem" enum:"ok,note,problem"`
	Text     string    `json:"text" doc:"what was found, in one sentence" example:"it has an address and never requested a file"`
	Hint     string    `json:"hint,omitempty" doc:"what to do or to look at" example:"check that option 66 reaches the phone"`
	Time     time.Time `json:"time,omitzero" doc:"time of the entry that it rests on" example:"2026-11-22T12:00:00Z"`
}

// Facts is what is known of the phone besides its timeline.
type Facts struct {
	Now      time.Time
	MAC      dhcp.MAC
	Recorded bool
	Enabled  bool
	Vendor   string     // of the record
	Model    string     // of the record
	State    string     // status.state
	Addr     netip.Addr // active lease
	Expires  time.Time  // of that lease
	// Models lists the models that request a file name, nil when any may or none is known.
	Models func(file string) []string
}

// IsFile reports whether entries of this source are about files.
func IsFile(source string) bool { return source == "tftp" || source == "http" || source == "https" }

// grace is how long a phone may take from its address to its first file: slow models need a minute and a half.
const grace = 2 * time.Minute

// story is what the entries tell, sorted out.
type story struct {
	f       Facts
	entries []Entry

	lastDHCP, acked, offered, nak, declined  *Entry
	lastFile, served, refused, fault, absent *Entry
	aborted                                  *Entry
}

// Diagnose concludes from a phone's timeline, oldest entry first, what works and what doesn't, in the order of a boot.
func Diagnose(entries []Entry, f Facts) []Finding {
	s := story{f: f, entries: entries}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Source == "dhcp":
			s.readDHCP(e)
		case IsFile(e.Source):
			s.readFile(e)
		}
	}
	var out []Finding
	out = append(out, s.record()...)
	out = append(out, s.address()...)
	out = append(out, s.files()...)
	return out
}

func (s *story) readDHCP(e *Entry) {
	if e.Event == "decline" {
		s.declined = e
		return
	}
	if e.Event == "release" {
		return
	}
	s.lastDHCP = e
	switch e.Verdict {
	case "acked":
		s.acked = e
	case "offered":
		s.offered = e
	case "nak":
		s.nak = e
	}
}

func (s *story) readFile(e *Entry) {
	s.lastFile = e
	switch e.Verdict {
	case "served", "not_modified":
		if e.Kind == "device" {
			s.served = e
		}
	case "refused", "challenged":
		s.refused = e
	case "fault":
		s.fault = e
	case "not_found":
		s.absent = e
	case "aborted":
		if e.Kind == "device" {
			s.aborted = e
		}
	}
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// after reports whether a happened and b did not happen later.
func after(a, b *Entry) bool { return a != nil && (b == nil || a.Time.After(b.Time)) }

// record returns the findings from the device record alone.
func (s *story) record() []Finding {
	switch {
	case !s.f.Recorded && len(s.entries) > 0:
		return []Finding{{Note, fmt.Sprintf("%s has no device record, so no configuration is made for it", s.f.MAC),
			fmt.Sprintf("plugtone discovered adopt %s, or plugtone device add %s", s.f.MAC, s.f.MAC), time.Time{}}}
	case s.f.Recorded && !s.f.Enabled:
		return []Finding{{Note, "the device is disabled: its accounts and keys are cleared at its next fetch",
			fmt.Sprintf("plugtone device enable %s", s.f.MAC), time.Time{}}}
	case s.f.Recorded && s.f.Vendor == "":
		return []Finding{{Note, "the device has no vendor: only its address is kept", "", time.Time{}}}
	}
	return nil
}

// address returns the findings about the phone's address.
func (s *story) address() []Finding {
	switch {
	case len(s.entries) == 0:
		return []Finding{{Problem, fmt.Sprintf("nothing was ever received from %s", s.f.MAC),
			"check its power, its cable, the VLAN of its switch port, and the MAC on its label", time.Time{}}}
	case s.lastDHCP == nil && s.lastFile != nil:
		return []Finding{{Note, "it asks for files, but was never seen in DHCP here",
			"it has a fixed address, or another DHCP server", s.lastFile.Time}}
	case s.lastDHCP == nil:
		return nil
	}
	var out []Finding
	if after(s.declined, s.acked) {
		out = append(out, Finding{Problem, fmt.Sprintf("it declined %s: another host uses that address", s.declined.Addr),
			"look for a host with a fixed address in the pool", s.declined.Time})
	}
	switch {
	case s.f.Addr.IsValid() && s.acked != nil:
		return append(out, Finding{OK, fmt.Sprintf("it has %s since %s", s.f.Addr, at(s.acked.Time)), "", s.acked.Time})
	case after(s.nak, s.acked):
		return append(out, Finding{Problem, "it requested an address that it can't have: " + s.nak.Reason,
			"it should begin again with a DISCOVER; if not, restart it", s.nak.Time})
	case after(s.offered, s.acked) && s.lastDHCP.Event == "discover":
		return append(out, Finding{Problem, fmt.Sprintf("it was offered %s at %s and did not take it", s.offered.Addr, at(s.offered.Time)),
			"another DHCP server may have answered it, or the offer does not reach it", s.offered.Time})
	case s.lastDHCP.Verdict == "silent":
		return append(out, Finding{Problem, "its last DHCP message was not answered: " + s.lastDHCP.Reason, "", s.lastDHCP.Time})
	}
	return append(out, Finding{Problem, fmt.Sprintf("its lease is over, and nothing came from it by DHCP since %s", at(s.lastDHCP.Time)),
		"it is switched off, unplugged or in another VLAN", s.lastDHCP.Time})
}

// files returns the findings about the phone's configuration.
func (s *story) files() []Finding {
	var out []Finding
	if after(s.fault, s.served) {
		out = append(out, Finding{Problem, fmt.Sprintf("%s could not be made: %s", s.fault.File, s.fault.Reason),
			"plugtone device files " + s.f.MAC.String(), s.fault.Time})
	}
	if after(s.refused, s.served) {
		out = append(out, s.refusal())
	}
	switch {
	case s.served != nil && !after(s.refused, s.served) && !after(s.fault, s.served):
		out = append(out, s.fetched())
	case s.lastFile == nil:
		out = append(out, s.neverAsked()...)
	case after(s.absent, s.served) && s.f.Recorded && s.refused == nil && s.fault == nil:
		out = append(out, Finding{Problem, fmt.Sprintf("it requested %s, which was not found: %s", s.absent.File, s.absent.Reason), "", s.absent.Time})
	case after(s.aborted, s.served) && s.refused == nil && s.fault == nil:
		out = append(out, Finding{Problem, fmt.Sprintf("it began to fetch %s and ended the transfer: %s", s.aborted.File, s.aborted.Reason),
			"it restarted meanwhile, or its link loses packets", s.aborted.Time})
	case s.served == nil && s.f.Recorded && s.refused == nil && s.fault == nil:
		out = append(out, Finding{Problem, fmt.Sprintf("it asked for %s, but never for its own configuration", s.lastFile.File),
			"see which files its model asks for: plugtone device files " + s.f.MAC.String(), s.lastFile.Time})
	}
	if f, ok := s.otherModel(); ok {
		out = append(out, f)
	}
	return out
}

// refusal returns why it was refused.
func (s *story) refusal() Finding {
	e := s.refused
	f := Finding{Severity: Problem, Time: e.Time, Text: fmt.Sprintf("%s was refused to %s: %s", e.File, e.Addr, e.Reason)}
	switch {
	case strings.HasSuffix(e.Reason, "asked for them") || strings.Contains(e.Reason, "asked for them; without"):
		f.Severity = Note
		f.Text = fmt.Sprintf("it has not answered since %s: %s", at(e.Time), e.Reason)
	case strings.Contains(e.Reason, "; plugtone device enroll "): // the reason names the way out
	case strings.Contains(e.Reason, "neither is proof"):
		f.Hint = "the phone was moved, or another host uses its MAC; once the older lease has ended the other one is proof: plugtone leases"
	case strings.Contains(e.Reason, "provisioning.new_phones allows"):
		f.Hint = "for phones that are unpacked now: plugtone device enroll --all --for 30m"
	case strings.Contains(e.Reason, "is leased to"):
		f.Hint = "a client requested another phone's file, or one phone has two MACs: plugtone device set --help, other_macs"
	case s.f.Addr.IsValid() && e.Addr.IsValid() && s.f.Addr != e.Addr:
		f.Hint = fmt.Sprintf("the phone itself has %s", s.f.Addr)
	case strings.Contains(e.Reason, "not leased by us"):
		f.Hint = "a phone proves who it is by the address that we lease to it; for one first boot elsewhere: plugtone device enroll " + s.f.MAC.String()
	}
	return f
}

// fetched returns when the phone got its configuration, and whether that is still the current one.
func (s *story) fetched() Finding {
	e := s.served
	f := Finding{Severity: OK, Time: e.Time, Text: fmt.Sprintf("it fetched %s at %s", e.File, at(e.Time))}
	switch s.f.State {
	case "in_sync":
		f.Text += " and has what it would get now"
	case "stale":
		f.Severity = Note
		f.Text += ", but would get something else now"
		f.Hint = "it fetches again at its next re-check or restart; see plugtone device diff " + s.f.MAC.String()
	}
	return f
}

// neverAsked returns why a phone with an address may not have requested a file.
func (s *story) neverAsked() []Finding {
	if !s.f.Addr.IsValid() || s.acked == nil {
		return nil
	}
	if s.f.Now.Sub(s.acked.Time) < grace {
		return []Finding{{Note, fmt.Sprintf("it got %s and has not asked for a file yet", s.f.Addr), "most phones take half a minute to two minutes", s.acked.Time}}
	}
	switch {
	case !strings.Contains(s.acked.Options, "://") && s.acked.Vendor == "":
		return []Finding{{Problem, fmt.Sprintf("it got %s, but was not told a provisioning server: no vendor pack recognised it", s.f.Addr),
			"name its vendor: plugtone device add " + s.f.MAC.String() + " --vendor V --model M", s.acked.Time}}
	case !strings.Contains(s.acked.Options, "://"):
		return []Finding{{Problem, fmt.Sprintf("it got %s, but no option with the address of its provisioning server", s.f.Addr),
			"see what DHCP would send it: plugtone explain " + s.f.MAC.String(), s.acked.Time}}
	}
	return []Finding{{Problem, fmt.Sprintf("it got %s and the provisioning server, but never asked for a file", s.f.Addr),
		"it ignores the DHCP option or has a stored server address: look at its provisioning settings, or reset it to factory settings", s.acked.Time}}
}

// otherModel finds a file that only models other than the record's request.
func (s *story) otherModel() (Finding, bool) {
	if s.f.Models == nil || s.f.Model == "" {
		return Finding{}, false
	}
	for i := len(s.entries) - 1; i >= 0; i-- {
		e := s.entries[i]
		if !IsFile(e.Source) || e.File == "" || e.Verdict == "refused" {
			continue
		}
		models := s.f.Models(e.File)
		if len(models) == 0 || slices.Contains(models, s.f.Model) {
			continue
		}
		return Finding{Problem, fmt.Sprintf("it asked for %s, which is a file of %s, but its record says %s", e.File, short(models), s.f.Model),
			fmt.Sprintf("correct the record: plugtone device set %s --model %s", s.f.MAC, models[0]), e.Time}, true
	}
	return Finding{}, false
}

// short names the first of many.
func short(names []string) string {
	const most = 4
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}
