package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision/diagnosis"
	"plugtone/provision/timeline"
)

func traceCommand(a *app) *cobra.Command {
	var follow, syslog bool
	var limit int
	c := &cobra.Command{
		Use: "trace MAC", Args: cobra.ExactArgs(1), Short: "Show what happened to a phone, with a diagnosis",
		Long: "Show what happened to a phone over DHCP, TFTP and HTTP, oldest first, and below it what can be concluded.\n" +
			"Times are in the local time zone. MAC addresses are on phones' labels, and in plugtone device list, discovered list and leases.\n" +
			"In a cluster the entries are those of all members; each names its own, and the diagnosis is made of all.\n" +
			"With --follow, go on as things happen, also at the other members, until Ctrl-C: plug the phone in and watch it boot.\n" +
			"With --syslog, also show what the phone itself has logged, where the listener syslog is on and the phone logs to it.",
		Example: `  plugtone trace 00:15:65:12:34:56
  plugtone trace 00:15:65:12:34:56 --follow --syslog`,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			if follow {
				return a.follow(c, cl, args[0], limit, syslog)
			}
			t, err := cl.Timeline(c.Context(), args[0], limit)
			if err != nil {
				return err
			}
			t.Items = slices.DeleteFunc(t.Items, func(e timeline.Entry) bool { return e.Source == timeline.Syslog && !syslog })
			if a.json {
				return printJSON(c, t)
			}
			return printTimeline(c, a.getenv, t)
		}),
	}
	checkMAC(c)
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on as things happen")
	c.Flags().BoolVar(&syslog, "syslog", false, "also show what the phone has logged")
	c.Flags().IntVar(&limit, "limit", 100, "the newest `N` entries, 1000 at most")
	return c
}

func printTimeline(c *cobra.Command, getenv func(string) string, t client.Timeline) error {
	if len(t.Items) == 0 {
		message(c, "nothing was received from %s yet", t.MAC)
	}
	p := entries{screen: newScreen(c.OutOrStdout(), getenv)}
	for _, e := range t.Items {
		if err := p.print(e); err != nil {
			return err
		}
	}
	unanswered(c, t.Unanswered)
	return printDiagnosis(p.screen, t.Diagnosis)
}

// unanswered names the members of the cluster whose part is missing.
func unanswered(c *cobra.Command, list []client.Unanswered) {
	for _, u := range list {
		message(c, "what member %s has is missing: %s", u.Member, u.Problem)
	}
}

// printDiagnosis prints what the entries mean, and what to do about it.
func printDiagnosis(s screen, findings []diagnosis.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("\ndiagnosis:\n")
	for _, f := range findings {
		word := string(f.Severity)
		b.WriteString(s.wrap("  "+s.paint(word, fmt.Sprintf("%-8s ", word+":")), 11, 11, clean(localTimes(f.Text))) + "\n")
		if f.Hint != "" {
			b.WriteString(s.wrap("           hint: ", 17, 17, clean(localTimes(f.Hint))) + "\n")
		}
	}
	_, err := io.WriteString(s, b.String())
	return err
}

// follow prints the timeline as it is and goes on with what happens. It listens before it reads, so that nothing is
// missed; what is in both is printed once.
func (a *app) follow(c *cobra.Command, cl *client.Client, mac string, limit int, syslog bool) error {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
	defer stop()
	printed := map[string]bool{}
	p := entries{screen: newScreen(c.OutOrStdout(), a.getenv)}
	show := func(e timeline.Entry) error {
		if e.Source == timeline.Syslog && !syslog {
			return nil
		}
		b, err := json.Marshal(e)
		if err != nil || printed[string(b)] {
			return err
		}
		if a.json {
			_, err = fmt.Fprintln(c.OutOrStdout(), string(b))
			return err
		}
		return p.print(e)
	}
	begin := func() error {
		t, err := cl.Timeline(ctx, mac, limit)
		if err != nil {
			return err
		}
		unanswered(c, t.Unanswered)
		for _, e := range t.Items {
			if err := show(e); err != nil {
				return err
			}
			b, err := json.Marshal(e)
			if err != nil {
				return err
			}
			printed[string(b)] = true
		}
		return nil
	}
	lost := func(n uint64) error {
		message(c, "%d entries came faster than they could be shown: plugtone trace %s has them", n, mac)
		return nil
	}
	err := cl.Follow(ctx, mac, begin, show, lost)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func explainCommand(a *app) *cobra.Command {
	var q client.ExplainRequest
	c := &cobra.Command{
		Use: "explain MAC | explain PATH --ip ADDR", Args: cobra.ExactArgs(1), Short: "Show what a phone would be answered, and why",
		Long: "Show what DHCP and the file servers would answer, and why: to a phone by its MAC, or to a request for PATH from\n" +
			"an address. It is a dry run: nothing changes, and nothing is added to any timeline.",
		Example: `  plugtone explain 00:15:65:12:34:56
  plugtone explain 001565123456.cfg --ip 10.20.1.7
  plugtone explain 001565123456.cfg --ip 192.0.2.9 --user-agent 'Yealink SIP-T46U 108.86.0.90 00:15:65:12:34:56'`,
		RunE: func(c *cobra.Command, args []string) error {
			q.Path = args[0]
			if _, err := dhcp.ParseMAC(args[0]); err == nil && q.IP == "" {
				q.MAC, q.Path = args[0], ""
			} else if q.IP == "" {
				return usagef("%.60q is no MAC; for a file, name the requester with --ip ADDR", args[0])
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			x, err := cl.Explain(c.Context(), q)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, x)
			}
			return printExplanation(c, x)
		},
	}
	c.Flags().StringVar(&q.IP, "ip", "", "the address `ADDR` that requests PATH")
	c.Flags().StringVar(&q.UserAgent, "user-agent", "", "the HTTP user agent `UA` of the request")
	c.Flags().StringVar(&q.Subnet, "subnet", "", "as in this subnet: `PREFIX`")
	return c
}

