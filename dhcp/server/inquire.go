package server

import (
	"context"

	"plugtone/dhcp"
)

// probed tells the leases what a probe of d.Probe has found, and the observer when somebody else has the address.
func (s *Server) probed(j *job, d *dhcp.Decision, a answer) {
	if a.err != nil {
		s.cfg.Log.Warn("dhcp conflict probe", "addr", d.Probe, "iface", j.in.name, "err", a.err)
	}
	used := a.by(j.req.MAC)
	s.leases.Probed(d.Probe, used)
	if used {
		ev := d.Event
		ev.Addr = d.Probe
		s.conflict(&ev, a.who)
	}
}

// inquire asks by ARP whose address it is that a decision was about, where that is worth knowing: of the server that a client
// names instead of us (C01), and of the host that made a client decline an address (C45). It waits for nobody.
func (s *Server) inquire(ctx context.Context, j *job, ev *dhcp.Event) {
	switch ev.Verdict {
	case dhcp.VerdictOtherServer:
		offer := Offer{Interface: ev.Interface, Server: ev.Server, Type: ev.Type, Addr: j.req.Requested, Client: ev.MAC}
		told := func(a answer) {
			defer s.recover()
			offer.MAC = a.who
			s.cfg.Observer.foreign(offer)
		}
		if link := s.probeLink(j, ev.Server); link == nil || !s.probes.start(ctx, ev.Server, link, told) {
			s.cfg.Observer.foreign(offer) // where it is can't be seen from here, or there is no time to look
		}
	case dhcp.VerdictDeclined:
		found := *ev
		if link := s.probeLink(j, ev.Addr); link != nil {
			s.probes.start(ctx, ev.Addr, link, func(a answer) {
				defer s.recover()
				if a.by(found.MAC) {
					s.conflict(&found, a.who)
				}
			})
		}
	}
}

// conflict tells of a host that uses an address which it has no lease on. ev is the decision that brought it up.
func (s *Server) conflict(ev *dhcp.Event, who dhcp.MAC) {
	ev.Time, ev.Verdict, ev.Holder, ev.Reply = s.cfg.Now(), dhcp.VerdictConflict, who, nil
	ev.Reason = "another host uses the address: " + who.String()
	if who.IsZero() {
		ev.Reason = "another host answers at the address, which one can't be seen from here"
	}
	s.cfg.Observer.decided(ev, 0)
}
