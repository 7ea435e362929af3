package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/setting"
)

// Exit statuses of every command.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
)

// usageError is a wrong command line, as opposed to something that went wrong.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// newProgram returns the whole command tree.
func newProgram() *cobra.Command {
	return newRoot(serveCommand(), checkCommand(), preflightCommand(), demoCommand(), simulateCommand(), benchCommand(), manCommand(), versionCommand())
}

// newRoot builds the command tree: those for a running daemon, and others that need none.
func newRoot(offline ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:   "plugtone",
		Short: "DHCP, TFTP and HTTP provisioning for desk phones",
		Long: "plugtone leases addresses to phones, gives each one the address of its configuration, and serves it.\n\n" +
			"plugtone serve is the daemon. The other commands reach it over its admin socket.",
		Example: `  plugtone registrar set main --host pbx.example.com
  plugtone extension set 1001 --display-name "Front Desk" --password-file secret.txt
  plugtone device add 00:15:65:12:34:56 --model yealink/T46U --line 1001
  plugtone trace 00:15:65:12:34:56 --follow`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate(versionLine())
	root.AddGroup(&cobra.Group{ID: groupRecords, Title: "What phones get:"}, &cobra.Group{ID: groupLook, Title: "Looking:"},
		&cobra.Group{ID: groupRun, Title: "Running it:"})
	for _, c := range clientCommands() {
		root.AddCommand(c)
	}
	for _, c := range append(offline, restoreCommand(), dbCommand()) {
		if c.GroupID == "" {
			c.GroupID = groupRun
		}
		newApp().completions(c)
		root.AddCommand(c)
	}
	root.SetHelpCommandGroupID(groupRun)
	root.SetCompletionCommandGroupID(groupRun)
	// Commands that only group others are not run themselves.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if not .HasAvailableSubCommands}}", 1))
	strict(root)
	return root
}

const (
	groupRecords = "records"
	groupLook    = "look"
	groupRun     = "run"
)

// clientCommands are the commands for a running daemon.
func clientCommands() []*cobra.Command {
	var out []*cobra.Command
	for _, g := range []struct {
		id    string
		makes []func(*app) *cobra.Command
	}{
		{groupRecords, []func(*app) *cobra.Command{registrarCommand, extensionCommand, deviceCommand, profileCommand, discoveredCommand, applyCommand, exportCommand}},
		{groupLook, []func(*app) *cobra.Command{changeCommand, pbxCommand, resyncCommand, jobCommand, traceCommand, explainCommand, leasesCommand, statusCommand, vendorCommand, webCommand}},
		{groupRun, []func(*app) *cobra.Command{reloadCommand, tokenCommand, backupCommand, importCommand, clusterCommand}},
	} {
		for _, make := range g.makes {
			a := newApp()
			c := make(a)
			c.GroupID = g.id
			a.flags(c)
			a.completions(c)
			out = append(out, c)
		}
	}
	return out
}

