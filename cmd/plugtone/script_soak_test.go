package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp"
)

// soakTime is how long the soak runs unless $SOAK_TIME is set; make soak sets an hour.
const soakTime = 2 * time.Minute

// soak is a daemon under a mix of everything that it has to do.
type soak struct {
	daemon  *daemonProcess
	phones  *host // has the addresses of all phones
	thief   *host
	server  netip.Addr
	api     *http.Client
	clients [soakPhones]*bootclient.Client

	mu     sync.Mutex
	addrs  []netip.Addr // of the phones; invalid before the first lease
	lost   []string
	done   [5]atomic.Int64 // of each of the loops
	logged int             // lines that phones have sent
}

// soakPhones have the MACs 00:15:65:00:00:00 and on, and records.
const soakPhones = 20

func soakMAC(n int) dhcp.MAC { return dhcp.MAC{0, 0x15, 0x65, 0, 0, byte(n)} }

// soak HOST THIEF has HOST play phones that boot, renew and fetch, and THIEF send hostile packets, while the API is read, records change
// and the configuration is reloaded. It fails when a request has no right answer, or when memory, descriptors or goroutines grow.
func (s *scriptEnv) soak(ts *testscript.TestScript, _ bool, args []string) error {
	length := soakTime
	if text := os.Getenv("SOAK_TIME"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("SOAK_TIME: %w", err)
		}
	}
	k := &soak{
		daemon: s.daemon, phones: s.hosts[args[0]], thief: s.hosts[args[1]], server: netip.MustParseAddr("10.20.0.2"),
		addrs: make([]netip.Addr, soakPhones),
		api:   &http.Client{Timeout: 3 * time.Minute, Transport: adminTransport(filepath.Join(s.work, "admin.sock"))},
	}
	defer k.api.CloseIdleConnections()
	relay, err := k.phones.leaseRelay("10.20.0.9", k.server.String())
	if err != nil {
		return err
	}
	defer relay.Close()
	for n := range k.clients {
		k.clients[n] = relay.Client(bootclient.Message{MAC: soakMAC(n), Relay: relay.relay, Class: "yealink"}, 5, bootclient.Every(4*time.Second))
	}
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var loops sync.WaitGroup
	for i, l := range []struct {
		pace time.Duration
		once func(n int) error
	}{{50 * time.Millisecond, k.lease}, {50 * time.Millisecond, k.fetch}, {100 * time.Millisecond, k.operate}, {50 * time.Millisecond, k.attack}, {200 * time.Millisecond, k.log}} {
		loops.Go(func() { k.loop(ctx, l.pace, &k.done[i], l.once) })
	}
	samples, err := k.sample(ctx, length)
	loops.Wait()
	err = errors.Join(err, k.allLogged())
	fmt.Fprintf(ts.Stdout(), "%d leases and renewals, %d fetches, %d API requests, %d hostile packets, %d lines logged\n", k.done[0].Load(), k.done[1].Load(), k.done[2].Load(), k.done[3].Load(), k.logged)
	if len(k.lost) > 0 {
		err = errors.Join(err, fmt.Errorf("%d requests without the right answer:\n%s", len(k.lost), strings.Join(k.lost[:min(10, len(k.lost))], "\n")))
	}
	text, growth := judge(samples)
	fmt.Fprint(ts.Stdout(), text)
	return errors.Join(err, growth)
}

// loop calls once at that pace. An error is a lost request.
func (k *soak) loop(ctx context.Context, pace time.Duration, done *atomic.Int64, once func(n int) error) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := once(n); err != nil {
			k.mu.Lock()
			k.lost = append(k.lost, err.Error())
			k.mu.Unlock()
		}
		done.Add(1)
	}
}

// lease has a phone boot, or extend the lease that it has (REBINDING of RFC 2131, 4.3.2, which relays forward).
func (k *soak) lease(n int) error {
	phone := n % soakPhones
	k.mu.Lock()
	had := k.addrs[phone]
	k.mu.Unlock()
	if had.IsValid() && n%3 != 0 {
		_, err := k.clients[phone].Request(context.Background(), bootclient.Message{Addr: had})
		return err
	}
	ack, err := k.clients[phone].Lease(context.Background())
	if err != nil {
		return err
	}
	switch {
	case had.IsValid() && ack.Addr != had:
		return fmt.Errorf("%s had %s and was given %s", soakMAC(phone), had, ack.Addr)
	case !had.IsValid():
		if err := k.phones.ns.AddAddr("eth0", netip.PrefixFrom(ack.Addr, 22)); err != nil {
			return err
		}
		k.mu.Lock()
		k.addrs[phone] = ack.Addr
		k.mu.Unlock()
	}
	return nil
}

// fetch has a phone that has an address fetch its own file; one of 20 times by TFTP.
func (k *soak) fetch(n int) error {
	phone := n % soakPhones
	k.mu.Lock()
	from := k.addrs[phone]
	k.mu.Unlock()
	if !from.IsValid() {
		return nil
	}
	name := soakMAC(phone).Hex() + ".cfg"
	var body string
	var err error
	if n%20 == 0 {
		var out []byte
		out, err = k.phones.ns.Command(context.Background(), "curl", "-s", "-m", "30", "--interface", from.String(), "tftp://"+k.server.String()+"/"+name).Output()
		body = string(out)
	} else {
		var status int
		status, body, err = k.phones.fetch(from, k.server.String(), name)
		if err == nil && status == http.StatusUnauthorized { // ten minutes after it was given credentials it is challenged once for them
			_, body, err = k.phones.fetch(from, k.server.String(), name)
		}
	}
	if err == nil && !strings.Contains(body, "s3cret") {
		err = fmt.Errorf("not its own file: %.200q", body)
	}
	if err != nil {
		return fmt.Errorf("%s for %s: %w", name, from, err)
	}
	return nil
}

