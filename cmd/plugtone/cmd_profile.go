package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/fleet"
)

func profileCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "profile", Short: "Keys and settings that many phones share"}
	c.AddCommand(profileSet(a), listCommand(a, "List profiles", (*client.Client).Profiles, printProfiles),
		showCommand(a, "NAME", "Show a profile", (*client.Client).Profiles, printProfile),
		removeCommand(a, "profile", "NAME", "devices and profiles that name it go without it", (*client.Client).Profiles),
		historyCommand(a, "profile", "NAME", (*client.Client).Profiles))
	return c
}

func profileSet(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "set NAME -f FILE", Args: cobra.ExactArgs(1), Short: "Create a profile, or change only what the file names",
		Long: "Create a profile, or change only what the file names. The file is YAML or JSON with the members parent, keys,\n" +
			"contacts, settings, vendor_settings, upstream, upstream_user and upstream_password; - reads standard input. Keys may be\n" +
			"written as specifications, and the list replaces the one before; null clears a setting. With upstream, one URL or a list, the\n" +
			"configuration files of the phones are rendered by that PBX; it needs the role admin. " + keyTypes(),
		Example: `  plugtone profile set reception -f - <<END
  settings: {time_zone: Europe/Berlin}
  keys: ["2=blf:1002,label=Bob", "3=park:701"]
  contacts: [{name: Taxi, number: "030202020", group: Travel}]
  vendor_settings: {yealink: {phone_setting.backlight_time: "60"}}
  END
  plugtone profile set fusion -f - <<END
  upstream: [https://pbx1.example.com/app/provision/, https://pbx2.example.com/app/provision/]
  upstream_user: provision
  upstream_password: s3cret
  END`,
		RunE: func(c *cobra.Command, args []string) error {
			if file == "" {
				return usagef("-f FILE is needed")
			}
			doc, err := readProfile(c, file)
			if err != nil {
				return counted(file, err)
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			if doc.problems != nil {
				return counted(file, doc.allProblems(c, cl, args[0]))
			}
			p, created, err := cl.SavedProfiles().Set(c.Context(), args[0], doc.members)
			if err != nil {
				return counted(file, doc.locate(err))
			}
			warn(c, p.Warnings)
			warnLeftOut(c, p.LeftOut)
			return a.done(c, p, "profile %s %s", p.Name, createdOrChanged(created))
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "YAML or JSON `FILE`; - reads standard input")
	a.writes(c)
	return c
}

func printProfiles(c *cobra.Command, list []fleet.Profile) error {
	t := newTable("NAME", "PARENT", "KEYS", "SETTINGS")
	for _, p := range list {
		n := len(p.Settings)
		for _, params := range p.VendorSettings {
			n += len(params)
		}
		t.add(p.Name, dash(p.Parent), strconv.Itoa(len(p.Keys)), strconv.Itoa(n))
	}
	return t.print(c.OutOrStdout())
}

func printProfile(_ *app, c *cobra.Command, p fleet.Profile) error {
	var f fields
	f.add("profile", p.Name)
	f.add("parent", p.Parent)
	for _, url := range p.Upstream {
		f.add("upstream", url)
	}
	f.add("upstream user", p.UpstreamUser)
	for _, k := range p.Keys {
		name, value, _ := strings.Cut(k.String(), "=")
		f.add("key "+name, value)
	}
	addContacts(&f, p.Contacts)
	addSettings(&f, p.Settings)
	for _, vendor := range sortedKeys(p.VendorSettings) {
		for _, name := range sortedKeys(p.VendorSettings[vendor]) {
			f.add(vendor, name+" = "+p.VendorSettings[vendor][name])
		}
	}
	addSource(&f, p.Source, p.SourceMembers, p.Gone)
	f.add("changed", at(p.UpdatedAt)+", revision "+strconv.FormatUint(p.Revision, 10))
	return f.print(c.OutOrStdout())
}

func discoveredCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "discovered", Short: "Phones that were seen and have no record"}
	for _, sub := range []*cobra.Command{discoveredList(a), discoveredAdopt(a), discoveredForget(a)} {
		checkMAC(sub)
		c.AddCommand(sub)
	}
	return c
}

func discoveredList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List discovered phones",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			list, silent, err := cl.Discovered(c.Context(), "")
			if err != nil {
				return err
			}
			unanswered(c, silent)
			if a.json {
				return printJSON(c, list)
			}
			head := []string{"MAC", "VENDOR", "MODEL", "IP", "LAST SEEN", "HOSTNAME", "RECOGNISED"}
			cluster := slices.ContainsFunc(list, func(d fleet.Discovered) bool { return d.Member != "" })
			if cluster {
				head = append(head, "MEMBER")
			}
			t := newTable(head...)
			for _, d := range list {
				ip := "-"
				if d.IP.IsValid() {
					ip = d.IP.String()
				}
				row := []string{d.MAC.String(), dash(d.Vendor), dash(d.Model), ip, ago(d.LastSeen, a.now()), dash(d.Hostname), d.Reason}
				if cluster {
					row = append(row, d.Member)
				}
				t.add(row...)
			}
			return t.print(c.OutOrStdout())
		}),
	}
}

func discoveredAdopt(a *app) *cobra.Command {
	var lines []string
	var in client.AdoptRequest
	c := &cobra.Command{
		Use: "adopt MAC", Args: cobra.ExactArgs(1), Short: "Make a discovered phone a device",
		Example: `  plugtone discovered adopt 80:5e:c0:01:02:03 --line 1001 --label "Meeting room"`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if in.Lines, err = parseLines(lines); err != nil {
				return err
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			d, err := cl.Adopt(c.Context(), args[0], in)
			if err != nil {
				return err
			}
			if d.Vendor != "" && d.Model == "" {
				message(c, "hint: the model is not known yet; plugtone device set %s --model MODEL names it", d.MAC)
			}
			beyondModel(c, d)
			leftOut(c, d, nil)
			warn(c, d.Warnings)
			return a.done(c, d, "device %s created%s", d.MAC, describeModel(d))
		},
	}
	c.Flags().StringArrayVar(&lines, "line", nil, lineUsage)
	c.Flags().StringVar(&in.Profile, "profile", "", "`PROFILE` whose keys and settings it shares")
	c.Flags().StringVar(&in.Label, "label", "", "`TEXT` that people call this phone by")
	a.writes(c)
	return c
}

func discoveredForget(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "forget MAC", Args: cobra.ExactArgs(1), Short: "Take a phone off the list, until it is seen again",
		Long: "Take a phone off the list, until it is seen again. In a cluster it is taken off the lists of all members that answer.",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			if err := cl.Forget(c.Context(), args[0]); err != nil {
				return err
			}
			return a.done(c, removal{"discovered", macText(args[0]), "forgotten"}, "phone %s forgotten", macText(args[0]))
		}),
	}
}

// addContacts shows a phonebook's entries, with the numbers in the order work, mobile, home.
func addContacts(f *fields, contacts []fleet.Contact) {
	for _, c := range contacts {
		text := c.Name + ":"
		for _, n := range []struct{ what, number string }{{"", c.Number}, {"mobile ", c.Mobile}, {"home ", c.Home}} {
			if n.number != "" {
				text += " " + n.what + n.number
			}
		}
		if c.Group != "" {
			text += " (" + c.Group + ")"
		}
		f.add("contact", text)
	}
}
