package trust

import (
	"fmt"
	"sync"
	"time"

	"plugtone/dhcp"
)

// The alarm about many phones: a tenth of the known phones or this many within the window.
const (
	manyPhones       = 20
	fewPhones        = 5 // never at fewer: in a small office phones restart together
	manyPhonesWindow = time.Minute
	manyPhonesQuiet  = 10 * time.Minute // one event about what happens within this time
	maxKnownPhones   = 1 << 18
	sameBoot         = 120 // seconds within which a phone that boots takes leases again, as after a change of its VLAN
)

// leaseTimes is what is remembered of a phone's last lease, in seconds since 1970: 100,000 of them need a few MB.
type leaseTimes struct {
	starts, expires, early, fetched uint32
	addr                            [4]byte
}

// phoneWatch notices when many known phones are bound again long before their leases need it and then fetch: after a power
// cut, or when one host takes the phones' leases one after the other. The operator can find out which of the two it was.
type phoneWatch struct {
	mu       sync.Mutex
	known    map[dhcp.MAC]leaseTimes
	recent   []recentFetch // of the last minute, oldest first
	reported time.Time
}

// recentFetch is one phone that was bound early and fetched.
type recentFetch struct {
	mac dhcp.MAC
	at  time.Time
	own bool // it proved itself by its own credentials or certificate
}

// bound notes a phone's binding. One before half of the last lease's time has passed, when a phone would not even renew
// (RFC 2131, 4.4.5), is early. It reports whether the phone had no lease or one on another address before.
func (w *phoneWatch) bound(l dhcp.Lease) (moved bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known == nil {
		w.known = map[dhcp.MAC]leaseTimes{}
	}
	last, known := w.known[l.MAC]
	next := leaseTimes{starts: seconds(l.Starts), expires: seconds(l.Expires)}
	if l.Addr.Is4() {
		next.addr = l.Addr.As4()
	}
	moved = !known || next.addr != last.addr
	switch {
	case known && last.early != 0 && next.starts-last.early < sameBoot: // the same boot once more
		next.early = next.starts
		if last.fetched == last.early {
			next.fetched = next.early
		}
	case known && next.starts >= last.starts+sameBoot && next.starts < last.starts+(last.expires-last.starts)/2:
		next.early = next.starts
	}
	if known || len(w.known) < maxKnownPhones {
		w.known[l.MAC] = next
	}
	return moved
}

// ended notes that a phone has no lease any more: its next one is not early.
func (w *phoneWatch) ended(l dhcp.Lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, known := w.known[l.MAC]; known && l.Addr.Is4() && last.addr == l.Addr.As4() {
		delete(w.known, l.MAC)
	}
}

// fetched notes that a phone requested a guarded file, with own credentials or without. It returns the event when there
// were many of them.
func (w *phoneWatch) fetched(mac dhcp.MAC, own bool, now time.Time) *Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	x, known := w.known[mac]
	at := seconds(now)
	if !known || x.early == 0 || at > x.early+uint32(manyPhonesWindow/time.Second) {
		return nil
	}
	if x.fetched == x.early {
		w.upgrade(mac, own)
		return nil
	}
	x.fetched = x.early
	w.known[mac] = x
	for len(w.recent) > 0 && now.Sub(w.recent[0].at) > manyPhonesWindow {
		w.recent = w.recent[1:]
	}
	w.recent = append(w.recent, recentFetch{mac, now, own})
	if within(w.reported, now, manyPhonesQuiet) || len(w.recent) < min(manyPhones, max(fewPhones, len(w.known)/10+1)) {
		return nil
	}
	w.reported = now
	owns := 0
	for _, r := range w.recent {
		if r.own {
			owns++
		}
	}
	return &Event{Time: now, Kind: EventManyPhones, Reason: fmt.Sprintf(
		"%d of %d known phones were bound long before their leases needed it and requested their files, all within %s since %s; %d of them have sent credentials of their own so far: after a power cut this is normal, else one host may be taking the phones' leases",
		len(w.recent), len(w.known), manyPhonesWindow, w.recent[0].at.UTC().Format(time.RFC3339), owns)}
}

// upgrade notes that a phone which was counted has proved itself since. The caller holds mu.
func (w *phoneWatch) upgrade(mac dhcp.MAC, own bool) {
	for i := len(w.recent) - 1; own && i >= 0; i-- {
		if w.recent[i].mac == mac {
			w.recent[i].own = true
			return
		}
	}
}

func seconds(t time.Time) uint32 { return uint32(max(t.Unix(), 0)) }
