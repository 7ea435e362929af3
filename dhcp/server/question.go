package server

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
)

// A probe asks three times and ends 450 ms after the first: within the 500 ms of rule C41.
const (
	probeTimes = 3
	probeEvery = 150 * time.Millisecond
)

// questions are the addresses that somebody is being asked for, on a link or behind relays.
type questions struct {
	mu      sync.Mutex
	waiting map[netip.Addr]chan dhcp.MAC
}

// answered hands an answer to who waits for it, if anybody does.
func (q *questions) answered(addr netip.Addr, mac dhcp.MAC) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case q.waiting[addr] <- mac: // never, where nobody has asked: a nil channel
	default: // nobody waits, or somebody has answered before
	}
}

// repeat asks until an answer comes or the time is up.
func (q *questions) repeat(ctx context.Context, addr netip.Addr, ask func() error) (who dhcp.MAC, inUse bool, err error) {
	answers := make(chan dhcp.MAC, 1)
	q.mu.Lock()
	if q.waiting == nil {
		q.waiting = map[netip.Addr]chan dhcp.MAC{}
	}
	q.waiting[addr] = answers
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		delete(q.waiting, addr)
		q.mu.Unlock()
	}()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for range probeTimes {
		if err := ask(); err != nil {
			return who, false, err
		}
		select {
		case who = <-answers:
			return who, true, nil
		case <-ctx.Done():
			return who, false, ctx.Err()
		case <-tick.C:
		}
	}
	return who, false, nil
}
