package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"plugtone/dhcp"
)

// fleetMAC is the MAC of a phone of a fleet, by the address that it leases: 00:15:65 and the last three octets.
func fleetMAC(addr netip.Addr) dhcp.MAC {
	a := addr.As4()
	return dhcp.MAC{0, 0x15, 0x65, a[1], a[2], a[3]}
}

// nextPhone is the address after one of a fleet: of each 256 it has the first 250.
func nextPhone(addr netip.Addr) netip.Addr {
	a := addr.As4()
	if a[3]++; a[3] > 250 {
		a[2], a[3] = a[2]+1, 1
	}
	return netip.AddrFrom4(a)
}

// leaseFleet: lease-fleet HOST ADDR SERVER FIRST COUNT has a host relay the requests of COUNT Yealink phones, each for the next address of the fleet from FIRST on. It fails unless all are answered.
func (s *scriptEnv) leaseFleet(_ *testscript.TestScript, _ bool, args []string) error {
	var count int
	if len(args) != 5 {
		return errors.New("usage: lease-fleet HOST ADDR SERVER FIRST COUNT")
	}
	if _, err := fmt.Sscan(args[4], &count); err != nil {
		return err
	}
	h := s.hosts[args[0]]
	a, err := h.leaseRelay(args[1], args[2])
	if err != nil {
		return err
	}
	defer a.Close()
	const atOnce = 100
	for addr, left := netip.MustParseAddr(args[3]), count; left > 0; {
		clients := map[dhcp.MAC]netip.Addr{}
		for range min(left, atOnce) {
			clients[fleetMAC(addr)] = addr
			addr = nextPhone(addr)
		}
		n := a.requestAll(clients, "yealink", nil)
		if n < len(clients) {
			return fmt.Errorf("%d of %d phones were answered", n, len(clients))
		}
		left -= n
	}
	return nil
}

// fetchNotified: fetch-notified HOST LOG SERVER NOT has the phones of a fleet fetch their files until the script ends: each line of LOG is the address of a phone that got a NOTIFY. Those
// whose address is a line of the file NOT do not. Who fetched is appended to $WORK/fetched.log.
func (s *scriptEnv) fetchNotified(ts *testscript.TestScript, _ bool, args []string) error {
	if len(args) != 4 {
		return errors.New("usage: fetch-notified HOST LOG SERVER NOT")
	}
	h := s.hosts[args[0]]
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	ts.Defer(func() { cancel(); <-ended })
	name, not := ts.MkAbs(args[1]), ts.MkAbs(args[3])
	go func() {
		defer close(ended)
		_ = s.followNotified(ctx, h, name, not, args[2])
	}()
	return nil
}

func (s *scriptEnv) followNotified(ctx context.Context, h *host, name, not, server string) error {
	for ctx.Err() == nil && !fileExists(name) {
		time.Sleep(50 * time.Millisecond) // another program writes it
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	slots := make(chan struct{}, 16)
	for in, line := bufio.NewReader(f), ""; ctx.Err() == nil; {
		part, err := in.ReadString('\n')
		line += part
		if err == io.EOF {
			time.Sleep(20 * time.Millisecond) // another program writes it
			continue
		}
		addr, err := netip.ParseAddr(strings.TrimSpace(line))
		line = ""
		if skip, _ := os.ReadFile(not); err != nil || strings.Contains(string(skip), addr.String()+"\n") {
			continue
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			for range 60 { // as phones do while the server is down
				if s.fetchOnce(h, addr, server) {
					return
				}
				time.Sleep(500 * time.Millisecond) // as phones do
			}
		}()
	}
	return nil
}

// fetchOnce has a phone of a fleet fetch its file, and reports whether it got it.
func (s *scriptEnv) fetchOnce(h *host, addr netip.Addr, server string) bool {
	status, _, err := h.fetch(addr, server, fleetMAC(addr).Hex()+".cfg")
	if err != nil || status != http.StatusOK {
		return false
	}
	s.appendTo("fetched.log", addr.String()+"\n")
	return true
}
