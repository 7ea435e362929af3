package observe

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/dhcp"
	"plugtone/dhcp/server"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

func TestRepeatsAreLoggedOnceAMinute(t *testing.T) {
	b := newFixture(t)
	offer := func() { b.OtherServer(server.Offer{Server: leased, Interface: "voice0"}) }
	for range 5 {
		offer()
	}
	if n := strings.Count(b.log.String(), "another dhcp server"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	b.time = noon.Add(repeatWindow)
	offer()
	if !strings.Contains(b.log.String(), "repeat=4") {
		t.Errorf("those left out are not counted: %s", b.log)
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.otherServers); n != 6 {
		t.Errorf("counted %v, want each", n)
	}
	for i := range 3 * maxRepeats {
		b.Observer.log.write(line{level: slog.LevelDebug, message: "x", subject: fmt.Sprint(i), known: true})
	}
	if n := len(b.Observer.log.repeats); n > maxRepeats {
		t.Errorf("remembers %d lines, want at most %d", n, maxRepeats)
	}
}

// unrecordedPhones sends DISCOVERs of n MACs without a record that claim to be a vendor's phones, each with options that do not fit.
func unrecordedPhones(b *fixture, n int) {
	for i := range n {
		mac := dhcp.MAC{0, 0x15, 0x65, 0x99, byte(i >> 8), byte(i)}
		b.Decided(&dhcp.Event{Time: b.time, MAC: mac, Type: dhcp.MessageTypeDiscover, Interface: "voice0", Verdict: dhcp.VerdictOffered, Vendor: "yealink",
			Phone: true, Reason: "a free address", Reply: &dhcp.Reply{MaxSize: 576}, Dropped: []uint8{43, 66}}, 0)
		b.Decided(&dhcp.Event{Time: b.time, MAC: mac, Type: dhcp.MessageTypeRequest, Interface: "voice0", Verdict: dhcp.VerdictAcked, Vendor: "yealink",
			Phone: true, NewLease: true, Reason: "as it was offered"}, 0)
		b.Answered(provision.Request{Time: b.time, Transport: fleet.TFTP, Method: "GET", Name: mac.Hex() + ".cfg", From: netip.AddrFrom4([4]byte{10, 21, byte(i >> 8), byte(i)})},
			provision.Answer{Outcome: provision.Refused, MAC: mac, Vendor: "yealink", Reason: "no proof"}, 0, 0, nil)
	}
}

// The log lines about made-up MACs are bounded, for any number of them; those about phones with a record are still written.
func TestLogLinesOfPhonesWithoutRecordAreBounded(t *testing.T) {
	b := newFixture(t)
	unrecordedPhones(b, 65_000)
	size := b.log.Len()
	if size > 512<<10 {
		t.Errorf("65,000 MACs without a record wrote %d bytes of log, want at most 512 KiB", size)
	}
	b.Decided(&dhcp.Event{Time: b.time, MAC: phoneMAC, Type: dhcp.MessageTypeRequest, Interface: "voice0", Verdict: dhcp.VerdictAcked, Vendor: "yealink",
		Phone: true, NewLease: true, Recorded: true, Reason: "as it was offered"}, 0)
	if !strings.Contains(b.log.String(), phoneMAC.String()) {
		t.Error("a phone with a record is not logged after the flood")
	}
	b.time = noon.Add(repeatWindow)
	b.Flush()
	for _, want := range []string{`kind="dhcp request" lines=64800 recorded=false`, `kind="dhcp options left out" lines=64800`, `kind="tftp file" lines=64800`} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	before := b.log.Len()
	b.Flush()
	if b.log.Len() != before {
		t.Error("the summary is written twice")
	}
	unrecordedPhones(b, 1)
	if b.log.Len() == before {
		t.Error("nothing is logged in the next minute")
	}
}

// A flood of one kind hides no line of another: not of another level, and none about phones with a record.
func TestFloodOfOneKindHidesNoOther(t *testing.T) {
	b := newFixture(t)
	for i := range 3 * maxOther {
		b.Decided(&dhcp.Event{Time: noon, MAC: dhcp.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictOffered}, 0)
	}
	b.Decided(&dhcp.Event{Time: noon, MAC: otherMAC, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictConflict, Addr: leased}, 0)
	if !strings.Contains(b.log.String(), "verdict=conflict") {
		t.Error("a conflict is not logged among many debug lines")
	}
}

// The next line of a kind reports how many were left out in the last window, when it comes before the flush.
func TestNextLineReportsHowManyWereLeftOut(t *testing.T) {
	b := newFixture(t)
	unrecordedPhones(b, maxOther+7)
	b.time = noon.Add(repeatWindow)
	unrecordedPhones(b, 1)
	if !strings.Contains(b.log.String(), `kind="dhcp request" lines=7`) {
		t.Error("the 7 lines left out are not counted")
	}
}

// TestForgedPnPRequestsFloodNoLog: any host can send SUBSCRIBEs in a phone's name.
func TestForgedPnPRequestsFloodNoLog(t *testing.T) {
	b := newFixture(t)
	for range 100 {
		b.Notified(timeline.Entry{Time: noon, MAC: phoneMAC, Source: "sip", Event: "pnp", Verdict: "answered", Reason: "given the URL http://10.20.0.2/", Addr: leased})
	}
	b.Notified(timeline.Entry{Time: noon, MAC: phoneMAC, Source: "sip", Event: "notify", Verdict: "sent", Reason: "SIP NOTIFY (job 1)", Addr: leased})
	b.Notified(timeline.Entry{Time: noon, MAC: phoneMAC, Source: "sip", Event: "notify", Verdict: "sent", Reason: "SIP NOTIFY (job 2)", Addr: leased})
	if pnp, notify := strings.Count(b.log.String(), `msg="sip pnp" mac=`+phoneMAC.String()), strings.Count(b.log.String(), `msg="sip notify"`); pnp != 1 || notify != 2 {
		t.Errorf("%d and %d lines: %s", pnp, notify, b.log)
	}
}
