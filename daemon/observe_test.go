package daemon

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/admin/feed"
	"plugtone/dhcp"
	"plugtone/dhcp/server"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
)

var update = flag.Bool("update", false, "rewrite goldens")

// kept is an eventStore that remembers.
type kept struct {
	entries []timeline.Entry
	seen    []fleet.Discovered
	fetches []fleet.Fetch
}

func (k *kept) AppendTimeline(e []timeline.Entry) { k.entries = append(k.entries, e...) }
func (k *kept) SeePhone(d fleet.Discovered)       { k.seen = append(k.seen, d) }
func (k *kept) RecordFetch(f fleet.Fetch)         { k.fetches = append(k.fetches, f) }

var (
	phoneMAC = dhcp.MAC{0x00, 0x15, 0x65, 0x12, 0x34, 0x56}
	otherMAC = dhcp.MAC{0x02, 0, 0, 0, 0, 1}
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	leased   = netip.MustParseAddr("10.20.1.7")
)

type bench struct {
	*observer
	kept *kept
	log  *logBuffer
	site *fleet.Site
	time time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	m, err := newMetrics("test")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{kept: &kept{}, log: &logBuffer{}, site: &fleet.Site{UnknownPhones: fleet.UnknownList}, time: noon}
	now := func() time.Time { return b.time }
	b.observer = &observer{
		keep: b.kept, unrecognized: newUnrecognized(), feed: &feed.Feed{}, metrics: m, now: now,
		log:      &dedupLogger{log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), now: now},
		recorded: func(m dhcp.MAC) bool { return m == phoneMAC }, site: func() *fleet.Site { return b.site },
	}
	return b
}

func TestDecisionOfAPhoneIsKept(t *testing.T) {
	b := newBench(t)
	b.decided(&dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeRequest, Interface: "voice0", Addr: leased, Verdict: dhcp.VerdictAcked,
		Reason: "renewed", Vendor: "yealink", Model: "T46U", Phone: true, Recorded: true}, time.Millisecond)
	want := []timeline.Entry{{Time: noon, MAC: phoneMAC, Source: "dhcp", Event: "request", Verdict: "acked", Reason: "renewed", Addr: leased,
		Interface: "voice0", Vendor: "yealink", Model: "T46U", Duration: time.Millisecond}}
	if diff := cmp.Diff(want, b.kept.entries, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if len(b.kept.seen) != 0 {
		t.Errorf("a recorded phone was discovered: %+v", b.kept.seen)
	}
	for _, part := range []string{`msg="dhcp request"`, "mac=00:15:65:12:34:56", "addr=10.20.1.7", "vendor=yealink", "verdict=acked", "dur=1ms", "iface=voice0"} {
		if !strings.Contains(b.log.String(), part) {
			t.Errorf("log lacks %s: %s", part, b.log)
		}
	}
	if n := testutil.ToFloat64(b.metrics.messages.WithLabelValues("request")); n != 1 {
		t.Errorf("counted %v requests", n)
	}
	if n := testutil.ToFloat64(b.metrics.verdicts.WithLabelValues("acked")); n != 1 {
		t.Errorf("counted %v acked", n)
	}
}

func TestStrangersAreOnlyRemembered(t *testing.T) {
	b := newBench(t)
	b.decided(&dhcp.Event{Time: noon, MAC: otherMAC, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictOffered}, 0)
	b.decided(&dhcp.Event{Time: noon, Type: 77, Verdict: dhcp.VerdictMalformed}, 0) // no MAC, a type that nobody knows
	b.answered(provision.Request{Time: noon, Transport: fleet.HTTP, Method: "GET", Name: "favicon.ico", From: leased},
		provision.Answer{Outcome: provision.NotFound, MAC: otherMAC}, 0, 0, nil)
	if len(b.kept.entries)+len(b.kept.seen)+len(b.kept.fetches) != 0 {
		t.Errorf("kept %+v", b.kept)
	}
	if got := b.unrecognized.of(otherMAC); len(got) != 2 || got[0].Event != "discover" || got[1].File != "favicon.ico" {
		t.Errorf("remembered %+v, want discover and get", got)
	}
	if n := testutil.ToFloat64(b.metrics.messages.WithLabelValues("other")); n != 1 {
		t.Errorf("counted %v others", n)
	}
}