func printExplanation(c *cobra.Command, x client.Explanation) error {
	var f fields
	if !x.MAC.IsZero() {
		f.add("phone", x.MAC.String())
		f.add("record", yesNo(x.Recorded))
	}
	if x.Recorded && !x.Enabled {
		f.add("enabled", "no")
	}
	f.add("model", strings.Trim(x.Vendor+"/"+x.Model, "/"))
	f.add("identity", x.Identity)
	if x.Subnet.IsValid() {
		f.add("subnet", x.Subnet.String()+bracketed(x.SubnetBy))
	}
	f.add("url", x.URL)
	f.add("trust", x.Trust)
	for _, l := range x.Leases {
		f.add("lease", fmt.Sprintf("%s %s until %s", l.IP, l.State, at(l.ExpiresAt)))
	}
	for _, o := range x.Options {
		forced := ""
		if o.Force {
			forced = " (also when not requested)"
		}
		f.add("option "+strconv.Itoa(int(o.Code)), o.Value+forced)
	}
	for _, s := range x.Settings {
		value := "***"
		if s.Value != nil {
			value = fmt.Sprint(s.Value)
		}
		f.add("setting", s.Name+" = "+value+" (from "+s.From+")")
	}
	for _, t := range x.LeftOut {
		f.add("left out", t)
	}
	for _, file := range x.Files {
		f.add("file", strings.TrimSuffix(fmt.Sprintf("%s %s %s; %s", file.Name, file.Kind, file.Outcome, file.Reason), "; "))
	}
	if v := x.Answer; v != nil {
		f.add("answer", string(v.Outcome))
		f.add("reason", localTimes(v.Reason))
		f.add("file", strings.TrimSpace(v.Name+" "+v.Kind))
		if !v.MAC.IsZero() {
			f.add("about", v.MAC.String())
		}
		if v.Status != 0 {
			f.add("http status", strconv.Itoa(v.Status))
		}
		if v.Digest != "" {
			f.add("bytes", fmt.Sprintf("%d, SHA-256 %s", v.Size, v.Digest))
		}
	}
	return f.print(c.OutOrStdout())
}

// bracketed returns where a subnet was taken from, when there was a choice.
func bracketed(by string) string {
	switch by {
	case "":
		return ""
	case "first provisioning subnet":
		return " (the first with phones: provision)"
	case "asked for":
		return " (requested)"
	}
	return " (of its " + by + ")"
}

func leasesCommand(a *app) *cobra.Command {
	var subnet, search, state string
	c := &cobra.Command{
		Use: "leases", Args: cobra.NoArgs, Short: "List leases",
		Example: `  plugtone leases --subnet 10.20.0.0/22
  plugtone leases --state active --search yealink`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := oneOf("state", state, "active", "released", "expired", "declined"); err != nil {
				return err
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			q := url.Values{}
			for name, v := range map[string]string{"subnet": subnet, "q": search, "state": state} {
				if v != "" {
					q.Set(name, v)
				}
			}
			list, err := cl.Leases(c.Context(), q)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, list)
			}
			t := newTable("IP", "MAC", "STATE", "DEVICE", "VENDOR", "EXPIRES", "HOSTNAME")
			for _, l := range list {
				t.add(l.IP.String(), l.MAC.String(), string(l.State), yesNo(l.Device), dash(l.Vendor), ago(l.ExpiresAt, a.now()), l.Hostname)
			}
			return t.print(c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&subnet, "subnet", "", "only leases in this subnet: `PREFIX`")
	c.Flags().StringVar(&search, "search", "", "only those with this `TEXT` in address, MAC, host name or vendor")
	c.Flags().StringVar(&state, "state", "", "only those in `STATE`: active, released, expired or declined")
	return c
}
