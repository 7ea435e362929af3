package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// crowdSpec is 16 addresses that open connections and send nothing, while phones fetch.
type crowdSpec struct {
	Rate int  // connections a second, of all addresses
	Load load // of the phones
}

// crowdResult is what became of both.
type crowdResult struct {
	Phones loaded
	Opened int // connections, while the phones fetched
}

// crowdAddr is one of the 16; no phone has it.
func crowdAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 200, byte(1 + n)}) }

const crowdAddrs = 16

// run runs both in the phones' namespace.
func (spec crowdSpec) run() (out crowdResult, err error) {
	var opened atomic.Int64
	ctx, stop := context.WithTimeout(context.Background(), spec.Load.Period+500*time.Millisecond)
	defer stop()
	var dialers sync.WaitGroup
	const perAddr = 8
	for i := range crowdAddrs * perAddr {
		if spec.Rate > 0 {
			dialers.Go(func() {
				openMany(ctx, crowdAddr(i%crowdAddrs), time.Second*crowdAddrs*perAddr/time.Duration(spec.Rate), &opened)
			})
		}
	}
	time.Sleep(500 * time.Millisecond) // the crowd is there first
	before := opened.Load()
	out.Phones, err = spec.Load.run()
	out.Opened = int(opened.Load() - before)
	stop()
	dialers.Wait()
	return out, err
}

// openMany opens a connection every so often, whether the ones before are open or not, and keeps the last 30.
func openMany(ctx context.Context, from netip.Addr, every time.Duration, opened *atomic.Int64) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: time.Second}
	var held []net.Conn
	for due := time.Now(); ctx.Err() == nil; due = due.Add(every) {
		time.Sleep(time.Until(due))
		c, err := d.DialContext(ctx, "tcp4", serverAddr.String()+":80")
		if err != nil {
			continue
		}
		opened.Add(1)
		_ = c.(*net.TCPConn).SetLinger(0) // it leaves no trace when it is closed
		if held = append(held, c); len(held) > 30 {
			_ = held[0].Close()
			held = held[1:]
		}
	}
	for _, c := range held {
		_ = c.Close()
	}
}

// duringCrowd measures phones' fetches alone, and while the crowd connects.
func duringCrowd(ctx context.Context, o options) error {
	s, err := start(ctx, o, "plugtone", phones, phones)
	if err != nil {
		return err
	}
	defer s.close()
	for n := range crowdAddrs {
		if err := s.clients.AddAddr("eth0", netip.PrefixFrom(crowdAddr(n), network.Bits())); err != nil {
			return err
		}
	}
	l := load{Kind: "http", Clients: 10, Phones: phones, Period: o.period}
	fmt.Printf("\nhttp, 10 clients of leased phones, a connection each, beside 16 addresses that open connections and send nothing\n")
	for range o.rounds {
		for _, rate := range []int{0, 8500} {
			var got crowdResult
			used, _, err := s.measure("crowd", crowdSpec{rate, l}, &got)
			if err != nil {
				return err
			}
			fmt.Printf("  %6.0f connections/s opened: %s\n", float64(got.Opened)/got.Phones.Took.Seconds(), sample{loaded: got.Phones, used: used})
		}
	}
	return nil
}
