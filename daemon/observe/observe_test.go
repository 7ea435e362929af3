package observe

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/admin/feed"
	"plugtone/admin/recent"
	"plugtone/dhcp"
	"plugtone/dhcp/server"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
)

// recorder is a Store in memory.
type recorder struct {
	entries []timeline.Entry
	seen    []fleet.Discovered
	fetches []fleet.Fetch
}

func (r *recorder) AppendTimeline(e timeline.Entry) { r.entries = append(r.entries, e) }
func (r *recorder) SeePhone(d fleet.Discovered)     { r.seen = append(r.seen, d) }
func (r *recorder) RecordFetch(f fleet.Fetch)       { r.fetches = append(r.fetches, f) }

func (r *recorder) Timeline(mac dhcp.MAC, _ int) ([]timeline.Entry, error) {
	return slices.DeleteFunc(slices.Clone(r.entries), func(e timeline.Entry) bool { return e.MAC != mac }), nil
}

func (r *recorder) PhoneLog(dhcp.MAC, int) ([]timeline.Entry, error) { return nil, nil }

func (r *recorder) Fetches(dhcp.MAC) ([]fleet.Fetch, error) { return r.fetches, nil }

var (
	phoneMAC = dhcp.MAC{0x00, 0x15, 0x65, 0x12, 0x34, 0x56}
	otherMAC = dhcp.MAC{0x02, 0, 0, 0, 0, 1}
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	leased   = netip.MustParseAddr("10.20.1.7")
)

type fixture struct {
	*Observer
	store *recorder
	log   *bytes.Buffer
	site  *fleet.Site
	time  time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	m, err := NewMetrics("test")
	if err != nil {
		t.Fatal(err)
	}
	b := &fixture{store: &recorder{}, log: &bytes.Buffer{}, site: &fleet.Site{UnknownPhones: fleet.UnknownList}, time: noon}
	now := func() time.Time { return b.time }
	b.Observer = New(Config{
		Store: b.store, Feed: &feed.Feed{}, Recent: &recent.Recent{}, Metrics: m, Now: now,
		Log:      slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Recorded: func(m dhcp.MAC) bool { return m == phoneMAC }, Site: func() *fleet.Site { return b.site },
		LeaseAt: func(a netip.Addr) (dhcp.Lease, bool) {
			return dhcp.Lease{Addr: leased, MAC: phoneMAC, State: dhcp.LeaseActive, Expires: noon.Add(time.Hour), Vendor: "yealink", Phone: true}, a == leased
		},
		Certificate: func() *x509.Certificate {
			return &x509.Certificate{NotBefore: noon.AddDate(0, -1, 0), NotAfter: noon.AddDate(0, 1, 0)}
		},
	})
	return b
}

func TestDecisionOfAPhoneIsStored(t *testing.T) {
	b := newFixture(t)
	b.Decided(&dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeRequest, Interface: "voice0", Addr: leased, Verdict: dhcp.VerdictAcked,
		Reason: "renewed", Vendor: "yealink", Model: "T46U", Phone: true, Recorded: true}, time.Millisecond)
	want := []timeline.Entry{{Time: noon, MAC: phoneMAC, Source: "dhcp", Event: "request", Verdict: "acked", Reason: "renewed", Addr: leased,
		Interface: "voice0", Vendor: "yealink", Model: "T46U", Duration: time.Millisecond}}
	if diff := cmp.Diff(want, b.store.entries, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if len(b.store.seen) != 0 {
		t.Errorf("a recorded phone was discovered: %+v", b.store.seen)
	}
	for _, part := range []string{`msg="dhcp request"`, "mac=00:15:65:12:34:56", "addr=10.20.1.7", "vendor=yealink", "verdict=acked", "dur=1ms", "iface=voice0"} {
		if !strings.Contains(b.log.String(), part) {
			t.Errorf("log lacks %s: %s", part, b.log)
		}
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.messages.WithLabelValues("request")); n != 1 {
		t.Errorf("counted %v requests", n)
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.verdicts.WithLabelValues("acked")); n != 1 {
		t.Errorf("counted %v acked", n)
	}
}

