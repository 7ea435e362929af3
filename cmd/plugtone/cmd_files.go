package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func deviceFiles(a *app) *cobra.Command {
	var subnet string
	var reveal bool
	var m many
	c := &cobra.Command{
		Use: "files [MAC]... [NAME]", Short: "Show the files that phones would be given",
		Long: "Show the files that phones would be given, in the order they request them, or with one MAC and the NAME of a file its bytes.\n" +
			"Secrets are masked unless --reveal is given; size and digest are always the real file's. Files are rendered for the\n" +
			"subnet of the phone's lease, else of its reservation, else of its last fetch.",
		Example: `  plugtone device files 00:15:65:12:34:56
  plugtone device files --where "profile=desk,state=stale"
  plugtone device files 00:15:65:12:34:56 001565123456.cfg
  plugtone device files 00:15:65:12:34:56 001565123456.cfg --reveal | sha256sum`,
		Args: func(c *cobra.Command, args []string) error {
			if namesFile(args) {
				args = args[:1]
			}
			return m.args(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case namesFile(args):
				return a.oneFile(c, args[0], args[1], subnet, reveal)
			case reveal:
				return usagef("--reveal needs the NAME of a file")
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			if m.single(args) {
				return a.allFiles(c, cl, args[0], subnet)
			}
			macs, err := m.devices(c, cl, args)
			if err != nil {
				return err
			}
			return a.filesOfMany(c, cl, macs, subnet)
		},
	}
	m.define(c)
	c.Flags().StringVar(&subnet, "subnet", "", "as in this subnet: `PREFIX`")
	c.Flags().BoolVar(&reveal, "reveal", false, "byte for byte, with secrets; noted in the audit log")
	return c
}

// namesFile reports whether the second of two arguments is the name of a file. The MAC of another phone is none.
func namesFile(args []string) bool {
	if len(args) != 2 {
		return false
	}
	mac, err := dhcp.ParseMAC(args[0])
	other, otherErr := dhcp.ParseMAC(args[1])
	return err == nil && (otherErr != nil || other == mac)
}

func (a *app) allFiles(c *cobra.Command, cl *client.Client, mac, subnet string) error {
	files, err := cl.Files(c.Context(), mac, subnet)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(c, files)
	}
	t := newTable("NAME", "KIND", "OUTCOME", "SIZE", "SHA-256", "")
	for _, f := range files.Items {
		t.add(fileRow(f)...)
	}
	return t.print(c.OutOrStdout())
}

// filesOfMany lists the files of phones in one table.
func (a *app) filesOfMany(c *cobra.Command, cl *client.Client, macs []dhcp.MAC, subnet string) error {
	lists := []client.Files{}
	t := newTable("MAC", "NAME", "KIND", "OUTCOME", "SIZE", "SHA-256", "")
	for _, mac := range macs {
		files, err := cl.Files(c.Context(), mac.String(), subnet)
		if err != nil {
			return fmt.Errorf("device %s: %w", mac, err)
		}
		lists = append(lists, files)
		for _, f := range files.Items {
			t.add(append([]string{mac.String()}, fileRow(f)...)...)
		}
	}
	switch {
	case a.json:
		return printJSON(c, lists)
	case len(macs) == 0:
		message(c, "no device is selected")
		return nil
	}
	return t.print(c.OutOrStdout())
}

// fileRow is a file as the table of files has it.
func fileRow(f provision.FileInfo) []string {
	size := "-"
	if f.Outcome == string(provision.Served) {
		size = strconv.FormatInt(f.Size, 10)
	}
	return []string{f.Name, f.Kind, f.Outcome, size, dash(shortDigest(f.Digest)), f.Reason}
}

func (a *app) oneFile(c *cobra.Command, mac, name, subnet string, reveal bool) error {
	if a.json {
		return usagef("a file is printed as it is: --json goes with the list")
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	f, err := cl.File(c.Context(), mac, name, subnet, reveal)
	if err != nil {
		return err
	}
	n, err := io.Copy(c.OutOrStdout(), f.Body)
	if err := errors.Join(err, f.Body.Close()); err != nil {
		return fmt.Errorf("file %s broke off after %d bytes: %w", name, n, err)
	}
	switch {
	case f.Outcome != string(provision.Served):
		message(c, "%s: %s", name, f.Reason)
	case f.Masked:
		message(c, "secrets are masked; --reveal shows the file as the phone is given it (%d bytes, SHA-256 %s)", f.Size, f.Digest)
	}
	return nil
}

func deviceDiff(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "diff MAC", Args: cobra.ExactArgs(1), Short: "Compare what a phone fetched last with what it would get now, line by line",
		Long: "Compare what a phone fetched last with what it would get now, line by line. Below is what its user changed on the phone,\n" +
			"as far as the phone uploads that: it wins over the files until it is removed on the phone. Secrets are masked.",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			d, err := cl.Diff(c.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, d)
			}
			t := newTable("NAME", "CHANGE", "FETCHED", "SIZE", "SHA-256", "NOW: SIZE", "SHA-256")
			for _, f := range d.Items {
				t.add(f.Name, f.Change, dash(at(f.FetchedAt)), sizeOrDash(f.FetchedSize, f.FetchedDigest), dash(shortDigest(f.FetchedDigest)),
					sizeOrDash(f.Size, f.Digest), dash(shortDigest(f.Digest)))
			}
			if err := t.print(c.OutOrStdout()); err != nil {
				return err
			}
			if err := printFileDiffs(c, d.Items); err != nil || len(d.OnPhone) == 0 {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "\nchanged on the phone, which wins over these files:")
			onPhone := newTable("PARAMETER", "VALUE", "UPLOADED AS")
			for _, o := range d.OnPhone {
				onPhone.add(o.Parameter, o.Value, o.File)
			}
			return onPhone.print(c.OutOrStdout())
		}),
	}
}

// printFileDiffs prints the lines that differ in each changed file.
func printFileDiffs(c *cobra.Command, items []client.FileDiff) error {
	s := newScreen(c.OutOrStdout(), os.Getenv)
	for _, f := range items {
		if f.Note != "" {
			message(c, "%s: %s", f.Name, f.Note)
		}
		if f.Diff == "" {
			continue
		}
		if _, err := fmt.Fprintln(s); err != nil {
			return err
		}
		if err := printDiff(s, f.Diff); err != nil {
			return err
		}
	}
	return nil
}

func sizeOrDash(n int64, digest string) string {
	if digest == "" {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func deviceHistory(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "history MAC", Args: cobra.ExactArgs(1), Short: "List the revisions of a device, newest first, with what changed",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			h, err := cl.History(c.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, h)
			}
			return printRevisions(c, h.Items)
		}),
	}
}

func deviceRollback(a *app) *cobra.Command {
	var to uint64
	c := &cobra.Command{
		Use: "rollback MAC --to REVISION", Args: cobra.ExactArgs(1), Short: "Make a device what it was at a revision",
		Long:    "Make a device what it was at a revision that device history shows. This makes a new revision: it can be undone the same way.",
		Example: `  plugtone device rollback 00:15:65:12:34:56 --to 17`,
		RunE: func(c *cobra.Command, args []string) error {
			if to == 0 {
				return usagef("--to REVISION is needed")
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			d, err := cl.Rollback(c.Context(), args[0], to)
			if err != nil {
				return err
			}
			return a.done(c, d, "device %s is as it was at revision %d; that is revision %d", d.MAC, to, d.Revision)
		},
	}
	c.Flags().Uint64Var(&to, "to", 0, "the `REVISION`")
	a.writes(c)
	return c
}
