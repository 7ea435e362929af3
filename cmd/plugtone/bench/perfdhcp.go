package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"plugtone/dhcp/netlab"
)

// The addresses of the two namespaces, and what is handed out. Leases that are there before lie behind what is handed out
// new, so that no server has to walk over them first.
var (
	dhcpNetwork    = netip.MustParsePrefix("10.0.0.0/12")
	dhcpServerAddr = netip.MustParseAddr("10.0.0.2")
	clientAddr     = netip.MustParseAddr("10.0.0.3")
	firstNew       = netip.MustParseAddr("10.1.0.1")
	firstHeld      = netip.MustParseAddr("10.10.0.1")
	lastOfPool     = netip.MustParseAddr("10.14.255.254")
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

// askFresh is one run against a server of its own.
func askFresh(ctx context.Context, o dhcpOptions, name string, held, rate int) (s dhcpSample, err error) {
	b, err := newBenchmark(ctx, o, name, held)
	if err != nil {
		return s, err
	}
	defer b.close()
	if s, err = b.ask(rate); err != nil {
		return s, err
	}
	s.started = b.started
	m, err := MemoryOf(b.pid)
	s.memory = m.All
	return s, err
}

func newBenchmark(ctx context.Context, o dhcpOptions, name string, held int) (*benchmark, error) {
	lab, err := netlab.New()
	if err != nil {
		return nil, err
	}
	b := &benchmark{ctx: ctx, o: o, lab: lab}
	if err := b.begin(name, held); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
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
		netlab.Port{Namespace: host, Name: "eth0", Addrs: []netip.Prefix{netip.PrefixFrom(dhcpServerAddr, dhcpNetwork.Bits())}},
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
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n%s", err, said)
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

// sample is one run of perfdhcp.
type dhcpSample struct {
	rate float64       // exchanges a second that were started
	done int           // ended by an ACK
	lost float64       // part of what was started
	p50  time.Duration // of all replies
	p99  time.Duration
	// Of the server itself.
	used    time.Duration // CPU time
	started time.Duration // from its start until it answered
	memory  int           // kB, resident, at the end of the run
}

// cpu is the server's time for one exchange, in microseconds.
func (s dhcpSample) cpu() float64 { return float64(s.used.Microseconds()) / float64(max(s.done, 1)) }

func (s dhcpSample) String() string {
	return fmt.Sprintf("%6.0f exchanges/s  %4.1f %% lost  CPU %4.0f µs an exchange  reply p50 %6.2f ms  p99 %6.2f ms",
		s.rate, 100*s.lost, s.cpu(), float64(s.p50.Microseconds())/1000, float64(s.p99.Microseconds())/1000)
}

// ask begins rate exchanges a second, each of a client that was never seen.
func (b *benchmark) ask(rate int) (dhcpSample, error) {
	args := []string{"-4", "-r", strconv.Itoa(rate), "-R", "1000000", "-p", strconv.Itoa(int(b.o.period.Seconds())), "-W", "1000000",
		"-b", "mac=00:0c:01:00:00:00", "-x", "t", "-l", clientAddr.String()}
	if b.o.class != "" {
		args = append(args, "-o", fmt.Sprintf("60,%x", b.o.class))
	}
	before, err := CPUTime(b.pid)
	if err != nil {
		return dhcpSample{}, err
	}
	cmd := b.clients.Command(b.ctx, "perfdhcp", append(args, dhcpServerAddr.String())...)
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	// Status 3 says that some were lost, which is what we look for.
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 3 {
		return dhcpSample{}, fmt.Errorf("perfdhcp: %w\n%s", err, faults.String())
	}
	after, err := CPUTime(b.pid)
	if err != nil {
		return dhcpSample{}, err
	}
	s, err := parsePerfdhcp(out.String(), b.o.period)
	s.used = after - before
	return s, err
}

var (
	sentLine     = regexp.MustCompile(`(?m)^sent packets: (\d+)`)
	receivedLine = regexp.MustCompile(`(?m)^received packets: (\d+)`)
	stampLine    = regexp.MustCompile(`(?m)^sent / received: (\d+\.\d+) / (\d+\.\d+)`) // in seconds
)

// parse reads what perfdhcp prints: for DISCOVER-OFFER, then for REQUEST-ACK, packets sent and received, and when.
func parsePerfdhcp(out string, period time.Duration) (dhcpSample, error) {
	sent, received := sentLine.FindAllStringSubmatch(out, -1), receivedLine.FindAllStringSubmatch(out, -1)
	if len(sent) < 2 || len(received) < 2 {
		return dhcpSample{}, fmt.Errorf("perfdhcp printed no statistics:\n%.2000s", out)
	}
	number := func(m []string) int { n, _ := strconv.Atoi(m[1]); return n }
	started := number(sent[0])
	s := dhcpSample{rate: float64(started) / period.Seconds(), done: number(received[1])}
	s.lost = 1 - float64(s.done)/float64(max(started, 1))
	var took []time.Duration
	for _, m := range stampLine.FindAllStringSubmatch(out, -1) {
		a, err1 := strconv.ParseFloat(m[1], 64)
		b, err2 := strconv.ParseFloat(m[2], 64)
		if err1 == nil && err2 == nil && b >= a {
			took = append(took, time.Duration((b-a)*1e9))
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		s.p50, s.p99 = took[len(took)/2], took[len(took)*99/100]
	}
	return s, nil
}
