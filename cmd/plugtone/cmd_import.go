package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/leaseimport"
)

func importCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "import", Short: "Take over from another DHCP server"}
	c.AddCommand(importLeases(a))
	return c
}

func importLeases(a *app) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "leases FILE", Args: cobra.ExactArgs(1), Short: "Import the leases and reservations of ISC dhcpd, Kea or dnsmasq",
		Long: "Read the lease file or the configuration of another DHCP server (- is standard input). Stop the other server first, or copy\n" +
			"its files. Its leases become ours, so that clients keep their addresses. Each gets a verdict:\n\n" +
			"  imported  it is ours now; a lease without an end is kept for a year\n" +
			"  same      the client has it here already\n" +
			"  expired   it has ended, or the other server ended it\n" +
			"  outside   it is in no subnet of the configuration, or in no pool\n" +
			"  conflict  the address or the client has another lease here, or the address is reserved\n\n" +
			"An imported lease proves the phone's address as any lease does.\n\n" +
			"Of a configuration the reservations are read, and those of the files that it includes: host declarations of dhcpd,\n" +
			"reservations of Kea, dhcp-host and dhcp-hostsfile of dnsmasq. They become reserved_ip of the device records:\n\n" +
			"  new       the client had no record; it has one now, with its address and name, and the model if it was recognised\n" +
			"  changed   its record, which had no address reserved, has this one now\n" +
			"  same      its record has it already\n" +
			"  outside   it is in no subnet of the configuration\n" +
			"  conflict  the record has another address, or the address is another device's, leased to another client, or our own\n\n" +
			"All reservations are one change, which plugtone change undo takes back.",
		Example: `  plugtone import leases /var/lib/dhcp/dhcpd.leases --format isc --dry-run
  plugtone import leases /etc/dhcp/dhcpd.conf --format isc --message "reservations of dhcpd"
  plugtone import leases /var/lib/kea/kea-leases4.csv --format kea
  plugtone import leases /etc/kea/kea-dhcp4.conf --format kea
  plugtone import leases /var/lib/misc/dnsmasq.leases --format dnsmasq`,
		RunE: func(c *cobra.Command, args []string) error { return a.importLeases(c, args[0], format) },
	}
	c.Flags().StringVar(&format, "format", "", "what wrote the file: `FORMAT` isc, kea or dnsmasq")
	a.triesFirst(c)
	c.Flags().Lookup("dry-run").Usage = "change nothing; show what would become of each lease and reservation"
	return c
}

func (a *app) importLeases(c *cobra.Command, name, format string) error {
	if format == "" {
		return usagef("--format is missing: one of %s", strings.Join(leaseimport.Formats(), ", "))
	}
	if err := oneOf("format", format, leaseimport.Formats()...); err != nil {
		return err
	}
	b, err := readAll(c, name, maxFleetFile)
	if err != nil {
		return err
	}
	file, err := leaseimport.Parse(format, string(b), includesOf(name))
	if err != nil {
		return fmt.Errorf("%s: nothing is imported:\n%w", name, err)
	}
	if file.Skipped > 0 {
		message(c, "left out: %d entries of IPv6 or without a MAC address", file.Skipped)
	}
	if len(file.Leases)+len(file.Reservations) == 0 {
		message(c, "%s has neither leases nor reservations of IPv4 in the format %s", name, format)
	}
	for _, text := range file.LeftOut {
		message(c, "left out: %s", text)
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	out, err := cl.ImportLeases(c.Context(), client.LeaseImport{Leases: file.Leases, Reservations: file.Reservations})
	if err != nil {
		return err
	}
	return a.printImported(c, out)
}

// includesOf reads the files that a configuration includes: by their own path, else beside the file that names them, where they are when
// the configuration was copied from another machine.
func includesOf(first string) leaseimport.Include {
	return func(from, name string) (map[string]string, error) {
		if from == "" {
			from = first
		}
		path := name
		info, err := os.Stat(path)
		if err != nil {
			path = filepath.Join(filepath.Dir(from), filepath.Base(name))
			if info, err = os.Stat(path); err != nil {
				return nil, fmt.Errorf("%s: no such file, here or beside %s", name, from)
			}
		}
		paths := []string{path}
		if info.IsDir() {
			if paths, err = filepath.Glob(filepath.Join(path, "*")); err != nil {
				return nil, err
			}
		}
		out := map[string]string{}
		for _, p := range paths {
			if info, err := os.Stat(p); err == nil && !info.Mode().IsRegular() {
				continue
			}
			b, err := os.ReadFile(p)
			if err != nil {
				return nil, err
			}
			out[p] = string(b)
		}
		return out, nil
	}
}

func (a *app) printImported(c *cobra.Command, out client.LeasesImported) error {
	if out.Preview == nil {
		warnLeftOut(c, out.LeftOut)
	}
	if a.json {
		return printJSON(c, out)
	}
	if len(out.Reservations) > 0 {
		if err := printReservations(c, out); err != nil {
			return err
		}
	}
	if len(out.Items) > 0 || len(out.Reservations) == 0 {
		return printLeases(c, out)
	}
	return nil
}

func printReservations(c *cobra.Command, out client.LeasesImported) error {
	t := newTable("IP", "MAC", "NAME", "VERDICT", "REASON")
	counts := map[client.ReservationVerdict]int{}
	for _, r := range out.Reservations {
		counts[r.Verdict]++
		t.add(r.IP.String(), r.MAC.String(), r.Hostname, string(r.Verdict), r.Reason)
	}
	if err := t.print(c.OutOrStdout()); err != nil {
		return err
	}
	var parts []string
	for _, v := range client.ReservationVerdicts() {
		parts = append(parts, fmt.Sprintf("%d %s", counts[v], v))
	}
	text := "reservations: " + strings.Join(parts, ", ")
	switch {
	case out.DryRun:
		text += "; nothing was changed"
	case out.Change > 0:
		text += fmt.Sprintf("; that is change %d", out.Change)
	}
	if _, err := fmt.Fprintln(c.OutOrStdout(), text); err != nil || out.Preview == nil {
		return err
	}
	return printPreview(c, *out.Preview)
}

func printLeases(c *cobra.Command, out client.LeasesImported) error {
	t := newTable("IP", "MAC", "EXPIRES", "VERDICT", "REASON")
	counts := map[client.LeaseVerdict]int{}
	for _, l := range out.Items {
		counts[l.Verdict]++
		mac, expires := "-", "never"
		if !l.MAC.IsZero() {
			mac = l.MAC.String()
		}
		if !l.Expires.IsZero() {
			expires = l.Expires.UTC().Format(time.RFC3339)
		}
		t.add(l.IP.String(), mac, expires, string(l.Verdict), l.Reason)
	}
	if err := t.print(c.OutOrStdout()); err != nil {
		return err
	}
	var parts []string
	for _, v := range client.LeaseVerdicts() {
		parts = append(parts, fmt.Sprintf("%d %s", counts[v], v))
	}
	text := strings.Join(parts, ", ")
	if out.DryRun {
		text += "; nothing was changed"
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), text)
	return err
}
