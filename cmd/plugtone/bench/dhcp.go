package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dhcpOptions are the options of the command line.
type dhcpOptions struct {
	servers []string
	program string        // plugtone
	dir     string        // on the disk to be measured
	period  time.Duration // of one run
	rates   []int
	runs    int    // at each rate
	leases  int    // in the table, for the second half
	class   string // option 60 of the clients
	kind    string // of the traffic
	quick   bool   // only these rates
}

// most is the highest rate that is tried.
const most = 40_000

// benchDHCP measures the DHCP servers.
func benchDHCP(ctx context.Context, args []string) error {
	var o dhcpOptions
	flag := flag.NewFlagSet("dhcp", flag.ExitOnError)
	servers := flag.String("servers", "plugtone,kea,dnsmasq", "which to measure, in turn: plugtone, kea, dnsmasq")
	rates := flag.String("rate", "50,400,1000,4000,8000", "exchanges a second, begun whether or not the server keeps up")
	flag.StringVar(&o.program, "plugtone", "bin/plugtone", "the program to measure")
	flag.StringVar(&o.dir, "dir", "bin", "folder on the disk to measure with")
	flag.DurationVar(&o.period, "period", 6*time.Second, "of each run")
	flag.IntVar(&o.runs, "runs", 3, "runs at each rate, of which the median counts")
	flag.IntVar(&o.leases, "leases", 100_000, "leases of others in the table, for the second half; 0: no second half")
	flag.StringVar(&o.kind, "clients", "relay", "relay: new ones behind a relay; direct: new ones on the link; renew: ones with a lease; mix: two, two and one of five")
	flag.StringVar(&o.class, "class", "", "option 60 of the clients: yealink makes phones of them, whose timelines are kept")
	flag.BoolVar(&o.quick, "quick", false, "neither search the highest rate nor run perfdhcp")
	if err := flag.Parse(args); err != nil {
		return err
	}
	o.servers = strings.Split(*servers, ",")
	for _, s := range o.servers {
		if makers[s] == nil {
			return fmt.Errorf("server %q must be one of plugtone, kea, dnsmasq", s)
		}
	}
	for _, r := range strings.Split(*rates, ",") {
		n, err := strconv.Atoi(r)
		if err != nil || n < 1 {
			return fmt.Errorf("rate %q must be a number of exchanges a second", r)
		}
		o.rates = append(o.rates, n)
	}
	if !slices.Contains([]string{"relay", "direct", "renew", "mix"}, o.kind) {
		return fmt.Errorf("clients %q must be one of relay, direct, renew, mix", o.kind)
	}
	var remove func() error
	var err error
	if o.dir, o.program, remove, err = workplace(o.dir, o.program); err != nil {
		return err
	}
	defer remove()
	fmt.Printf("%s; clients: %s\n\n", describeMachine(), o.kind)
	for _, held := range slices.Compact([]int{0, o.leases}) {
		if err := o.measure(ctx, held); err != nil {
			return err
		}
	}
	return nil
}

// measure measures all servers with that many leases in their tables. Each run has a process of its own, and the servers take turns.
func (o dhcpOptions) measure(ctx context.Context, held int) error {
	for _, rate := range o.rates {
		var all []dhcpSample
		for range o.runs {
			for _, s := range o.servers {
				if s == "dnsmasq" && (held > 0 || o.kind != "relay" && o.kind != "direct") {
					continue // it walks its list for each packet: a quarter of the rate is left at 2,500
				}
				m, err := askFresh(ctx, o, s, held, rate)
				if err != nil {
					return fmt.Errorf("%s with %d leases: %w", s, held, err)
				}
				fmt.Println(m)
				all = append(all, m)
			}
		}
		compareDHCP(o.servers, all)
	}
	if o.quick {
		return nil
	}
	for _, s := range o.servers {
		top, err := climb(func(rate int) (dhcpSample, error) { return askFresh(ctx, o, s, held, rate) }, o.rates[len(o.rates)-1])
		if err != nil {
			return fmt.Errorf("%s with %d leases: %w", s, held, err)
		}
		fmt.Printf("highest rate with under 1 %% lost: %s\n", top)
		if o.kind != "relay" {
			continue
		}
		check, err := perfdhcpFresh(ctx, o, s, held, o.rates[0])
		if err != nil {
			return fmt.Errorf("perfdhcp on %s: %w", s, err)
		}
		fmt.Printf("the same by perfdhcp:            %s\n\n", check)
	}
	return nil
}

