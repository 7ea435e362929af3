package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

func registrarCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "registrar", Short: "The SIP servers that phones register with"}
	c.AddCommand(registrarSet(a), listCommand(a, "List registrars", (*client.Client).Registrars, printRegistrars),
		showCommand(a, "NAME", "Show a registrar", (*client.Client).Registrars, printRegistrar),
		removeCommand(a, "registrar", "NAME", "its extensions are kept without a registrar, and phones get no account for them", (*client.Client).Registrars),
		historyCommand(a, "registrar", "NAME", (*client.Client).Registrars))
	return c
}

func registrarSet(a *app) *cobra.Command {
	var host, transport, proxy, backup, expires, domain, backupProxy string
	var port int
	var settings []string
	c := &cobra.Command{
		Use: "set NAME", Args: cobra.ExactArgs(1), Short: "Create a registrar, or change only what is named",
		Example: `  plugtone registrar set main --host pbx.example.com
  plugtone registrar set main --transport tls --register-expires 30m
  plugtone registrar set main --outbound-proxy ""          # remove it`,
		RunE: func(c *cobra.Command, args []string) error {
			m := patchFields{c: c, doc: map[string]any{}}
			m.text("host", "host", host)
			m.number("port", "port", port)
			m.text("transport", "transport", transport)
			m.text("outbound-proxy", "outbound_proxy", proxy)
			m.text("backup-host", "backup_host", backup)
			m.text("sip-domain", "sip_domain", domain)
			m.text("backup-outbound-proxy", "backup_outbound_proxy", backupProxy)
			m.text("register-expires", "register_expires", expires)
			if err := m.settings(settings); err != nil {
				return err
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			r, created, err := cl.SavedRegistrars().Set(c.Context(), args[0], m.doc)
			if err != nil {
				return err
			}
			warn(c, r.Warnings)
			warnLeftOut(c, r.LeftOut)
			return a.done(c, r, "registrar %s %s: %s:%d %s", r.Name, createdOrChanged(created), r.Host, r.Port, r.Transport)
		},
	}
	f := c.Flags()
	f.StringVar(&host, "host", "", "`HOST` name or address of the SIP server")
	f.IntVar(&port, "port", 0, "`PORT` (default 5060, with tls 5061)")
	f.StringVar(&transport, "transport", "", "`PROTOCOL` udp, tcp or tls (default udp)")
	f.StringVar(&proxy, "outbound-proxy", "", "`HOST` or HOST:PORT that all requests go through")
	f.StringVar(&backup, "backup-host", "", "a second server `HOST`, for phones that can use one")
	f.StringVar(&expires, "register-expires", "", "how long a registration lasts: `DURATION` (default 1h)")
	f.StringVar(&domain, "sip-domain", "", "SIP `DOMAIN` of the accounts, when it is not the host")
	f.StringVar(&backupProxy, "backup-outbound-proxy", "", "`HOST` or HOST:PORT for when the first outbound proxy fails")
	f.StringArrayVar(&settings, "set", nil, "`NAME=VALUE` of a setting for all phones with a line there; NAME= removes it (repeatable)")
	a.writes(c)
	return c
}

func createdOrChanged(created bool) string {
	if created {
		return "created"
	}
	return "changed"
}

func printRegistrars(c *cobra.Command, list []fleet.Registrar) error {
	t := newTable("NAME", "HOST", "PORT", "TRANSPORT", "OUTBOUND PROXY", "BACKUP", "EXPIRES")
	for _, r := range list {
		t.add(r.Name, r.Host, strconv.Itoa(r.Port), r.Transport, dash(r.OutboundProxy), dash(r.BackupHost), r.RegisterExpires.String())
	}
	return t.print(c.OutOrStdout())
}

func printRegistrar(_ *app, c *cobra.Command, r fleet.Registrar) error {
	var f fields
	f.add("registrar", r.Name)
	f.add("host", r.Host)
	f.add("port", strconv.Itoa(r.Port))
	f.add("transport", r.Transport)
	f.add("outbound proxy", r.OutboundProxy)
	f.add("backup host", r.BackupHost)
	f.add("backup outbound proxy", r.BackupOutboundProxy)
	f.add("sip domain", r.SIPDomain)
	f.add("register expires", r.RegisterExpires.String())
	addSettings(&f, r.Settings)
	f.add("changed", at(r.UpdatedAt)+", revision "+strconv.FormatUint(r.Revision, 10))
	return f.print(c.OutOrStdout())
}

func extensionCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "extension", Aliases: []string{"ext"}, Short: "The accounts that phones register"}
	c.AddCommand(extensionSet(a), listCommand(a, "List extensions", (*client.Client).Extensions, printExtensions),
		showCommand(a, "NUMBER", "Show an extension", (*client.Client).Extensions, printExtension),
		removeCommand(a, "extension", "NUMBER", "its lines are taken off the devices", (*client.Client).Extensions),
		historyCommand(a, "extension", "NUMBER", (*client.Client).Extensions))
	return c
}

