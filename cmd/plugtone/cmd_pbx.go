package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
)

func pbxCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "pbx", Short: "PBX sources: extensions, passwords and devices from where they are entered",
		Long: "plugtone reads extensions from the database or the files of a PBX (pbx in the configuration), so that no password is typed twice,\n" +
			"and devices with lines, keys and profiles where take names them. What comes from a source is changed in the PBX only. What the PBX\n" +
			"has no more is marked gone and keeps its phones running."}
	c.AddCommand(pbxList(a), pbxShow(a), pbxTest(a), pbxSync(a), pbxPush(a))
	return c
}

func pbxList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List the sources and their last sync",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			list, err := cl.PBXs(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, list)
			}
			t := newTable("NAME", "TYPE", "SYNCED", "STATE")
			for _, s := range list {
				t.add(s.Name, s.Type, ago(s.SyncedAt, time.Now()), pbxState(s))
			}
			return t.print(c.OutOrStdout())
		}),
	}
}

func pbxState(s pbxsync.SourceStatus) string {
	switch {
	case s.Error != "":
		return s.Error
	case s.Result != nil:
		return s.Result.String()
	}
	return "not read yet"
}

func pbxShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Args: cobra.ExactArgs(1), Short: "Show a source, its last sync and what it could not use",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			list, err := cl.PBXs(c.Context())
			if err != nil {
				return err
			}
			for _, s := range list {
				if s.Name != args[0] {
					continue
				}
				if a.json {
					return printJSON(c, s)
				}
				return printPBX(c.OutOrStdout(), s)
			}
			return fmt.Errorf("there is no PBX source %q in the configuration", args[0])
		}),
	}
}

func printPBX(out io.Writer, s pbxsync.SourceStatus) error {
	var f fields
	f.add("name", s.Name)
	f.add("type", s.Type)
	f.add("server", s.Server)
	f.add("interval", s.Interval.String())
	f.add("tried", at(s.TriedAt))
	f.add("synced", at(s.SyncedAt))
	f.add("state", pbxState(s))
	if err := f.print(out); err != nil || s.Result == nil {
		return err
	}
	return printProblems(out, s.Result.Problems)
}

func printProblems(out io.Writer, problems []pbx.SourceProblem) error {
	for _, p := range problems {
		if _, err := fmt.Fprintf(out, "problem: %s\n", clean(p.String())); err != nil {
			return err
		}
	}
	return nil
}

func pbxTest(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Args: cobra.ExactArgs(1), Short: "Read a PBX and change nothing",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			got, err := cl.TestPBX(c.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, got)
			}
			var f fields
			f.add("server", dash(got.Server))
			f.add("extensions", fmt.Sprint(got.Extensions))
			for _, x := range []struct {
				name string
				n    *int
			}{{"devices", got.Devices}, {"profiles", got.Profiles}} {
				if x.n != nil {
					f.add(x.name, fmt.Sprint(*x.n))
				}
			}
			f.add("problems", fmt.Sprint(len(got.Problems)+got.More))
			if err := f.print(c.OutOrStdout()); err != nil {
				return err
			}
			return printProblems(c.OutOrStdout(), got.Problems)
		}),
	}
}

// syncFlags adds the flags of a sync.
func syncFlags(c *cobra.Command, o *client.PBXSync) {
	c.Flags().BoolVar(&o.Prune, "prune", false, "remove what the PBX has no more: devices, and extensions and profiles that no phone uses")
	c.Flags().BoolVar(&o.Force, "force", false, "also when more than a tenth of the extensions, devices or profiles would be gone")
}

func (a *app) printSync(c *cobra.Command, name string, r pbxsync.SyncResult) error {
	warnLeftOut(c, r.LeftOut)
	if a.json {
		return printJSON(c, r)
	}
	if _, err := fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", name, r); err != nil {
		return err
	}
	return printProblems(c.OutOrStdout(), r.Problems)
}