// askFresh is one run of our own traffic against a server of its own.
func askFresh(ctx context.Context, o dhcpOptions, name string, held, rate int) (dhcpSample, error) {
	if o.kind == "renew" || o.kind == "mix" { // each client renews once
		held = max(held, int(o.period.Seconds()*float64(rate))+1)
	}
	t := traffic{Kind: o.kind, Rate: rate, Period: o.period, Class: o.class}
	return runFresh(ctx, o, name, held, rate, func(s *server) (e exchanged, used time.Duration, err error) {
		used, _, err = s.measure("exchange", t, &e)
		return e, used, err
	})
}

// runFresh runs a load against a server of its own.
func runFresh(ctx context.Context, o dhcpOptions, name string, held, rate int, load func(*server) (exchanged, time.Duration, error)) (sample dhcpSample, err error) {
	s, err := newServer(ctx, o.dir, name, nil, clientAddr)
	if err != nil {
		return sample, err
	}
	defer s.close()
	args, env, err := makers[name](o, s.dir, held)
	if err != nil {
		return sample, err
	}
	sample = dhcpSample{server: name, held: held, rate: rate}
	started := time.Now()
	if err := s.launch(env, args, func() error { return awaitOffer(ctx, s.clients) }); err != nil {
		return sample, err
	}
	sample.started = time.Since(started)
	sample.exchanged, sample.used, err = load(s)
	m, errMemory := memoryOf(s.cmd.Process.Pid)
	sample.memory = int(m.all)
	return sample, errors.Join(err, errMemory)
}

// climb finds the highest rate with under 1 % lost: in steps of a quarter upwards, then between the last two.
func climb(measure func(rate int) (dhcpSample, error), from int) (best dhcpSample, err error) {
	good, bad := from/8, 0
	for next, step := from, 0; step < 20 && next <= most && next-good >= good/20 && next >= 8; step++ {
		s, err := measure(next)
		if err == nil && s.lost() >= 0.01 { // once more, for it may have been this machine's doing
			s, err = measure(next)
		}
		if err != nil {
			return best, err
		}
		if s.lost() < 0.01 {
			good, best = next, s
		} else {
			bad = next
		}
		if next = good * 5 / 4; bad > 0 {
			next = (good + bad) / 2
		}
	}
	return best, nil
}

// dhcpSample is one run against one server.
type dhcpSample struct {
	server     string
	held, rate int
	exchanged
	used    time.Duration // CPU time of the server
	started time.Duration // from its start until it answered
	memory  int           // kB, resident, at the end of the run
}

// cpu is the server's time for one exchange, in microseconds.
func (s dhcpSample) cpu() float64 { return float64(s.used.Microseconds()) / float64(max(s.Done, 1)) }

func (s dhcpSample) lost() float64 { return 1 - float64(s.Done)/float64(max(s.Begun, 1)) }

func (s dhcpSample) String() string {
	return fmt.Sprintf("%-9s %6d leases %6d/s  %5.1f %% lost  CPU %4.0f µs an exchange  offer p50 %6.2f ms  p99 %6.2f  ack p50 %6.2f  p99 %6.2f  sent late p99 %5.2f  %d other replies  start %4d ms  memory %3d MB",
		s.server, s.held, s.rate, 100*s.lost(), s.cpu(), ms(s.Offer[0]), ms(s.Offer[1]), ms(s.Ack[0]), ms(s.Ack[1]), ms(s.Late[1]),
		s.Unexpected, s.started.Milliseconds(), s.memory/1024)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// compareDHCP prints the median and the spread of each server's runs at one rate, and the ratio of the first server to the others.
func compareDHCP(servers []string, all []dhcpSample) {
	first := 0.0
	for _, name := range servers {
		line := func(value func(dhcpSample) float64) (median, low, high float64) {
			var v []float64
			for _, s := range all {
				if s.server == name {
					v = append(v, value(s))
				}
			}
			if len(v) == 0 {
				return 0, 0, 0
			}
			slices.SortFunc(v, cmp.Compare[float64])
			return v[len(v)/2], v[0], v[len(v)-1]
		}
		cpu, low, high := line(dhcpSample.cpu)
		if cpu == 0 {
			continue
		}
		p50, _, _ := line(func(s dhcpSample) float64 { return ms(s.All[0]) })
		p99, _, p99Most := line(func(s dhcpSample) float64 { return ms(s.All[1]) })
		lost, _, _ := line(dhcpSample.lost)
		fmt.Printf("  median    %-9s CPU %4.0f µs (%.0f to %.0f)  reply p50 %.2f ms  p99 %.2f (to %.2f)  %.1f %% lost", name, cpu, low, high, p50, p99, p99Most, 100*lost)
		if name == servers[0] {
			first = cpu
		} else {
			fmt.Printf("  CPU of %s / %s: %.2f", servers[0], name, first/cpu)
		}
		fmt.Println()
	}
	fmt.Println()
}
