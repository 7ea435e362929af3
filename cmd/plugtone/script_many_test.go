package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp"
)

// leaseRelay requests leases for many clients, as their relay would.
type leaseRelay struct {
	*bootclient.Port
	relay  netip.Addr
	server netip.Addr
}

func (h *host) leaseRelay(relay, server string) (*leaseRelay, error) {
	a := &leaseRelay{relay: netip.MustParseAddr(relay), server: netip.MustParseAddr(server)}
	err := h.ns.Do(func() (err error) {
		a.Port, err = bootclient.OverUDP(netip.AddrPortFrom(a.relay, bootclient.ServerPort), a.server)
		return err
	})
	return a, err
}

// request has a client of a class choose addr, and returns the address that was acknowledged: 0.0.0.0 by a NAK, none without an answer.
func (a *leaseRelay) request(mac dhcp.MAC, addr netip.Addr, class string, options []byte) netip.Addr {
	c := a.Client(bootclient.Message{MAC: mac, Relay: a.relay, Class: class, More: options}, 5, bootclient.Every(2*time.Second))
	r, _ := c.Request(context.Background(), bootclient.Message{Requested: addr, Server: a.server})
	return r.Addr
}

// requestAll is request for many clients at once. It returns how many got an answer.
func (a *leaseRelay) requestAll(clients map[dhcp.MAC]netip.Addr, class string, options []byte) int {
	var answered atomic.Int64
	var all sync.WaitGroup
	for mac, addr := range clients {
		all.Go(func() {
			if a.request(mac, addr, class, options).IsValid() {
				answered.Add(1)
			}
		})
	}
	all.Wait()
	return int(answered.Load())
}

// relay-many HOST ADDR SERVER FIRST has a host relay the requests of many clients, a hundred at a time, each for the next address from
// FIRST on, on another link than the relay's own (RFC 3527), and with long options, until some get no answer. It fails when all are answered.
func (s *scriptEnv) relayMany(ts *testscript.TestScript, _ bool, args []string) error {
	a, err := s.hosts[args[0]].leaseRelay(args[1], args[2])
	if err != nil {
		return err
	}
	defer a.Close()
	next := netip.MustParseAddr(args[3])
	long := strings.Repeat("7", 250)
	options := append([]byte{61, 250}, long...)
	options = append(append(options, 82, 6, 5, 4), next.AsSlice()...)
	const atOnce = 100
	for answered := 0; answered < 60_000; {
		clients := map[dhcp.MAC]netip.Addr{}
		for n := answered; n < answered+atOnce; n++ {
			clients[dhcp.MAC{2, 0, 0, 0, byte(n >> 8), byte(n)}] = next
			next = next.Next()
		}
		n := a.requestAll(clients, long, options)
		if answered += n; n < atOnce {
			fmt.Fprintf(ts.Stdout(), "%d clients were answered\n", answered)
			return nil
		}
	}
	return errors.New("every client was answered")
}

// take-leases HOST ADDR SERVER FIRST COUNT is an attacker: for one MAC after the other, from 00:15:65:00:00:03 on, it takes a lease, goes to
// that address and requests that phone's file, as fast as it can, again when it was refused and then by TFTP. It prints how many leases
// and how many secrets it got.
func (s *scriptEnv) takeLeases(ts *testscript.TestScript, _ bool, args []string) error {
	h := s.hosts[args[0]]
	a, err := h.leaseRelay(args[1], args[2])
	if err != nil {
		return err
	}
	defer a.Close()
	var count, leases, secrets int
	if _, err := fmt.Sscan(args[4], &count); err != nil {
		return err
	}
	addr := netip.MustParseAddr(args[3])
	for n := 3; n < count+3; n++ {
		mac := dhcp.MAC{0, 0x15, 0x65, 0, byte(n >> 8), byte(n)}
		if a.request(mac, addr, "yealink", nil) == addr {
			leases++
			if err := h.ns.AddAddr("eth0", netip.PrefixFrom(addr, 22)); err != nil {
				return err
			}
			got, err := h.tryAll(addr, args[2], mac.Hex()+".cfg")
			if err != nil {
				return err
			}
			if got {
				secrets++
			}
		}
		addr = addr.Next()
	}
	fmt.Fprintf(ts.Stdout(), "took: %d leases, %d secrets\n", leases, secrets)
	return nil
}

// tryAll requests a file in every way that needs no password, and reports whether it got a secret.
func (h *host) tryAll(from netip.Addr, server, name string) (bool, error) {
	for range 3 {
		_, body, err := h.fetch(from, server, name)
		if err != nil || strings.Contains(body, "s3cret") {
			return err == nil, err
		}
	}
	out, err := h.ns.Command(context.Background(), "curl", "-s", "-m", "1", "--interface", from.String(), "tftp://"+server+"/"+name).Output()
	var refused *exec.ExitError
	if errors.As(err, &refused) {
		return false, nil
	}
	return strings.Contains(string(out), "s3cret"), err
}

// fetch requests a file from one of the host's addresses.
func (h *host) fetch(from netip.Addr, server, name string) (status int, body string, err error) {
	var got strings.Builder
	err = h.ns.Do(func() (err error) {
		c := bootclient.HTTP{From: from, Server: netip.MustParseAddr(server), Timeout: 30 * time.Second}
		status, _, err = c.Do(http.MethodGet, name, "", &got)
		return err
	})
	return status, got.String(), err
}