func extensionSet(a *app) *cobra.Command {
	var registrar, name, user, password, file, voicemail string
	c := &cobra.Command{
		Use: "set NUMBER", Args: cobra.ExactArgs(1), Short: "Create an extension, or change only what is named",
		Long: "Create an extension, or change only what is named.\n\n" +
			"A password on the command line can be seen by other users of this machine while the command runs, and stays in the\n" +
			"shell's history: --password-file keeps it out of both.",
		Example: `  plugtone extension set 1001 --display-name "Front Desk" --password-file secret.txt
  pass show pbx/1001 | plugtone extension set 1001 --password-file -
  plugtone extension set 1001@branch --voicemail '*97'     # when two registrars have it`,
		RunE: func(c *cobra.Command, args []string) error {
			m := patchFields{c: c, doc: map[string]any{}}
			m.text("display-name", "display_name", name)
			m.text("auth-user", "auth_user", user)
			m.text("password", "password", password)
			m.text("voicemail", "voicemail", voicemail)
			if c.Flags().Changed("password") && password == "" {
				return usagef("--password is empty: phones can't register with it; to take the account from a phone, plugtone device set MAC --line changes its lines")
			}
			if file != "" && c.Flags().Changed("password") {
				return usagef("--password and --password-file both give a password; name one")
			}
			if file != "" {
				secret, err := readSecret(c, file)
				if err != nil {
					return err
				}
				m.doc["password"] = secret
			}
			ref, err := extensionRef(args[0], registrar)
			if err != nil {
				return err
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			x, created, err := cl.SavedExtensions().Set(c.Context(), ref, m.doc)
			if err != nil {
				return err
			}
			if created && m.doc["password"] == nil {
				message(c, "extension %s has no password yet: phones can't register it", x.Number)
			}
			warnLeftOut(c, x.LeftOut)
			return a.done(c, x, "extension %s@%s %s", x.Number, x.Registrar, createdOrChanged(created))
		},
	}
	f := c.Flags()
	f.StringVar(&registrar, "registrar", "", "the registrar it is on, `NAME`; may be left out while there is one")
	f.StringVar(&name, "display-name", "", "the `NAME` that others see")
	f.StringVar(&user, "auth-user", "", "authentication `USER` (default: the number)")
	f.StringVar(&password, "password", "", "SIP `PASSWORD`")
	f.StringVar(&file, "password-file", "", "`FILE` with the SIP password; - reads it from standard input")
	f.StringVar(&voicemail, "voicemail", "", "`NUMBER` that the message key dials")
	a.writes(c)
	return c
}

// extensionRef joins NUMBER[@REGISTRAR] and --registrar.
func extensionRef(ref, registrar string) (string, error) {
	number, on := fleet.ParseExtension(ref)
	switch {
	case number == "":
		return "", usagef("extension %.60q has no number", ref)
	case registrar == "":
		return ref, nil
	case on != "" && on != registrar:
		return "", usagef("extension %.60s and --registrar %.60s contradict each other", ref, registrar)
	}
	return number + "@" + registrar, nil
}

// readSecret reads a file or standard input, without the line break at its end.
func readSecret(c *cobra.Command, file string) (string, error) {
	in := c.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if secret == "" {
		return "", fmt.Errorf("password file %s is empty", file)
	}
	return secret, nil
}

func printExtensions(c *cobra.Command, list []fleet.Extension) error {
	t := newTable("NUMBER", "REGISTRAR", "DISPLAY NAME", "AUTH USER", "VOICEMAIL")
	for _, x := range list {
		t.add(x.Number, dash(x.Registrar), dash(x.DisplayName), x.AuthUser, dash(x.Voicemail))
	}
	return t.print(c.OutOrStdout())
}

func printExtension(_ *app, c *cobra.Command, x fleet.Extension) error {
	var f fields
	f.add("extension", x.Number)
	f.add("registrar", dash(x.Registrar))
	f.add("display name", x.DisplayName)
	f.add("auth user", x.AuthUser)
	f.add("password", string(x.Password))
	f.add("voicemail", x.Voicemail)
	if x.Source != "" {
		addSource(&f, x.Source, fleet.OwnedMembers(), x.Gone)
	}
	f.add("changed", at(x.UpdatedAt)+", revision "+strconv.FormatUint(x.Revision, 10))
	return f.print(c.OutOrStdout())
}

// patchFields are the members that the flags of a set command change.
type patchFields struct {
	c   *cobra.Command
	doc map[string]any
}

// text takes a flag that was given; empty text clears the member.
func (m patchFields) text(flag, member, value string) {
	if !m.c.Flags().Changed(flag) {
		return
	}
	m.doc[member] = value
	if value == "" {
		m.doc[member] = nil
	}
}

func (m patchFields) number(flag, member string, value int) {
	if !m.c.Flags().Changed(flag) {
		return
	}
	m.doc[member] = value
	if value == 0 {
		m.doc[member] = nil
	}
}

// settings takes NAME=VALUE of the catalogue, and VENDOR/PARAMETER=VALUE for what a vendor calls by its own name.
func (m patchFields) settings(assignments []string) error {
	plain, extras := map[string]any{}, map[string]any{}
	for _, s := range assignments {
		left, value, ok := cutAssignment(s)
		if vendor, param, own := strings.Cut(left, "/"); own && ok && vendor != "" && param != "" {
			params, _ := extras[vendor].(map[string]any)
			if params == nil {
				params = map[string]any{}
				extras[vendor] = params
			}
			params[param] = value
			if value == "" {
				params[param] = nil
			}
			continue
		}
		name, v, err := setting.ParseAssignment(s)
		if err != nil {
			return usageError{err}
		}
		plain[name] = v
	}
	if len(plain) > 0 {
		m.doc["settings"] = plain
	}
	if len(extras) > 0 {
		m.doc["vendor_settings"] = extras
	}
	return nil
}

// cutAssignment cuts NAME=VALUE at the first "=" that is not inside brackets: a parameter may be a path with attributes, as in
// fanvil/sip/line[@index=1]/SIPPort=5062.
func cutAssignment(s string) (name, value string, ok bool) {
	depth := 0
	for i, r := range s {
		switch {
		case r == '[':
			depth++
		case r == ']' && depth > 0:
			depth--
		case r == '=' && depth == 0:
			return s[:i], s[i+1:], true
		}
	}
	return strings.Cut(s, "=")
}

func addSettings(f *fields, v setting.Values) {
	for i, name := range sortedKeys(v) {
		head := ""
		if i == 0 {
			head = "settings"
		}
		*f = append(*f, [2]string{head, name + " = " + setting.Print(v[name])})
	}
}

// listCommand, showCommand and removeCommand are the same for all records.
func listCommand[T any](a *app, short string, of func(*client.Client) client.Collection[T], print func(*cobra.Command, []T) error) *cobra.Command {
	var search string
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: short,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			q := url.Values{}
			if search != "" {
				q.Set("q", search)
			}
			list, err := of(cl).All(c.Context(), q)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, list)
			}
			return print(c, list)
		}),
	}
	c.Flags().StringVar(&search, "search", "", "only those that have this `TEXT` in them")
	return c
}