func pbxSync(a *app) *cobra.Command {
	var o client.PBXSync
	c := &cobra.Command{
		Use: "sync [NAME]", Args: cobra.MaximumNArgs(1), Short: "Bring the records to what a PBX has, or all PBXs have",
		Example: `  plugtone pbx sync main --dry-run
  plugtone pbx sync --prune`,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			names := args
			if len(args) == 0 {
				list, err := cl.PBXs(c.Context())
				if err != nil {
					return err
				}
				for _, s := range list {
					if s.Type != pbx.Pushed {
						names = append(names, s.Name)
					}
				}
			}
			if len(names) == 0 {
				return fmt.Errorf("the configuration has no pbx source")
			}
			var errs []error
			for _, name := range names {
				r, err := cl.SyncPBX(c.Context(), name, o)
				if err == nil {
					err = a.printSync(c, name, r)
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		}),
	}
	syncFlags(c, &o)
	a.writes(c)
	return c
}

// pushTarget is where a PBX's state is pushed to.
type pushTarget struct{ url, tokenFile, caFile, name string }

func (t *pushTarget) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&t.url, "to", "", "`URL` of plugtone's admin address")
	f.StringVar(&t.tokenFile, "token-file", "", "`FILE` with a token of the role push")
	f.StringVar(&t.caFile, "ca-file", "", "`FILE` with the certificate of the authority that plugtone's was issued by, as PEM (default: those of this system)")
	f.StringVar(&t.name, "name", "main", "`NAME` of the source in plugtone's configuration")
}

// client connects to the target.
func (t *pushTarget) client() (*client.Client, error) {
	if t.url == "" || t.tokenFile == "" {
		return nil, usagef("--to and --token-file are needed")
	}
	token, err := os.ReadFile(t.tokenFile)
	if err != nil {
		return nil, err
	}
	cl, err := client.New(t.url, strings.TrimSpace(string(token)))
	if err != nil || t.caFile == "" {
		return cl, err
	}
	pem, err := os.ReadFile(t.caFile)
	if err != nil {
		return nil, err
	}
	if err := cl.Trust(pem); err != nil {
		return nil, fmt.Errorf("--ca-file %s: %w", t.caFile, err)
	}
	return cl, nil
}

func pbxPush(a *app) *cobra.Command {
	var s pbx.Source
	var o client.PBXSync
	var to pushTarget
	var take []string
	c := &cobra.Command{
		Use: "push --type TYPE --dsn DSN --to URL --token-file FILE", Args: cobra.NoArgs, Short: "On the PBX's host: read the PBX and send what it has to plugtone",
		Long: "For PBXs whose database listens on their own host only. It needs no daemon there, only this program and a token with the role push,\n" +
			"which can do nothing else. The source must be in plugtone's configuration, with the type push. Run it from cron or a timer.",
		Example: `  plugtone token add pbx --role push            # on plugtone's host
  plugtone pbx push --type fusionpbx --dsn postgres://fusionpbx@127.0.0.1/fusionpbx --password-file /etc/plugtone.pass --to https://plugtone.example.com:8067 --ca-file /etc/plugtone-ca.pem --token-file /etc/plugtone.token --name main`,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := to.client()
			if err != nil {
				return err
			}
			for _, word := range take {
				if !slices.Contains(pbx.Takes(), word) {
					return usagef("--take %q must be one of %s", word, strings.Join(pbx.Takes(), ", "))
				}
			}
			s.Take = pbx.TakeOf(take)
			if err := s.Validate(); err != nil {
				return usageError{err}
			}
			snapshot, err := s.Read(c.Context())
			if err != nil {
				return err
			}
			r, err := cl.PushPBX(c.Context(), to.name, snapshot, o)
			if err != nil {
				return err
			}
			return a.printSync(c, to.name, r)
		},
	}
	f := c.Flags()
	f.StringVar(&s.Type, "type", "", "`TYPE` of PBX: "+strings.Join(pbx.Types(), ", "))
	f.StringVar(&s.DSN, "dsn", "", "`DSN` of the database, such as postgres://USER@127.0.0.1/fusionpbx")
	f.StringVar(&s.PasswordFile, "password-file", "", "`FILE` with the password of the database's user")
	f.StringSliceVar(&s.Files, "files", nil, "`FILES` of asterisk-files and freeswitch-xml")
	f.StringSliceVar(&take, "take", []string{"extensions"}, "`WHAT` is sent: "+strings.Join(pbx.Takes(), ", "))
	to.flags(c)
	syncFlags(c, &o)
	return c
}
