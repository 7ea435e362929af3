package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// storm has all phones boot at the same moment, as after a power cut: phones on record that had leases before, each from its
// DISCOVER to its third file. The server has just come back, or some seconds before, or has every file cached.
func storm(ctx context.Context, o options) error {
	s, err := start(ctx, o, "plugtone", o.storm, o.storm)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.ready(); err != nil {
		return err
	}
	var uploaded stormResult
	if _, _, err := s.measure("boot", stormSpec{Phones: o.storm, Upload: true}, &uploaded); err != nil {
		return err
	}
	if uploaded.Failed > 0 {
		return fmt.Errorf("%d uploads failed: %s", uploaded.Failed, uploaded.Why)
	}
	fmt.Printf("\nstorm: %d phones that had leases before, all at once, from DISCOVER to the third file (reach 2 s, none lost)\n", o.storm)
	for _, keep := range []bool{false, true} {
		for range o.rounds {
			for _, since := range []string{"just started", "started 10 s ago", "files known"} {
				if since != "files known" {
					if err := s.restart(); err != nil {
						return err
					}
				}
				if since == "started 10 s ago" { // a phone needs longer to boot
					time.Sleep(10 * time.Second)
				}
				text, err := s.storm(stormSpec{Phones: o.storm, Keep: keep})
				if err != nil {
					return err
				}
				fmt.Printf("  %-16s %-21s %s\n", since, pick(keep, "one connection", "a connection a file"), text)
			}
		}
	}
	return nil
}

func pick(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// storm is one run. The server's kernel has dropped the phones' neighbour entries, as it would have by then.
func (s *server) storm(r stormSpec) (string, error) {
	if out, err := s.host.Command(s.ctx, "ip", "neigh", "flush", "dev", "eth0").CombinedOutput(); err != nil {
		return "", fmt.Errorf("ip neigh flush: %w: %s", err, out)
	}
	busy, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", err
	}
	before, err := s.lost()
	if err != nil {
		return "", err
	}
	var got stormResult
	used, theirs, err := s.measure("boot", r, &got)
	if err != nil {
		return "", err
	}
	after, err := s.lost()
	if err != nil {
		return "", err
	}
	memory, err := s.memory()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%5.2f s (leases %5.2f s)  p50 %5.2f s  p99 %5.2f s  lost: DHCP %d  again: DHCP %d, fetches %d, TCP %d+%d segments; dropped by its kernel %d, by itself %d  "+
		"CPU %.2f s, phones' %.2f s  memory %s  load before %.4s",
		got.Last.Seconds(), got.Leased.Seconds(), got.P50.Seconds(), got.P99.Seconds(), got.DHCPLost, got.DHCPAgain, got.FilesAgain, got.TCPAgain, after.again-before.again,
		after.kernel-before.kernel, after.itself-before.itself, used.Seconds(), theirs.Seconds(), memory, busy)
	if got.Failed > 0 {
		text += fmt.Sprintf("  %d FAILED: %s", got.Failed, got.Why)
	}
	return text, nil
}

// restart stops the server as an operator would, and starts it again.
func (s *server) restart() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("%s stopped: %w", s.name, err)
	}
	if err := s.launchFiles("http", s.again...); err != nil {
		return err
	}
	return s.ready()
}

// ready waits until the server reports that all of it is up: files are there before DHCP is.
func (s *server) ready() error {
	return s.poll(20*time.Millisecond, func() error {
		_, err := s.get("/readyz")
		return err
	})
}

// losses counts what had to be sent once more or was thrown away where the server is.
type losses struct {
	again  int // TCP segments, by its kernel
	kernel int // datagrams and connections that its kernel had no room for
	itself int // DHCP packets, by the server
}

func (s *server) lost() (n losses, err error) {
	dir := fmt.Sprintf("/proc/%d/net/", s.cmd.Process.Pid)
	for _, c := range []struct {
		to                *int
		file, group, name string
	}{{&n.again, "snmp", "Tcp:", "RetransSegs"}, {&n.kernel, "snmp", "Udp:", "RcvbufErrors"}, {&n.kernel, "netstat", "TcpExt:", "ListenDrops"}} {
		v, errOne := counter(dir+c.file, c.group, c.name)
		*c.to += v
		err = errors.Join(err, errOne)
	}
	itself, errOne := s.metric("plugtone_dhcp_dropped_total")
	n.itself = int(itself)
	return n, errors.Join(err, errOne)
}

// get requests something from the server's admin API that needs no token.
func (s *server) get(path string) ([]byte, error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, "admin.sock"))
	}}}
	resp, err := c.Get("http://plugtone" + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// metric returns the sum of all series of a metric of the server.
func (s *server) metric(name string) (sum float64, err error) {
	body, err := s.get("/metrics")
	if err != nil {
		return 0, err
	}
	found := false
	for line := range strings.Lines(string(body)) {
		f := strings.Fields(line)
		if len(f) != 2 || f[0] != name && !strings.HasPrefix(f[0], name+"{") {
			continue
		}
		v, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("/metrics has no %s", name)
	}
	return sum, nil
}

// memory is what the server has in RAM.
func (s *server) memory() (string, error) {
	m, err := memoryOf(s.cmd.Process.Pid)
	return fmt.Sprintf("%d MB and %d MB of files", m.own/1024, m.files/1024), err
}