func showCommand[T any](a *app, arg, short string, of func(*client.Client) client.Collection[T], print func(*app, *cobra.Command, T) error) *cobra.Command {
	var reveal bool
	c := &cobra.Command{
		Use: "show " + arg, Args: cobra.ExactArgs(1), Short: short,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			rec, _, err := of(cl).Get(c.Context(), args[0], reveal)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, rec)
			}
			return print(a, c, rec)
		}),
	}
	c.Flags().BoolVar(&reveal, "reveal", false, "with secrets in clear; noted in the audit log")
	return c
}

func removeCommand[T any](a *app, noun, arg, unbinds string, of func(*client.Client) client.Collection[T]) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "rm " + arg, Args: cobra.ExactArgs(1), Short: "Remove " + article(noun) + " " + noun + " that nothing uses",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			err := of(cl).Delete(c.Context(), args[0], force)
			if client.IsConflict(err) && !force {
				return fmt.Errorf("%w\nhint: --force removes it all the same: %s", err, unbinds)
			}
			if err != nil {
				return err
			}
			name := args[0]
			if noun == "device" {
				name = macText(name)
			}
			return a.done(c, removal{noun, name, "removed"}, "%s %s removed", noun, name)
		}),
	}
	if unbinds != "" {
		c.Flags().BoolVar(&force, "force", false, "also when it is in use: "+unbinds)
	}
	a.writes(c)
	return c
}
