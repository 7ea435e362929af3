package netif

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
)

// A probe sends three times and ends 450 ms after the first: within the 500 ms of rule C41.
const (
	probeCount    = 3
	probeInterval = 150 * time.Millisecond
)

// probeWait maps addresses that are being probed to the goroutines that wait for a reply.
type probeWait struct {
	mu      sync.Mutex
	waiting map[netip.Addr]chan dhcp.MAC
}

// replied hands a reply to the probe that waits for it, if there is one.
func (w *probeWait) replied(addr netip.Addr, mac dhcp.MAC) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.waiting[addr] <- mac: // blocks for ever without a probe: a nil channel
	default: // no probe, or it has a reply already
	}
}

// repeat calls send until a reply to addr comes or the probe's time is over.
func (w *probeWait) repeat(ctx context.Context, addr netip.Addr, send func() error) (mac dhcp.MAC, inUse bool, err error) {
	replies := make(chan dhcp.MAC, 1)
	w.mu.Lock()
	if w.waiting == nil {
		w.waiting = map[netip.Addr]chan dhcp.MAC{}
	}
	w.waiting[addr] = replies
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.waiting, addr)
		w.mu.Unlock()
	}()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for range probeCount {
		if err := send(); err != nil {
			return mac, false, err
		}
		select {
		case mac = <-replies:
			return mac, true, nil
		case <-ctx.Done():
			return mac, false, ctx.Err()
		case <-tick.C:
		}
	}
	return mac, false, nil
}
