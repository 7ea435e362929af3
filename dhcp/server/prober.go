package server

import (
	"context"
	"net/netip"
	"sync"

	"plugtone/dhcp"
	"plugtone/dhcp/netif"
)

// maxProbes bounds the probes under way. Beyond it addresses are offered without a probe (rule C41).
const maxProbes = 64

// prober finds out whether addresses are in use, in goroutines of its own.
type prober struct {
	within netif.Namespace
	unable bool // without CAP_NET_RAW; set before the first probe

	mu      sync.Mutex
	running map[netip.Addr][]func(probeResult) // who waits for the probe of an address
	closed  bool
	wg      sync.WaitGroup

	sockets sync.Mutex         // apart from mu, because opening a socket may take a while
	arp     map[int]*netif.ARP // by interface index
	icmp    *netif.ICMP
}

// probeResult is the result of a probe. mac is zero behind a relay, where hardware addresses cannot be seen.
type probeResult struct {
	mac   dhcp.MAC
	inUse bool
	err   error
}

// byOther reports whether a host other than client uses the address. A client that answers for it itself may have it:
// phones keep their address through a reboot.
func (r probeResult) byOther(client dhcp.MAC) bool {
	return r.inUse && (r.mac.IsZero() || r.mac != client)
}

func newProber(within netif.Namespace) *prober {
	return &prober{within: within, running: map[netip.Addr][]func(probeResult){}, arp: map[int]*netif.ARP{}}
}

// busy reports whether no more probes can be started.
func (p *prober) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unable || len(p.running) >= maxProbes
}

// start probes addr and calls done with the result. link is the attached interface, nil when the address is behind a
// relay. A probe of addr that is running already is shared. When there are too many probes, start returns false and
// does not call done.
func (p *prober) start(ctx context.Context, addr netip.Addr, link *netif.Interface, done func(probeResult)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting, running := p.running[addr]
	if p.closed || len(waiting) >= maxProbes || !running && len(p.running) >= maxProbes {
		return false
	}
	p.running[addr] = append(waiting, done)
	if running {
		return true
	}
	p.wg.Go(func() {
		var r probeResult
		r.mac, r.inUse, r.err = p.run(ctx, addr, link)
		p.mu.Lock()
		waiting := p.running[addr]
		delete(p.running, addr)
		p.mu.Unlock()
		for _, done := range waiting {
			done(r)
		}
	})
	return true
}

func (p *prober) run(ctx context.Context, addr netip.Addr, link *netif.Interface) (dhcp.MAC, bool, error) {
	if link == nil {
		icmp, err := p.openICMP()
		if err != nil {
			return dhcp.MAC{}, false, err
		}
		return icmp.Probe(ctx, addr)
	}
	arp, err := p.openARP(link)
	if err != nil {
		return dhcp.MAC{}, false, err
	}
	return arp.Probe(ctx, addr)
}

// openARP returns the ARP socket of an interface.
func (p *prober) openARP(link *netif.Interface) (*netif.ARP, error) {
	p.sockets.Lock()
	defer p.sockets.Unlock()
	if a := p.arp[link.Index]; a != nil && a.Usable(link) {
		return a, nil
	} else if a != nil {
		a.Close()
		delete(p.arp, link.Index)
	}
	err := p.within(func() error {
		a, err := netif.OpenARP(link)
		if err == nil {
			p.arp[link.Index] = a
		}
		return err
	})
	return p.arp[link.Index], err
}

// openICMP returns the ICMP socket.
func (p *prober) openICMP() (*netif.ICMP, error) {
	p.sockets.Lock()
	defer p.sockets.Unlock()
	if p.icmp != nil {
		return p.icmp, nil
	}
	err := p.within(func() (err error) {
		p.icmp, err = netif.OpenICMP()
		return err
	})
	return p.icmp, err
}

// close waits for all probes: ctx of start must be done before.
func (p *prober) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wg.Wait()
	for _, a := range p.arp {
		a.Close()
	}
	if p.icmp != nil {
		p.icmp.Close()
	}
}
