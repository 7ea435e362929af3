package server

import (
	"context"
	"net/netip"

	"plugtone/dhcp"
	"plugtone/dhcp/netif"
)

// probe checks in the background whether the address of a decision is in use, and decides about the request again.
func (s *Server) probe(ctx context.Context, j *job, d *dhcp.Decision) {
	addr, reported := d.Probe, make(chan struct{})
	defer close(reported)
	done := func(r probeResult) {
		defer s.recover()
		<-reported // a quick result must not be reported before its probe
		if r.err == nil {
			r.err = ctx.Err() // the probe was cut short
		}
		s.reportProbe(j, d, r)
		late := s.cfg.Now().Sub(j.at) > probeDeadline
		next := j.again(func(l *dhcp.Link) {
			l.NoProbe, l.ProbeFailed = l.NoProbe || late || r.err != nil, r.err != nil
			l.ProbeAnswered = r.byOther(j.req.MAC)
		})
		next.probed = true
		s.decide(ctx, next)
		s.leases.Flush()
	}
	if s.prober.start(ctx, addr, s.probeLink(j, addr), done) {
		s.cfg.Observer.decided(&d.Event, s.cfg.Now().Sub(j.at))
		return
	}
	s.decide(ctx, j.again(func(l *dhcp.Link) { l.NoProbe = true })) // too many probes since the packet came in
}

// probeLink is the interface where addr can be probed by ARP; nil when it is behind a relay.
func (s *Server) probeLink(j *job, addr netip.Addr) *netif.Interface {
	if j.req.GIAddr.IsValid() || j.in.MAC.IsZero() || !j.in.OnLink(addr) {
		return nil
	}
	return j.in
}

// reportProbe passes the result of a probe to the lease table, and to the observer when another host has the address. A probe that failed
// has no result.
func (s *Server) reportProbe(j *job, d *dhcp.Decision, r probeResult) {
	if r.err != nil {
		s.cfg.Log.Warn("dhcp conflict probe", "addr", d.Probe, "iface", j.in.Name, "err", r.err)
		return
	}
	used := r.byOther(j.req.MAC)
	s.leases.Probed(d.Probe, used)
	if used {
		ev := d.Event
		ev.Addr = d.Probe
		s.reportConflict(&ev, r.mac)
	}
}

// checkConflict finds out by ARP which host an address of a decision belongs to: that of the server that a client names
// instead of this one (C01), or the one that made a client decline (C45). It returns at once.
func (s *Server) checkConflict(ctx context.Context, j *job, ev *dhcp.Event) {
	switch ev.Verdict {
	case dhcp.VerdictOtherServer:
		offer := Offer{Interface: ev.Interface, Server: ev.Server, Type: ev.Type, Addr: j.req.Requested, Client: ev.MAC}
		report := func(r probeResult) {
			defer s.recover()
			offer.MAC = r.mac
			s.cfg.Observer.otherServer(offer)
		}
		if link := s.probeLink(j, ev.Server); link == nil || !s.prober.start(ctx, ev.Server, link, report) {
			s.cfg.Observer.otherServer(offer) // without its hardware address: it is not on this link, or too many probes run
		}
	case dhcp.VerdictDeclined:
		declined := *ev
		if link := s.probeLink(j, ev.Addr); link != nil {
			s.prober.start(ctx, ev.Addr, link, func(r probeResult) {
				defer s.recover()
				if r.byOther(declined.MAC) {
					s.reportConflict(&declined, r.mac)
				}
			})
		}
	}
}

// reportConflict reports a host that uses an address without a lease. ev is the decision that led to the probe.
func (s *Server) reportConflict(ev *dhcp.Event, mac dhcp.MAC) {
	ev.Time, ev.Verdict, ev.Holder, ev.Reply = s.cfg.Now(), dhcp.VerdictConflict, mac, nil
	ev.Reason = "another host uses the address: " + mac.String()
	if mac.IsZero() {
		ev.Reason = "another host answers at the address; its hardware address cannot be seen from here"
	}
	s.cfg.Observer.decided(ev, 0)
}