func TestPhonesWithoutRecordAreDiscovered(t *testing.T) {
	b := newBench(t)
	subnet := netip.MustParsePrefix("10.20.0.0/22")
	b.site.Subnets = []fleet.Subnet{{Prefix: subnet}}
	ev := &dhcp.Event{Time: noon, MAC: otherMAC, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictOffered, Vendor: "snom", Addr: leased, Subnet: subnet,
		Client: dhcp.Client{Hostname: "snom\x1b[2J", CircuitID: "port 7"}}
	b.decided(ev, 0)
	ask := provision.Request{Time: noon, Transport: fleet.TFTP, Method: "GET", From: leased}
	b.answered(ask, provision.Answer{Outcome: provision.NotFound, MAC: otherMAC, Vendor: "snom", Firmware: "10.1", Proof: trust.ProofLease}, 0, 0, nil)
	// Somebody else's MAC in a name is no phone seen.
	b.answered(ask, provision.Answer{Outcome: provision.Refused, MAC: dhcp.MAC{0, 4, 0x13, 9, 9, 9}, Vendor: "snom"}, 0, 0, nil)
	if len(b.kept.seen) != 2 || b.kept.seen[0].Hostname != "snom?[2J" || b.kept.seen[0].CircuitID != "port 7" || b.kept.seen[1].Firmware != "10.1" || b.kept.seen[1].Subnet != subnet {
		t.Errorf("got %+v", b.kept.seen)
	}
	b.site.UnknownPhones = fleet.UnknownIgnore
	if b.decided(ev, 0); len(b.kept.seen) != 2 {
		t.Error("unknown_phones: ignore lists it all the same")
	}
}

func TestFetchesThatArrivedWholeAreRemembered(t *testing.T) {
	b := newBench(t)
	get := provision.Request{Time: noon, Transport: fleet.HTTP, Method: "GET", Name: "/001565123456.cfg", From: leased, UserAgent: "Yealink"}
	full := provision.Answer{Outcome: provision.Served, MAC: phoneMAC, Name: "001565123456.cfg", Kind: "device", Digest: "ab", Size: 10, Vendor: "yealink"}
	head, refused := get, full
	head.Method, refused.Outcome = "HEAD", provision.Refused
	b.answered(get, full, 4, time.Second, errors.New("connection reset"))
	b.answered(head, full, 0, 0, nil)
	b.answered(get, refused, 0, 0, nil)
	if len(b.kept.fetches) != 0 {
		t.Fatalf("remembered %+v", b.kept.fetches)
	}
	b.answered(get, full, 10, time.Second, nil)
	want := []fleet.Fetch{{MAC: phoneMAC, File: "001565123456.cfg", Kind: "device", Digest: "ab", Size: 10, Time: noon, From: leased,
		Transport: fleet.HTTP, UserAgent: "Yealink", Vendor: "yealink"}}
	if diff := cmp.Diff(want, b.kept.fetches, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if e := b.kept.entries[0]; e.Reason != "connection reset" || e.Bytes != 4 {
		t.Errorf("the broken transfer is told as %+v", e)
	}
	if n := testutil.ToFloat64(b.metrics.files.WithLabelValues("http", "served")); n != 3 {
		t.Errorf("counted %v served", n)
	}
	if n := testutil.ToFloat64(b.metrics.fileBytes.WithLabelValues("http")); n != 14 {
		t.Errorf("counted %v bytes", n)
	}
}

// C42: a full pool is said once a minute, however many clients it leaves without an address, and each is counted.
func TestFullPoolIsSaidOnceAMinute(t *testing.T) {
	b := newBench(t)
	ev := dhcp.Event{Time: noon, Type: dhcp.MessageTypeDiscover, Interface: "voice0", Subnet: netip.MustParsePrefix("10.20.0.0/22"),
		Verdict: dhcp.VerdictExhausted, Reason: "no address is free for it"}
	for i := range 300 {
		one := ev
		one.MAC = dhcp.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}
		b.decided(&one, 0)
	}
	if n := strings.Count(b.log.String(), "no address is free"); n != 1 || !strings.Contains(b.log.String(), "level=WARN") {
		t.Errorf("said %d times in a minute: %s", n, b.log)
	}
	other := ev
	other.MAC, other.Subnet = otherMAC, netip.MustParsePrefix("10.30.0.0/24")
	b.decided(&other, 0)
	if n := strings.Count(b.log.String(), "no address is free"); n != 2 {
		t.Errorf("another subnet's full pool is left out: %s", b.log)
	}
	if n := testutil.ToFloat64(b.metrics.verdicts.WithLabelValues("exhausted")); n != 301 {
		t.Errorf("counted %v, want each", n)
	}
}

