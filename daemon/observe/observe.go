package observe

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"plugtone/admin/client"
	"plugtone/admin/feed"
	"plugtone/admin/recent"
	"plugtone/dhcp"
	"plugtone/dhcp/wire"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// Store keeps what happened to phones. store.Store is one.
type Store interface {
	AppendTimeline(timeline.Entry)
	SeePhone(fleet.Discovered)
	RecordFetch(fleet.Fetch)
	Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error)
	PhoneLog(mac dhcp.MAC, limit int) ([]timeline.Entry, error)
	Fetches(mac dhcp.MAC) ([]fleet.Fetch, error)
}

// Config is what an Observer needs. All members are required.
type Config struct {
	Store    Store
	Feed     *feed.Feed
	Recent   *recent.Recent
	Metrics  *Metrics
	Log      *slog.Logger
	Recorded func(dhcp.MAC) bool // whether a device record has this MAC
	Site     func() *fleet.Site
	Now      func() time.Time

	LeaseAt     func(netip.Addr) (dhcp.Lease, bool)
	Certificate func() *x509.Certificate // that HTTPS clients get; nil without one
}

// Observer records decisions. Its methods are called from many goroutines and wait for no disk: the store buffers.
type Observer struct {
	cfg          Config
	log          *dedupLogger
	unrecognized *unrecognized

	lastOtherServer atomic.Pointer[OtherServer]
	failures        failures
	oddities        oddities
	lastPhone       atomic.Int64 // when a phone was last served, in nanoseconds since 1970
}

// LastPhone returns when a DHCP message or a file request was last served.
func (o *Observer) LastPhone() time.Time { return time.Unix(0, o.lastPhone.Load()) }

// New returns an observer without any history.
func New(c Config) *Observer {
	return &Observer{cfg: c, log: &dedupLogger{log: c.Log, now: c.Now}, unrecognized: newUnrecognized()}
}

// Decided records a DHCP decision and how long its reply took.
func (o *Observer) Decided(ev *dhcp.Event, took time.Duration) {
	o.cfg.Metrics.decided(ev, took)
	o.lastPhone.Store(ev.Time.UnixNano())
	o.logDecision(ev, took)
	if ev.Relay.IsValid() {
		o.oddities.relay(ev.Relay, ev.Time)
	}
	if ev.MAC.IsZero() || ev.Verdict == dhcp.VerdictLeft { // the server that answers it has the timeline
		return
	}
	e := timeline.Entry{
		Time: ev.Time, MAC: ev.MAC, Source: "dhcp", Event: typeLabel(ev.Type), Verdict: string(ev.Verdict), Reason: ev.Reason,
		Addr: ev.Addr, Interface: ev.Interface, Vendor: ev.Vendor, Model: ev.Model, Recognised: ev.Recognised, Options: wire.Summary(ev.Reply, ev.Dropped), Duration: took,
	}
	if port := portOf(&ev.Client); port != "" {
		e.Reason += "; on " + port
	}
	if ev.Recorded && e.Event == "discover" || ev.Recognised != "" { // a renewal may lack what a phone is recognised by
		o.oddities.vendor(ev.MAC, ev.Vendor, ev.Recognised, ev.Time)
	}
	phone := ev.Recorded || ev.Vendor != ""
	o.recent(ev, phone)
	o.record(e, phone)
	if ev.Vendor != "" && !ev.Recorded && !o.cfg.Recorded(ev.MAC) { // it may have a record since the decision
		o.discover(fleet.Discovered{
			MAC: ev.MAC, Vendor: ev.Vendor, Model: ev.Model, Hostname: dhcp.Printable(ev.Client.Hostname, 63), IP: ev.Addr, Subnet: ev.Subnet,
			CircuitID: ev.Client.CircuitID, RemoteID: ev.Client.RemoteID, FirstSeen: ev.Time, LastSeen: ev.Time,
		})
	}
}

// recent counts phones that boot, and notes addresses that other hosts use.
func (o *Observer) recent(ev *dhcp.Event, phone bool) {
	if phone && ev.Type == dhcp.MessageTypeDiscover {
		o.cfg.Recent.Boot(ev.MAC, ev.Time)
	}
	x := client.Incident{Kind: "conflict", LastSeen: ev.Time, IP: ev.Addr, MAC: ev.Holder, Interface: ev.Interface, Reason: ev.Reason}
	switch ev.Verdict {
	case dhcp.VerdictConflict:
	case dhcp.VerdictDeclined:
		x.Reason = ev.MAC.String() + " declined the address: another host uses it"
	default:
		return
	}
	o.cfg.Recent.Incident(x)
}

