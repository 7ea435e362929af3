package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision/deviceindex"
	"plugtone/provision/fleet"
	"plugtone/provision/selector"
	"plugtone/provision/setting"
)

// completionTime bounds how long a completion waits for the daemon.
const completionTime = 2 * time.Second

// values lists what an argument or flag may be, from the running daemon. text is what was typed so far. A value may be
// followed by a tab and what it is.
type values func(ctx context.Context, cl *client.Client, text string) ([]string, error)

// completions makes the shell complete the arguments and flags of a command and those below it.
func (a *app) completions(c *cobra.Command) {
	if names := argumentNames(c); len(names) > 0 && !c.HasSubCommands() {
		c.ValidArgsFunction = func(c *cobra.Command, given []string, text string) ([]string, cobra.ShellCompDirective) {
			i := len(given)
			if last := len(names) - 1; i > last && strings.HasSuffix(names[last], "...") {
				i = last
			}
			if i >= len(names) {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.complete(c, argumentValues(c, strings.Trim(names[i], "[].")), text)
		}
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if v := flagValues(c, f.Name); v != nil {
			_ = c.RegisterFlagCompletionFunc(f.Name, func(c *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
				return a.complete(c, v, text)
			}) // its error is a second registration, of a flag that commands share
		}
	})
	for _, sub := range c.Commands() {
		a.completions(sub)
	}
}

