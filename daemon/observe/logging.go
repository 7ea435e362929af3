package observe

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
)

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
	case dhcp.VerdictIgnored:
		if ev.Relay.IsValid() { // a subnet is missing in the configuration, or its relay is misconfigured
			return slog.LevelWarn
		}
	}
	return slog.LevelDebug
}

func (o *Observer) logDecision(ev *dhcp.Event, took time.Duration) {
	if len(ev.Dropped) > 0 { // C24
		o.log.write(line{slog.LevelWarn, "dhcp options left out", ev.MAC.String(), string(ev.Verdict), ev.Recorded}, slog.String("mac", ev.MAC.String()), slog.String("iface", ev.Interface),
			slog.String("vendor", ev.Vendor), slog.String("options", fmt.Sprint(ev.Dropped)), slog.Int("most", ev.Reply.MaxSize))
	}
	level := decisionLevel(ev)
	if !o.log.enabled(level) {
		return // before the attributes are made: that costs more than the decision
	}
	subject := ev.MAC.String()
	switch {
	case ev.Verdict == dhcp.VerdictExhausted:
		subject = ev.Subnet.String() // a full pool is logged once a minute, not once for each client
	case ev.Relay.IsValid():
		subject = ev.Relay.String() // and so is an unknown relay
	}
	o.log.write(line{level, "dhcp " + typeLabel(ev.Type), subject, string(ev.Verdict), ev.Recorded}, attrs(ev.MAC, ev.Addr, ev.Vendor, string(ev.Verdict), took,
		slog.String("iface", ev.Interface), slog.String("reason", ev.Reason))...)
}

func (o *Observer) logAnswer(r provision.Request, a provision.Answer, recorded bool, sent int64, took time.Duration, err error) {
	level := slog.LevelInfo
	switch a.Outcome {
	case provision.InternalError:
		level = slog.LevelError
	case provision.NotFound, provision.Expected404, provision.NotModified:
		level = slog.LevelDebug
	}
	if !o.log.enabled(level) {
		return
	}
	what := string(a.Outcome) + a.Kind
	if a.Outcome == provision.Served {
		what = a.Name // for other outcomes, a requester that varies the name fills one line a minute, not a line for each
	}
	l := line{level, string(r.Transport) + " file", r.From.String(), what, recorded && a.Proof != ""}
	repeats, ok := o.log.begin(l)
	if !ok {
		return
	}
	more := []slog.Attr{slog.String("file", dhcp.Printable(r.Name, 255)), slog.Int64("bytes", sent), slog.String("reason", a.Reason)}
	if err == nil {
		err = a.Err
	}
	if err != nil && !strings.Contains(a.Reason, strings.TrimPrefix(err.Error(), fleet.ErrInternal.Error()+": ")) { // else the reason has it
		more = append(more, slog.Any("err", err))
	}
	o.log.end(l, repeats, attrs(a.MAC, r.From, a.Vendor, string(a.Outcome), took, more...))
}

// attrs are the keys that every line about a client has.
func attrs(mac dhcp.MAC, addr netip.Addr, vendor, verdict string, took time.Duration, more ...slog.Attr) []slog.Attr {
	out := make([]slog.Attr, 0, 6+len(more))
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
