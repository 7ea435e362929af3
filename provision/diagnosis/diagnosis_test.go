package diagnosis

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

var (
	noon  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	phone = dhcp.MAC{0x00, 0x15, 0x65, 0x12, 0x34, 0x56}
	addr  = netip.MustParseAddr("10.20.1.7")
	away  = netip.MustParseAddr("192.0.2.9")
)

const (
	config     = "001565123456.cfg"
	ackOptions = "1 3 6 51 54 66=http://10.20.0.2/"
)

func after(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func dhcpEntry(minutes int, event, verdict, reason string) timeline.Entry {
	return timeline.Entry{Time: after(minutes), MAC: phone, Source: "dhcp", Event: event, Verdict: verdict, Reason: reason, Addr: addr, Vendor: "yealink", Options: ackOptions}
}

func fileEntry(minutes int, name, kind, verdict, reason string) timeline.Entry {
	return timeline.Entry{Time: after(minutes), MAC: phone, Source: "http", Event: "get", Verdict: verdict, Addr: addr, File: "/" + name, Kind: kind, Reason: reason}
}

// with returns an entry that was changed.
func with(e timeline.Entry, change func(*timeline.Entry)) timeline.Entry {
	change(&e)
	return e
}

func boot(more ...timeline.Entry) []timeline.Entry {
	return append([]timeline.Entry{dhcpEntry(0, "discover", "offered", "a free address"), dhcpEntry(0, "request", "acked", "it accepted the offer")}, more...)
}

// leased is the lease of a phone that started at noon.
func leased() dhcp.Lease {
	return dhcp.Lease{Addr: addr, MAC: phone, State: dhcp.LeaseActive, FirstSeen: noon, Starts: noon, Expires: noon.Add(24 * time.Hour)}
}

// recorded is a phone with a record and a lease, an hour after it started.
func recorded() Facts {
	return Facts{
		Now: after(60), MAC: phone, Recorded: true, Enabled: true, Vendor: "yealink", Model: "T46U", State: "in_sync", Leases: []dhcp.Lease{leased()},
		Phones: func(a netip.Addr) string {
			if netip.MustParsePrefix("10.20.0.0/22").Contains(a) {
				return dhcp.PhonesProvision
			}
			return ""
		},
		Claims: func(file string) []Claim {
			switch strings.TrimLeft(file, "/") {
			case config:
				return []Claim{{Vendor: "polycom"}, {Vendor: "yealink"}}
			case "y000000000096.cfg":
				return []Claim{{Vendor: "yealink", Models: []string{"T54W"}}}
			case "snomD785.htm":
				return []Claim{{Vendor: "snom", Models: []string{"D785"}}}
			}
			return nil
		},
		Holder: func(a netip.Addr) (mac dhcp.MAC) {
			if a == addr {
				return phone
			}
			return mac
		},
	}
}

var update = flag.Bool("update", false, "rewrite testdata")

// diagnosisCase is a timeline. Everything that must be concluded from it is in testdata under its name.
type diagnosisCase struct {
	name    string
	entries []timeline.Entry
	facts   func(*Facts) // nil: those of recorded
}

func unleased(f *Facts)           { f.Leases = nil }
func state(s string) func(*Facts) { return func(f *Facts) { f.State = s } }
func neverFetched(f *Facts)       { f.State = "never_fetched" }
func both(f ...func(*Facts)) func(*Facts) {
	return func(x *Facts) {
		for _, one := range f {
			one(x)
		}
	}
}

var served = fileEntry(1, config, "device", "served", "")

// diagnoses compares the whole diagnosis of each case with testdata/NAME.txt.
func diagnoses(t *testing.T, name string, cases []diagnosisCase) {
	t.Helper()
	var got strings.Builder
	for _, tt := range cases {
		f := recorded()
		if tt.facts != nil {
			tt.facts(&f)
		}
		fmt.Fprintf(&got, "# %s\n", tt.name)
		for _, x := range Diagnose(tt.entries, f) {
			fmt.Fprintf(&got, "%s: %s\n", x.Severity, x.Text)
			if x.Hint != "" {
				fmt.Fprintf(&got, "    hint: %s\n", x.Hint)
			}
		}
		got.WriteByte('\n')
	}
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("diagnoses (-want +got):\n%s", diff)
	}
}

