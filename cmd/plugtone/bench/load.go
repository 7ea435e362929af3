package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp"
)

// load is what the phones do. They do as little as they can: they share the machine with the server.
type load struct {
	Kind    string // tftp, http
	Clients int
	Phones  int
	Blksize int    // 0: no options
	Window  int    // TFTP: blocks for each ACK; 0 or 1: lock-step
	Keep    bool   // HTTP: connections are kept
	File    string // "": each phone its own file
	Period  time.Duration
}

// loaded is what became of it.
type loaded struct {
	Files, Failed int
	Bytes         int64
	Took          time.Duration
	P50, P99      time.Duration
	Why           string // the first failure
}

// phoneAddr and phoneFile are those of phone n, from 0; each device on record has a lease there.
func phoneAddr(n int) netip.Addr {
	third := 1 + n/250
	return netip.AddrFrom4([4]byte{10, byte(third >> 8), byte(third), byte(1 + n%250)})
}

func phoneMAC(n int) dhcp.MAC {
	m := dhcp.MAC{0x00, 0x15, 0x65}
	m[3], m[4], m[5] = byte(n>>16), byte(n>>8), byte(n)
	return m
}

func phoneFile(n int) string { return phoneMAC(n).Hex() + ".cfg" }

// run has the phones send requests until the period ends.
func (l load) run() (all loaded, err error) {
	var mu sync.Mutex
	var times []time.Duration
	var clients sync.WaitGroup
	started := time.Now()
	for c := range l.Clients {
		clients.Go(func() {
			own, took := l.client(c, started.Add(l.Period))
			mu.Lock()
			defer mu.Unlock()
			all.Files += own.Files
			all.Failed += own.Failed
			all.Bytes += own.Bytes
			if all.Why == "" {
				all.Why = own.Why
			}
			times = append(times, took...)
		})
	}
	clients.Wait()
	all.Took = time.Since(started)
	slices.Sort(times)
	if n := len(times); n > 0 {
		all.P50, all.P99 = times[n/2], times[n*99/100]
	}
	return all, nil
}

// client plays phones c, c+Clients, c+2·Clients ... one after the other, again and again.
func (l *load) client(c int, until time.Time) (out loaded, times []time.Duration) {
	type phone struct {
		file string
		get  func(file string) (int64, error)
	}
	var mine []phone
	for n := c; n < max(l.Phones, l.Clients); n += l.Clients {
		p := phone{file: phoneFile(n), get: l.getter(phoneAddr(n))}
		if l.File != "" {
			p.file = l.File
		}
		mine = append(mine, p)
	}
	for i := 0; time.Now().Before(until); i++ {
		p := mine[i%len(mine)]
		started := time.Now()
		n, err := p.get(p.file)
		if err != nil {
			out.Failed++
			if out.Why == "" {
				out.Why = fmt.Sprintf("%s: %v", p.file, err)
			}
			continue
		}
		out.Files++
		out.Bytes += n
		times = append(times, time.Since(started))
	}
	return out, times
}

// getter returns a client's fetch from an address.
func (l *load) getter(from netip.Addr) func(file string) (int64, error) {
	if l.Kind == "http" {
		c := bootclient.HTTP{From: from, Server: serverAddr, Keep: l.Keep, Buffer: 64 << 10}
		return func(file string) (int64, error) { return c.Get(file, nil) }
	}
	c := bootclient.TFTP{From: from, Server: netip.AddrPortFrom(serverAddr, 69), Blksize: l.Blksize, Window: l.Window}
	return func(file string) (int64, error) { return c.Fetch(context.Background(), file) }
}
