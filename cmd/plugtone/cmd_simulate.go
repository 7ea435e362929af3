package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"plugtone/cmd/plugtone/demo"
	"plugtone/cmd/plugtone/simulate"
	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/vendors"
)

// mostPhones is how many phones one run may play: each has a network namespace of its own.
const mostPhones = 2000

// demoCommand shows plugtone at work on a network of its own.
func demoCommand() *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a daemon and simulated phones in network namespaces of their own",
		Long: `Run a daemon and simulated phones of five vendors on a network that exists only while
this runs: every command is shown with what it prints, and
each phone's timeline as it boots. Nothing of this machine's network or files is touched.

It needs root, or a kernel that lets users make namespaces. It runs until Ctrl-C.`,
		Example: "  plugtone demo\n  plugtone demo --once",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			page, err := demoListener(once)
			if err != nil {
				return err
			}
			if status, ran := netlab.Enter(page...); ran {
				os.Exit(status)
			}
			set, err := pack.Load(pack.Config{Builtin: vendors.FS})
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return demo.Run(ctx, demo.Config{Self: self, Once: once, Packs: set, Out: c.OutOrStdout(), Page: page})
		},
	}
	c.Flags().BoolVar(&once, "once", false, "end when all phones have booted, with status 0 only if each got its files")
	return c
}