func TestDiagnoseAddress(t *testing.T) {
	diagnoses(t, "address", []diagnosisCase{
		{"never seen", nil, both(unleased, state("never_seen"))},
		{"in sync", boot(served), nil},
		{"not modified", boot(fileEntry(1, config, "device", "not_modified", "")), nil},
		{"stale", boot(served), state("stale")},
		{"offer not taken", []timeline.Entry{dhcpEntry(0, "discover", "offered", "a free address")}, both(unleased, neverFetched)},
		{"offer not yet taken", []timeline.Entry{dhcpEntry(0, "discover", "offered", "a free address")}, both(unleased, neverFetched, func(f *Facts) { f.Now = noon.Add(time.Second) })},
		{"offer not taken, another server answered", []timeline.Entry{dhcpEntry(0, "discover", "offered", "a free address"),
			with(dhcpEntry(0, "offer", "other_server", "another DHCP server"), func(e *timeline.Entry) { e.Addr = away })}, both(unleased, neverFetched)},
		{"took another server's address, and has a lease here", boot(served, dhcpEntry(30, "request", "other_server", "it accepted the offer of 10.20.0.66")), nil},
		{"no free address", []timeline.Entry{dhcpEntry(0, "discover", "exhausted", "no address is free for it in 10.20.0.0/22")}, both(unleased, neverFetched)},
		{"refused an address", []timeline.Entry{dhcpEntry(0, "request", "nak", "its lease is 10.20.1.8")}, both(unleased, neverFetched)},
		{"declined", boot(dhcpEntry(1, "decline", "declined", "another host uses the address")), both(unleased, neverFetched)},
		{"conflict", []timeline.Entry{dhcpEntry(0, "discover", "conflict", "02:00:00:00:00:09 answers for it")}, both(unleased, neverFetched)},
		{"released", boot(served, dhcpEntry(5, "release", "released", "it gave the address back")), unleased},
		{"released, reserved", boot(served, dhcpEntry(5, "release", "silent", "the address stays reserved for the client")), unleased},
		{"silence", []timeline.Entry{dhcpEntry(0, "request", "silent", "it remembers an address without a known lease, and this server is not authoritative")}, both(unleased, neverFetched)},
		{"unknown relay", []timeline.Entry{dhcpEntry(0, "discover", "ignored", "relay 10.31.0.1 is in no configured subnet")}, both(unleased, neverFetched)},
		{"a copy through a relay is ignored", boot(served, dhcpEntry(5, "request", "acked", "renewed"), dhcpEntry(5, "request", "ignored", "it came in on eth2, which is not the way to subnet 10.20.0.0/22")), nil},
		{"internal error", []timeline.Entry{dhcpEntry(0, "request", "fault", "its lease can't be written")}, both(unleased, neverFetched)},
		{"lease ended", boot(served), func(f *Facts) { f.Leases[0].State, f.Leases[0].Expires = dhcp.LeaseExpired, after(30) }},
		{"lease deleted", boot(served), unleased},
		{"lease of another address", boot(served), func(f *Facts) { f.Leases[0].Addr = netip.MustParseAddr("10.20.1.8") }},
		{"no DHCP here", []timeline.Entry{with(served, func(e *timeline.Entry) { e.Addr = away })}, unleased},
		{"informed", []timeline.Entry{dhcpEntry(0, "inform", "informed", "sent the requested options"), served}, unleased},
		{"fetched from another network", boot(with(served, func(e *timeline.Entry) { e.Addr = away })), nil},
		{"no vendor", boot(), func(f *Facts) { f.Vendor, f.Model, f.State = "", "", "never_fetched" }},
		{"timeline lost", nil, func(f *Facts) { f.Fetched = fleet.Fetch{File: config, Kind: "device", Time: after(1), From: addr} }},
	})
}

