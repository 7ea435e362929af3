package daemon

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"plugtone/admin/feed"
	"plugtone/dhcp"
	"plugtone/dhcp/server"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// eventStore is where what happened to phones is kept. store.Store is one.
type eventStore interface {
	AppendTimeline([]timeline.Entry)
	SeePhone(fleet.Discovered)
	RecordFetch(fleet.Fetch)
}

// observer turns each decision into one timeline entry, one log line and one step of the metrics. It is called from many
// goroutines and waits for nobody: the store buffers.
type observer struct {
	keep         eventStore
	unrecognized *unrecognized
	feed         *feed.Feed
	metrics      *metrics
	log          *dedupLogger
	recorded     func(dhcp.MAC) bool
	site         func() *fleet.Site
	now          func() time.Time

	lastOtherServer atomic.Pointer[server.Offer]
}

// decided is told each DHCP decision.
func (o *observer) decided(ev *dhcp.Event, took time.Duration) {
	o.metrics.decided(ev, took)
	o.logDecision(ev, took)
	if ev.MAC.IsZero() {
		return
	}
	e := timeline.Entry{
		Time: ev.Time, MAC: ev.MAC, Source: "dhcp", Event: typeLabel(ev.Type), Verdict: string(ev.Verdict), Reason: ev.Reason,
		Addr: ev.Addr, Interface: ev.Interface, Vendor: ev.Vendor, Model: ev.Model, Options: ev.Options(), Duration: took,
	}
	if port := portOf(&ev.Client); port != "" {
		e.Reason += "; on " + port
	}
	o.record(e, ev.Recorded || ev.Vendor != "")
	if ev.Vendor != "" && !ev.Recorded {
		o.discover(fleet.Discovered{
			MAC: ev.MAC, Vendor: ev.Vendor, Model: ev.Model, Hostname: cleaned(ev.Client.Hostname, 63), IP: ev.Addr, Subnet: ev.Subnet,
			CircuitID: ev.Client.CircuitID, RemoteID: ev.Client.RemoteID, FirstSeen: ev.Time, LastSeen: ev.Time,
		})
	}
}

// portOf names the port that option 82 tells, as its switch or relay calls it: words as they are, anything else in hex.
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
		words = append(words, part.name+" "+cleaned(id, 80))
	}
	return strings.Join(words, " ")
}

// answered is told each file request.
func (o *observer) answered(r provision.Request, a provision.Answer, sent int64, took time.Duration, err error) {
	o.metrics.answered(r, a, sent, took)
	o.logAnswer(r, a, sent, took, err)
	if a.MAC.IsZero() {
		return
	}
	e := timeline.Entry{
		Time: r.Time, MAC: a.MAC, Source: string(r.Transport), Event: strings.ToLower(r.Method), Verdict: string(a.Outcome), Reason: a.Reason,
		Addr: r.From, File: cleaned(r.Name, 255), Kind: a.Kind, Bytes: sent, Digest: a.Digest, Vendor: a.Vendor, Model: a.Model,
		Firmware: a.Firmware, Duration: took,
	}
	if err != nil {
		e.Reason = strings.TrimPrefix(e.Reason+"; "+err.Error(), "; ")
	}
	recorded := o.recorded(a.MAC)
	o.record(e, recorded || a.Vendor != "")
	whole := err == nil && (a.Outcome == provision.Served && r.Method == "GET" || a.Outcome == provision.NotModified)
	if recorded && whole && a.Digest != "" {
		o.keep.RecordFetch(fleet.Fetch{
			MAC: a.MAC, File: a.Name, Kind: a.Kind, Digest: a.Digest, Size: a.Size, Time: r.Time, From: r.From, Transport: r.Transport,
			UserAgent: cleaned(r.UserAgent, 255), Vendor: a.Vendor, Model: a.Model, Firmware: a.Firmware, Port: a.Port,
			OwnProof: a.OwnProof, Given: a.Given,
		})
	}
	if s, ours := o.site().SubnetOf(r.From); !recorded && a.Vendor != "" && (a.Proof != "" || !ours) {
		// On our own subnets the lease tells who asks; a MAC that a name alone claims is hearsay.
		d := fleet.Discovered{MAC: a.MAC, Vendor: a.Vendor, Model: a.Model, Firmware: a.Firmware, IP: r.From, FirstSeen: r.Time, LastSeen: r.Time}
		if ours {
			d.Subnet = s.Prefix
		}
		o.discover(d)
	}
}

// record keeps an entry about a phone and remembers one about anybody else. Both are told to those who follow.
func (o *observer) record(e timeline.Entry, phone bool) {
	if phone {
		o.keep.AppendTimeline([]timeline.Entry{e})
	} else {
		o.unrecognized.add(e)
	}
	o.feed.Publish(e)
}

func (o *observer) discover(d fleet.Discovered) {
	if o.site().UnknownPhones != fleet.UnknownIgnore {
		o.keep.SeePhone(d)
	}
}

// dropped is told of packets that got no decision.
func (o *observer) dropped(why server.Drop, n int) {
	o.metrics.dropped.WithLabelValues(string(why)).Add(float64(n))
	level := slog.LevelWarn
	if why == server.DropInterface {
		level = slog.LevelDebug // other links' broadcasts: nothing is wrong
	}
	o.log.write(level, "dhcp packets dropped", "", string(why), slog.String("verdict", string(why)), slog.Int("packets", n))
}

