package observe

import (
	"log/slog"
	"net/netip"
	"time"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/dhcp/server"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
)

// Dropped counts packets that got no decision.
func (o *Observer) Dropped(why server.Drop, n int) {
	o.cfg.Metrics.dropped.WithLabelValues(string(why)).Add(float64(n))
	level := slog.LevelWarn
	if why == server.DropInterface {
		level = slog.LevelDebug // other links' broadcasts: nothing is wrong
	}
	o.log.write(line{level: level, message: "dhcp packets dropped", detail: string(why)}, slog.String("verdict", string(why)), slog.Int("packets", n))
}

// Fallback records a reply that went by broadcast because no frame could be sent.
func (o *Observer) Fallback(err error) {
	o.cfg.Metrics.broadcasts.Inc()
	o.log.write(line{level: slog.LevelWarn, message: "dhcp reply sent by broadcast"}, slog.Any("err", err))
}

// OtherServer records a packet of another DHCP server, or a client that took its offer, in the timelines of both.
func (o *Observer) OtherServer(f server.Offer) {
	o.cfg.Metrics.otherServers.Inc()
	if before := o.lastOtherServer.Load(); !f.MAC.IsZero() || before == nil || before.Server != f.Server {
		o.lastOtherServer.Store(&OtherServer{Offer: f, Time: o.cfg.Now()})
	} else {
		f := before.Offer
		o.lastOtherServer.Store(&OtherServer{Offer: f, Time: o.cfg.Now()}) // its hardware address was seen before
	}
	incident := client.Incident{Kind: "other_server", LastSeen: o.cfg.Now(), IP: f.Server, MAC: f.MAC, Interface: f.Interface,
		Reason: "gave " + f.Addr.String() + " to " + f.Client.String()}
	if f.Type == dhcp.MessageTypeRequest {
		incident.Reason = f.Client.String() + " took its offer"
	}
	o.cfg.Recent.Incident(incident)
	attrs := []slog.Attr{slog.Any("addr", f.Server), slog.String("iface", f.Interface)}
	if !f.MAC.IsZero() {
		attrs = append(attrs, slog.Any("mac", f.MAC))
	}
	taken := f.Type == dhcp.MessageTypeRequest
	message := "another dhcp server answers"
	if taken {
		message, attrs = "another dhcp server is taken", append(attrs, slog.Any("client", f.Client))
	}
	o.log.write(line{level: slog.LevelWarn, message: message, subject: f.Server.String(), detail: f.Interface}, attrs...)
	e := timeline.Entry{Time: o.cfg.Now(), MAC: f.MAC, Source: "dhcp", Event: f.Type.String(), Verdict: "other_server", Addr: f.Server, Interface: f.Interface}
	e.Reason = "another DHCP server, " + f.Server.String() + ", gave " + f.Addr.String() + " to " + f.Client.String()
	if taken {
		e.Reason = "a client, " + f.Client.String() + ", took an offer of this other DHCP server, " + f.Server.String()
	}
	if !f.MAC.IsZero() {
		o.record(e, false)
	}
	if !taken && o.cfg.Recorded(f.Client) { // one that takes an offer has the decision about that in its timeline
		e.MAC = f.Client
		o.record(e, true)
	}
}

// OtherServer is another DHCP server with the time when it was seen last.
type OtherServer struct {
	server.Offer
	Time time.Time
}

// OtherServerSeen returns the last packet of another DHCP server, or nil.
func (o *Observer) OtherServerSeen() *OtherServer { return o.lastOtherServer.Load() }

// TrustEvent records a security event.
func (o *Observer) TrustEvent(a trust.Event) {
	o.cfg.Metrics.alarms.WithLabelValues(string(a.Kind)).Inc()
	level, source := slog.LevelWarn, "trust"
	if a.Kind == trust.EventEnroll || a.Kind == trust.EventThawed {
		level = slog.LevelInfo
	}
	if a.Kind == trust.EventEnroll {
		source = "admin"
	}
	// Repeats by one address are one line, with the MAC of the first.
	o.log.write(line{level: level, message: "trust: " + string(a.Kind), subject: a.Addr.String()}, attrs(a.MAC, a.Addr, "", string(a.Kind), 0, slog.String("reason", a.Reason))...)
	if level == slog.LevelWarn {
		o.cfg.Recent.Incident(client.Incident{Kind: string(a.Kind), LastSeen: a.Time, IP: a.Addr, MAC: a.MAC, Reason: a.Reason})
	}
	if a.MAC.IsZero() {
		return
	}
	o.record(timeline.Entry{Time: a.Time, MAC: a.MAC, Source: source, Event: "trust", Verdict: string(a.Kind), Reason: a.Reason, Addr: a.Addr}, o.cfg.Recorded(a.MAC))
}

// Flush logs how many lines were left out in windows that have ended. It is called from time to time.
func (o *Observer) Flush() { o.log.flush() }

// OtherResponder logs that another host answers SIP PnP on a link.
func (o *Observer) OtherResponder(ifname string, from netip.Addr) {
	o.cfg.Metrics.otherResponders.Inc()
	o.cfg.Recent.Incident(client.Incident{Kind: "other_pnp", LastSeen: o.cfg.Now(), IP: from, Interface: ifname, Reason: "answers SIP PnP"})
	o.log.write(line{level: slog.LevelWarn, message: "another sip pnp responder answers", subject: from.String(), detail: ifname}, slog.Any("addr", from), slog.String("iface", ifname))
}

// Notified records what was sent to a phone over SIP.
func (o *Observer) Notified(e timeline.Entry) {
	recorded := o.cfg.Recorded(e.MAC)
	// A request for SIP PnP can be forged in the name of a phone: lines about it are bounded like all others.
	o.log.write(line{level: slog.LevelInfo, message: "sip " + e.Event, subject: e.MAC.String(), detail: e.Verdict + " " + e.Reason, known: recorded},
		attrs(e.MAC, e.Addr, "", e.Verdict, 0, slog.String("reason", e.Reason))...)
	o.record(e, recorded)
}
