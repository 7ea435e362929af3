package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
)

// StormMAC returns the MAC of the nth phone of a storm, from 0. They are locally administered (IEEE 802c, AAI quadrant), so that no phone of a
// manufacturer has one, and the same in each storm, so that a second one leaves nothing new behind.
func StormMAC(n int) dhcp.MAC {
	return dhcp.MAC{0x02, 0x50, 0x54, byte(n >> 16), byte(n >> 8), byte(n)}
}

// Storm is phones that boot at the same moment and give their addresses back.
type Storm struct {
	Lab       *netlab.Lab
	Interface string // of this machine, that the phones' own are built on
	Specs     []Spec
	Over      time.Duration                        // the boots begin spread over this time; 0: all at once
	Progress  func(phase string, done, phones int) // may be nil; called by one goroutine at a time
	Wait      func(context.Context, time.Duration) // for the time, or until the context ends
}

// plugWorkers is how many interfaces are made at a time: the kernel makes one after the other anyway.
const plugWorkers = 4

// Run plugs all phones in, boots them, and releases their leases, also when ctx ends meanwhile. The error is one of this machine; what
// became of a phone is in its result.
func (s Storm) Run(ctx context.Context) ([]Result, time.Duration, error) {
	hosts := make([]Host, len(s.Specs))
	plugging, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.each("interfaces made", plugWorkers, func(n int) {
		var err error
		if plugging.Err() != nil {
			return
		}
		if hosts[n], err = s.plug(plugging, s.Specs[n].MAC); err != nil {
			cancel(err)
		}
	})
	if err := context.Cause(plugging); err != nil {
		return nil, 0, err
	}
	results := make([]Result, len(hosts))
	began := time.Now()
	s.each("phones booted", len(hosts), func(n int) {
		s.Wait(ctx, s.Over*time.Duration(n)/time.Duration(len(hosts)))
		results[n] = Boot(ctx, hosts[n], s.Specs[n], nil)
	})
	took := time.Since(began)
	s.each("addresses released", plugWorkers, func(n int) {
		results[n].Released = results[n].lease.ack != nil && hosts[n].release(s.Specs[n].MAC, results[n].lease) == nil
	})
	s.Wait(context.WithoutCancel(ctx), drainTime)
	return results, took, nil
}

// drainTime lets the last RELEASE leave before the interfaces are removed.
const drainTime = 200 * time.Millisecond

// each calls f for each phone, by so many workers, and reports how far it is.
func (s Storm) each(phase string, workers int, f func(n int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	var shown sync.Mutex
	done := 0
	for range min(workers, len(s.Specs)) {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n < len(s.Specs); n = int(next.Add(1)) - 1 {
				f(n)
				shown.Lock()
				if done++; s.Progress != nil {
					s.Progress(phase, done, len(s.Specs))
				}
				shown.Unlock()
			}
		})
	}
	all.Wait()
}

func (s Storm) plug(ctx context.Context, mac dhcp.MAC) (Host, error) {
	ns, err := s.Lab.Namespace(mac.String())
	if err != nil {
		return Host{}, err
	}
	err = s.Lab.Plug(s.Interface, netlab.Port{Namespace: ns, Name: "eth0", MAC: mac.String()})
	// The kernel removes the interfaces of a storm before this one in its own time.
	for try := 0; errors.Is(err, syscall.EADDRINUSE) && try < freeTries; try++ {
		s.Wait(ctx, freeWait)
		err = ns.Up("eth0")
	}
	return Host{Namespace: ns, Interface: "eth0"}, err
}

// How long a MAC may take to become free.
const (
	freeWait  = 100 * time.Millisecond
	freeTries = 200
)

// release sends a RELEASE, which has no answer (RFC 2131, 4.4.6).
func (h Host) release(mac dhcp.MAC, l leased) error {
	return h.Namespace.Do(func() error {
		port, err := bootclient.OverUDP(netip.AddrPortFrom(l.addr.Addr(), bootclient.ClientPort), l.server)
		if err != nil {
			return err
		}
		return errors.Join(port.Send(bootclient.Message{Type: bootclient.Release, MAC: mac, Addr: l.addr.Addr(), Server: l.server}), port.Close())
	})
}

// Figures is what became of a storm.
type Figures struct {
	Phones   int    `json:"phones"`
	Leased   int    `json:"leased"`
	Files    int    `json:"files"`         // that arrived
	Refused  int    `json:"refused"`       // files of single phones that the server refused, as for a phone without a record
	Released int    `json:"released"`      // phones that sent a RELEASE
	Lost     int    `json:"lost"`          // phones without an address, or without a file that they need and that was not refused
	Why      []Loss `json:"why,omitempty"` // the most frequent first

	LeaseP50 float64 `json:"lease_p50_seconds"` // from DISCOVER to ACK
	LeaseP99 float64 `json:"lease_p99_seconds"`
	BootP50  float64 `json:"boot_p50_seconds"` // from DISCOVER to the last file, of phones that lost nothing
	BootP99  float64 `json:"boot_p99_seconds"`
	Seconds  float64 `json:"seconds"` // until the last phone was done
}

// Loss is a reason why phones lost something.
type Loss struct {
	Reason string `json:"reason"`
	Phones int    `json:"phones"`
}

// Sum makes one figure of many phones.
func Sum(results []Result, took time.Duration) Figures {
	f := Figures{Phones: len(results), Seconds: took.Seconds()}
	why := map[string]int{}
	var leases, boots []time.Duration
	for _, r := range results {
		if r.lease.ack != nil {
			f.Leased++
			leases = append(leases, r.Leased)
		}
		if r.Released {
			f.Released++
		}
		f.Files += r.Got()
		reason := ""
		if len(r.Files) == 0 {
			reason = reasonOf(r.Err)
		}
		for _, file := range r.Files {
			switch {
			case file.Err == nil || !file.Wanted():
			case errors.Is(file.Err, ErrRefused):
				f.Refused++
			case reason == "":
				reason = string(file.Kind) + " file: " + reasonOf(file.Err)
			}
		}
		if reason == "" {
			boots = append(boots, r.Took)
			continue
		}
		f.Lost++
		why[reason]++
	}
	f.LeaseP50, f.LeaseP99 = percentiles(leases)
	f.BootP50, f.BootP99 = percentiles(boots)
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		f.Why = append(f.Why, Loss{reason, why[reason]})
	}
	slices.SortStableFunc(f.Why, func(a, b Loss) int { return cmp.Compare(b.Phones, a.Phones) })
	return f
}

// reasonOf returns an error's text without what differs from phone to phone: the URL and the addresses.
func reasonOf(err error) string {
	var atURL *url.Error
	if errors.As(err, &atURL) {
		err = atURL.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Sprintf("%s: %v", op.Op, op.Err)
	}
	if err == nil {
		return "unknown"
	}
	return err.Error()
}

// percentiles returns the 50th and 99th, in seconds; 0 of nothing.
func percentiles(all []time.Duration) (p50, p99 float64) {
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2].Seconds(), all[len(all)*99/100].Seconds()
}
