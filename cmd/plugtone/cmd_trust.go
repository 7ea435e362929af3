package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision/setting"
)

func deviceEnroll(a *app) *cobra.Command {
	var all bool
	var length, from string
	c := &cobra.Command{
		Use: "enroll [MAC]", Args: cobra.MaximumNArgs(1), Short: "For a time, let a phone have its files without a proof",
		Long: "For a time, let a phone have its files without any other proof: for its first boot away from the networks that are leased\n" +
			"here. With --all it holds for every phone, and leases of new phones that came too fast are proof again at once.\n" +
			"Every requester there gets the passwords meanwhile: keep it short, and name the network with --from. --all, and a window without\n" +
			"--from or from a network larger than /8, need the role admin.",
		Example: `  plugtone device enroll 00:15:65:12:34:56 --for 30m --from 198.51.100.0/24
  plugtone device enroll --all --for 30m
  plugtone device enroll --all --for 0s   # closes it`,
		RunE: func(c *cobra.Command, args []string) error {
			mac := ""
			duration, lengthErr := setting.ParseDuration(length)
			switch {
			case all == (len(args) == 1):
				return usagef("name one phone, or --all")
			case length == "":
				return usagef("--for is needed: how long, such as 30m")
			case lengthErr != nil:
				return usagef("--for: %w", lengthErr)
			case !all:
				m, err := dhcp.ParseMAC(args[0])
				if err != nil {
					return usageError{err}
				}
				mac = m.String()
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			w, err := cl.Enroll(c.Context(), mac, length, from)
			if err != nil {
				return err
			}
			if duration == 0 {
				return a.done(c, w, "closed")
			}
			return a.done(c, w, "%s", localTimes(w.String()))
		},
	}
	f := c.Flags()
	f.BoolVar(&all, "all", false, "every phone; lifts the freeze of new phones too")
	f.StringVar(&length, "for", "", "how long, a `DURATION` such as 30m; 0s closes the window")
	f.StringVar(&from, "from", "", "only for requests from these addresses, a `PREFIX` such as 198.51.100.0/24; larger than /8 only for the role admin")
	return c
}

func deviceCredentials(a *app) *cobra.Command {
	var reveal, rotate, force, all bool
	c := &cobra.Command{
		Use: "credentials [MAC]", Args: cobra.MaximumNArgs(1), Short: "A phone's own user and password at this server",
		Long: "Each phone has a user and a password of its own, with which it is served where no lease proves who it is. They are written\n" +
			"into the phone's configuration if it can send them, and always with provisioning.external_url. --rotate makes a new password;\n" +
			"the old one counts until the phone has used the new one, and there is no third before that without --force. --csv prints those\n" +
			"of all phones, for the redirect services of vendors.",
		Example: `  plugtone device credentials 00:15:65:12:34:56 --reveal
  plugtone device credentials 00:15:65:12:34:56 --rotate
  plugtone device credentials --csv`,
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return usagef("name one phone, or --csv for all")
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			if all {
				return cl.ExportCredentials(c.Context(), c.OutOrStdout())
			}
			mac, err := dhcp.ParseMAC(args[0])
			if err != nil {
				return usageError{err}
			}
			if rotate {
				if _, err := cl.RotateCredentials(c.Context(), mac.String(), force); err != nil {
					return err
				}
				message(c, "device %s has a new password; the phone gets it with its next fetch", mac)
			}
			l, err := cl.Credentials(c.Context(), mac.String(), reveal)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, l)
			}
			return printLogin(c, l, reveal)
		},
	}
	f := c.Flags()
	f.BoolVar(&reveal, "reveal", false, "show the password")
	f.BoolVar(&rotate, "rotate", false, "make a new password")
	f.BoolVar(&force, "force", false, "with --rotate: also before the phone has used the last password, which then counts no more;\na phone that has fetched that one and is away from our leases must be enrolled")
	f.BoolVar(&all, "csv", false, "all phones, with passwords, as CSV")
	c.MarkFlagsMutuallyExclusive("csv", "rotate")
	return c
}

func printLogin(c *cobra.Command, l client.Login, reveal bool) error {
	var f fields
	f.add("device", l.MAC.String())
	if l.User == "" {
		return fmt.Errorf("device %s has no credentials yet\nhint: plugtone device credentials %s --rotate makes them", l.MAC, l.MAC)
	}
	f.add("user", l.User)
	switch {
	case reveal:
		f.add("password", l.Password)
	default:
		f.add("password", "***")
	}
	if l.Changing {
		f.add("changing", "the password before counts too, until the phone has used this one")
	}
	f.add("url", l.URL)
	return f.print(c.OutOrStdout())
}