// portOf names the port in option 82, as its switch or relay calls it: words as they are, anything else in hex.
func portOf(c *dhcp.Client) string {
	words := make([]string, 0, 2)
	for _, part := range [2]struct{ name, id string }{{"circuit", c.CircuitID}, {"remote", c.RemoteID}} {
		id := part.id
		if id == "" {
			continue
		}
		if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) {
			id = fmt.Sprintf("0x%x", id)
		}
		words = append(words, part.name+" "+dhcp.Printable(id, 80))
	}
	return strings.Join(words, " ")
}

// Answered records a file request, its answer, the bytes sent and the error that ended the transfer.
func (o *Observer) Answered(r provision.Request, a provision.Answer, sent int64, took time.Duration, err error) {
	o.cfg.Metrics.answered(r, a, sent, took)
	o.lastPhone.Store(r.Time.UnixNano())
	recorded := !a.MAC.IsZero() && o.cfg.Recorded(a.MAC)
	o.logAnswer(r, a, recorded, sent, took, err)
	if a.MAC.IsZero() {
		return
	}
	e := timeline.Entry{
		Time: r.Time, MAC: a.MAC, Source: string(r.Transport), Event: strings.ToLower(r.Method), Verdict: string(a.Outcome), Reason: a.Reason,
		Addr: r.From, File: dhcp.Printable(r.Name, 255), Kind: a.Kind, Bytes: sent, Digest: a.Digest, Vendor: a.Vendor, Model: a.Model,
		Recognised: a.Recognised, Firmware: a.Firmware, Duration: took,
	}
	if u := a.Upstream; u != nil {
		e.Upstream = u.By
		if a.Old {
			e.UpstreamAt = u.Answered
		}
	}
	if err != nil && !strings.Contains(a.Reason, err.Error()) {
		e.Reason = strings.TrimPrefix(e.Reason+"; "+err.Error(), "; ")
	}
	if a.Recognised != "" {
		o.oddities.vendor(a.MAC, a.Vendor, a.Recognised, r.Time)
	}
	o.record(e, recorded || a.Vendor != "")
	whole := err == nil && (a.Outcome == provision.Served && r.Method == "GET" || a.Outcome == provision.NotModified)
	if recorded && whole && a.Digest != "" {
		subnet, _ := o.cfg.Site().SubnetOf(r.From)
		o.cfg.Store.RecordFetch(fleet.Fetch{
			MAC: a.MAC, File: a.Name, Kind: a.Kind, Digest: a.Digest, Size: a.Size, Time: r.Time, From: r.From, Transport: r.Transport,
			UserAgent: dhcp.Printable(r.UserAgent, 255), Vendor: a.Vendor, Model: a.Model, Firmware: a.Firmware, Port: a.Port,
			OwnProof: a.OwnProof, Given: a.Given, Server: subnet.NextServer,
		})
	}
	if recorded || a.Vendor == "" {
		return
	}
	if s, ours := o.cfg.Site().SubnetOf(r.From); a.Proof != "" || !ours {
		// On leased subnets the lease identifies the requester; a MAC in a file name alone proves nothing.
		d := fleet.Discovered{MAC: a.MAC, Vendor: a.Vendor, Model: a.Model, Firmware: a.Firmware, IP: r.From, FirstSeen: r.Time, LastSeen: r.Time}
		if ours {
			d.Subnet = s.Prefix
		}
		o.discover(d)
	}
}

// record stores an entry about a phone, remembers one about any other client, and publishes both to followers.
func (o *Observer) record(e timeline.Entry, phone bool) {
	if phone {
		o.cfg.Store.AppendTimeline(e)
	} else {
		o.unrecognized.add(e)
	}
	o.cfg.Feed.Publish(e)
}

func (o *Observer) discover(d fleet.Discovered) {
	if o.cfg.Site().UnknownPhones != fleet.UnknownIgnore {
		o.cfg.Store.SeePhone(d)
	}
}

// Timeline returns what happened to mac, oldest first: the last limit entries. What clients did before they were
// recognised as phones is among it.
func (o *Observer) Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	stored, err := o.cfg.Store.Timeline(mac, limit)
	if err != nil {
		return nil, err
	}
	all := append(stored, o.unrecognized.of(mac)...)
	slices.SortStableFunc(all, func(a, b timeline.Entry) int { return a.Time.Compare(b.Time) })
	if len(all) > limit {
		all = all[len(all)-limit:]
	}
	return all, nil
}

// Logged records a line that a phone has logged.
func (o *Observer) Logged(e timeline.Entry) { o.record(e, true) }

// LogReceived counts a datagram that came to the syslog listener, by what became of it.
func (o *Observer) LogReceived(outcome string) {
	o.cfg.Metrics.phoneLog.WithLabelValues(outcome).Inc()
}

// PhoneLog returns the last limit lines that a phone has logged, oldest first.
func (o *Observer) PhoneLog(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	return o.cfg.Store.PhoneLog(mac, limit)
}

// Fetches returns the last fetch of each file of mac.
func (o *Observer) Fetches(mac dhcp.MAC) ([]fleet.Fetch, error) { return o.cfg.Store.Fetches(mac) }
