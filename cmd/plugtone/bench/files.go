package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp/netlab"
)

// workload is one measurement, of plugtone and of the program that it is compared with.
type workload struct {
	name  string
	other string
	goal  string
	load  load
}

// workloads are those of the project's aims.
var workloads = []workload{
	{"tftp, 10 kB, 50 clients, no options", "dnsmasq", "1.0, aim 1.5", load{Kind: "tftp", Clients: 50}},
	{"tftp, 10 kB, 50 clients, blksize 1428", "dnsmasq", "1.0, aim 1.5", load{Kind: "tftp", Clients: 50, Blksize: 1428}},
	{"tftp, 50 MB, 1 client, blksize 1428", "atftpd", "1.0", load{Kind: "tftp", Clients: 1, Blksize: 1428, File: bigFile}},
	{"tftp, 50 MB, 1 client, blksize 1428, windowsize 16", "atftpd", "-", load{Kind: "tftp", Clients: 1, Blksize: 1428, Window: 16, File: bigFile}},
	{"tftp, 50 MB, 20 clients, blksize 1428", "atftpd", "1.0", load{Kind: "tftp", Clients: 20, Blksize: 1428, File: bigFile}},
	{"http, 10 kB, 50 clients, kept alive", "nginx", "0.75, aim 0.9", load{Kind: "http", Clients: 50, Keep: true}},
	{"http, 10 kB, 50 clients, a connection each", "nginx", "0.65, aim 0.8", load{Kind: "http", Clients: 50}},
	{"http, 50 MB, 4 clients", "nginx", "-", load{Kind: "http", Clients: 4, Keep: true, File: bigFile}},
}

// options of the command line.
type options struct {
	program string
	dir     string
	period  time.Duration
	rounds  int
	only    string
	build   string // another build of plugtone to compare with; "": the program of the workload
	devices int
	storm   int // phones that boot at once

	impairment *netlab.Impairment // of the links; nil: none
}