func TestUnrecognisedClientsAreStoredInMemoryOnly(t *testing.T) {
	b := newFixture(t)
	b.Decided(&dhcp.Event{Time: noon, MAC: otherMAC, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictOffered}, 0)
	b.Decided(&dhcp.Event{Time: noon, Type: 77, Verdict: dhcp.VerdictMalformed}, 0) // no MAC, an unknown type
	b.Answered(provision.Request{Time: noon, Transport: fleet.HTTP, Method: "GET", Name: "favicon.ico", From: leased},
		provision.Answer{Outcome: provision.NotFound, MAC: otherMAC}, 0, 0, nil)
	if len(b.store.entries)+len(b.store.seen)+len(b.store.fetches) != 0 {
		t.Errorf("stored %+v", b.store)
	}
	if got := b.Observer.unrecognized.of(otherMAC); len(got) != 2 || got[0].Event != "discover" || got[1].File != "favicon.ico" {
		t.Errorf("remembered %+v, want discover and get", got)
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.messages.WithLabelValues("other")); n != 1 {
		t.Errorf("counted %v others", n)
	}
}

func TestPhonesWithoutRecordAreDiscovered(t *testing.T) {
	b := newFixture(t)
	subnet := netip.MustParsePrefix("10.20.0.0/22")
	b.site.Subnets = []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: subnet}}}
	ev := &dhcp.Event{Time: noon, MAC: otherMAC, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictOffered, Vendor: "snom", Addr: leased, Subnet: subnet,
		Client: dhcp.Client{Hostname: "snom\x1b[2J", CircuitID: "port 7"}}
	b.Decided(ev, 0)
	ask := provision.Request{Time: noon, Transport: fleet.TFTP, Method: "GET", From: leased}
	b.Answered(ask, provision.Answer{Outcome: provision.NotFound, MAC: otherMAC, Vendor: "snom", Firmware: "10.1", Proof: trust.ProofLease}, 0, 0, nil)
	// Another phone's MAC in a name does not make a discovered phone.
	b.Answered(ask, provision.Answer{Outcome: provision.Refused, MAC: dhcp.MAC{0, 4, 0x13, 9, 9, 9}, Vendor: "snom"}, 0, 0, nil)
	b.Decided(&dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeRequest, Verdict: dhcp.VerdictAcked, Vendor: "yealink"}, 0) // it has a record since the decision
	if len(b.store.seen) != 2 || b.store.seen[0].Hostname != "snom?[2J" || b.store.seen[0].CircuitID != "port 7" || b.store.seen[1].Firmware != "10.1" || b.store.seen[1].Subnet != subnet {
		t.Errorf("got %+v", b.store.seen)
	}
	b.site.UnknownPhones = fleet.UnknownIgnore
	if b.Decided(ev, 0); len(b.store.seen) != 2 {
		t.Error("it is listed with unknown_phones: ignore")
	}
}

func TestOnlyCompleteFetchesAreStored(t *testing.T) {
	b := newFixture(t)
	get := provision.Request{Time: noon, Transport: fleet.HTTP, Method: "GET", Name: "/001565123456.cfg", From: leased, UserAgent: "Yealink"}
	full := provision.Answer{Outcome: provision.Served, MAC: phoneMAC, Name: "001565123456.cfg", Kind: "device", Digest: "ab", Size: 10, Vendor: "yealink"}
	head, refused := get, full
	head.Method, refused.Outcome = "HEAD", provision.Refused
	b.Answered(get, full, 4, time.Second, errors.New("connection reset"))
	b.Answered(head, full, 0, 0, nil)
	b.Answered(get, refused, 0, 0, nil)
	if len(b.store.fetches) != 0 {
		t.Fatalf("remembered %+v", b.store.fetches)
	}
	b.Answered(get, full, 10, time.Second, nil)
	want := []fleet.Fetch{{MAC: phoneMAC, File: "001565123456.cfg", Kind: "device", Digest: "ab", Size: 10, Time: noon, From: leased,
		Transport: fleet.HTTP, UserAgent: "Yealink", Vendor: "yealink"}}
	if diff := cmp.Diff(want, b.store.fetches, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if e := b.store.entries[0]; e.Reason != "connection reset" || e.Bytes != 4 {
		t.Errorf("the aborted transfer is recorded as %+v", e)
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.files.WithLabelValues("http", "served")); n != 3 {
		t.Errorf("counted %v served", n)
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.fileBytes.WithLabelValues("http")); n != 14 {
		t.Errorf("counted %v bytes", n)
	}
}

// C42: a full pool is logged once a minute, however many clients get no address, and each is counted.
func TestFullPoolIsLoggedOnceAMinute(t *testing.T) {
	b := newFixture(t)
	ev := dhcp.Event{Time: noon, Type: dhcp.MessageTypeDiscover, Interface: "voice0", Subnet: netip.MustParsePrefix("10.20.0.0/22"),
		Verdict: dhcp.VerdictExhausted, Reason: "no address is free for it"}
	for i := range 300 {
		one := ev
		one.MAC = dhcp.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}
		b.Decided(&one, 0)
	}
	if n := strings.Count(b.log.String(), "no address is free"); n != 1 || !strings.Contains(b.log.String(), "level=WARN") {
		t.Errorf("logged %d times in a minute: %s", n, b.log)
	}
	other := ev
	other.MAC, other.Subnet = otherMAC, netip.MustParsePrefix("10.30.0.0/24")
	b.Decided(&other, 0)
	if n := strings.Count(b.log.String(), "no address is free"); n != 2 {
		t.Errorf("another subnet's full pool is left out: %s", b.log)
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.verdicts.WithLabelValues("exhausted")); n != 301 {
		t.Errorf("counted %v, want each", n)
	}
}

