package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
)

func reloadCommand(a *app) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "reload", Args: cobra.NoArgs, Short: "Read the configuration and the vendor packs again",
		Long: "Read the configuration and the vendor packs again, as SIGHUP and \"systemctl reload\" do. A configuration with problems is refused\n" +
			"and the running one stays. So is one that leaves out a subnet with active leases, has no subnet left, leaves out a vendor pack\n" +
			"that devices need, or names a new interface that this host does not have; --force applies these.",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			if err := cl.Reload(c.Context(), force); err != nil {
				return err
			}
			return a.done(c, removal{"configuration", "", "reloaded"}, "configuration reloaded")
		}),
	}
	c.Flags().BoolVar(&force, "force", false, "also when subnets with active leases are left out, or an interface is missing")
	return c
}

func tokenCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Tokens for the admin API over TCP",
		Long: "Tokens for the admin API over TCP; the socket needs none. A viewer reads without secrets, an operator also changes,\n" +
			"an admin also reveals secrets and manages tokens."}
	c.AddCommand(tokenAdd(a), &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List tokens, without their secrets",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			list, err := cl.Tokens(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, list)
			}
			t := newTable("NAME", "ROLE", "CREATED", "BY")
			for _, k := range list {
				t.add(k.Name, k.Role, at(k.CreatedAt), k.CreatedBy)
			}
			return t.print(c.OutOrStdout())
		}),
	}, &cobra.Command{
		Use: "rm NAME", Args: cobra.ExactArgs(1), Short: "Revoke a token",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			if err := cl.DeleteToken(c.Context(), args[0]); err != nil {
				return err
			}
			return a.done(c, removal{"token", args[0], "revoked"}, "token %s revoked", args[0])
		}),
	})
	return c
}

func tokenAdd(a *app) *cobra.Command {
	in := client.TokenRequest{}
	c := &cobra.Command{
		Use: "add NAME --role ROLE", Args: cobra.ExactArgs(1), Short: "Make a token",
		Long: "Make a token and print it: this once, for only its digest is kept.",
		Example: `  plugtone token add monitoring --role viewer
  curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8067/api/v1/status`,
		RunE: func(c *cobra.Command, args []string) error {
			if in.Role == "" {
				return usagef("--role is needed: admin, operator, viewer or push")
			}
			if err := oneOf("role", in.Role, "admin", "operator", "viewer", "push"); err != nil {
				return err
			}
			in.Name = args[0]
			cl, err := a.client()
			if err != nil {
				return err
			}
			t, err := cl.AddToken(c.Context(), in)
			if err != nil {
				return err
			}
			if !a.json {
				message(c, "token %s with the role %s; it is shown this once:", t.Name, t.Role)
			}
			return a.done(c, t, "%s", t.Token)
		},
	}
	c.Flags().StringVar(&in.Role, "role", "", "`ROLE`: admin, operator, viewer or push")
	return c
}

// writeNew writes a file that must not be there yet, whole or not at all.
func writeNew(path string, write func(io.Writer) (int64, error)) (n int64, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return 0, err
		}
		return 0, fmt.Errorf("%s exists already; a backup overwrites nothing", path)
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			// The error to report is the first one.
			_ = os.Remove(part)
		}
	}()
	n, err = write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return n, err
	}
	return n, os.Rename(part, path)
}
