package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"plugtone/cmd/plugtone/simulate"
	"plugtone/dhcp/netlab"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Load your own appliance with simulated phones",
		Long: `Load your own appliance with simulated phones, to see what it does when all phones of a
building boot at once.`,
	}
	c.AddCommand(stormCommand())
	return c
}

// storm has the flags of plugtone bench storm.
type storm struct {
	vendor, model, iface, transport string
	phones                          int
	over, patience                  time.Duration
	vendorDirs                      []string
	yes, records, json              bool
}

func stormCommand() *cobra.Command {
	s := &storm{}
	c := &cobra.Command{
		Use:   "storm --interface NAME",
		Short: "Have many simulated phones boot at once, as after a power cut",
		Long: `Have many simulated phones boot at once, as after a power cut, on a network of this
machine: each requests an address (DISCOVER, REQUEST), takes its provisioning server from
the options that it is offered, fetches the files of its model over TFTP or HTTP as these
say, and gives its address back (RELEASE).

Run it against your own appliance, on a subnet that no phone in use needs: it takes one
address for each phone, and a phone that boots there meanwhile has to wait. Run it on another
machine of that network: each phone is an interface built on --interface (a macvlan), and
through these the machine itself can't be reached. In a network behind a relay they boot
through it. It needs root and about 1 MB of memory for each phone.

The MACs are 02:50:54:00:00:00 and on, locally administered, the same at each run. Without
device records the phones get the files that all phones get; their own are refused, which
is counted apart and is no loss. To load the rendering too, make records for them first:

  plugtone bench storm --phones 1000 --records >storm.csv
  plugtone apply -f storm.csv        (on the appliance)

More new MACs than provisioning.new_phones.burst, 200 by default, freeze the lease proof
for phones that are new: their own files are refused until their turn comes, those of real
phones that are new as well. Before a run with more, open a window on the appliance:

  plugtone device enroll --all --for 10m --from 10.20.0.0/22

What stays behind: no lease (the RELEASE ends it; those of phones that were interrupted
expire), up to --phones entries on the list of new phones and of timelines of unknown
phones (both bounded; the oldest go first), and the device records, if you made any.
To remove them:

  plugtone device rm --where tag=storm
  plugtone discovered list --json | jq -r '.[].mac' | grep ^02:50:54 | xargs -n1 plugtone discovered forget`,
		Example: `  plugtone bench storm --phones 1000 --interface eth1
  plugtone bench storm --phones 150 --interface eth1 --yes --over 30s --json
  plugtone bench storm --phones 1000 --model polycom/VVX450 --records >storm.csv`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return s.run(ctx, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&s.iface, "interface", "", "interface `NAME` of the network that is loaded (needed)")
	f.IntVar(&s.phones, "phones", 1000, "`N` phones")
	f.StringVar(&s.vendor, "vendor", "", "vendor id `VENDOR` (plugtone vendor list shows them)")
	f.StringVar(&s.model, "model", "yealink/T46U", "`MODEL`, or VENDOR/MODEL")
	f.DurationVar(&s.over, "over", 0, "spread the boots over this `TIME` (default: all at once)")
	f.DurationVar(&s.patience, "patience", time.Minute, "a phone that has no address after this `TIME` is lost")
	f.StringVar(&s.transport, "transport", "", "`PROTOCOL`; tftp: fetch by TFTP for any scheme of the server's URL")
	f.StringArrayVar(&s.vendorDirs, "vendor-dir", nil, "`DIR` of further vendor packs; may be given again")
	f.BoolVar(&s.yes, "yes", false, "load the subnet without the question")
	f.BoolVar(&s.records, "records", false, "print device records of the phones for plugtone apply, and do nothing else")
	f.BoolVar(&s.json, "json", false, "print the figures as JSON")
	return c
}

func (s *storm) run(ctx context.Context, in io.Reader, out, errs io.Writer) error {
	specs, err := s.specs()
	if err != nil {
		return err
	}
	if s.records {
		return printStormRecords(out, specs)
	}
	if s.iface == "" {
		return usagef("--interface is missing: name the network that is to be loaded; this host has %s", strings.Join(interfaces(0), ", "))
	}
	if _, err := net.InterfaceByName(s.iface); err != nil {
		return usagef("--interface %q: this host has none of that name; it has %s", s.iface, strings.Join(interfaces(0), ", "))
	}
	if err := neighborRoom(s.phones); err != nil {
		return err
	}
	if err := s.confirm(in, errs); err != nil {
		return err
	}
	lab, err := netlab.New()
	if err != nil {
		return err
	}
	defer lab.Close()
	p := newProgress(errs)
	results, took, err := simulate.Storm{
		Lab: lab, Interface: s.iface, Specs: specs, Over: s.over, Wait: wait,
		Progress: func(phase string, done, phones int) { p.show("%s: %d of %d", phase, done, phones) },
	}.Run(ctx)
	p.end()
	if err != nil {
		return err
	}
	return s.print(out, simulate.Sum(results, took))
}

// neighborRoom checks that the kernel keeps a hardware address of the server for each phone. Its table is one for all network namespaces, and
// packets to further hosts are dropped: it would be the phones' machine that is measured. Only the first namespace shows the limit.
func neighborRoom(phones int) error {
	text, err := os.ReadFile("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
	if err != nil {
		return nil
	}
	if most, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && most < 2*phones {
		return fmt.Errorf("this machine keeps the hardware addresses of %d hosts, and %d phones need twice as many as there are phones\n"+
			"hint: sysctl -w net.ipv4.neigh.default.gc_thresh3=%d, or fewer --phones", most, phones, 4*phones)
	}
	return nil
}

// wait waits for the time or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// specs checks the flags and names the phones.
func (s *storm) specs() ([]simulate.Spec, error) {
	switch {
	case s.phones < 1 || s.phones > mostPhones:
		return nil, usagef("--phones %d: must be 1 to %d", s.phones, mostPhones)
	case s.over < 0:
		return nil, usagef("--over %s: must not be negative", s.over)
	case s.patience <= 0:
		return nil, usagef("--patience %s: must be more than 0", s.patience)
	}
	spec, err := phoneSpec(s.vendorDirs, s.vendor, s.model, s.transport)
	if err != nil {
		return nil, err
	}
	spec.Patience = s.patience
	specs := slices.Repeat([]simulate.Spec{spec}, s.phones)
	for n := range specs {
		specs[n].MAC = simulate.StormMAC(n)
	}
	return specs, nil
}

// confirm returns an error unless the user agrees that the subnet is loaded.
func (s *storm) confirm(in io.Reader, errs io.Writer) error {
	if s.yes {
		return nil
	}
	fmt.Fprintf(errs, "%d phones are going to boot on %s: they take %d addresses of its subnet and load its DHCP and file server.\n"+
		"Phones that boot there meanwhile have to wait. Type %s to go on: ", s.phones, s.iface, s.phones, s.iface)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if strings.TrimSpace(answer) != s.iface {
		return errors.New("not confirmed: nothing was sent\nhint: type the name of the interface, or give --yes")
	}
	return nil
}

// printStormRecords prints a table for plugtone apply.
func printStormRecords(out io.Writer, specs []simulate.Spec) error {
	w := bufio.NewWriter(out)
	fmt.Fprintln(w, "mac,vendor,model,label,tags")
	for n, spec := range specs {
		fmt.Fprintf(w, "%s,%s,%s,Storm %d,storm\n", spec.MAC, spec.Vendor.ID, spec.Model, n+1)
	}
	return w.Flush()
}

// print shows the figures. A lost phone makes the command fail.
func (s *storm) print(out io.Writer, f simulate.Figures) error {
	if s.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(f); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "%d phones on %s in %.2f s\n", f.Phones, s.iface, f.Seconds)
		fmt.Fprintf(out, "leases    %d   p50 %.2f s  p99 %.2f s\n", f.Leased, f.LeaseP50, f.LeaseP99)
		fmt.Fprintf(out, "files     %d   from DISCOVER to the last file p50 %.2f s  p99 %.2f s\n", f.Files, f.BootP50, f.BootP99)
		if f.Refused > 0 {
			fmt.Fprintf(out, "refused   %d   files of single phones: no device records (--records makes them), or too many new phones; plugtone trace %s shows why\n",
				f.Refused, simulate.StormMAC(f.Phones-1))
		}
		fmt.Fprintf(out, "released  %d\n", f.Released)
		fmt.Fprintf(out, "lost      %d\n", f.Lost)
		for _, w := range f.Why {
			fmt.Fprintf(out, "  %6d  %s\n", w.Phones, w.Reason)
		}
	}
	if f.Lost > 0 {
		return fmt.Errorf("%d of %d phones lost an address or a file; plugtone trace MAC and plugtone status on the appliance show more", f.Lost, f.Phones)
	}
	return nil
}
