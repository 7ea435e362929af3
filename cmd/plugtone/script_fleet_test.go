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
	"path/filepath"
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

// notifiedPhones are the phones of a fleet that fetch their files when they get a NOTIFY.
type notifiedPhones struct {
	host     *host
	server   string
	notified string // the file with the addresses of those that got one
	not      string // the file with the addresses of those that do not fetch
	fetched  string // the file with the addresses of those that fetched
}

// fetchNotified: fetch-notified HOST LOG SERVER NOT has the phones of a fleet fetch their files until the script ends: each line of LOG is the address of a phone that got a NOTIFY. Those
// whose address is a line of the file NOT do not. Who fetched is appended to $WORK/fetched.log.
func (s *scriptEnv) fetchNotified(ts *testscript.TestScript, _ bool, args []string) error {
	if len(args) != 4 {
		return errors.New("usage: fetch-notified HOST LOG SERVER NOT")
	}
	p := &notifiedPhones{host: s.hosts[args[0]], server: args[2], notified: ts.MkAbs(args[1]), not: ts.MkAbs(args[3]), fetched: filepath.Join(s.work, "fetched.log")}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	ts.Defer(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		_ = p.follow(ctx)
	}()
	return nil
}

func (p *notifiedPhones) follow(ctx context.Context) error {
	for ctx.Err() == nil && !fileExists(p.notified) {
		time.Sleep(50 * time.Millisecond) // another program writes it
	}
	f, err := os.Open(p.notified)
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
		if skip, _ := os.ReadFile(p.not); err != nil || strings.Contains(string(skip), addr.String()+"\n") {
			continue
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			for range 60 { // as phones do while the server is down
				if p.fetch(addr) {
					return
				}
				time.Sleep(500 * time.Millisecond) // as phones do
			}
		}()
	}
	return nil
}

// fetch has a phone fetch its file, and reports whether it got it.
func (p *notifiedPhones) fetch(addr netip.Addr) bool {
	status, _, err := p.host.fetch(addr, p.server, fleetMAC(addr).Hex()+".cfg")
	if err != nil || status != http.StatusOK {
		return false
	}
	appendTo(p.fetched, addr.String()+"\n")
	return true
}
