package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/daemon"
	"plugtone/daemon/config"
)

// preflightCommand lists what an upgrade to this version would change.
func preflightCommand() *cobra.Command {
	o := daemon.Options{Version: versionText(), CheckCommand: checkFileCommand()}
	var asJSON bool
	c := &cobra.Command{
		Use: "preflight --data-dir COPY", Args: cobra.NoArgs,
		Short: "List the phones whose files an upgrade to this version would change",
		Long: `Open a copy of the data folder with this version, and list the phones whose files differ from what they fetched last.
Run it with the new program, on the machine that serves the phones, before the upgrade. The copy is changed to this
version's schema; configuration, the running daemon and its data are not touched, and nothing listens.

A phone that had not fetched its newest files before the upgrade is listed too.`,
		Example: `  sudo plugtone backup before.bak
  ./plugtone-new restore before.bak --data-dir /tmp/copy
  sudo cp /var/lib/plugtone/plugtone.key /tmp/copy/       # 0.1.0 has none
  sudo ./plugtone-new preflight --data-dir /tmp/copy`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := chooseConfig(&o, true); err != nil {
				return err
			}
			o.Log = io.Discard
			r, err := daemon.Preflight(c.Context(), o)
			if err != nil {
				return counted(o.Config, err)
			}
			if asJSON {
				return printJSON(c, r)
			}
			return printPreflight(c.OutOrStdout(), r)
		},
	}
	c.Flags().StringVar(&o.Config, "config", config.DefaultPath, "configuration `FILE`")
	c.Flags().StringVar(&o.DataDir, "data-dir", "", "copy of the data folder, in `DIR`; it is changed")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printPreflight(w io.Writer, r *daemon.PreflightReport) error {
	for _, text := range r.Damage {
		if _, err := fmt.Fprintln(w, "damage:", text); err != nil {
			return err
		}
	}
	var states []string
	for _, state := range slices.Sorted(maps.Keys(r.States)) {
		states = append(states, strconv.Itoa(r.States[state])+" "+state)
	}
	_, err := fmt.Fprintf(w, "plugtone %s would change the files of %d of %d phones (%s)\n", r.Version, len(r.Changed), r.Devices, strings.Join(states, ", "))
	if err != nil || len(r.Changed) == 0 {
		return err
	}
	t := newTable("MAC", "MODEL", "LABEL", "FILES", "PROBLEM")
	for _, d := range r.Changed {
		t.add(d.MAC.String(), d.Model, d.Label, strings.Join(d.Files, " "), d.Error)
	}
	return t.print(w)
}
