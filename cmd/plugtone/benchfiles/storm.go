package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// storm has all phones boot at the same moment, as after a power cut: phones on record that had leases before, each from its
// DISCOVER to its third file. The server comes back first in one half of the runs, and knows every file already in the other.
func storm(ctx context.Context, o options) error {
	s, err := start(ctx, o, "plugtone", stormPhones, stormPhones)
	if err != nil {
		return err
	}
	defer s.close()
	var kept rushed
	if _, _, err := s.measure("boot", rush{Server: serverAddr.String(), Phones: stormPhones, Upload: true}, &kept); err != nil {
		return err
	}
	if kept.Failed > 0 {
		return fmt.Errorf("%d uploads failed: %s", kept.Failed, kept.Why)
	}
	fmt.Printf("\nstorm: %d phones that had leases before, all at once, from DISCOVER to the third file (reach 2 s, none lost)\n", stormPhones)
	for _, keep := range []bool{false, true} {
		for range o.rounds {
			for _, fresh := range []bool{true, false} {
				if fresh {
					if err := s.restart(); err != nil {
						return err
					}
				}
				text, err := s.storm(rush{Server: serverAddr.String(), Phones: stormPhones, Keep: keep})
				if err != nil {
					return err
				}
				fmt.Printf("  %-14s %-21s %s\n", choose(fresh, "just started", "files known"), choose(keep, "one connection", "a connection a file"), text)
			}
		}
	}
	return nil
}

func choose(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// storm is one run. The server's kernel has forgotten where the phones are, as it would have by then.
func (s *server) storm(r rush) (string, error) {
	if out, err := s.host.Command(s.ctx, "ip", "neigh", "flush", "dev", "eth0").CombinedOutput(); err != nil {
		return "", fmt.Errorf("ip neigh flush: %w: %s", err, out)
	}
	busy, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", err
	}
	before, err := s.kernelLost()
	if err != nil {
		return "", err
	}
	var got rushed
	used, theirs, err := s.measure("boot", r, &got)
	if err != nil {
		return "", err
	}
	after, err := s.kernelLost()
	if err != nil {
		return "", err
	}
	now, most, err := s.resident()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%5.2f s (leases %5.2f s)  p50 %5.2f s  p99 %5.2f s  again: DHCP %d, fetches %d, TCP %d+%d segments; dropped in the server's kernel %d  "+
		"CPU %.2f s, phones %.2f s  memory %d MB, at most %d  load before %.4s",
		got.Last.Seconds(), got.Leased.Seconds(), got.P50.Seconds(), got.P99.Seconds(), got.DHCPAgain, got.FilesAgain, got.TCPAgain, after[0]-before[0], after[1]-before[1],
		used.Seconds(), theirs.Seconds(), now/1024, most/1024, busy)
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
	return s.launch("http", s.again...)
}

// kernelLost returns how many TCP segments the server's kernel has sent once more, and how many datagrams and connections it
// had no room for.
func (s *server) kernelLost() (n [2]int, err error) {
	dir := fmt.Sprintf("/proc/%d/net/", s.cmd.Process.Pid)
	for _, c := range []struct {
		of                int
		file, group, name string
	}{{0, "snmp", "Tcp:", "RetransSegs"}, {1, "snmp", "Udp:", "RcvbufErrors"}, {1, "netstat", "TcpExt:", "ListenDrops"}} {
		v, errOne := counter(dir+c.file, c.group, c.name)
		n[c.of] += v
		err = errors.Join(err, errOne)
	}
	return n, err
}

// resident is the memory in kB that the server has in RAM, and the most it ever had (proc_pid_status(5)).
func (s *server) resident() (now, most int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "VmRSS":
			_, err = fmt.Sscan(value, &now)
		case "VmHWM":
			_, err = fmt.Sscan(value, &most)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return now, most, nil
}