// The port that a relay or switch tells is in the timeline, readable whatever it is made of.
func TestPortIsInTheTimeline(t *testing.T) {
	b := newBench(t)
	for _, c := range []dhcp.Client{{CircuitID: "eth1"}, {CircuitID: "\x00\x04\x00\x14\x01\x07", RemoteID: "sw-2 floor 3"}, {}} {
		b.decided(&dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeRequest, Verdict: dhcp.VerdictAcked, Reason: "renewed", Recorded: true, Client: c}, 0)
	}
	var got []string
	for _, e := range b.kept.entries {
		got = append(got, e.Reason)
	}
	want := []string{"renewed; on circuit eth1", "renewed; on circuit 0x000400140107 remote sw-2 floor 3", "renewed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Another server is in the log, the metric, the warnings, its own timeline and that of the phone it answered.
func TestAnotherServerIsTold(t *testing.T) {
	b := newBench(t)
	rogue, at := dhcp.MAC{2, 0x66, 0, 0, 0, 1}, netip.MustParseAddr("10.20.0.66")
	b.otherServer(server.Offer{Interface: "voice0", Server: at, MAC: rogue, Type: dhcp.MessageTypeOffer, Addr: leased, Client: phoneMAC})
	if got := b.unrecognized.of(rogue); len(got) != 1 || got[0].Verdict != "other_server" || got[0].Addr != at || got[0].Event != "offer" {
		t.Errorf("its own timeline has %+v", got)
	}
	if len(b.kept.entries) != 1 || b.kept.entries[0].MAC != phoneMAC || !strings.Contains(b.kept.entries[0].Reason, "10.20.0.66, gave 10.20.1.7") {
		t.Errorf("the phone's timeline has %+v", b.kept.entries)
	}
	// A client that takes its offer names its address; what is known of its MAC stays where ARP doesn't tell it.
	b.otherServer(server.Offer{Interface: "voice0", Server: at, Type: dhcp.MessageTypeRequest, Addr: leased, Client: otherMAC})
	if f := b.lastOtherServer.Load(); f == nil || f.Server != at || f.MAC != rogue {
		t.Errorf("the warning is about %+v", f)
	}
	if n := testutil.ToFloat64(b.metrics.otherServers); n != 2 {
		t.Errorf("counted %v, want 2", n)
	}
	b.otherServer(server.Offer{Interface: "voice0", Server: at, MAC: rogue, Type: dhcp.MessageTypeRequest, Addr: leased, Client: otherMAC})
	if got := b.unrecognized.of(rogue); len(got) != 2 || got[1].Event != "request" || !strings.Contains(got[1].Reason, otherMAC.String()+", took an offer") {
		t.Errorf("its own timeline has %+v", got)
	}
	for _, part := range []string{"another dhcp server answers", "mac=02:66:00:00:00:01", "another dhcp server is taken", "addr=10.20.0.66"} {
		if !strings.Contains(b.log.String(), part) {
			t.Errorf("log lacks %s: %s", part, b.log)
		}
	}
}

// C24: options that found no room are named in the log and in the timeline.
func TestOptionsLeftOutAreSaid(t *testing.T) {
	b := newBench(t)
	ev := dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeDiscover, Interface: "voice0", Verdict: dhcp.VerdictOffered, Reason: "a free address; no room for the options [43 15]",
		Recorded: true, Reply: &dhcp.Reply{MaxSize: 576}, Dropped: []uint8{43, 15}}
	b.decided(&ev, 0)
	if !strings.Contains(b.log.String(), "level=WARN") || !strings.Contains(b.log.String(), `options="[43 15]"`) || !strings.Contains(b.log.String(), phoneMAC.String()) {
		t.Errorf("log: %s", b.log)
	}
	if len(b.kept.entries) != 1 || !strings.Contains(b.kept.entries[0].Reason, "no room for the options [43 15]") {
		t.Errorf("timeline: %+v", b.kept.entries)
	}
}