func TestDiagnosesOfAnotherVendorThanRecorded(t *testing.T) {
	yealink := func(e *timeline.Entry) { e.Recognised = "yealink" }
	polycom := func(f *Facts) { f.Vendor, f.Model = "polycom", "VVX450" }
	twin := func(minute int, firmware string) timeline.Entry {
		return with(fileEntry(minute, config, "device", "served", ""), func(e *timeline.Entry) { e.Firmware = firmware })
	}
	from := func(minute int, a netip.Addr, verdict string) timeline.Entry {
		return with(fileEntry(minute, config, "device", verdict, "no proof: 192.0.2.9 is not leased by us"), func(e *timeline.Entry) { e.Addr = a })
	}
	diagnoses(t, "vendor", []diagnosisCase{
		{"recorded as another vendor", []timeline.Entry{with(dhcpEntry(0, "discover", "offered", ""), yealink), with(dhcpEntry(0, "request", "acked", ""), yealink), served}, polycom},
		{"another vendor's user agent", boot(with(served, yealink)), polycom},
		{"corrected since", []timeline.Entry{with(dhcpEntry(0, "discover", "offered", ""), yealink), with(dhcpEntry(0, "request", "acked", ""), yealink), served}, nil},
		{"replaced since", append([]timeline.Entry{with(dhcpEntry(-9, "request", "acked", ""), func(e *timeline.Entry) { e.Recognised = "snom" })}, boot(served)...), nil},
		{"file of another vendor", boot(served, fileEntry(2, "snomD785.htm", "", "not_found", "it is a file of snom")), nil},
		{"file of another model", boot(fileEntry(1, "y000000000096.cfg", "common", "served", ""), served), nil},
		{"two phones, by firmware", boot(twin(1, "108.86.0.90"), twin(2, "96.86.0.70"), twin(3, "108.86.0.90"), twin(4, "96.86.0.70")), nil},
		{"an update taken back", boot(twin(1, "108.86.0.90"), twin(2, "108.87.0.1"), twin(3, "108.86.0.90")), nil},
		{"two phones, by address", boot(from(1, addr, "served"), from(2, away, "refused"), from(3, addr, "served"), from(4, away, "refused")), nil},
		{"two phones long ago", boot(from(1, addr, "served"), from(2, away, "refused"), from(3, addr, "served"), from(4, away, "refused"), from(5, addr, "served")),
			func(f *Facts) { f.Now, f.Leases[0].Expires = after(3*24*60), after(9*24*60) }},
		{"no record", boot(), func(f *Facts) { f.Recorded, f.Vendor, f.Model, f.State = false, "", "", "" }},
		{"disabled", boot(served), func(f *Facts) { f.Enabled, f.State = false, "disabled" }},
		{"no pack", boot(fileEntry(1, config, "", "fault", `internal error: there is no vendor pack "acme"`)), func(f *Facts) { f.Vendor, f.Model, f.NoPack, f.State = "acme", "A4", true, "never_fetched" }},
	})
}

