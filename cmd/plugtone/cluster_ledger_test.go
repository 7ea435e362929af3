package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp"
)

// ledger has the leases that clients hold, and checks each one they get against those of the others: no address is leased to two clients at
// a time, and none loses a lease before its end.
type ledger struct {
	t    interface{ Errorf(string, ...any) }
	mu   sync.Mutex
	held map[string]phoneEvent
	acks map[string]int // by what acknowledged
	log  []string
}

func newLedger(t interface{ Errorf(string, ...any) }) *ledger {
	return &ledger{t: t, held: map[string]phoneEvent{}, acks: map[string]int{}}
}

// note adds a line to what is printed when the test fails.
func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes(format, args...)
}

func (l *ledger) notes(format string, args ...any) {
	l.log = append(l.log, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (l *ledger) fail(format string, args ...any) {
	l.notes("BROKEN: "+format, args...)
	l.t.Errorf(format, args...)
}

// take takes what happened to a client.
func (l *ledger) take(e phoneEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes("%s: %s %s for %s from %s", e.phone, e.kind, e.ip, e.lease, e.server)
	was, held := l.held[e.phone]
	held = held && e.at.Before(was.at.Add(was.lease))
	delete(l.held, e.phone)
	switch {
	case e.kind == "nak" && held:
		l.fail("%s was refused its lease of %s", e.phone, was.ip)
		return
	case e.kind != "bound" && e.kind != "renew":
		return // it has left its address
	case held && was.ip != e.ip:
		l.fail("%s had %s and gets %s", e.phone, was.ip, e.ip)
	}
	if _, err := netip.ParseAddr(e.ip); err != nil || e.lease <= 0 {
		l.fail("%+v", e)
		return
	}
	l.acks[e.server]++
	for _, o := range l.held {
		if o.ip == e.ip && e.at.Before(o.at.Add(o.lease)) {
			l.fail("%s is leased to %s, and %s has it for %s", e.ip, e.phone, o.phone, o.at.Add(o.lease).Sub(e.at))
		}
	}
	l.held[e.phone] = e
}

// has returns the lease of a client that has one for some time.
func (l *ledger) has(phone string, least time.Duration) (e phoneEvent, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok = l.held[phone]
	return e, ok && time.Now().Add(least).Before(e.at.Add(e.lease))
}

// total returns how many leases were acknowledged.
func (l *ledger) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.acks {
		n += k
	}
	return n
}

// failures counts calls of Errorf.
type failures int

func (f *failures) Errorf(string, ...any) { *f++ }

func TestLedgerFindsBrokenPromises(t *testing.T) {
	now := time.Now()
	bound := func(phone, ip string, after time.Duration) phoneEvent {
		return phoneEvent{phone: phone, at: now.Add(after), kind: "bound", ip: ip, server: "10.20.0.2", lease: time.Minute}
	}
	for name, c := range map[string]struct {
		events []phoneEvent
		broken failures
	}{
		"a renewal":                      {[]phoneEvent{bound("one", "10.20.1.1", 0), bound("one", "10.20.1.1", 30*time.Second)}, 0},
		"two addresses":                  {[]phoneEvent{bound("one", "10.20.1.1", 0), bound("two", "10.20.1.2", 0)}, 0},
		"an address to two":              {[]phoneEvent{bound("one", "10.20.1.1", 0), bound("two", "10.20.1.1", 59*time.Second)}, 1},
		"an address whose lease ended":   {[]phoneEvent{bound("one", "10.20.1.1", 0), bound("two", "10.20.1.1", 61*time.Second)}, 0},
		"an address that was given back": {[]phoneEvent{bound("one", "10.20.1.1", 0), {phone: "one", kind: "release"}, bound("two", "10.20.1.1", 1)}, 0},
		"another address":                {[]phoneEvent{bound("one", "10.20.1.1", 0), bound("one", "10.20.1.2", 1)}, 1},
		"a NAK":                          {[]phoneEvent{bound("one", "10.20.1.1", 0), {phone: "one", at: now, kind: "nak"}}, 1},
		"a NAK after the lease":          {[]phoneEvent{bound("one", "10.20.1.1", 0), {phone: "one", at: now.Add(time.Hour), kind: "nak"}}, 0},
		"no address":                     {[]phoneEvent{bound("one", "", 0)}, 1},
	} {
		var got failures
		l := newLedger(&got)
		for _, e := range c.events {
			l.take(e)
		}
		if got != c.broken {
			t.Errorf("%s: %d promises count as broken, want %d", name, got, c.broken)
		}
	}
}

// relayLoad is many clients behind a relay, which boot, renew, restart and release as fast as they are answered.
type relayLoad struct {
	ledger  *ledger
	port    *bootclient.Port
	clients []*bootclient.Client
	silent  atomic.Int64 // messages that got no answer although they were repeated
}

// relayAddr is the relay's, in the shared subnet.
const relayAddr = "10.20.0.99"

func (c *clusterLab) newLoad(l *ledger, clients int) *relayLoad {
	relay := netip.MustParseAddr(relayAddr)
	var servers []netip.Addr
	for i := range c.members {
		servers = append(servers, netip.AddrFrom4([4]byte{10, 20, 0, byte(2 + i)}))
	}
	r := &relayLoad{ledger: l}
	c.check(c.relay().Do(func() (err error) {
		r.port, err = bootclient.OverUDP(netip.AddrPortFrom(relay, bootclient.ServerPort), servers...)
		return err
	}))
	c.t.Cleanup(func() { _ = r.port.Close() })
	for n := range clients {
		r.clients = append(r.clients, r.port.Client(bootclient.Message{MAC: r.mac(n), Relay: relay, Class: "yealink"}, cmp.Or(c.tries, 3), bootclient.Every(2*time.Second)))
	}
	return r
}

// boot gets client n a lease.
func (r *relayLoad) boot(n int) {
	offer, err := r.clients[n].Offer(context.Background())
	if err != nil {
		r.silent.Add(1)
		return
	}
	r.request(n, bootclient.Message{XID: offer.XID, Requested: offer.Addr, Server: offer.Server})
}

// renew extends the lease of client n at all members, as after T2, and reports whether there was an answer.
func (r *relayLoad) renew(n int, ip string) bool {
	return r.request(n, bootclient.Message{Addr: netip.MustParseAddr(ip)})
}

// restart verifies the lease of client n as after a power cut.
func (r *relayLoad) restart(n int, ip string) {
	r.request(n, bootclient.Message{Requested: netip.MustParseAddr(ip)})
}

// release gives the lease of client n back.
func (r *relayLoad) release(n int, e phoneEvent) {
	r.ledger.take(phoneEvent{phone: r.name(n), at: time.Now(), kind: "release"})
	_ = r.port.Send(bootclient.Message{Type: bootclient.Release, MAC: r.mac(n), Relay: netip.MustParseAddr(relayAddr), Class: "yealink",
		Addr: netip.MustParseAddr(e.ip), Server: netip.MustParseAddr(e.server)}) // a release may be lost
}

func (r *relayLoad) name(n int) string { return fmt.Sprintf("client%d", n) }

func (r *relayLoad) mac(n int) dhcp.MAC { return dhcp.MAC{0, 0x15, 0x65, 1, byte(n >> 8), byte(n)} }

// request enters the ACK or NAK for client n in the ledger, and reports whether there was one.
func (r *relayLoad) request(n int, m bootclient.Message) bool {
	reply, _ := r.clients[n].Request(context.Background(), m)
	e := phoneEvent{phone: r.name(n), at: time.Now(), kind: "bound", ip: reply.Addr.String(), server: reply.Server.String(), lease: reply.Lease}
	switch reply.Type {
	case 0:
		r.silent.Add(1)
		return false
	case bootclient.Nak:
		e.kind = "nak"
	}
	r.ledger.take(e)
	return true
}
