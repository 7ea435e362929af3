package main

import (
	"fmt"
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
	var in client.LeaseImport
	c := &cobra.Command{
		Use: "leases FILE", Args: cobra.ExactArgs(1), Short: "Import the leases of ISC dhcpd, Kea or dnsmasq",
		Long: "Read the lease file of another DHCP server (- is standard input) and make its leases ours, so that clients keep their\n" +
			"addresses. Stop the other server first, or copy its file. Each lease gets a verdict:\n\n" +
			"  imported  it is ours now; a lease without an end is kept for a year\n" +
			"  same      the client has it here already\n" +
			"  expired   it is over, or the other server ended it\n" +
			"  outside   it is in no subnet of the configuration, or in no pool\n" +
			"  conflict  the address or the client has another lease here, or the address is reserved\n\n" +
			"An imported lease proves the phone's address as any lease does. Reservations of the other server are not read.",
		Example: `  plugtone import leases /var/lib/dhcp/dhcpd.leases --format isc --dry-run
  plugtone import leases /var/lib/kea/kea-leases4.csv --format kea
  plugtone import leases /var/lib/misc/dnsmasq.leases --format dnsmasq`,
		RunE: func(c *cobra.Command, args []string) error {
			if format == "" {
				return usagef("--format is missing: one of %s", strings.Join(leaseimport.Formats(), ", "))
			}
			if err := oneOf("format", format, leaseimport.Formats()...); err != nil {
				return err
			}
			b, err := readAll(c, args[0])
			if err != nil {
				return err
			}
			file, err := leaseimport.Parse(format, string(b))
			if err != nil {
				return fmt.Errorf("%s: nothing is imported:\n%w", args[0], err)
			}
			if file.Skipped > 0 {
				message(c, "left out: %d entries of IPv6 or without a MAC address", file.Skipped)
			}
			in.Leases = file.Leases
			cl, err := a.client()
			if err != nil {
				return err
			}
			out, err := cl.ImportLeases(c.Context(), in)
			if err != nil {
				return err
			}
			return a.printImported(c, out)
		},
	}
	c.Flags().StringVar(&format, "format", "", "what wrote the file: `FORMAT` isc, kea or dnsmasq")
	c.Flags().BoolVar(&in.DryRun, "dry-run", false, "change nothing; show what would become of each lease")
	return c
}

func (a *app) printImported(c *cobra.Command, out client.LeasesImported) error {
	if a.json {
		return printJSON(c, out)
	}
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