// A probe and its result are no messages: each DISCOVER counts once, each verdict too.
func TestConflictIsToldAndCounted(t *testing.T) {
	b := newBench(t)
	ev := dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeDiscover, Interface: "voice0", Addr: leased, Recorded: true, Reason: "because"}
	for _, v := range []dhcp.Verdict{dhcp.VerdictProbing, dhcp.VerdictConflict, dhcp.VerdictProbing, dhcp.VerdictOffered} {
		one := ev
		one.Verdict = v
		b.decided(&one, 0)
	}
	if n := testutil.ToFloat64(b.metrics.messages.WithLabelValues("discover")); n != 1 {
		t.Errorf("%v DISCOVERs counted", n)
	}
	if n := testutil.ToFloat64(b.metrics.verdicts.WithLabelValues("conflict")); n != 1 {
		t.Errorf("%v conflicts counted", n)
	}
	if !strings.Contains(b.log.String(), "verdict=conflict") || !strings.Contains(b.log.String(), "level=WARN") {
		t.Errorf("log: %s", b.log)
	}
}

func TestRepeatsAreLoggedOnceAMinute(t *testing.T) {
	b := newBench(t)
	say := func() { b.otherServer(server.Offer{Server: leased, Interface: "voice0"}) }
	for range 5 {
		say()
	}
	if n := strings.Count(b.log.String(), "another dhcp server"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	b.time = noon.Add(repeatWindow)
	say()
	if !strings.Contains(b.log.String(), "repeat=4") {
		t.Errorf("those left out are not counted: %s", b.log)
	}
	if n := testutil.ToFloat64(b.metrics.otherServers); n != 6 {
		t.Errorf("counted %v, want each", n)
	}
	for i := range 3 * repeatKeys {
		b.log2(i)
	}
	if n := len(b.observer.log.r.seen); n > repeatKeys {
		t.Errorf("remembers %d lines, want at most %d", n, repeatKeys)
	}
}

func (b *bench) log2(i int) {
	b.observer.log.write(slog.LevelDebug, "x", fmt.Sprint(i), "")
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	b := newBench(t)
	b.answered(provision.Request{Transport: fleet.HTTP, Method: "GET", Name: "a\nlevel=ERROR msg=forged", From: leased},
		provision.Answer{Outcome: provision.Served, MAC: phoneMAC, Name: "a", Body: []byte("pa55w0rd")}, 8, 0, nil)
	if text := b.log.String(); strings.Contains(text, "pa55w0rd") || strings.Count(text, "\n") != 1 {
		t.Errorf("log is %q", text)
	}
}

// TestMetricNames holds names and labels, which dashboards and alerts are built on.
func TestMetricNames(t *testing.T) {
	r := start(t, strings.Replace(testConfig, "{mode: off}", "{mode: off, subnets: [{subnet: 10.20.0.0/22, pools: [10.20.1.0-10.20.1.9]}]}", 1))
	if err := r.store.Edit("test", "add a device", func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: phoneMAC, Vendor: "yealink", Enabled: true})
	}); err != nil {
		t.Fatal(err)
	}
	families, err := r.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "plugtone_") {
			continue
		}
		labels := map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		var names []string
		for l := range labels {
			names = append(names, l)
		}
		slices.Sort(names)
		lines = append(lines, fmt.Sprintf("%s{%s} %s\n", f.GetName(), strings.Join(names, ","), strings.ToLower(f.GetType().String())))
		if problems, err := testutil.GatherAndLint(r.metrics.registry, f.GetName()); err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", f.GetName(), problems, err)
		}
	}
	got := strings.Join(lines, "")
	if *update {
		if err := os.WriteFile("testdata/metrics.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("metrics changed (-want +got): %s", diff)
	}
}