// A relay that no subnet has is logged once a minute, not once for each client.
func TestUnknownRelayIsLoggedOnceAMinute(t *testing.T) {
	b := newFixture(t)
	for i := range 5 {
		b.Decided(&dhcp.Event{Time: noon, MAC: dhcp.MAC{2, 0, 0, 0, 0, byte(i)}, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictIgnored,
			Reason: "relay 10.31.0.1 is in no configured subnet", Relay: netip.MustParseAddr("10.31.0.1")}, 0)
	}
	if n := strings.Count(b.log.String(), "relay 10.31.0.1 is in no configured subnet"); n != 1 || !strings.Contains(b.log.String(), "level=WARN") {
		t.Errorf("logged %d times: %s", n, b.log)
	}
}

// The port that a relay or switch sends is in the timeline, printable for any bytes.
func TestPortIsInTheTimeline(t *testing.T) {
	b := newFixture(t)
	for _, c := range []dhcp.Client{{CircuitID: "eth1"}, {CircuitID: "\x00\x04\x00\x14\x01\x07", RemoteID: "sw-2 floor 3"}, {}} {
		b.Decided(&dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeRequest, Verdict: dhcp.VerdictAcked, Reason: "renewed", Recorded: true, Client: c}, 0)
	}
	var got []string
	for _, e := range b.store.entries {
		got = append(got, e.Reason)
	}
	want := []string{"renewed; on circuit eth1", "renewed; on circuit 0x000400140107 remote sw-2 floor 3", "renewed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Another server is in the log, the metric, the warnings, its own timeline and that of the phone it answered.
func TestAnotherServerIsReported(t *testing.T) {
	b := newFixture(t)
	rogue, at := dhcp.MAC{2, 0x66, 0, 0, 0, 1}, netip.MustParseAddr("10.20.0.66")
	b.OtherServer(server.Offer{Interface: "voice0", Server: at, MAC: rogue, Type: dhcp.MessageTypeOffer, Addr: leased, Client: phoneMAC})
	if got := b.Observer.unrecognized.of(rogue); len(got) != 1 || got[0].Verdict != "other_server" || got[0].Addr != at || got[0].Event != "offer" {
		t.Errorf("its own timeline has %+v", got)
	}
	if len(b.store.entries) != 1 || b.store.entries[0].MAC != phoneMAC || !strings.Contains(b.store.entries[0].Reason, "10.20.0.66, gave 10.20.1.7") {
		t.Errorf("the phone's timeline has %+v", b.store.entries)
	}
	// A client that takes its offer names its address; its known MAC stays where ARP doesn't return it.
	b.OtherServer(server.Offer{Interface: "voice0", Server: at, Type: dhcp.MessageTypeRequest, Addr: leased, Client: otherMAC})
	if f := b.OtherServerSeen(); f == nil || f.Server != at || f.MAC != rogue {
		t.Errorf("the warning is about %+v", f)
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.otherServers); n != 2 {
		t.Errorf("counted %v, want 2", n)
	}
	b.OtherServer(server.Offer{Interface: "voice0", Server: at, MAC: rogue, Type: dhcp.MessageTypeRequest, Addr: leased, Client: otherMAC})
	if got := b.Observer.unrecognized.of(rogue); len(got) != 2 || got[1].Event != "request" || !strings.Contains(got[1].Reason, otherMAC.String()+", took an offer") {
		t.Errorf("its own timeline has %+v", got)
	}
	for _, part := range []string{"another dhcp server answers", "mac=02:66:00:00:00:01", "another dhcp server is taken", "addr=10.20.0.66"} {
		if !strings.Contains(b.log.String(), part) {
			t.Errorf("log lacks %s: %s", part, b.log)
		}
	}
}

// C24: options that did not fit are named in the log and in the timeline.
func TestOptionsLeftOutAreReported(t *testing.T) {
	b := newFixture(t)
	ev := dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeDiscover, Interface: "voice0", Verdict: dhcp.VerdictOffered, Reason: "a free address; no room for the options [43 15]",
		Recorded: true, Reply: &dhcp.Reply{MaxSize: 576}, Dropped: []uint8{43, 15}}
	b.Decided(&ev, 0)
	if !strings.Contains(b.log.String(), "level=WARN") || !strings.Contains(b.log.String(), `options="[43 15]"`) || !strings.Contains(b.log.String(), phoneMAC.String()) {
		t.Errorf("log: %s", b.log)
	}
	if len(b.store.entries) != 1 || !strings.Contains(b.store.entries[0].Reason, "no room for the options [43 15]") {
		t.Errorf("timeline: %+v", b.store.entries)
	}
}