// demoListener opens a loopback address of this machine's own network, on which the demo offers the API's page; none with --once. In the
// second run of netlab.Enter it is the one that the first run opened.
func demoListener(once bool) ([]*os.File, error) {
	switch {
	case once:
		return nil, nil
	case netlab.Entered():
		return []*os.File{os.NewFile(3, "listener")}, nil
	}
	l, err := net.Listen("tcp4", "127.0.0.1:8067")
	if err != nil { // taken, by a daemon of this machine perhaps
		l, err = net.Listen("tcp4", "127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	f, err := l.(*net.TCPListener).File()
	return []*os.File{f}, errors.Join(err, l.Close())
}

// player has the flags of plugtone simulate.
type player struct {
	vendor, model, mac, iface, transport string
	count, concurrency                   int
	vendorDirs                           []string
	json                                 bool
}

// simulateCommand plays phones on a network of this machine.
func simulateCommand() *cobra.Command {
	p := &player{}
	c := &cobra.Command{
		Use:   "simulate --vendor V --model M",
		Short: "Play phones that boot as real ones do",
		Long: `Play phones on one of this machine's networks: each gets a network interface with a MAC
of its own (a macvlan on --interface), requests an address as phones of that vendor do,
takes its provisioning server from the option that they read, and requests every file
that they request, in their order. It fails unless every phone gets the files it needs:
without a device record it is refused its own file, as a real phone would be.

It needs root. A daemon on this very machine can't be reached through the same interface
(the kernel keeps a macvlan and its parent apart): run it on another one, or try
plugtone demo, which has a network of its own.`,
		Example: `  plugtone simulate --vendor yealink --model T46U --mac 00:15:65:12:34:56 --interface eth1
  plugtone simulate --vendor snom --model D785 --interface eth1 --count 50 --concurrency 10`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return p.run(ctx, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&p.vendor, "vendor", "", "vendor id `VENDOR` (plugtone vendor list shows them)")
	f.StringVar(&p.model, "model", "", "`MODEL`, or VENDOR/MODEL")
	f.StringVar(&p.mac, "mac", "", "`MAC` of the first phone, the others count on from it (default: one of the vendor's)")
	f.StringVar(&p.iface, "interface", "", "interface `NAME` of the network (default: the only one that is up)")
	f.IntVar(&p.count, "count", 1, "`N` phones")
	f.IntVar(&p.concurrency, "concurrency", 1, "`N` boot at the same time")
	f.StringVar(&p.transport, "transport", "", "`PROTOCOL`; tftp: fetch by TFTP for any scheme of the server's URL")
	f.StringArrayVar(&p.vendorDirs, "vendor-dir", nil, "`DIR` of further vendor packs; may be given again")
	f.BoolVar(&p.json, "json", false, "print the results as JSON")
	return c
}

func (p *player) run(ctx context.Context, out, errs io.Writer) error {
	specs, err := p.specs()
	if err != nil {
		return err
	}
	if p.iface == "" {
		if p.iface, err = onlyInterface(); err != nil {
			return err
		}
	} else if _, err := net.InterfaceByName(p.iface); err != nil {
		return usagef("--interface %q: this host has none of that name; it has %s", p.iface, strings.Join(interfaces(0), ", "))
	}
	lab, err := netlab.New()
	if err != nil {
		return err
	}
	defer lab.Close()
	results := p.play(ctx, lab, specs, errs)
	return p.print(out, results)
}

// specs checks the flags and names the phones.
func (p *player) specs() ([]simulate.Spec, error) {
	switch {
	case p.model == "":
		return nil, usagef("--model is missing: a phone's vendor and model decide what it requests")
	case p.count < 1 || p.count > mostPhones:
		return nil, usagef("--count %d: must be 1 to %d", p.count, mostPhones)
	case p.concurrency < 1 || p.concurrency > p.count:
		return nil, usagef("--concurrency %d: must be 1 to --count %d", p.concurrency, p.count)
	}
	spec, err := phoneSpec(p.vendorDirs, p.vendor, p.model, p.transport)
	if err != nil {
		return nil, err
	}
	if spec.MAC, err = p.firstMAC(spec.Vendor); err != nil {
		return nil, err
	}
	specs := make([]simulate.Spec, p.count)
	for i := range specs {
		specs[i] = spec
		spec.MAC = next(spec.MAC)
	}
	return specs, nil
}

// phoneSpec is a phone of a model, or VENDOR/MODEL, that fetches by a transport, without a MAC.
func phoneSpec(vendorDirs []string, vendor, model, transport string) (simulate.Spec, error) {
	if transport != "" && transport != "tftp" {
		return simulate.Spec{}, usagef("--transport %q: allowed is tftp", transport)
	}
	set, err := packcheck.Load(pack.Config{Builtin: vendors.FS, Dirs: vendorDirs})
	if err != nil {
		return simulate.Spec{}, err
	}
	v, m, err := set.FindModel(vendor, model)
	if err != nil {
		return simulate.Spec{}, usageError{err}
	}
	return simulate.Spec{Vendor: v, Model: m.Name, Transport: transport}, nil
}

func (p *player) firstMAC(v *pack.Vendor) (dhcp.MAC, error) {
	if p.mac != "" {
		mac, err := dhcp.ParseMAC(p.mac)
		if err != nil {
			return mac, usageError{err}
		}
		return mac, nil
	}
	mac, ok := v.SampleMAC()
	if !ok {
		return mac, usagef("pack %s names no MAC prefix of its own: give --mac", v.ID)
	}
	return mac, nil
}

// next counts a MAC on within its manufacturer's prefix.
func next(m dhcp.MAC) dhcp.MAC {
	for i := 5; i > 2; i-- {
		if m[i]++; m[i] != 0 {
			break
		}
	}
	return m
}

// onlyInterface is the one interface that phones could be on.
func onlyInterface() (string, error) {
	names := interfaces(net.FlagUp)
	if len(names) == 1 {
		return names[0], nil
	}
	return "", usagef("--interface is missing: there is not one network interface but %d (%s)", len(names), strings.Join(names, ", "))
}

// interfaces are those with all these flags that phones can be on.
func interfaces(flags net.Flags) []string {
	all, err := net.Interfaces()
	var names []string
	for _, i := range all {
		if err == nil && i.Flags&flags == flags && i.Flags&net.FlagLoopback == 0 && len(i.HardwareAddr) == 6 {
			names = append(names, i.Name)
		}
	}
	return names
}

// play boots the phones, so many at a time, and prints the progress.
func (p *player) play(ctx context.Context, lab *netlab.Lab, specs []simulate.Spec, errs io.Writer) []simulate.Result {
	results := make([]simulate.Result, len(specs))
	var output sync.Mutex
	report := func(s simulate.Step) {
		if len(specs) > 1 {
			return
		}
		fmt.Fprintf(errs, "%6.3fs  %s  %s\n", s.Took.Seconds(), s.MAC, s.Text)
	}
	slots := make(chan struct{}, p.concurrency)
	var all sync.WaitGroup
	for i, spec := range specs {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			results[i] = p.boot(ctx, lab, spec, report)
			if len(specs) > 1 {
				output.Lock()
				defer output.Unlock()
				fmt.Fprintf(errs, "%s  %s\n", spec.MAC, verdict(results[i]))
			}
		})
	}
	all.Wait()
	return results
}

func (p *player) boot(ctx context.Context, lab *netlab.Lab, spec simulate.Spec, report func(simulate.Step)) simulate.Result {
	ns, err := lab.Namespace(spec.MAC.String())
	if err == nil {
		err = lab.Plug(p.iface, netlab.Port{Namespace: ns, Name: "eth0", MAC: spec.MAC.String()})
	}
	if err != nil {
		return simulate.Result{Spec: spec, Err: err}
	}
	return simulate.Boot(ctx, simulate.Host{Namespace: ns, Interface: "eth0"}, spec, report)
}

func verdict(r simulate.Result) string {
	if r.Err != nil {
		return "failed: " + strings.ReplaceAll(r.Err.Error(), "\n", "; ")
	}
	return fmt.Sprintf("%s, %d files in %.3fs", r.Addr.Addr(), r.Got(), r.Took.Seconds())
}

// print shows the outcome; a phone without its files makes the command fail.
func (p *player) print(out io.Writer, results []simulate.Result) error {
	failed := 0
	for _, r := range results {
		if r.Err != nil {
			failed++
		}
	}
	if p.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(results); err != nil {
			return err
		}
	} else {
		p.summary(out, results)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d phones did not get what they need; plugtone trace MAC on the daemon's machine shows why", failed, len(results))
	}
	return nil
}

func (p *player) summary(out io.Writer, results []simulate.Result) {
	if len(results) == 1 {
		fmt.Fprintf(out, "%s  %s\n", results[0].Spec.MAC, verdict(results[0]))
		return
	}
	var took []time.Duration
	for _, r := range results {
		if r.Err == nil {
			took = append(took, r.Took)
		}
	}
	slices.Sort(took)
	if len(took) == 0 {
		fmt.Fprintf(out, "none of %d phones booted\n", len(results))
		return
	}
	fmt.Fprintf(out, "%d of %d phones booted; from first DISCOVER to last file: median %.3fs, slowest %.3fs\n",
		len(took), len(results), took[len(took)/2].Seconds(), took[len(took)-1].Seconds())
}