// operate is what an operator, a page and Prometheus do.
func (k *soak) operate(n int) error {
	mac := soakMAC(n / 9 % soakPhones).String()
	reads := []string{"devices?where=vendor%3Dyealink", "devices/" + mac, "devices/" + mac + "/timeline", "devices/" + mac + "/diff", "status", "leases", "discovered"}
	switch step := n % 9; {
	case n%45 == 0:
		return k.request("POST", "/api/v1/reload", "")
	case step == 7:
		return k.request("PATCH", "/api/v1/devices/"+mac, fmt.Sprintf(`{"label":"Desk %d"}`, n))
	case step == 8:
		return k.request("PATCH", "/api/v1/extensions/1001", fmt.Sprintf(`{"display_name":"Desk %d"}`, n))
	default:
		return k.request("GET", "/api/v1/"+reads[step], "")
	}
}

// log has a phone that has an address log a line with its password, in the form of RFC 3164 or RFC 5424. Each phone logs one line in four
// seconds, which is less than what is kept of it.
func (k *soak) log(n int) error {
	k.mu.Lock()
	from := k.addrs[n%soakPhones]
	k.mu.Unlock()
	if !from.IsValid() {
		return nil
	}
	line := fmt.Sprintf("<14>Nov 30 12:00:00 desk sua: line %d, 1001:s3cret", n)
	if n%2 == 0 {
		line = fmt.Sprintf("<14>1 2026-11-30T12:00:00Z desk sua - - - line %d, 1001:s3cret", n)
	}
	return k.phones.ns.Do(func() error {
		conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: from.AsSlice()}}).Dial("udp4", k.server.String()+":514")
		if err != nil {
			return err
		}
		defer conn.Close()
		k.logged++
		_, err = conn.Write([]byte(line))
		return err
	})
}

// allLogged checks that every line of the phones was stored, without the password in it.
func (k *soak) allLogged() error {
	want := fmt.Sprintf("plugtone_syslog_messages_total{outcome=\"stored\"} %d\n", k.logged)
	var text []byte
	for range 600 { // the last lines may be in the socket's buffer
		var err error
		if text, err = k.read("GET", "/metrics", ""); err != nil {
			return err
		}
		if strings.Contains(string(text), want) {
			break
		}
		time.Sleep(100 * time.Millisecond) // the daemon is another program
	}
	_, got, _ := strings.Cut(string(text), "plugtone_syslog_messages_total{outcome=\"stored\"} ")
	got, _, _ = strings.Cut(got, "\n")
	if got != strconv.Itoa(k.logged) || k.logged == 0 {
		return fmt.Errorf("%s of %d lines that phones logged are stored", got, k.logged)
	}
	text, err := k.read("GET", "/api/v1/devices/"+soakMAC(0).String()+"/timeline?source=syslog", "")
	if err == nil && !strings.Contains(string(text), ", 1001:***") {
		err = fmt.Errorf("no line of %s is in its timeline: %.300s", soakMAC(0), text)
	}
	return err
}

func (k *soak) request(method, path, body string) error {
	text, err := k.read(method, path, body)
	if err == nil && bytes.Contains(text, []byte("s3cret")) {
		err = fmt.Errorf("%s %s: the answer has a password", method, path)
	}
	return err
}

func (k *soak) read(method, path, body string) ([]byte, error) {
	req, err := http.NewRequest(method, "http://plugtone"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == "PATCH" {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := k.api.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, text)
	}
	return text, err
}

// attack sends something hostile and waits for nothing. Its own errors don't matter.
func (k *soak) attack(n int) error {
	junk := make([]byte, 1+rand.IntN(600))
	for i := range junk {
		junk[i] = byte(rand.Uint32())
	}
	if n%2 == 0 { // what looks like DHCP at first
		junk = append(append(bytes.Repeat([]byte{1, 1, 6, 0}, 59), 0x63, 0x82, 0x53, 0x63, 53, 1, byte(n%16)), junk...)
	}
	network, port := "udp4", [...]string{":67", ":514"}[n/4%2]
	switch n % 4 {
	case 1:
		port, junk = ":69", append([]byte{0, byte(n % 7)}, junk...)
	case 2:
		port, junk = ":69", []byte("\x00\x01../../../etc/"+strconv.Itoa(n)+"\x00octet\x00")
	case 3:
		network, port = "tcp4", ":80"
		if n%8 == 3 {
			junk = []byte("GET /0015650000" + fmt.Sprintf("%02x", n%100) + ".cfg HTTP/1.1\r\nHost: x\r\n\r\n")
		}
	}
	return k.thief.ns.Do(func() error {
		conn, err := net.DialTimeout(network, k.server.String()+port, time.Second)
		if err == nil {
			_, _ = conn.Write(junk)
			_ = conn.Close()
		}
		return nil
	})
}
