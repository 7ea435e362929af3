package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"
)

// options of the command line.
type dhcpOptions struct {
	servers  []string
	program  string        // plugtone
	dir      string        // on the disk to be measured
	period   time.Duration // of one run
	rate     int           // at which CPU is compared
	most     int           // rate that is tried at most
	leases   int           // in the table, for the second half
	class    string        // option 60 of the clients
	keepRate bool          // only the run at that rate
}

// benchDHCP measures the DHCP servers.
func benchDHCP(ctx context.Context, args []string) error {
	var o dhcpOptions
	flag := flag.NewFlagSet("dhcp", flag.ExitOnError)
	servers := flag.String("servers", "plugtone,kea,dnsmasq", "which to measure, in this order")
	flag.StringVar(&o.program, "plugtone", "bin/plugtone", "the program to measure")
	flag.StringVar(&o.dir, "dir", "bin", "folder on the disk to measure with")
	flag.DurationVar(&o.period, "period", 6*time.Second, "of each run")
	flag.IntVar(&o.rate, "rate", 400, "exchanges a second at which CPU is compared, once more ten times as fast where the server can")
	flag.IntVar(&o.most, "most", 20000, "highest rate to try")
	flag.IntVar(&o.leases, "leases", 100_000, "leases of others in the table, for the second half")
	flag.StringVar(&o.class, "class", "", "option 60 of the clients: yealink makes phones of them, whose timelines are kept")
	flag.BoolVar(&o.keepRate, "quick", false, "only CPU at the one rate")
	if err := flag.Parse(args); err != nil {
		return err
	}
	o.servers = strings.Split(*servers, ",")
	for _, s := range o.servers {
		if makers[s] == nil {
			return fmt.Errorf("server %q must be one of plugtone, kea, dnsmasq", s)
		}
	}
	var remove func() error
	var err error
	if o.dir, o.program, remove, err = Workplace(o.dir, o.program); err != nil {
		return err
	}
	defer remove()
	fmt.Printf("%s\n\n", Machine())
	var all []result
	for _, held := range slices.Compact([]int{0, o.leases}) {
		for _, s := range o.servers {
			if s == "dnsmasq" && held > 0 {
				continue // it walks its list for each packet: a quarter of the rate is left at 2,500
			}
			r, err := measureDHCP(ctx, o, s, held)
			if err != nil {
				return fmt.Errorf("%s with %d leases: %w", s, held, err)
			}
			fmt.Println(r)
			all = append(all, r)
		}
	}
	compareDHCP(all)
	return nil
}

// result is what was measured of one server with a number of leases in its table.
type result struct {
	server string
	held   int
	slow   dhcpSample // at the rate given
	fast   dhcpSample // at ten times that, zero when it could not
	top    dhcpSample // the highest rate with under 1 % lost
	half   dhcpSample // at half of that
}

// measureDHCP asks one server. Each run has a process of its own, with just the leases that were held before in its table.
func measureDHCP(ctx context.Context, o dhcpOptions, name string, held int) (r result, err error) {
	r = result{server: name, held: held}
	ask := func(rate int) (dhcpSample, error) { return askFresh(ctx, o, name, held, rate) }
	if r.slow, err = ask(o.rate); err != nil || o.keepRate {
		return r, err
	}
	if r.top, err = climb(ask, o.rate, o.most); err != nil {
		return r, err
	}
	if r.top.rate >= float64(10*o.rate) {
		if r.fast, err = ask(10 * o.rate); err != nil {
			return r, err
		}
	}
	if r.top.rate >= 2 {
		r.half, err = ask(int(r.top.rate / 2))
	}
	return r, err
}

// climb finds the highest rate with under 1 % lost: in steps of a quarter upwards, then between the last two.
func climb(ask func(rate int) (dhcpSample, error), from, most int) (best dhcpSample, err error) {
	good, bad := from/8, 0
	for next, step := from, 0; step < 24; step++ {
		s, err := ask(next)
		if err != nil {
			return best, err
		}
		if s.lost >= 0.01 || s.rate < 0.97*float64(next) { // once more, for it may have been this machine's doing
			if s, err = ask(next); err != nil {
				return best, err
			}
		}
		if s.lost < 0.01 && s.rate > best.rate {
			best = s
		}
		if s.lost < 0.01 && s.rate > 0.97*float64(next) {
			good = next
		} else {
			bad = next // also when perfdhcp itself can't go faster
		}
		if next = good * 5 / 4; bad > 0 {
			next = (good + bad) / 2
		}
		if next > most || next-good < good/20 || next < 8 {
			break
		}
	}
	return best, nil
}

func (r result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-9s %6d leases  start-up %4d ms  memory %d MB", r.server, r.held, r.slow.started.Milliseconds(), r.slow.memory/1024)
	if r.top.done > 0 {
		fmt.Fprintf(&b, ", after the run at the highest rate %d MB with %d leases more", r.top.memory/1024, r.top.done)
	}
	b.WriteByte('\n')
	for _, l := range []struct {
		what string
		s    dhcpSample
	}{{"compared", r.slow}, {"tenfold", r.fast}, {"top", r.top}, {"half of it", r.half}} {
		if l.s.done > 0 {
			fmt.Fprintf(&b, "  %-10s %s\n", l.what, l.s)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// compareDHCP prints the ratios of the first server to the others.
func compareDHCP(all []result) {
	for _, a := range all {
		for _, b := range all {
			if a.server != "plugtone" || b.server == "plugtone" || a.held != b.held {
				continue
			}
			fmt.Printf("plugtone/%s, %d leases: CPU an exchange %.2f", b.server, a.held, a.slow.cpu()/b.slow.cpu())
			if a.fast.done > 0 && b.fast.done > 0 {
				fmt.Printf(", at the tenfold rate %.2f", a.fast.cpu()/b.fast.cpu())
			}
			if b.top.rate > 0 {
				fmt.Printf(", rate %.2f, p99 %.2f", a.top.rate/b.top.rate, float64(a.half.p99)/float64(b.half.p99))
			}
			fmt.Println()
		}
		for _, b := range all {
			if a.server == b.server && b.held == 0 && a.held > 0 && b.top.rate > 0 {
				fmt.Printf("%s with %d leases / with none: rate %.2f, CPU %.2f\n", a.server, a.held, a.top.rate/b.top.rate, a.slow.cpu()/b.slow.cpu())
			}
		}
	}
}
