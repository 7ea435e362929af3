package timeline

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
)

var (
	noon  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	phone = dhcp.MAC{0x00, 0x15, 0x65, 0x12, 0x34, 0x56}
	addr  = netip.MustParseAddr("10.20.1.7")
)

func dhcpEntry(minutes int, event, verdict string) Entry {
	return Entry{Time: noon.Add(time.Duration(minutes) * time.Minute), MAC: phone, Source: "dhcp", Event: event, Verdict: verdict, Addr: addr,
		Vendor: "yealink", Options: "1 3 6 51 54 66=http://10.20.0.2/"}
}

func fileEntry(minutes int, name, kind, verdict, reason string) Entry {
	return Entry{Time: noon.Add(time.Duration(minutes) * time.Minute), MAC: phone, Source: "http", Event: "get", Verdict: verdict, Addr: addr,
		File: name, Kind: kind, Reason: reason}
}

func recorded() Facts {
	return Facts{Now: noon.Add(time.Hour), MAC: phone, Recorded: true, Enabled: true, Vendor: "yealink", Model: "T46U", Addr: addr, Expires: noon.Add(24 * time.Hour)}
}

// diagnosisCase is a timeline with what must be concluded from it.
type diagnosisCase struct {
	name    string
	entries []Entry
	change  func(*Facts)
	want    []string // severity and a part of the text or hint
	not     string
}

func addressCases() []diagnosisCase {
	boot := []Entry{dhcpEntry(0, "discover", "offered"), dhcpEntry(0, "request", "acked")}
	withBoot := func(more ...Entry) []Entry { return append(append([]Entry(nil), boot...), more...) }
	return []diagnosisCase{
		{name: "never seen", change: func(f *Facts) { f.Addr = netip.Addr{} }, want: []string{"problem: nothing was ever received from 00:15:65:12:34:56"}},
		{name: "address, no file", entries: boot, want: []string{"ok: it has 10.20.1.7 since 2026-11-22 12:00:00 UTC", "problem: never asked for a file", "problem: stored server address"}},
		{name: "address, no file yet", entries: boot, change: func(f *Facts) { f.Now = noon.Add(time.Minute) },
			want: []string{"note: has not asked for a file yet"}, not: "problem"},
		{name: "address, not recognised", entries: []Entry{func() Entry { e := dhcpEntry(0, "request", "acked"); e.Vendor, e.Options = "", "1 3 6"; return e }()},
			want: []string{"problem: no vendor pack recognised it"}},
		{name: "address, no option", entries: []Entry{func() Entry { e := dhcpEntry(0, "request", "acked"); e.Options = "1 3 6"; return e }()},
			want: []string{"problem: no option with the address of its provisioning server"}},
		{name: "offer not taken", entries: []Entry{dhcpEntry(0, "discover", "offered")}, change: func(f *Facts) { f.Addr = netip.Addr{} },
			want: []string{"problem: it was offered 10.20.1.7", "problem: another DHCP server"}},
		{name: "nak", entries: []Entry{dhcpEntry(0, "request", "nak")}, change: func(f *Facts) { f.Addr = netip.Addr{} },
			want: []string{"problem: it requested an address that it can't have"}},
		{name: "declined", entries: withBoot(Entry{Time: noon.Add(time.Minute), MAC: phone, Source: "dhcp", Event: "decline", Verdict: "declined", Addr: addr}),
			change: func(f *Facts) { f.Addr = netip.Addr{} }, want: []string{"problem: it declined 10.20.1.7"}},
		{name: "silence", entries: []Entry{func() Entry { e := dhcpEntry(0, "discover", "silent"); e.Reason = "pool is full"; return e }()},
			change: func(f *Facts) { f.Addr = netip.Addr{} }, want: []string{"problem: was not answered: pool is full"}},
		{name: "gone", entries: boot, change: func(f *Facts) { f.Addr = netip.Addr{} }, want: []string{"problem: nothing came from it by DHCP since 2026-11-22 12:00:00 UTC"}},
		{name: "in sync", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "served", "")), change: func(f *Facts) { f.State = "in_sync" },
			want: []string{"ok: it fetched 001565123456.cfg at 2026-11-22 12:01:00 UTC and has what it would get now"}, not: "problem"},
		{name: "stale", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "not_modified", "")), change: func(f *Facts) { f.State = "stale" },
			want: []string{"note: would get something else now"}, not: "problem"},
		{name: "refused by another's lease", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "refused", "10.20.1.9 is leased to 00:15:65:00:00:09, but the file is 00:15:65:12:34:56's")),
			want: []string{"problem: 10.20.1.9 is leased to 00:15:65:00:00:09", "problem: other_macs"}},
	}
}