// A probe and its result are not messages: each DISCOVER and each verdict is counted once.
func TestConflictIsReportedAndCounted(t *testing.T) {
	b := newFixture(t)
	ev := dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeDiscover, Interface: "voice0", Addr: leased, Recorded: true, Reason: "because"}
	for _, v := range []dhcp.Verdict{dhcp.VerdictProbing, dhcp.VerdictConflict, dhcp.VerdictProbing, dhcp.VerdictOffered} {
		one := ev
		one.Verdict = v
		b.Decided(&one, 0)
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.messages.WithLabelValues("discover")); n != 1 {
		t.Errorf("%v DISCOVERs counted", n)
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.verdicts.WithLabelValues("conflict")); n != 1 {
		t.Errorf("%v conflicts counted", n)
	}
	if !strings.Contains(b.log.String(), "verdict=conflict") || !strings.Contains(b.log.String(), "level=WARN") {
		t.Errorf("log: %s", b.log)
	}
}

// The log has the cause of an internal error once.
func TestInternalErrorIsLoggedOnce(t *testing.T) {
	b := newFixture(t)
	for _, err := range []error{errors.New("disk on fire"), fmt.Errorf("%w: disk on fire", fleet.ErrInternal)} {
		b.log.Reset()
		b.time = b.time.Add(2 * repeatWindow)
		b.Answered(provision.Request{Transport: fleet.HTTP, Method: "GET", Name: "a", From: leased},
			provision.Answer{Outcome: provision.InternalError, Name: "a", Reason: "internal error: disk on fire", Err: err}, 0, 0, nil)
		if text := b.log.String(); strings.Count(text, "disk on fire") != 1 || !strings.Contains(text, "level=ERROR") {
			t.Errorf("log is %q", text)
		}
	}
	b.Answered(provision.Request{Transport: fleet.HTTP, Method: "GET", Name: "b", From: leased}, provision.Answer{Outcome: provision.Served, Name: "b", Reason: "a lease"}, 0, 0, errors.New("connection reset"))
	if !strings.Contains(b.log.String(), `err="connection reset"`) {
		t.Errorf("an error that the reason lacks is not logged: %s", b.log)
	}
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	b := newFixture(t)
	b.Answered(provision.Request{Transport: fleet.HTTP, Method: "GET", Name: "a\nlevel=ERROR msg=forged", From: leased},
		provision.Answer{Outcome: provision.Served, MAC: phoneMAC, Name: "a", Body: []byte("pa55w0rd")}, 8, 0, nil)
	if text := b.log.String(); strings.Contains(text, "pa55w0rd") || strings.Count(text, "\n") != 1 {
		t.Errorf("log is %q", text)
	}
}

func TestSecurityEventsAreLoggedStoredAndCounted(t *testing.T) {
	b := newFixture(t)
	b.TrustEvent(trust.Event{Time: noon, Kind: trust.EventContradiction, MAC: phoneMAC, Addr: leased, Reason: "the lease has another"})
	b.TrustEvent(trust.Event{Time: noon, Kind: trust.EventShutOut, Addr: leased, Reason: "too many phones' files"})
	if len(b.store.entries) != 1 || b.store.entries[0].Verdict != "contradiction" || b.store.entries[0].Source != "trust" || b.store.entries[0].Reason != "the lease has another" {
		t.Errorf("timeline %+v", b.store.entries)
	}
	for _, part := range []string{"level=WARN", `msg="trust: contradiction"`, "mac=00:15:65:12:34:56", "addr=10.20.1.7", `msg="trust: shut_out"`, `reason="too many phones' files"`} {
		if !strings.Contains(b.log.String(), part) {
			t.Errorf("log lacks %s: %s", part, b.log)
		}
	}
	if n := testutil.ToFloat64(b.cfg.Metrics.alarms.WithLabelValues("contradiction")); n != 1 {
		t.Errorf("counted %v", n)
	}
}

