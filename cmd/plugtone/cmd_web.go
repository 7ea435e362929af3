package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
)

func webCommand(a *app) *cobra.Command {
	return &cobra.Command{Use: "web", Args: cobra.NoArgs, Short: "Print an address that signs in to the page, once",
		Long: "Prints an address of the admin page that signs a browser in, once and within five minutes. The session has the role of the caller, admin\n" +
			"over the unix socket. It ends after two hours without a request, after a day, and when the daemon restarts.\n\n" +
			"The page is on the TCP addresses of admin.listen, 127.0.0.1:8067 by default. From another machine, forward that port:\n\n" +
			"  ssh -L 8067:127.0.0.1:8067 HOST",
		Example: "  plugtone web\n  xdg-open \"$(plugtone web)\"",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			login, err := cl.WebLogin(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, login)
			}
			fmt.Fprintln(c.OutOrStdout(), login.URLs[0])
			if u, err := url.Parse(login.URLs[0]); err == nil && strings.HasPrefix(u.Host, "127.") {
				fmt.Fprintf(c.ErrOrStderr(), "valid until %s; from another machine: ssh -L %s:%s HOST\n", login.ExpiresAt.Local().Format(time.TimeOnly), u.Port(), u.Host)
			}
			return nil
		}),
	}
}
