package diagnosis

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// randomHistory returns a timeline and facts of any kind, most of which contradict each other.
func randomHistory(r *rand.Rand) ([]timeline.Entry, Facts) {
	addrs := []netip.Addr{addr, addr, addr, addr, away, netip.MustParseAddr("10.20.1.8")}
	f := recorded()
	f.Recorded, f.Enabled, f.NoPack = r.IntN(12) > 0, r.IntN(12) > 0, r.IntN(20) == 0
	f.State = pick(r, "in_sync", "in_sync", "in_sync", "stale", "refused", "never_fetched", "")
	if f.Leases[0].Addr = pick(r, addrs...); r.IntN(3) == 0 {
		f.Leases[0].State = pick(r, dhcp.LeaseExpired, dhcp.LeaseReleased, dhcp.LeaseDeclined)
	}
	if r.IntN(6) == 0 {
		f.Leases = nil
	}
	if r.IntN(4) == 0 {
		f.Fetched = fleet.Fetch{File: config, Kind: "device", Time: after(r.IntN(40)), From: pick(r, addrs...)}
	}
	if r.IntN(20) == 0 {
		f.Vendor, f.Model = pick(r, "", "polycom"), ""
	}
	var entries []timeline.Entry
	for minute := range r.IntN(12) {
		var e timeline.Entry
		switch r.IntN(5) {
		case 0, 1:
			event := pick(r, "discover", "request", "request", "request", "inform", "release", "decline", "offer")
			verdict := pick(r, "acked", "acked", "acked", "acked", "offered", "nak", "probing", "released", "declined", "silent", "other_server", "exhausted", "ignored", "fault", "conflict", "informed")
			e = dhcpEntry(minute, event, verdict, "REASON")
		default:
			e = fileEntry(minute, pick(r, config, config, config, "phone.xml", "y000000000096.cfg", "snomD785.htm"), pick(r, "device", "device", "device", "common", "static", ""),
				pick(r, "served", "served", "served", "not_modified", "refused", "fault", "not_found", "expected", "aborted"), "REASON")
			if e.Source = pick(r, "http", "tftp", "https"); r.IntN(8) == 0 {
				e.Event, e.Verdict, e.Kind, e.File = "handshake", "clock", "", ""
			}
			e.Firmware = pick(r, "", "1.0", "1.0", "2.0")
		}
		e.Addr = pick(r, addrs...)
		if r.IntN(15) == 0 {
			e.Recognised = pick(r, "yealink", "snom")
		}
		entries = append(entries, e)
	}
	return entries, f
}

// contradiction returns what in a timeline and facts contradicts that all is well; "" when nothing does. It is written from the rule, not
// from the code: the last decision of each protocol, and file, vendor and address.
func contradiction(entries []timeline.Entry, f Facts) string {
	switch {
	case !f.Recorded && len(entries) > 0:
		return "it has no record"
	case f.Recorded && f.Vendor != "" && (!f.Enabled || f.NoPack):
		return "it is disabled or has no pack"
	}
	var decision timeline.Entry // the last about its address
	last := map[string]timeline.Entry{}
	fetchedAt, fetchedFrom := f.Fetched.Time, f.Fetched.From
	lease := func(a netip.Addr) bool {
		return len(f.Leases) > 0 && f.Leases[0].State == dhcp.LeaseActive && f.Leases[0].Expires.After(f.Now) && (!a.IsValid() || f.Leases[0].Addr == a)
	}
	for _, e := range entries {
		switch {
		case e.Source == "dhcp" && e.Event == "offer": // a message of another server
		case e.Source == "dhcp":
			decision = e
		case e.Verdict == "refused" && lease(netip.Addr{}) && !lease(e.Addr): // another host's
		case e.Kind == "device" || e.Event == "handshake" || e.Verdict == "refused" || e.Verdict == "fault":
			if last[e.Source] = e; e.Kind == "device" && (e.Verdict == "served" || e.Verdict == "not_modified") {
				fetchedAt, fetchedFrom = e.Time, e.Addr
			}
		}
	}
	switch {
	case decision.Verdict == "acked" && !lease(decision.Addr):
		return "its lease is not of the address that it was given"
	case decision.Verdict != "" && decision.Verdict != "acked" && decision.Verdict != "informed":
		return "the last DHCP decision gave it no address"
	case f.Recorded && f.Vendor == "":
		return "" // nothing but the address counts
	case f.State != "in_sync" || fetchedAt.IsZero():
		return "its file is not what it would get"
	case decision.Verdict != "" && fetchedFrom != decision.Addr:
		return "its file went to another address"
	case decision.Verdict == "" && lease(netip.Addr{}) && !lease(fetchedFrom):
		return "its file did not go to the address of its lease"
	}
	for _, e := range last {
		if e.Verdict != "served" && e.Verdict != "not_modified" && e.Verdict != "expected" && e.Time.After(fetchedAt) {
			return "a protocol failed last: " + e.Source + " " + e.Verdict
		}
	}
	started := 0
	for i, e := range entries {
		if e.Source == "dhcp" && e.Event == "discover" {
			started = i
		}
	}
	for _, e := range entries[started:] {
		if e.Recognised != "" && e.Recognised != f.Vendor {
			return "it is recognised as " + e.Recognised
		}
	}
	return ""
}

// A finding is OK only when nothing contradicts it and no finding is a problem; and every diagnosis has a finding.
func TestOKNeverAccompaniesAContradiction(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 2))
	okCount := 0
	for range 60_000 {
		entries, f := randomHistory(r)
		found := Diagnose(entries, f)
		var ok, bad []string
		for _, x := range found {
			switch {
			case x.Text == "" || strings.Contains(x.Text, "%!"):
				t.Fatalf("a finding without text: %+v", x)
			case x.Severity == OK:
				ok = append(ok, x.Text)
			case x.Severity == Problem:
				bad = append(bad, x.Text)
			}
		}
		why := contradiction(entries, f)
		if len(ok) > 0 && (why != "" || len(bad) > 0) {
			t.Fatalf("ok: %q\nproblems: %q\ncontradiction: %s\nentries:\n%s\nfacts: %+v", ok, bad, why, entriesText(entries), f)
		}
		if len(ok) > 0 {
			okCount++
		}
		if len(found) == 0 && len(entries) > 0 && f.Recorded {
			t.Fatalf("nothing is concluded from\n%s\nfacts: %+v", entriesText(entries), f)
		}
	}
	if okCount < 100 {
		t.Errorf("only %d of the histories are ok: the generator makes too few", okCount)
	}
}

func entriesText(entries []timeline.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.Time.Format(time.TimeOnly) + " " + e.Source + " " + e.Event + " " + e.Verdict + " " + e.Addr.String() + " " + e.Kind + " " + e.File + " " + e.Recognised + "\n")
	}
	return b.String()
}

func TestDiagnoseChangesNoEntry(t *testing.T) {
	entries := boot(fileEntry(1, "x", "device", "refused", "no proof"))
	before := append([]timeline.Entry(nil), entries...)
	Diagnose(entries, recorded())
	for i := range entries {
		if entries[i] != before[i] {
			t.Errorf("entry %d was changed: %+v", i, entries[i])
		}
	}
}
