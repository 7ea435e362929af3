package server

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"plugtone/dhcp/netif"
)

// probeTimeout bounds a probe that no packet waits for.
const probeTimeout = 2 * time.Second

// ProbeAddress finds out in the background whether any host answers at an address: by ARP where it is on a link of this
// host, by ICMP otherwise, for at most two seconds. It calls done once, with an error when the address could not be probed
// or ctx was cancelled.
func (s *Server) ProbeAddress(ctx context.Context, addr netip.Addr, done func(inUse bool, err error)) {
	now := s.links.snapshot()
	if now == nil {
		done(false, errors.New("the DHCP server is not running"))
		return
	}
	var link *netif.Interface
	for _, i := range now.ByIndex {
		if i.OnLink(addr) && !i.MAC.IsZero() {
			link = i
		}
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	if !s.prober.start(ctx, addr, link, func(r probeResult) {
		defer s.recover()
		defer cancel()
		if r.err == nil {
			r.err = ctx.Err() // the probe was cut short and proves nothing
		}
		done(r.inUse, r.err)
	}) {
		cancel()
		done(false, errors.New("too many probes are running"))
	}
}
