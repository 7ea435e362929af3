package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/daemon"
	"plugtone/daemon/config"
)

// checkCommand returns the command that checks the configuration and the vendor packs.
func checkCommand() *cobra.Command {
	o := daemon.Options{Version: versionText()}
	var asJSON bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and the vendor packs",
		Long: `Read the configuration and the vendor packs as the daemon would, and print all problems at once,
each with file, line and column. Without problems, print the provisioning server that phones in each subnet get.
Nothing is started or changed.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := chooseConfig(&o, true); err != nil {
				return err
			}
			r, err := daemon.Check(o)
			if asJSON {
				return reportJSON(c, r, err)
			}
			if err != nil {
				return counted(o.Config, err)
			}
			for _, w := range r.Warnings {
				message(c, "warning: %s", w)
			}
			return report(c.OutOrStdout(), r)
		},
	}
	c.Flags().StringVar(&o.Config, "config", config.DefaultPath, "configuration `FILE`")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func report(w io.Writer, r *daemon.Report) error {
	if _, err := fmt.Fprintf(w, "%s: no problems; %d vendor packs\n", r.Config, len(r.Vendors)); err != nil {
		return err
	}
	if r.HTTPS != "" {
		if _, err := fmt.Fprintf(w, "https shows %s\n", r.HTTPS); err != nil {
			return err
		}
	}
	if len(r.Subnets) == 0 {
		return nil
	}
	t := newTable("SUBNET", "REACHED BY", "PHONES", "ADDRESSES", "PROVISIONING ADDRESS")
	for _, s := range r.Subnets {
		by, url := "relays", s.ProvisioningURL
		if s.Interface != "" {
			by = s.Interface
		}
		switch {
		case s.Phones != "provision":
			url = "none"
		case url == "":
			url = "http:// and the address of ours that a relay or client there reaches"
		}
		t.add(s.Subnet.String(), by, s.Phones, strconv.Itoa(s.Addresses), url)
	}
	return t.print(w)
}

// reportJSON prints problems in the same shape, and still fails when there are some.
func reportJSON(c *cobra.Command, r *daemon.Report, err error) error {
	out := struct {
		*daemon.Report
		Faults []string `json:"faults"`
	}{r, []string{}}
	if err != nil {
		out.Faults = strings.Split(err.Error(), "\n")
	}
	if printErr := printJSON(c, out); printErr != nil {
		return printErr
	}
	return err
}