// benchFiles measures the file servers.
func benchFiles(ctx context.Context, args []string) error {
	var o options
	flag := flag.NewFlagSet("files", flag.ExitOnError)
	flag.StringVar(&o.program, "plugtone", "bin/plugtone", "the program to measure")
	flag.StringVar(&o.dir, "dir", "bin", "folder on the disk to measure with")
	flag.DurationVar(&o.period, "period", 4*time.Second, "of each run")
	flag.IntVar(&o.rounds, "rounds", 3, "runs of each, in turn; the median counts")
	flag.StringVar(&o.only, "only", "", "only workloads with this in their name")
	flag.StringVar(&o.build, "build", "", "compare with this build of plugtone, not with the other programs")
	flag.IntVar(&o.devices, "devices", 100_000, "devices on record, for the comparison with 100")
	flag.IntVar(&o.storm, "storm-phones", 1000, "phones that boot at the same moment; 10,000 are the most")
	if err := flag.Parse(args); err != nil {
		return err
	}
	var remove func() error
	var err error
	if o.dir, o.program, remove, err = workplace(o.dir, o.program); err != nil {
		return err
	}
	defer remove()
	fmt.Println(describeMachine())
	for _, w := range workloads {
		if strings.Contains(w.name, o.only) {
			if err := compare(ctx, o, w); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	for _, m := range []struct {
		name    string
		measure func(context.Context, options) error
	}{{"windows", windows}, {"crowd", duringCrowd}, {"devices", manyDevices}, {"storm", storm}} {
		if strings.Contains(m.name, o.only) {
			if err := m.measure(ctx, o); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	return nil
}

// compare measures plugtone and the other program in turn.
func compare(ctx context.Context, o options, w workload) error {
	ours, err := start(ctx, o, "plugtone", phones, phones)
	if err != nil {
		return err
	}
	defer ours.close()
	var theirs *server
	if o.build != "" {
		w.other = "build"
		other := o
		other.program = o.build
		theirs, err = start(ctx, other, w.other, phones, phones)
	} else {
		theirs, err = startBeside(ctx, o, w.other, ours)
	}
	if err != nil {
		return err
	}
	defer theirs.close()
	a, b, err := inTurn(o, w.load, ours, theirs)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n  %-9s %s\n  %-9s %s\n", w.name, ours.name, a, theirs.name, b)
	fmt.Printf("  plugtone/%s: rate %.2f (reach %s), CPU a file %.2f\n", w.other, a.rate()/b.rate(), w.goal, a.cpu()/b.cpu())
	return nil
}

// inTurn runs the same load against two servers, one after the other, and again.
func inTurn(o options, l load, a, b *server) (sample, sample, error) {
	var of [2][]sample
	for range o.rounds {
		for i, s := range []*server{a, b} {
			got, err := s.runLoad(l, o.period)
			if err != nil {
				return sample{}, sample{}, fmt.Errorf("%s: %w", s.name, err)
			}
			of[i] = append(of[i], got)
		}
	}
	return median(of[0]), median(of[1]), nil
}

// median returns the run with the median rate, and the median of the CPU times, which is that of another run.
func median(all []sample) sample {
	slices.SortFunc(all, func(a, b sample) int { return cmp.Compare(a.cpu(), b.cpu()) })
	used := all[len(all)/2].cpu()
	least, most := all[0].cpu(), all[len(all)-1].cpu()
	slices.SortFunc(all, func(a, b sample) int { return cmp.Compare(a.rate(), b.rate()) })
	m := all[len(all)/2]
	m.used = time.Duration(used * float64(max(m.Files, 1)) * float64(time.Microsecond))
	m.least, m.most = least, most
	return m
}

// windows compares windows of 16 blocks with lock-step on a link that delays and loses packets.
func windows(ctx context.Context, o options) error {
	o.impairment = &netlab.Impairment{Delay: time.Millisecond, Loss: 0.001, Seed: 1}
	s, err := start(ctx, o, "plugtone", phones, phones)
	if err != nil {
		return err
	}
	defer s.close()
	var of [2][]sample
	for range o.rounds {
		for i, window := range []int{1, 16} {
			got, err := s.runLoad(load{Kind: "tftp", Clients: 1, Blksize: 1428, Window: window, File: lossyFile}, o.period)
			if err != nil {
				return err
			}
			of[i] = append(of[i], got)
		}
	}
	lockstep, windowed := median(of[0]), median(of[1])
	fmt.Printf("\ntftp, 5 MB, 1 client, blksize 1428, 1 ms of delay each way and 0.1 %% lost: lock-step, and windowsize 16\n  %-12s %s\n  %-12s %s\n",
		"lock-step", lockstep, "windowsize", windowed)
	fmt.Printf("  rate %.2f (reach 3)\n", windowed.rate()/lockstep.rate())
	return nil
}

// manyDevices compares a daemon with few devices on record with one that has very many.
func manyDevices(ctx context.Context, o options) error {
	few, err := start(ctx, o, "plugtone", phones, phones)
	if err != nil {
		return err
	}
	defer few.close()
	many, err := start(ctx, o, "plugtone", phones, o.devices)
	if err != nil {
		return err
	}
	defer many.close()
	for _, l := range []load{{Kind: "http", Clients: 50, Keep: true}, {Kind: "tftp", Clients: 50, Blksize: 1428}} {
		a, b, err := inTurn(o, l, many, few)
		if err != nil {
			return err
		}
		fmt.Printf("\n%s, %d devices on record beside %d\n  %-9d %s\n  %-9d %s\n", l.Kind, o.devices, phones, o.devices, a, phones, b)
		fmt.Printf("  CPU a file %.2f (reach 1.2)\n", a.cpu()/b.cpu())
	}
	memory, err := many.memory()
	fmt.Printf("  memory with %d devices: %s (reach 150 MB)\n", o.devices, memory)
	return err
}

// sample is one run.
type sample struct {
	loaded
	used time.Duration // CPU of the server

	least, most float64 // CPU a file of the runs that this is the median of, in µs
}

func (s sample) rate() float64 { return float64(s.Files) / s.Took.Seconds() }
func (s sample) cpu() float64  { return float64(s.used.Microseconds()) / float64(max(s.Files, 1)) }

func (s sample) String() string {
	spread := ""
	if s.most > 0 {
		spread = fmt.Sprintf(" (%.0f to %.0f)", s.least, s.most)
	}
	text := fmt.Sprintf("%8.1f files/s  %7.1f MB/s  CPU %8.1f µs a file%s  p50 %7.2f ms  p99 %7.2f ms", s.rate(), float64(s.Bytes)/1e6/s.Took.Seconds(), s.cpu(), spread,
		float64(s.P50.Microseconds())/1000, float64(s.P99.Microseconds())/1000)
	if s.Failed > 0 {
		text += fmt.Sprintf("  %d FAILED: %s", s.Failed, s.Why)
	}
	return text
}

// runLoad has the phones' namespace load a server for so long.
func (s *server) runLoad(l load, period time.Duration) (got sample, err error) {
	l.Period, l.Phones = period, phones
	got.used, _, err = s.measure("load", l, &got.loaded)
	return got, err
}

// measure runs a part of this program in the phones' namespace, and returns the CPU time that the server and the phones used.
func (s *server) measure(part string, spec, result any) (used, theirs time.Duration, err error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return 0, 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	before, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	cmd := s.clients.Command(s.ctx, self, part, string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, err
	}
	after, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	return after - before, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), json.Unmarshal(out, result)
}