// strict turns every mistake on the command line into a usageError, and makes groups of commands refuse what isn't one.
func strict(c *cobra.Command) {
	c.SetFlagErrorFunc(flagFault)
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, given []string) error {
			if err := args(c, given); err != nil {
				var usage usageError
				if errors.As(err, &usage) {
					return err
				}
				return usagef("%s, usage: %s", argumentProblem(c, given), c.UseLine())
			}
			return nil
		}
	}
	if c.HasSubCommands() && !c.Runnable() {
		c.Args = func(c *cobra.Command, given []string) error {
			if len(given) == 0 {
				return nil
			}
			c.SuggestionsMinimumDistance = 2
			if near := c.SuggestionsFor(given[0]); len(near) > 0 {
				return usagef("%s has no command %q; near: %s", c.CommandPath(), given[0], strings.Join(near, ", "))
			}
			return usagef("%s has no command %q", c.CommandPath(), given[0])
		}
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		c.DisableFlagsInUseLine = true
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

// flagName is a flag where its usage begins.
var flagName = regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([\w-]+)`)

// badValue matches the flag package's error for a value that can't be read.
var badValue = regexp.MustCompile(`^invalid argument "(.*)" for "(.*)" flag: (.*)$`)

// flagFault describes what is wrong with a flag, and what was probably meant.
func flagFault(c *cobra.Command, err error) error {
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		var names []string
		for _, m := range flagName.FindAllStringSubmatch(c.Flags().FlagUsages(), -1) {
			names = append(names, m[1])
		}
		if near := setting.Nearest(name, names); len(near) > 0 {
			return usagef("unknown flag: --%s; near: --%s", name, strings.Join(near, ", --"))
		}
	}
	m := badValue.FindStringSubmatch(err.Error())
	switch {
	case m == nil:
		return usageError{err}
	case strings.Contains(m[3], "strconv.ParseBool"):
		return usagef("%s %q is neither true nor false", m[2], m[1])
	case strings.Contains(m[3], "value out of range"):
		return usagef("%s %q is too large", m[2], m[1])
	case strings.Contains(m[3], "strconv."):
		return usagef("%s %q is no whole number", m[2], m[1])
	}
	return usagef("%s %q: %s", m[2], m[1], m[3])
}

// execute runs the command line and returns the exit status. Results go to out, everything else to errs.
func execute(ctx context.Context, root *cobra.Command, args []string, in io.Reader, out, errs io.Writer) int {
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	ran, err := helpOfNothing(root, args)
	if err == nil {
		ran, err = root.ExecuteContextC(ctx)
	}
	var tried *client.DryRun
	if errors.As(err, &tried) {
		err = printPreview(ran, tried.Preview)
		if n := tried.Preview.Conflicts; err == nil && n > 0 {
			err = fmt.Errorf("%d of the records conflict with others; without --dry-run nothing would be changed", n)
		}
	}
	if err == nil {
		return statusDone
	}
	// An error of standard error can't be reported anywhere.
	fmt.Fprintln(errs, "plugtone: "+client.ShortenText(strings.TrimRight(err.Error(), "\n")))
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(errs, "hint: %s --help explains its arguments\n", ran.CommandPath())
		return statusUsage
	}
	hint := hintFor(err)
	if hint == "" && client.IsNotFound(err) {
		hint = listHint(ran, err)
	}
	if hint != "" {
		fmt.Fprintln(errs, "hint: "+hint)
	}
	return statusFailed
}

// helpOfNothing refuses to show the help of a group of commands for one that isn't in it.
func helpOfNothing(root *cobra.Command, args []string) (*cobra.Command, error) {
	if !slices.Contains(args, "--help") && !slices.Contains(args, "-h") {
		return root, nil
	}
	c, rest, err := root.Find(args)
	if err != nil || !c.HasSubCommands() || c.Args == nil || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return root, nil
	}
	return c, c.Args(c, rest[:1])
}

// hintFor returns what to do about an error that has a usual cause.
func hintFor(err error) string {
	var away *client.Unreachable
	var p *client.Problem
	switch {
	case strings.Contains(err.Error(), "\nhint: "):
		return ""
	case errors.As(err, &away):
		return unreachableHint(away)
	case errors.As(err, &p) && p.Status == 401:
		return "give a token with --token or $PLUGTONE_TOKEN; plugtone token add makes one, on the daemon's machine"
	case errors.As(err, &p) && p.Status == 412:
		return "it has changed in the meantime; look at it again and repeat the command"
	case errors.As(err, &p) && p.Status == 503:
		return "see the daemon's log: journalctl -u plugtone"
	}
	return ""
}

// listHint names the command that lists what the missing thing would be among.
func listHint(ran *cobra.Command, err error) string {
	group := ran.Parent()
	if group == nil || !strings.HasPrefix(err.Error(), group.Name()+" ") && !strings.Contains(err.Error(), "on the "+group.Name()+" list") {
		return ""
	}
	for _, c := range group.Commands() {
		if c.Name() == "list" {
			return c.CommandPath() + " shows those that there are"
		}
	}
	return ""
}

func unreachableHint(e *client.Unreachable) string {
	switch {
	case e.Untrusted():
		return "name a file with the certificate of its authority in $SSL_CERT_FILE, and the daemon by a name that is in its certificate"
	case errors.Is(e.Err, fs.ErrPermission):
		return "its socket is for root and the group plugtone: use sudo, or join the group"
	case errors.Is(e.Err, fs.ErrNotExist), errors.Is(e.Err, syscall.ECONNREFUSED):
		return "is the daemon running? systemctl start plugtone, or plugtone serve; if it listens on another address, name it with --admin or $PLUGTONE_ADMIN"
	}
	return "--admin or $PLUGTONE_ADMIN names the daemon's address"
}

// app is what the commands for a daemon share.
type app struct {
	admin  string
	token  string
	json   bool
	write  client.Write
	resync bool     // make phones fetch whose files were changed
	made   []uint64 // changes
	now    func() time.Time
	getenv func(string) string
}

func newApp() *app { return &app{now: time.Now, getenv: os.Getenv} }

func (a *app) flags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&a.admin, "admin", "", "the daemon's address `ADDR`: unix:PATH, HOST:PORT or a URL (default $PLUGTONE_ADMIN or "+client.DefaultAddr+")")
	f.StringVar(&a.token, "token", "", "`TOKEN` for an address that is no socket (default $PLUGTONE_TOKEN)")
	f.BoolVar(&a.json, "json", false, "print the result as JSON")
}

// client connects to the daemon that the flags, the environment or the default name.
func (a *app) client() (*client.Client, error) {
	addr, token := a.admin, a.token
	if addr == "" {
		addr = a.getenv("PLUGTONE_ADMIN")
	}
	if addr == "" {
		addr = client.DefaultAddr
	}
	if token == "" {
		token = a.getenv("PLUGTONE_TOKEN")
	}
	c, err := client.New(addr, token)
	if err != nil {
		return nil, usageError{err}
	}
	return c.Writing(a.write).OnChange(func(id uint64) { a.made = append(a.made, id) }), nil
}

// withClient returns what a command runs that calls the daemon's API.
func withClient(a *app, run func(c *cobra.Command, cl *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		return run(c, cl, args)
	}
}
