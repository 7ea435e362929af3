package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
)

// fakeTable decides in the simplest way, so that these tests are about packets: the nth client gets the nth
// address of its network, beginning with .100.
type fakeTable struct {
	mu     sync.Mutex
	given  map[dhcp.MAC]netip.Addr
	seen   []seen              // every request, in order
	probed map[netip.Addr]bool // result of each probe
	probe  bool                // have each new address probed
	fail   error               // error of the disk
	crash  bool                // panic once
	hold   chan struct{}       // unless nil: each lease sends on it when it has arrived, and waits for a receive
}

// seen is one request that was decided.
type seen struct {
	req  dhcp.Request
	link dhcp.Link
}

func newFakeTable() *fakeTable {
	return &fakeTable{given: map[dhcp.MAC]netip.Addr{}, probed: map[netip.Addr]bool{}}
}

// Flush does nothing: there is nothing to write.
func (d *fakeTable) Flush() {}

// WriteQueued does nothing either.
func (d *fakeTable) WriteQueued() {}

// Known reports whether the table has given mac an address, acknowledged or not.
func (d *fakeTable) Known(mac dhcp.MAC) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.given[mac].IsValid()
}

func (d *fakeTable) Probed(addr netip.Addr, inUse bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.probed[addr] = inUse
}

// Serve isn't called: process takes the place of Server.runEngine.
func (d *fakeTable) Serve(func(time.Time, *leasetable.Leases) dhcp.Decision, func(*dhcp.Decision, error)) {
	panic("process replaces Serve")
}

func (d *fakeTable) process(j *job, done func(*dhcp.Decision, error)) {
	req, link := j.req, j.link
	d.mu.Lock()
	d.seen = append(d.seen, seen{*req, *link})
	crash, hold := d.crash, d.hold
	d.crash = false
	dec, err := d.decide(req, link), d.fail
	d.mu.Unlock()
	if crash {
		panic("fakeTable: panic")
	}
	if hold != nil {
		go func() {
			hold <- struct{}{} // the request is here
			<-hold             // and may go on
			done(dec, err)
		}()
		return
	}
	done(dec, err)
}

func (d *fakeTable) decide(req *dhcp.Request, link *dhcp.Link) *dhcp.Decision {
	dec := &dhcp.Decision{Event: dhcp.Event{MAC: req.MAC, Type: req.Type, Interface: link.Interface, Verdict: dhcp.VerdictSilent}}
	from := link.LocalAddr
	for _, p := range link.Addrs {
		if !from.IsValid() || p.Addr() == link.Dest {
			from = p.Addr()
		}
	}
	net := req.GIAddr
	if !net.IsValid() {
		net = from
	}
	if req.Type != dhcp.MessageTypeDiscover && req.Type != dhcp.MessageTypeRequest || !net.IsValid() {
		return dec
	}
	addr := d.address(req.MAC, net)
	if used, known := d.probed[addr]; d.probe && !link.NoProbe && req.Type == dhcp.MessageTypeDiscover {
		if known && used {
			d.given[dhcp.MAC{byte(len(d.given))}] = addr // used by another host
			delete(d.given, req.MAC)
			addr = d.address(req.MAC, net)
			_, known = d.probed[addr]
		}
		if !known {
			dec.Probe, dec.Event.Verdict = addr, dhcp.VerdictProbing
			return dec
		}
	}
	r := &dhcp.Reply{Type: dhcp.MessageTypeOffer, XID: req.XID, Flags: req.Flags, CHAddr: req.CHAddr, CIAddr: req.CIAddr, YIAddr: addr,
		GIAddr: req.GIAddr, ServerID: from, From: from, RelayInfo: req.RelayInfo}
	dec.Event.Verdict = dhcp.VerdictOffered
	if req.Type == dhcp.MessageTypeRequest {
		r.Type, dec.Event.Verdict = dhcp.MessageTypeAck, dhcp.VerdictAcked
	}
	id := from.As4()
	r.Options = []dhcp.Option{{Code: 53, Data: []byte{byte(r.Type)}}, {Code: 54, Data: id[:]}, {Code: 1, Data: []byte{255, 255, 255, 0}},
		{Code: 51, Data: []byte{0, 0, 0x0e, 0x10}}}
	dec.Reply, dec.Event.Reply, dec.Event.Addr = r, r, addr
	return dec
}

// address returns the first free address from .100 on in the /24 of net.
func (d *fakeTable) address(mac dhcp.MAC, net netip.Addr) netip.Addr {
	if a, ok := d.given[mac]; ok {
		return a
	}
	b := net.As4()
	var used []netip.Addr
	for _, a := range d.given {
		used = append(used, a)
	}
	for b[3] = 100; slices.Contains(used, netip.AddrFrom4(b)); b[3]++ {
	}
	d.given[mac] = netip.AddrFrom4(b)
	return d.given[mac]
}

// requests returns the requests so far.
func (d *fakeTable) requests() []seen {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.seen)
}

// recorder collects what a server reports to its observer.
type recorder struct {
	decided  chan dhcp.Event
	dropped  chan Drop
	fallback chan error
	others   chan Offer
	packets  atomic.Int64 // decided about, and dropped
}

func newRecorder() *recorder {
	return &recorder{decided: make(chan dhcp.Event, 1000), dropped: make(chan Drop, 1000), fallback: make(chan error, 1000), others: make(chan Offer, 1000)}
}

func (j *recorder) observer() Observer {
	return Observer{
		Decided:     func(ev *dhcp.Event, _ time.Duration) { j.packets.Add(1); offer(j.decided, *ev) },
		Dropped:     func(why Drop, n int) { j.packets.Add(int64(n)); offer(j.dropped, why) },
		Fallback:    func(err error) { offer(j.fallback, err) },
		OtherServer: func(o Offer) { offer(j.others, o) },
	}
}

// offer sends v unless the channel is full: an observer must not block.
func offer[T any](ch chan<- T, v T) {
	select {
	case ch <- v:
	default:
	}
}

// next waits for the next decision with that verdict.
func (j *recorder) next(t *testing.T, want dhcp.Verdict) dhcp.Event {
	t.Helper()
	for {
		if ev := receive(t, j.decided); ev.Verdict == want {
			return ev
		}
	}
}

// receive waits for a value, for a minute at most.
func receive[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(time.Minute):
		t.Fatalf("no %T within a minute", v)
	}
	return v
}

// logTo writes a server's log to the test's.
func logTo(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	fmt.Fprint(w.t.Output(), string(b))
	return len(b), nil
}

var errDisk = errors.New("write leases.db: no space left on device")
