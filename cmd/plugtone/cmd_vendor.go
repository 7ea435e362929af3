package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/pack"
	"plugtone/provision/setting"
)

func vendorCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "vendor", Short: "The vendor packs: what plugtone has for each vendor"}
	c.AddCommand(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List vendors",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			list, err := cl.Vendors(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, list)
			}
			t := newTable("VENDOR", "NAME", "MODELS", "ALIASES", "")
			for _, v := range list {
				t.add(v.Vendor, v.Name, strconv.Itoa(len(v.Models)), dash(strings.Join(v.Aliases, ",")), footing(v.Experimental, v.Recognises))
			}
			return t.print(c.OutOrStdout())
		}),
	}, &cobra.Command{
		Use: "show VENDOR", Args: cobra.ExactArgs(1), Short: "Show a vendor's models, key types, settings, files and DHCP options",
		Long: "Show a vendor's models, key types, settings, files and DHCP options. Behind a key type or setting that not every model has\n" +
			"is how many have it; VENDOR/MODEL shows what one model has.",
		Example: `  plugtone vendor show yealink
  plugtone vendor show yealink/T46U`,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			vendor, model, single := strings.Cut(args[0], "/")
			v, err := cl.Vendor(c.Context(), vendor)
			if err != nil {
				return err
			}
			if single {
				return a.showModel(c, v, model)
			}
			if a.json {
				return printJSON(c, v)
			}
			return printVendor(c, v)
		}),
	}, vendorCheckCommand(a))
	return c
}

// showModel shows what one model has.
func (a *app) showModel(c *cobra.Command, v pack.Description, name string) error {
	var names []string
	for _, m := range v.Models {
		names = append(names, m.Model)
		if !slices.ContainsFunc(append(m.Aliases, m.Model), func(n string) bool { return strings.EqualFold(n, name) }) {
			continue
		}
		if a.json {
			return printJSON(c, m)
		}
		var f fields
		f.add("model", v.Vendor+"/"+m.Model)
		f.add("aliases", strings.Join(m.Aliases, ", "))
		f.add("lines", strconv.Itoa(m.Lines))
		f.add("keys", keysOf(m))
		f.add("expansion", m.Expansion)
		if m.Uncertain {
			f.add("counts", "not certain: more are let through")
		}
		has := func(all, lacks []string) string {
			return strings.Join(slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(lacks, s) }), " ")
		}
		f.add("key types", has(v.KeyTypes, m.LacksKeyTypes))
		f.add("settings", has(v.Settings, m.LacksSettings))
		f.add("lacks of lines", strings.Join(m.LacksOfLines, "; "))
		f.add("note", m.Note)
		return f.print(c.OutOrStdout())
	}
	near := setting.Nearest(name, names)
	if len(near) == 0 {
		near = names
	}
	return fmt.Errorf("%s has no model %q; near: %s", v.Vendor, name, strings.Join(near, ", "))
}

func keysOf(m pack.ModelDescription) string {
	var keys []string
	for _, area := range sortedKeys(m.Keys) {
		keys = append(keys, fmt.Sprintf("%s %d", area, m.Keys[area]))
	}
	return strings.Join(keys, ", ")
}

// shares adds behind each word how many models have it, where not all do.
func shares(words []string, models []pack.ModelDescription, lacks func(pack.ModelDescription) []string) string {
	out := slices.Clone(words)
	for i, w := range words {
		n := len(models)
		for _, m := range models {
			if slices.Contains(lacks(m), w) {
				n--
			}
		}
		if n < len(models) {
			out[i] = fmt.Sprintf("%s (%d of %d models)", w, n, len(models))
		}
	}
	return strings.Join(out, ", ")
}

// footing returns what an experimental pack does and doesn't.
func footing(experimental, recognises bool) string {
	switch {
	case experimental && recognises:
		return "experimental, switched on"
	case experimental:
		return "experimental: serves devices that name it, recognises none"
	}
	return ""
}

func printVendor(c *cobra.Command, v pack.Description) error {
	out := c.OutOrStdout()
	var f fields
	f.add("vendor", v.Vendor)
	f.add("name", v.Name)
	f.add("aliases", strings.Join(v.Aliases, ", "))
	f.add("footing", footing(v.Experimental, v.Recognises))
	f.add("key types", shares(v.KeyTypes, v.Models, func(m pack.ModelDescription) []string { return m.LacksKeyTypes }))
	f.add("settings", shares(v.Settings, v.Models, func(m pack.ModelDescription) []string { return m.LacksSettings }))
	f.add("resync", v.Resync)
	if err := f.print(out); err != nil {
		return err
	}
	models := newTable("MODEL", "LINES", "KEYS", "EXPANSION", "NOTE")
	for _, m := range v.Models {
		name := m.Model
		if len(m.Aliases) > 0 {
			name += " (" + strings.Join(m.Aliases, ", ") + ")"
		}
		models.add(name, strconv.Itoa(m.Lines), dash(keysOf(m)), dash(m.Expansion), m.Note)
	}
	files := newTable("FILE, IN THE ORDER ASKED", "KIND", "WHEN MISSING", "NOTE")
	for _, x := range v.Files {
		files.add(x.Name, string(x.Kind), dash(x.Missing), strings.TrimSpace(x.Models+" "+x.Note))
	}
	for _, t := range []*table{models, files} {
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
		if err := t.print(out); err != nil {
			return err
		}
	}
	return printFacts(c, v)
}

func printFacts(c *cobra.Command, v pack.Description) error {
	for _, part := range []struct {
		head  string
		lines []string
	}{
		{"DHCP options", v.DHCP}, {"recognised by", v.Recognise}, {"not confirmed on a phone", factLines(v.Unconfirmed)},
		{"sources", factLines(v.Sources)},
	} {
		if len(part.lines) == 0 {
			continue
		}
		if _, err := fmt.Fprintln(c.OutOrStdout(), "\n"+part.head+":"); err != nil {
			return err
		}
		for _, l := range part.lines {
			if _, err := fmt.Fprintln(c.OutOrStdout(), "  "+clean(l)); err != nil {
				return err
			}
		}
	}
	return nil
}

func factLines(facts []pack.Fact) []string {
	var out []string
	for _, f := range facts {
		line := f.What
		if f.Source != "" {
			line += " (" + f.Source + ", " + f.Confidence + " confidence)"
		}
		out = append(out, line)
	}
	return out
}