func fileCases() []diagnosisCase {
	boot := []Entry{dhcpEntry(0, "discover", "offered"), dhcpEntry(0, "request", "acked")}
	withBoot := func(more ...Entry) []Entry { return append(append([]Entry(nil), boot...), more...) }
	return []diagnosisCase{
		{name: "asked for its credentials", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "refused", "the phone used its own credentials last at 2026-11-21T12:00:00Z and is asked for them")),
			want: []string{"note: it has not answered since 2026-11-22 12:01:00 UTC: the phone used its own credentials last at 2026-11-21T12:00:00Z and is asked for them"}, not: "problem"},
		{name: "without its credentials, beyond the budget", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "refused", "no proof: 10.20.1.7 is leased to 00:15:65:12:34:56, but the phone used its own credentials last; plugtone device enroll 00:15:65:12:34:56 serves it now")),
			want: []string{"problem: but the phone used its own credentials last; plugtone device enroll 00:15:65:12:34:56 serves it now"}, not: "other_macs"},
		{name: "two leases", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "refused", "no proof: 10.20.1.7 is leased to 00:15:65:12:34:56, but so is 10.30.0.7: neither is proof until")),
			want: []string{"problem: the phone was moved, or another host uses its MAC"}, not: "other_macs"},
		{name: "too many new phones", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "refused", "no proof: 10.20.1.7 is leased to 00:15:65:12:34:56, but more new phones came than provisioning.new_phones allows")),
			want: []string{"problem: plugtone device enroll --all"}, not: "other_macs"},
		{name: "refused, then served", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "refused", "no proof"), fileEntry(2, "001565123456.cfg", "device", "served", "")),
			want: []string{"ok: it fetched"}, not: "problem"},
		{name: "refused elsewhere", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "refused", "no proof: 192.0.2.1 is not leased by us")),
			want: []string{"problem: plugtone device enroll 00:15:65:12:34:56"}},
		{name: "fault", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "fault", "template")), want: []string{"problem: could not be made: template"}},
		{name: "aborted", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "aborted", "the client closed the connection")), want: []string{"problem: ended the transfer: the client closed"}},
		{name: "file not found", entries: withBoot(fileEntry(1, "001565123456.cfg", "device", "not_found", "it is a file of snom")),
			want: []string{"problem: which was not found: it is a file of snom"}},
		{name: "only common", entries: withBoot(fileEntry(1, "y000000000108.cfg", "common", "served", "")), want: []string{"problem: never for its own configuration"}},
		{name: "other model", entries: withBoot(fileEntry(1, "y000000000096.cfg", "common", "served", ""), fileEntry(2, "001565123456.cfg", "device", "served", "")),
			want: []string{"problem: y000000000096.cfg, which is a file of T54W, but its record says T46U", "problem: --model T54W"}},
		{name: "no record", entries: boot, change: func(f *Facts) { *f = Facts{Now: f.Now, MAC: phone, Addr: addr} }, want: []string{"note: plugtone discovered adopt"}},
		{name: "disabled", entries: boot, change: func(f *Facts) { f.Enabled = false }, want: []string{"note: the device is disabled"}},
		{name: "no vendor", entries: boot, change: func(f *Facts) { f.Vendor, f.Model = "", "" }, want: []string{"note: only its address is kept"}},
		{name: "fixed address", entries: []Entry{fileEntry(1, "001565123456.cfg", "device", "served", "")}, change: func(f *Facts) { f.Addr = netip.Addr{} },
			want: []string{"note: never seen in DHCP here"}},
	}
}

func TestDiagnose(t *testing.T) {
	for _, tt := range append(addressCases(), fileCases()...) {
		t.Run(tt.name, func(t *testing.T) {
			f := recorded()
			f.Models = func(file string) []string {
				if file == "y000000000096.cfg" {
					return []string{"T54W"}
				}
				return nil
			}
			if tt.change != nil {
				tt.change(&f)
			}
			var lines []string
			for _, x := range Diagnose(tt.entries, f) {
				lines = append(lines, string(x.Severity)+": "+x.Text+" | "+string(x.Severity)+": "+x.Hint)
			}
			all := strings.Join(lines, "\n")
			for _, want := range tt.want {
				severity, text, _ := strings.Cut(want, ": ")
				found := false
				for _, l := range lines {
					found = found || strings.HasPrefix(l, severity) && strings.Contains(l, text)
				}
				if !found {
					t.Errorf("no finding %q in:\n%s", want, all)
				}
			}
			if tt.not != "" && strings.Contains(all, tt.not) {
				t.Errorf("a finding has %q:\n%s", tt.not, all)
			}
		})
	}
}

func TestDiagnoseDoesNotChangeEntries(t *testing.T) {
	entries := []Entry{dhcpEntry(0, "discover", "offered"), fileEntry(1, "x", "device", "refused", "no proof")}
	before := append([]Entry(nil), entries...)
	Diagnose(entries, recorded())
	for i := range entries {
		if entries[i] != before[i] {
			t.Errorf("entry %d was changed: %+v", i, entries[i])
		}
	}
}
