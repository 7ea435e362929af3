package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// leaseRelay requests leases for many clients, one after the other, as their relay would. It is written from RFC 2131 and 3046.
type leaseRelay struct {
	conn   *net.UDPConn
	relay  netip.Addr
	server netip.Addr
	xid    byte
}

func (h *host) leaseRelay(relay, server string) (*leaseRelay, error) {
	a := &leaseRelay{relay: netip.MustParseAddr(relay), server: netip.MustParseAddr(server)}
	err := h.ns.Do(func() (err error) {
		a.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: a.relay.AsSlice(), Port: 67})
		return err
	})
	return a, err
}

// request has a client choose addr, and returns the address that was acknowledged: 0.0.0.0 by a NAK, none without an answer.
func (a *leaseRelay) request(mac [6]byte, addr netip.Addr, options ...byte) (given netip.Addr, err error) {
	if err := a.send(mac, addr, options...); err != nil {
		return given, err
	}
	return a.given()
}

func (a *leaseRelay) send(mac [6]byte, addr netip.Addr, options ...byte) error {
	a.xid++
	p := make([]byte, 240)
	copy(p, []byte{1, 1, 6, 1, 'm', 'a', mac[5], a.xid})
	copy(p[24:], a.relay.AsSlice()) // giaddr
	copy(p[28:], mac[:])            // chaddr
	copy(p[236:], []byte{0x63, 0x82, 0x53, 0x63})
	p = append(append(p, 53, 1, 3, 54, 4), a.server.AsSlice()...)
	p = append(append(p, 50, 4), addr.AsSlice()...)
	p = append(append(p, options...), 255)
	_, err := a.conn.WriteToUDPAddrPort(p, netip.AddrPortFrom(a.server, 67))
	return err
}

// given is the address in the next answer.
func (a *leaseRelay) given() (given netip.Addr, err error) {
	_, given, err = a.answer()
	return given, err
}

// answer is the client and the address in the next answer; no address when none comes in two seconds.
func (a *leaseRelay) answer() (mac [6]byte, given netip.Addr, err error) {
	if err := a.conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return mac, given, err
	}
	reply := make([]byte, 2048)
	n, err := a.conn.Read(reply)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return mac, given, nil
	case err == nil && n > 240:
		mac, given = [6]byte(reply[28:]), netip.AddrFrom4([4]byte(reply[16:]))
	}
	return mac, given, err
}

// requestAll is request for many clients at once; each repeats its request up to five times, as clients do. It returns how many got an answer.
func (a *leaseRelay) requestAll(clients map[[6]byte]netip.Addr, options ...byte) (answered int, err error) {
	waiting := maps.Clone(clients)
	for try := 0; try < 5 && len(waiting) > 0; try++ {
		for mac, addr := range waiting {
			if err := a.send(mac, addr, options...); err != nil {
				return 0, err
			}
		}
		for len(waiting) > 0 {
			mac, given, err := a.answer()
			if err != nil {
				return 0, err
			}
			if !given.IsValid() {
				break
			}
			delete(waiting, mac)
		}
	}
	return len(clients) - len(waiting), nil
}

// relay-many HOST ADDR SERVER FIRST has a host relay the requests of many clients, a hundred at a time, each for the next address from
// FIRST on, on another link than the relay's own (RFC 3527), and with long options, until some get no answer. It fails when all are answered.
func (s *scriptEnv) relayMany(ts *testscript.TestScript, _ bool, args []string) error {
	a, err := s.hosts[args[0]].leaseRelay(args[1], args[2])
	if err != nil {
		return err
	}
	defer a.conn.Close()
	next := netip.MustParseAddr(args[3])
	long := strings.Repeat("7", 250)
	options := append(append(append([]byte{60, 250}, long...), 61, 250), long...)
	options = append(append(options, 82, 6, 5, 4), next.AsSlice()...)
	const atOnce = 100
	for answered := 0; answered < 60_000; {
		clients := map[[6]byte]netip.Addr{}
		for n := answered; n < answered+atOnce; n++ {
			clients[[6]byte{2, 0, 0, 0, byte(n >> 8), byte(n)}] = next
			next = next.Next()
		}
		n, err := a.requestAll(clients, options...)
		if err != nil {
			return err
		}
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
	defer a.conn.Close()
	var count, leases, secrets int
	if _, err := fmt.Sscan(args[4], &count); err != nil {
		return err
	}
	addr := netip.MustParseAddr(args[3])
	for n := 3; n < count+3; n++ {
		mac := [6]byte{0, 0x15, 0x65, 0, byte(n >> 8), byte(n)}
		given, err := a.request(mac, addr, append([]byte{60, 7}, "yealink"...)...)
		if err != nil {
			return err
		}
		if given == addr {
			leases++
			if err := h.ns.AddAddr("eth0", netip.PrefixFrom(addr, 22)); err != nil {
				return err
			}
			got, err := h.tryAll(addr, args[2], fmt.Sprintf("%x.cfg", mac))
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
		body, err := h.fetch(from, "http://"+server+"/"+name)
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
func (h *host) fetch(from netip.Addr, url string) (string, error) {
	var body string
	err := h.ns.Do(func() error {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: 30 * time.Second}).Dial("tcp4", strings.Split(url, "/")[2]+":80")
		if err != nil {
			return err
		}
		defer conn.Close()
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Close = true
		if err := req.Write(conn); err != nil {
			return err
		}
		b, err := io.ReadAll(conn)
		body = string(b)
		return err
	})
	return body, err
}