func TestDiagnoseFiles(t *testing.T) {
	refused := func(reason string) []timeline.Entry { return boot(fileEntry(1, config, "device", "refused", reason)) }
	handshake := func(minute int, verdict string) timeline.Entry {
		return timeline.Entry{Time: after(minute), MAC: phone, Source: "https", Event: "handshake", Verdict: verdict, Addr: addr, Reason: "REASON"}
	}
	options := func(text string) []timeline.Entry {
		return []timeline.Entry{with(dhcpEntry(0, "request", "acked", ""), func(e *timeline.Entry) { e.Options = text })}
	}
	off := func(transports ...string) func(*Facts) {
		return func(f *Facts) { f.Off, f.State = transports, "never_fetched" }
	}
	diagnoses(t, "files", []diagnosisCase{
		{"never fetched", boot(), neverFetched},
		{"not fetched yet", boot(), both(neverFetched, func(f *Facts) { f.Now = after(1) })},
		{"not recognised", []timeline.Entry{with(dhcpEntry(0, "request", "acked", ""), func(e *timeline.Entry) { e.Vendor, e.Options = "", "1 3 6" })}, neverFetched},
		{"no option", options("1 3 6"), neverFetched},
		{"https is off", options("1 3 43=http://x/ 66=https://10.20.0.2/"), off("https", "http")},
		{"tftp is off", options("1 3 150=10.20.0.2 66=10.20.0.2"), off("tftp")},
		{"one of two is off", options("150=10.20.0.2 160=http://10.20.0.2/"), off("tftp")},
		{"server in a binary option", options("43=0x0104"), off("tftp", "https")},
		{"server by PnP", []timeline.Entry{{Time: noon, MAC: phone, Source: "sip", Event: "pnp", Verdict: "answered", Reason: "given the URL http://10.20.0.2/", Addr: addr}}, both(unleased, neverFetched)},
		{"an ordinary network", options("1 3 6"), both(neverFetched, func(f *Facts) { f.Phones = func(netip.Addr) string { return dhcp.PhonesNone } })},
		{"to be moved", options("1 3 6"), both(neverFetched, func(f *Facts) { f.Phones = func(netip.Addr) string { return dhcp.PhonesMove } })},
		{"asked for its credentials", refused("the phone used its own credentials last at 2026-11-21T12:00:00Z and is asked for them"), neverFetched},
		{"without its credentials, beyond the budget", refused("no proof: but the phone used its own credentials last; plugtone device enroll 00:15:65:12:34:56 serves it now"), neverFetched},
		{"two leases", refused("no proof: 10.20.1.7 is leased to 00:15:65:12:34:56, but so is 10.30.0.7: neither is proof until"), neverFetched},
		{"too many new phones", refused("no proof: 10.20.1.7 is leased to 00:15:65:12:34:56, but more new phones came than provisioning.new_phones allows"), neverFetched},
		{"refused, then served", append(refused("no proof"), fileEntry(2, config, "device", "served", "")), nil},
		{"served, then refused over another protocol", boot(served, with(fileEntry(2, config, "device", "refused", "no proof"), func(e *timeline.Entry) { e.Source = "tftp" })), nil},
		{"refused where it never had a lease", []timeline.Entry{fileEntry(1, config, "device", "refused", "no proof: 10.20.1.7 is not leased by us (10.20.0.0/22)")}, both(unleased, neverFetched)},
		{"another host was refused", boot(served, with(fileEntry(2, config, "device", "refused", "10.20.1.9 is leased to 00:15:65:00:00:09, but the file is 00:15:65:12:34:56's"),
			func(e *timeline.Entry) { e.Addr = netip.MustParseAddr("10.20.1.9") })), nil},
		{"fault", boot(fileEntry(1, config, "device", "fault", "internal error: template")), neverFetched},
		{"aborted", boot(fileEntry(1, config, "device", "aborted", "the client closed the connection")), neverFetched},
		{"only a common file", boot(fileEntry(1, "y000000000108.cfg", "common", "served", "")), neverFetched},
		{"only an unknown file", boot(fileEntry(1, "phone.xml", "static", "not_found", "no vendor pack has phone.xml")), neverFetched},
		{"an unknown file after its own", boot(served, fileEntry(2, "phone.xml", "static", "not_found", "no vendor pack has phone.xml")), nil},
		{"an unknown file before its own", boot(fileEntry(0, "phone.xml", "static", "not_found", "no vendor pack has phone.xml"), served), nil},
		{"handshake failed", boot(handshake(1, "unknown_authority")), neverFetched},
		{"handshake failed: the certificate has ended", boot(handshake(1, "certificate_ended")), neverFetched},
		{"handshake failed: without a reason", boot(handshake(1, "closed")), neverFetched},
		{"handshake failed, then served over http", boot(handshake(0, "clock"), served), nil},
		{"served, then handshake failed", boot(served, handshake(2, "cipher")), nil},
		{"an upload refused", boot(served, with(fileEntry(2, "001565123456.log", "upload", "rejected", "too large"), func(e *timeline.Entry) { e.Event = "put" })), nil},
	})
}