func TestWhatIsWrongOnTheNetworkIsAnIncidentAndBootsAreCounted(t *testing.T) {
	b := newFixture(t)
	b.Decided(&dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictOffered, Recorded: true}, 0)
	b.Decided(&dhcp.Event{Time: noon, MAC: dhcp.MAC{2, 0, 0, 0, 0, 1}, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictOffered}, 0) // no phone
	b.Decided(&dhcp.Event{Time: noon.Add(time.Second), MAC: phoneMAC, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictConflict, Addr: leased, Holder: dhcp.MAC{2, 0, 0, 0, 0, 9}, Interface: "voice0", Reason: "it answers ARP"}, 0)
	b.time = noon.Add(2 * time.Second)
	b.OtherServer(server.Offer{Server: netip.MustParseAddr("10.20.0.9"), Addr: leased, Client: phoneMAC, MAC: dhcp.MAC{2, 0, 0, 0, 0, 8}, Interface: "voice0", Type: dhcp.MessageTypeOffer})
	b.TrustEvent(trust.Event{Time: noon.Add(3 * time.Second), Kind: trust.EventShutOut, Addr: netip.MustParseAddr("198.51.100.7"), Reason: "too many phones' files"})
	b.TrustEvent(trust.Event{Time: noon.Add(3 * time.Second), Kind: trust.EventEnroll, MAC: phoneMAC, Reason: "by an operator"}) // nothing is wrong
	var got []string
	for _, x := range b.cfg.Recent.Incidents(noon.Add(time.Minute)) {
		got = append(got, fmt.Sprint(x.Kind, " ", x.IP, " ", x.MAC, " ", x.Interface, ": ", x.Reason))
	}
	want := []string{"shut_out 198.51.100.7 00:00:00:00:00:00 : too many phones' files", "other_server 10.20.0.9 02:00:00:00:00:08 voice0: gave 10.20.1.7 to 00:15:65:12:34:56",
		"conflict 10.20.1.7 02:00:00:00:00:09 voice0: it answers ARP"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if boots := b.cfg.Recent.Boots(noon); boots[59].Boots != 1 {
		t.Errorf("%d boots", boots[59].Boots)
	}
}

// BenchmarkAnswered is the record of one served file: timeline, fetch, metrics and log, without the disk.
func BenchmarkAnswered(b *testing.B) {
	m, err := NewMetrics("test")
	if err != nil {
		b.Fatal(err)
	}
	o := New(Config{Store: &discard{}, Feed: &feed.Feed{}, Recent: &recent.Recent{}, Metrics: m, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Recorded: func(dhcp.MAC) bool { return true }, Site: func() *fleet.Site { return &fleet.Site{} }})
	r := provision.Request{Time: noon, Transport: fleet.TFTP, Method: "GET", Name: "001565123456.cfg", From: leased}
	a := provision.Answer{Outcome: provision.Served, MAC: phoneMAC, Vendor: "yealink", Model: "T46U", Kind: "device", Name: r.Name, Size: 10_000,
		Digest: strings.Repeat("0", 64), Reason: "10.20.1.7 is leased to 00:15:65:12:34:56", Proof: trust.ProofLease, Known: true}
	b.ReportAllocs()
	for b.Loop() {
		o.Answered(r, a, 10_000, time.Millisecond, nil)
	}
}

// BenchmarkDecided is the record of an ACK to a client that is no phone, without the disk.
func BenchmarkDecided(b *testing.B) {
	m, err := NewMetrics("test")
	if err != nil {
		b.Fatal(err)
	}
	o := New(Config{Store: &discard{}, Feed: &feed.Feed{}, Metrics: m, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Recorded: func(dhcp.MAC) bool { return false }, Site: func() *fleet.Site { return &fleet.Site{} }})
	ev := &dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeRequest, Verdict: dhcp.VerdictAcked, Addr: leased, Interface: "eth0", Reply: &dhcp.Reply{}}
	b.ReportAllocs()
	for b.Loop() {
		o.Decided(ev, time.Millisecond)
	}
}

// discard is a Store that stores nothing.
type discard struct{ recorder }

func (*discard) AppendTimeline(timeline.Entry) {}
func (*discard) SeePhone(fleet.Discovered)     {}
func (*discard) RecordFetch(fleet.Fetch)       {}
