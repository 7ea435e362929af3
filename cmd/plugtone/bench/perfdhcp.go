package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"plugtone/cmd/plugtone/bench/machine"
	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
)

// The addresses of the two namespaces, and what is handed out. Leases that are there before lie behind what is handed out
// new, so that no server has to walk over them first.
var (
	dhcpNetwork    = netip.MustParsePrefix("10.0.0.0/8")
	dhcpServerAddr = netip.MustParseAddr("10.0.0.2")
	clientAddr     = netip.MustParseAddr("10.0.0.3")
	firstNew       = netip.MustParseAddr("10.1.0.1")
	firstHeld      = netip.MustParseAddr("10.10.0.1")
	lastOfPool     = netip.MustParseAddr("10.30.255.254")
)

// benchmark is one running server and the namespace of its clients.
type benchmark struct {
	ctx     context.Context
	o       dhcpOptions
	lab     *netlab.Lab
	clients *netlab.Namespace
	cmd     *exec.Cmd
	pid     int
	dir     string
	started time.Duration
}

// askFresh is one run of our own traffic against a server of its own.
func askFresh(ctx context.Context, o dhcpOptions, name string, held, rate int) (dhcpSample, error) {
	if o.kind == "renew" || o.kind == "mix" { // each client renews once
		held = max(held, int(o.period.Seconds()*float64(rate))+1)
	}
	t := traffic{Kind: o.kind, Rate: rate, Period: o.period, Class: o.class}
	return runFresh(ctx, o, name, held, rate, func(b *benchmark) (e exchanged, err error) {
		spec, err := json.Marshal(t)
		if err != nil {
			return e, err
		}
		self, err := os.Executable()
		if err != nil {
			return e, err
		}
		cmd := b.clients.Command(ctx, self, "exchange", string(spec))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return e, fmt.Errorf("generator: %w", err)
		}
		return e, json.Unmarshal(out, &e)
	})
}

// perfdhcpFresh is the same by perfdhcp. Its times count from when it sent a message, not from when it should have.
func perfdhcpFresh(ctx context.Context, o dhcpOptions, name string, held, rate int) (dhcpSample, error) {
	return runFresh(ctx, o, name, held, rate, func(b *benchmark) (exchanged, error) { return b.perfdhcp(rate) })
}

func runFresh(ctx context.Context, o dhcpOptions, name string, held, rate int, load func(*benchmark) (exchanged, error)) (s dhcpSample, err error) {
	b, err := newBenchmark(ctx, o, name, held)
	if err != nil {
		return s, err
	}
	defer b.close()
	s = dhcpSample{server: name, held: held, rate: rate, started: b.started}
	before, err1 := machine.CPUTime(b.pid)
	s.exchanged, err = load(b)
	after, err2 := machine.CPUTime(b.pid)
	m, err3 := machine.MemoryOf(b.pid)
	s.used, s.memory = after-before, m.All
	return s, errors.Join(err, err1, err2, err3)
}

func newBenchmark(ctx context.Context, o dhcpOptions, name string, held int) (*benchmark, error) {
	lab, err := netlab.New()
	if err != nil {
		return nil, err
	}
	b := &benchmark{ctx: ctx, o: o, lab: lab}
	if err = b.begin(name, held); err != nil {
		b.close()
	}
	return b, err
}

func (b *benchmark) begin(name string, held int) error {
	host, err := b.lab.Namespace("server")
	if err != nil {
		return err
	}
	if b.clients, err = b.lab.Namespace("clients"); err != nil {
		return err
	}
	err = b.lab.Link(
		netlab.Port{Namespace: host, Name: "eth0", MAC: dhcp.MAC(serverMAC).String(), Addrs: []netip.Prefix{netip.PrefixFrom(dhcpServerAddr, dhcpNetwork.Bits())}},
		netlab.Port{Namespace: b.clients, Name: "eth0", Addrs: []netip.Prefix{netip.PrefixFrom(clientAddr, dhcpNetwork.Bits())}})
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.o.dir, name+"-")
	if err != nil {
		return err
	}
	b.dir = dir
	args, env, err := makers[name](b.o, dir, held)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b.cmd = host.Command(b.ctx, args[0], args[1:]...)
	b.cmd.Env, b.cmd.Stdout, b.cmd.Stderr = append(os.Environ(), env...), log, log
	started := time.Now()
	if err := b.cmd.Start(); err != nil {
		return err
	}
	b.pid = b.cmd.Process.Pid
	if err := awaitOffer(b.ctx, b.clients); err != nil {
		output, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n%s", err, output)
	}
	b.started = time.Since(started)
	return nil
}

func (b *benchmark) close() {
	_ = b.lab.Close()
	if b.cmd != nil && b.cmd.Process != nil {
		_ = b.cmd.Wait()
	}
	_ = os.RemoveAll(b.dir)
}

// perfdhcp begins rate exchanges a second, each of a client that was never seen.
func (b *benchmark) perfdhcp(rate int) (e exchanged, err error) {
	args := []string{"-4", "-r", strconv.Itoa(rate), "-R", "1000000", "-p", strconv.Itoa(int(b.o.period.Seconds())), "-W", "1000000",
		"-b", "mac=00:0c:01:00:00:00", "-x", "t", "-l", clientAddr.String()}
	if b.o.class != "" {
		args = append(args, "-o", fmt.Sprintf("60,%x", b.o.class))
	}
	cmd := b.clients.Command(b.ctx, "perfdhcp", append(args, dhcpServerAddr.String())...)
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	// Status 3 reports that some were lost.
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 3 {
		return e, fmt.Errorf("%w\n%s", err, faults.String())
	}
	return parsePerfdhcp(out.String())
}

var (
	sentLine     = regexp.MustCompile(`(?m)^sent packets: (\d+)`)
	receivedLine = regexp.MustCompile(`(?m)^received packets: (\d+)`)
	stampLine    = regexp.MustCompile(`(?m)^sent / received: (\d+\.\d+) / (\d+\.\d+)`) // in seconds
)

// parsePerfdhcp reads what perfdhcp prints: for DISCOVER-OFFER, then for REQUEST-ACK, packets sent and received, and when.
func parsePerfdhcp(out string) (e exchanged, err error) {
	sent, received := sentLine.FindAllStringSubmatch(out, -1), receivedLine.FindAllStringSubmatch(out, -1)
	offers, acks, ok := strings.Cut(out, "***Timestamps for packets: REQUEST-ACK***")
	if len(sent) < 2 || len(received) < 2 || !ok {
		return e, fmt.Errorf("perfdhcp printed no statistics:\n%.2000s", out)
	}
	e.Begun, _ = strconv.Atoi(sent[0][1]) // digits, by the expression
	e.Done, _ = strconv.Atoi(received[1][1])
	e.offers, e.acks = stamps(offers), stamps(acks)
	e.Offer, e.Ack, e.All = quantiles(e.offers), quantiles(e.acks), quantiles(append(e.offers, e.acks...))
	return e, nil
}

func stamps(text string) (took []time.Duration) {
	for _, m := range stampLine.FindAllStringSubmatch(text, -1) {
		a, err1 := strconv.ParseFloat(m[1], 64)
		b, err2 := strconv.ParseFloat(m[2], 64)
		if err1 == nil && err2 == nil && b >= a {
			took = append(took, time.Duration((b-a)*1e9))
		}
	}
	return took
}