// complete returns values for the shell. Without a daemon there are none.
func (a *app) complete(c *cobra.Command, v values, text string) ([]string, cobra.ShellCompDirective) {
	if v == nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	cl, err := a.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(c.Context(), completionTime)
	defer cancel()
	list, err := v(ctx, cl, text)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if len(list) > 0 && strings.HasSuffix(list[0], "=") {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return list, directive
}

// argumentValues returns what an argument may be, nil for the name of a file.
func argumentValues(c *cobra.Command, name string) values {
	switch name {
	case "MAC":
		if slices.Contains([]string{"add", "adopt", "forget"}, c.Name()) {
			return discoveredMACs
		}
		return deviceMACs
	case "NEWMAC":
		return discoveredMACs
	case "NUMBER":
		return extensionNumbers
	case "VENDOR":
		return vendorIDs
	case "NAME":
		switch c.Parent().Name() {
		case "registrar":
			return registrarNames
		case "profile":
			return profileNames
		}
		return nothing
	case "ID":
		return nothing
	}
	return nil
}

// flagValues returns what a flag of a command may be, nil for those that are not completed.
func flagValues(c *cobra.Command, name string) values {
	switch name {
	case "model":
		return modelNames
	case "vendor":
		return vendorIDs
	case "profile", "parent":
		return profileNames
	case "line", "blf", "speed-dial":
		return extensionNumbers
	case "registrar":
		return registrarNames
	case "set":
		return settingNames
	case "state":
		return fixedWords("never_seen", "never_fetched", "in_sync", "stale", "refused", "disabled", "active", "released", "expired", "declined")
	case "transport":
		return fixedWords(fleet.Transports()...)
	case "role":
		return fixedWords("admin", "operator", "viewer")
	case "sort":
		if c.Name() == "list" {
			return fixedWords(deviceindex.Sorts()...)
		}
		return fixedWords("number", "label")
	case "area":
		return fixedWords(fleet.KeyAreas()...)
	case "subnet":
		return subnetPrefixes
	case "interface":
		return interfaceNames
	case "where":
		return conditions
	}
	return nil
}

func nothing(context.Context, *client.Client, string) ([]string, error) { return nil, nil }

func fixedWords(list ...string) values {
	return func(context.Context, *client.Client, string) ([]string, error) { return list, nil }
}

// pageOf reads as many records as a shell can show, those that have the text first.
func pageOf[T any](ctx context.Context, of client.Collection[T], text string, value func(T) string) ([]string, error) {
	page, err := of.Page(ctx, url.Values{"q": {text}, "limit": {"100"}})
	var out []string
	for _, x := range page.Items {
		out = append(out, value(x))
	}
	return out, err
}

// described returns a value with what it is, for shells that show that.
func described(value string, what ...string) string {
	if text := strings.Join(slices.DeleteFunc(what, func(s string) bool { return s == "" }), " "); text != "" {
		return value + "\t" + clean(text)
	}
	return value
}

// macAs returns a MAC in the form in which it was begun.
func macAs(mac dhcp.MAC, text string) string {
	if len(text) > 2 && !strings.Contains(text, ":") {
		return mac.Hex()
	}
	return mac.String()
}

func deviceMACs(ctx context.Context, cl *client.Client, text string) ([]string, error) {
	return pageOf(ctx, cl.Devices(), text, func(d client.Device) string { return described(macAs(d.MAC, text), d.Label, d.Model) })
}

func discoveredMACs(ctx context.Context, cl *client.Client, text string) (out []string, err error) {
	list, _, err := cl.Discovered(ctx, "")
	for _, d := range list {
		out = append(out, described(macAs(d.MAC, text), d.Vendor, d.Model))
	}
	return out, err
}

func extensionNumbers(ctx context.Context, cl *client.Client, text string) ([]string, error) {
	return pageOf(ctx, cl.Extensions(), text, func(x fleet.Extension) string { return described(x.Number, x.DisplayName) })
}

func registrarNames(ctx context.Context, cl *client.Client, text string) ([]string, error) {
	return pageOf(ctx, cl.Registrars(), text, func(r fleet.Registrar) string { return described(r.Name, r.Host) })
}

func profileNames(ctx context.Context, cl *client.Client, text string) ([]string, error) {
	return pageOf(ctx, cl.Profiles(), text, func(p fleet.Profile) string { return described(p.Name, cmp.Or(p.Parent)) })
}

func vendorIDs(ctx context.Context, cl *client.Client, _ string) (out []string, err error) {
	list, err := cl.Vendors(ctx)
	for _, v := range list {
		out = append(out, described(v.Vendor, v.Name))
	}
	return out, err
}

// modelNames are written with their vendors: some vendors share the names of models.
func modelNames(ctx context.Context, cl *client.Client, _ string) (out []string, err error) {
	list, err := cl.Vendors(ctx)
	for _, v := range list {
		for _, m := range v.Models {
			out = append(out, v.Vendor+"/"+m.Model)
		}
	}
	return out, err
}

func settingNames(context.Context, *client.Client, string) (out []string, err error) {
	for _, d := range setting.All() {
		out = append(out, d.Name+"=")
	}
	return out, nil
}

func subnetPrefixes(ctx context.Context, cl *client.Client, _ string) (out []string, err error) {
	list, err := cl.Subnets(ctx)
	for _, s := range list {
		out = append(out, described(s.Subnet.String(), s.Interface))
	}
	return out, err
}

// interfaceNames are those that the daemon serves, or else those of this machine.
func interfaceNames(ctx context.Context, cl *client.Client, _ string) (out []string, err error) {
	list, err := cl.Subnets(ctx)
	for _, s := range list {
		if s.Interface != "" {
			out = append(out, described(s.Interface, s.Subnet.String()))
		}
	}
	if err == nil {
		return out, nil
	}
	local, err := net.Interfaces()
	for _, i := range local {
		out = append(out, i.Name)
	}
	return out, err
}

// conditions completes the last condition of an expression: its field, or its value where the daemon counts the devices by that field.
func conditions(ctx context.Context, cl *client.Client, text string) (out []string, err error) {
	before, last := selector.Last(text)
	if last.Op == "" {
		for _, field := range selector.Fields() {
			out = append(out, before+field+"=")
		}
		return out, nil
	}
	counts, err := cl.DeviceCounts(ctx, url.Values{"by": {last.Field}})
	for _, list := range [][]client.ValueCount{counts.State, counts.Vendor, counts.Model, counts.Profile, counts.Subnet, counts.Tag, counts.LeftOut} {
		for _, v := range list {
			if v.Value != "" {
				out = append(out, described(before+last.Field+last.Op+selector.Quote(v.Value), fmt.Sprint(v.Count)))
			}
		}
	}
	return out, err
}
