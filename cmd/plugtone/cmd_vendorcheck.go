package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/vendors"
)

// vendorCheckCommand tries packs before a daemon is given them.
func vendorCheckCommand(a *app) *cobra.Command {
	var update bool
	var dirs []string
	c := &cobra.Command{
		Use:   "check DIR",
		Short: "Try a vendor pack, or a folder of packs, before a daemon is given it",
		Long: `Try a vendor pack, or a folder of packs, as the daemon would take it; no daemon is needed,
and nothing but goldens (with --update) is written.

Each pack is loaded beside those built in, which it may extend. Then, for every model,
sample phones are made up (the least, everything at once, another time zone, disabled,
waiting for a record), every file is rendered for each and read back in its format, and
every name is looked up as if the phone requested it. The goldens in testdata/*.txtar run,
and testdata/recognise.csv is recognised beside all other packs. Every setting, key type
and member of lines that the pack accepts is switched on and off: what makes no difference
in a model's files must be listed under lacks in vendor.yaml, and nothing else may.

Every problem is printed with file and line, and the status is 1. A folder that passes can
be named under provisioning.vendor_dirs; plugtone check tries it together with your
configuration, and a reload takes all of it or refuses all of it.

A golden is a text file: phone.yaml describes the phone, and below it is, line by line,
what plugtone would give it. Look at it once; from then on the check shows what a change
of the pack changes. --update rewrites them, and makes the first ones.`,
		Example: `  plugtone vendor check /etc/plugtone/vendors
  plugtone vendor check --update ./acme`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var rewrite func(string, []byte) error
			if update {
				rewrite = writeGolden
			}
			trials, err := packcheck.Check(pack.Config{Builtin: vendors.FS, Dirs: dirs}, filepath.Clean(args[0]), rewrite)
			if a.json {
				return resultsJSON(c, trials, err)
			}
			for _, t := range trials {
				for _, n := range t.Notes {
					message(c, "%s: %s", t.Dir, n)
				}
				for _, f := range t.Wrote {
					message(c, "%s written: read it before you keep it", f)
				}
			}
			if err != nil {
				return counted(args[0], err)
			}
			for _, t := range trials {
				if _, err := fmt.Fprintln(c.OutOrStdout(), resultLine(t)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&update, "update", false, "rewrite goldens that differ, and make the first ones of a pack that has none")
	c.Flags().StringArrayVar(&dirs, "vendor-dir", nil, "`DIR` of further packs that those in question may extend; may be given again")
	return c
}

// writeGolden writes into the pack's folder, with the rights of the user who runs the command.
func writeGolden(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

func resultLine(t packcheck.CheckResult) string {
	what := t.Vendor
	if t.Extends != "" {
		what += ", extending " + t.Extends
	}
	s := fmt.Sprintf("%s: %s: no problems; %d models, %d files rendered for %d sample phones and read back, %d goldens", t.Dir, what, t.Models, t.Rendered, t.Phones, t.Goldens)
	if t.Rows > 0 {
		s += fmt.Sprintf(", %d rows recognised", t.Rows)
	}
	return s
}

// resultsJSON prints results and problems, and still fails when there are problems.
func resultsJSON(c *cobra.Command, trials []packcheck.CheckResult, err error) error {
	out := struct {
		Packs  []packcheck.CheckResult `json:"packs"`
		Faults []string                `json:"faults"`
	}{trials, []string{}}
	if err != nil {
		out.Faults = strings.Split(err.Error(), "\n")
	}
	if printErr := printJSON(c, out); printErr != nil {
		return printErr
	}
	return err
}