func (o *observer) fallback(err error) {
	o.metrics.broadcasts.Inc()
	o.log.write(slog.LevelWarn, "dhcp reply sent by broadcast", "", "", slog.Any("err", err))
}

// otherServer is told of other DHCP servers: of what they send, and of clients that took the offer of one. The server's own
// timeline and its client's have it.
func (o *observer) otherServer(f server.Offer) {
	o.metrics.otherServers.Inc()
	if before := o.lastOtherServer.Load(); !f.MAC.IsZero() || before == nil || before.Server != f.Server {
		o.lastOtherServer.Store(&f)
	}
	attrs := []slog.Attr{slog.Any("addr", f.Server), slog.String("iface", f.Interface)}
	if !f.MAC.IsZero() {
		attrs = append(attrs, slog.Any("mac", f.MAC))
	}
	taken := f.Type == dhcp.MessageTypeRequest
	message := "another dhcp server answers"
	if taken {
		message, attrs = "another dhcp server is taken", append(attrs, slog.Any("client", f.Client))
	}
	o.log.write(slog.LevelWarn, message, f.Server.String(), f.Interface, attrs...)
	e := timeline.Entry{Time: o.now(), MAC: f.MAC, Source: "dhcp", Event: f.Type.String(), Verdict: "other_server", Addr: f.Server, Interface: f.Interface}
	e.Reason = "another DHCP server, " + f.Server.String() + ", gave " + f.Addr.String() + " to " + f.Client.String()
	if taken {
		e.Reason = "a client, " + f.Client.String() + ", took an offer of this other DHCP server, " + f.Server.String()
	}
	if !f.MAC.IsZero() {
		o.record(e, false)
	}
	if !taken && o.recorded(f.Client) { // one that takes an offer has the decision about that in its timeline
		e.MAC = f.Client
		o.record(e, true)
	}
}

// decisionLevel keeps what goes well and often out of the log: it is in the timeline.
func decisionLevel(ev *dhcp.Event) slog.Level {
	switch ev.Verdict {
	case dhcp.VerdictInternalError:
		return slog.LevelError
	case dhcp.VerdictExhausted, dhcp.VerdictConflict, dhcp.VerdictDeclined:
		return slog.LevelWarn
	case dhcp.VerdictAcked, dhcp.VerdictNak:
		if ev.Phone || ev.NewLease {
			return slog.LevelInfo
		}
	}
	return slog.LevelDebug
}

func (o *observer) logDecision(ev *dhcp.Event, took time.Duration) {
	if len(ev.Dropped) > 0 { // C24
		o.log.write(slog.LevelWarn, "dhcp options left out", ev.MAC.String(), string(ev.Verdict), slog.String("mac", ev.MAC.String()), slog.String("iface", ev.Interface),
			slog.String("vendor", ev.Vendor), slog.String("options", fmt.Sprint(ev.Dropped)), slog.Int("most", ev.Reply.MaxSize))
	}
	level := decisionLevel(ev)
	if !o.log.enabled(level) {
		return // most are, and to spell them out costs more than the decision
	}
	who := ev.MAC.String()
	if ev.Verdict == dhcp.VerdictExhausted {
		who = ev.Subnet.String() // a full pool is said once a minute, however many ask
	}
	o.log.write(level, "dhcp "+typeLabel(ev.Type), who, string(ev.Verdict), attrs(ev.MAC, ev.Addr, ev.Vendor, string(ev.Verdict), took,
		slog.String("iface", ev.Interface), slog.String("reason", ev.Reason))...)
}

func (o *observer) logAnswer(r provision.Request, a provision.Answer, sent int64, took time.Duration, err error) {
	level := slog.LevelInfo
	switch a.Outcome {
	case provision.Fault:
		level = slog.LevelError
	case provision.NotFound, provision.Expected404, provision.NotModified:
		level = slog.LevelDebug
	}
	more := []slog.Attr{slog.String("file", cleaned(r.Name, 255)), slog.Int64("bytes", sent), slog.String("reason", a.Reason)}
	if err == nil {
		err = a.Err
	}
	if err != nil {
		more = append(more, slog.Any("err", err))
	}
	what := string(a.Outcome) + a.Kind
	if a.Outcome == provision.Served {
		what = a.Name // for other outcomes, a requester that varies the name fills one line a minute, not a line for each
	}
	o.log.write(level, string(r.Transport)+" file", r.From.String(), what, attrs(a.MAC, r.From, a.Vendor, string(a.Outcome), took, more...)...)
}

// attrs are the keys that every line about a client has.
func attrs(mac dhcp.MAC, addr netip.Addr, vendor, verdict string, took time.Duration, more ...slog.Attr) []slog.Attr {
	var out []slog.Attr
	if !mac.IsZero() {
		out = append(out, slog.String("mac", mac.String()))
	}
	if addr.IsValid() {
		out = append(out, slog.String("addr", addr.String()))
	}
	if vendor != "" {
		out = append(out, slog.String("vendor", vendor))
	}
	out = append(out, slog.String("verdict", verdict), slog.Duration("dur", took))
	return append(out, more...)
}

// cleaned makes text from the network fit for a log or a page: no control characters, valid UTF-8, bounded.
func cleaned(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}
