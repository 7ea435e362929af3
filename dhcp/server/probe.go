package server

import (
	"context"
	"net/netip"
	"sync"

	"plugtone/dhcp"
)

// maxProbes bounds the probes under way. Beyond that there is a rush, and phones wait for none (rule C41).
const maxProbes = 64

// prober asks the network whether addresses are in use, aside from everything else.
type prober struct {
	within func(func() error) error

	mu     sync.Mutex
	flying map[netip.Addr][]func(answer) // who waits for the probe of this address
	arp    map[int]*arpAsker             // by interface index
	icmp   *icmpAsker
	shut   bool
	wg     sync.WaitGroup
}

// answer is what came of a probe. who is zero where the hardware address can't be seen, behind a relay.
type answer struct {
	who   dhcp.MAC
	inUse bool
	err   error
}

// by tells whether somebody else than client uses the address. A client that answers for it itself is welcome to it:
// phones keep theirs through a reboot.
func (a answer) by(client dhcp.MAC) bool { return a.inUse && (a.who.IsZero() || a.who != client) }

func newProber(within func(func() error) error) *prober {
	return &prober{within: within, flying: map[netip.Addr][]func(answer){}, arp: map[int]*arpAsker{}}
}

// busy tells whether there are too many probes under way to begin another.
func (p *prober) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.flying) >= maxProbes
}

// start probes addr and calls done with the answer. link is the attached interface, nil when the address is behind a
// relay. It reports false, and calls nobody, when it is too busy. Where addr is being probed already, done waits for that.
func (p *prober) start(ctx context.Context, addr netip.Addr, link *iface, done func(answer)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting, flying := p.flying[addr]
	if p.shut || len(waiting) >= maxProbes || !flying && len(p.flying) >= maxProbes {
		return false
	}
	p.flying[addr] = append(waiting, done)
	if flying {
		return true
	}
	p.wg.Go(func() {
		var a answer
		a.who, a.inUse, a.err = p.ask(ctx, addr, link)
		p.mu.Lock()
		waiting := p.flying[addr]
		delete(p.flying, addr)
		p.mu.Unlock()
		for _, done := range waiting {
			done(a)
		}
	})
	return true
}

func (p *prober) ask(ctx context.Context, addr netip.Addr, link *iface) (dhcp.MAC, bool, error) {
	if link == nil {
		icmp, err := p.pinger()
		if err != nil {
			return dhcp.MAC{}, false, err
		}
		return icmp.ask(ctx, addr)
	}
	arp, err := p.asker(link)
	if err != nil {
		return dhcp.MAC{}, false, err
	}
	return arp.ask(ctx, addr)
}

// asker returns the ARP socket of an interface.
func (p *prober) asker(link *iface) (*arpAsker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.arp[link.index]; a != nil && a.usable() && a.mac == link.mac {
		return a, nil
	} else if a != nil {
		a.close()
		delete(p.arp, link.index)
	}
	err := p.within(func() error {
		a, err := openARP(link)
		if err == nil {
			p.arp[link.index] = a
		}
		return err
	})
	return p.arp[link.index], err
}

func (p *prober) pinger() (*icmpAsker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.icmp != nil {
		return p.icmp, nil
	}
	err := p.within(func() (err error) {
		p.icmp, err = openICMP()
		return err
	})
	return p.icmp, err
}

// close ends all probes: ctx of start must be done before.
func (p *prober) close() {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	p.wg.Wait()
	for _, a := range p.arp {
		a.close()
	}
	if p.icmp != nil {
		p.icmp.close()
	}
}
