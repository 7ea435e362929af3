package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

func deviceEnroll(a *app) *cobra.Command {
	var all bool
	var length, from string
	var m many
	c := &cobra.Command{
		Use: "enroll [MAC]...", Short: "For a time, let phones have their files without a proof",
		Long: "For a time, let phones have their files without any other proof: for their first boot away from the networks that are leased\n" +
			"here. Each phone that is named has a window of its own. With --all it holds for every phone, and leases of new phones that came\n" +
			"too fast are proof again at once.\n" +
			"Every requester there gets the passwords meanwhile: keep it short, and name the network with --from. --all, and a window without\n" +
			"--from or from a network larger than /8, need the role admin.",
		Example: `  plugtone device enroll 00:15:65:12:34:56 --for 30m --from 198.51.100.0/24
  plugtone device enroll --where "tag=pilot,state=never_fetched" --for 30m --from 198.51.100.0/24
  plugtone device enroll --all --for 30m
  plugtone device enroll --all --for 0s   # closes it`,
		Args: func(c *cobra.Command, args []string) error {
			named := len(args) > 0 || m.where != "" || m.stdin
			switch {
			case all == named:
				return usagef("name phones by MAC, --where or --stdin, or every phone by --all")
			case named:
				return m.args(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			duration, err := setting.ParseDuration(length)
			switch {
			case length == "":
				return usagef("--for is needed: how long, such as 30m")
			case err != nil:
				return usagef("--for: %w", err)
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			window := client.EnrollRequest{For: length, From: from}
			if !all && !m.single(args) {
				return a.enrollMany(c, cl, &m, args, window)
			}
			mac := strings.Join(args, "")
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
	m.define(c)
	f := c.Flags()
	f.BoolVar(&all, "all", false, "every phone; lifts the freeze of new phones too")
	f.StringVar(&length, "for", "", "how long, a `DURATION` such as 30m; 0s closes the window")
	f.StringVar(&from, "from", "", "only for requests from these addresses, a `PREFIX` such as 198.51.100.0/24; larger than /8 only for the role admin")
	return c
}

// enrollMany opens or closes a window for each phone. Windows are no records: those of the phones before an error stay.
func (a *app) enrollMany(c *cobra.Command, cl *client.Client, m *many, args []string, window client.EnrollRequest) error {
	macs, err := m.devices(c, cl, args)
	if err != nil {
		return err
	}
	windows := []trust.Window{}
	for _, mac := range macs {
		w, err := cl.Enroll(c.Context(), mac.String(), window.For, window.From)
		if err != nil {
			return fmt.Errorf("device %s, after %d of %d phones were done: %w", mac, len(windows), len(macs), err)
		}
		windows = append(windows, w)
	}
	if a.json {
		return printJSON(c, windows)
	}
	if len(windows) == 0 {
		return a.done(c, windows, "no device is selected")
	}
	return a.done(c, windows, "%s", enrolled(windows, window.For))
}

// enrolled describes windows that were all opened or all closed.
func enrolled(windows []trust.Window, length string) string {
	if d, err := setting.ParseDuration(length); err == nil && d == 0 {
		return "closed for " + deviceCount(len(windows))
	}
	texts := make([]string, len(windows))
	for i, w := range windows {
		texts[i] = localTimes(w.String())
	}
	return strings.Join(texts, "\n")
}

func deviceCredentials(a *app) *cobra.Command {
	var reveal, rotate, force, all bool
	var export credentialsExport
	c := &cobra.Command{
		Use: "credentials [MAC]", Args: cobra.MaximumNArgs(1), Short: "A phone's own user and password at this server",
		Long: "Each phone has a user and a password of its own, with which it is served where no lease proves who it is. They are written\n" +
			"into the phone's configuration if it can send them, and always with provisioning.external_url. --rotate makes a new password;\n" +
			"the old one counts until the phone has used the new one, and there is no third before that without --force. --format prints a\n" +
			"table of all phones, or of those of --where, for the redirect services of vendors.",
		Example: `  plugtone device credentials 00:15:65:12:34:56 --reveal
  plugtone device credentials 00:15:65:12:34:56 --rotate --message "phone was lent"
  plugtone device credentials --format csv
  plugtone device credentials --format poly-lens --where "vendor=polycom,location=Berlin*"`,
		RunE: func(c *cobra.Command, args []string) error {
			if all {
				export.format = formatCSV
			}
			if err := export.check(args); err != nil {
				return err
			}
			if !rotate && (a.write != (client.Write{}) || a.resync) {
				return usagef("--dry-run, --summary, --message and --resync go with --rotate: nothing else here changes records")
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			if export.format != "" {
				return export.print(c, cl)
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
	f.BoolVar(&all, "csv", false, "all phones, with passwords, as CSV; the same as --format csv")
	export.define(c)
	a.writes(c)
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
