package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/changes"
	"plugtone/provision/fleet"
)

func changeCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "change", Short: "What was changed, by whom and what for; undo",
		Long: "Every write of records is one change, of one record or ten thousand. plugtone change undo sets all records of a change\n" +
			"back at once. history.keep and history.max of the configuration limit how long changes are kept."}
	c.AddCommand(changeList(a), changeShow(a), changeUndo(a))
	return c
}

func changeList(a *app) *cobra.Command {
	var since string
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List changes, newest first",
		Example: `  plugtone change list --since 7d`,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			list := []fleet.Change{}
			for x, err := range cl.Changes(c.Context(), since) {
				if err != nil {
					return err
				}
				list = append(list, x)
			}
			if a.json {
				return printJSON(c, list)
			}
			t := newTable("ID", "TIME", "BY", "FROM", "DID", "RECORDS", "MESSAGE")
			for _, x := range list {
				t.add(strconv.FormatUint(x.ID, 10), at(x.Time), x.Actor, dash(x.From), x.Action, strconv.Itoa(x.Total()), x.Message)
			}
			return t.print(c.OutOrStdout())
		}),
	}
	c.Flags().StringVar(&since, "since", "", "only changes since `TIME`: 7d, 12h, or 2026-11-22T12:00:00Z")
	return c
}

func changeShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Args: cobra.ExactArgs(1), Short: "Show a change with its records before and after",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			id, err := recordID("change", args[0])
			if err != nil {
				return err
			}
			x, err := cl.Change(c.Context(), id)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, x)
			}
			return printChange(c, x)
		}),
	}
}

// recordID parses the number of a change or job.
func recordID(noun, text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, usagef("%[1]s %.20[2]q is not the number of a %[1]s; plugtone %[1]s list shows them", noun, text)
	}
	return id, nil
}

func printChange(c *cobra.Command, x client.ChangeDetail) error {
	var f fields
	f.add("change", strconv.FormatUint(x.ID, 10))
	f.add("time", at(x.Time))
	f.add("by", x.Actor)
	f.add("from", x.From)
	f.add("did", x.Action)
	f.add("message", x.Message)
	f.add("records", recordCount(x.Created, x.Change.Changed, x.Deleted))
	if err := f.print(c.OutOrStdout()); err != nil {
		return err
	}
	for _, r := range x.Records {
		if _, err := fmt.Fprintf(c.OutOrStdout(), "\n%s %s %s\n", r.Kind, clean(r.Name), r.Change); err != nil {
			return err
		}
		if err := printMembers(c, r.Members); err != nil {
			return err
		}
	}
	if x.More > 0 {
		message(c, "and %d more records", x.More)
	}
	return nil
}

// printMembers prints what changed from what to what.
func printMembers(c *cobra.Command, members []changes.Member) error {
	for _, m := range members {
		if _, err := fmt.Fprintln(c.OutOrStdout(), "  "+memberText(m)); err != nil {
			return err
		}
	}
	return nil
}

func memberText(m changes.Member) string {
	name := clean(m.Member)
	switch {
	case m.From == "":
		return name + ": " + clean(m.To)
	case m.To == "":
		return name + ": " + clean(m.From) + " -> (none)"
	}
	return name + ": " + clean(m.From) + " -> " + clean(m.To)
}

func changeUndo(a *app) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "undo ID", Args: cobra.ExactArgs(1), Short: "Set all records of a change back to what they were before",
		Long: "Set all records of a change back to what they were before, all or none. While some were changed since, it is refused and\n" +
			"they are named. The undo is a change too: it can be undone the same way.",
		Example: `  plugtone change undo 128 --dry-run
  plugtone change undo 128 --message "wrong profile"`,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			id, err := recordID("change", args[0])
			if err != nil {
				return err
			}
			x, err := cl.Undo(c.Context(), id, force)
			if client.IsConflict(err) && strings.Contains(err.Error(), "changed since") {
				return fmt.Errorf("%w\nhint: --force overwrites them; plugtone change list shows what changed them", err)
			}
			if client.IsConflict(err) && strings.Contains(err.Error(), "is in use by") {
				return fmt.Errorf("%w\nhint: undo the changes first that put it there, the newest first; plugtone change list shows them", err)
			}
			if err != nil {
				return err
			}
			warnLeftOut(c, x.LeftOut)
			return a.done(c, x, "change %d undone: %s; that is change %d", id, recordCount(x.Created, x.Changed, x.Deleted), x.ID)
		}),
	}
	c.Flags().BoolVar(&force, "force", false, "also when records were changed since: they are overwritten")
	a.writes(c)
	return c
}

// historyCommand shows the revisions of a record.
func historyCommand[T any](a *app, noun, arg string, of func(*client.Client) client.Collection[T]) *cobra.Command {
	return &cobra.Command{
		Use: "history " + arg, Args: cobra.ExactArgs(1), Short: "List the revisions of " + article(noun) + " " + noun + ", newest first, with what changed",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			h, err := of(cl).History(c.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, h)
			}
			return printRevisions(c, h.Items)
		}),
	}
}

// printRevisions prints revisions, each with the members that it changed.
func printRevisions(c *cobra.Command, list []client.Revision) error {
	for _, r := range list {
		head := fmt.Sprintf("%d  %s  %s  %s", r.Revision, at(r.Time), clean(r.Actor), clean(r.Action))
		if r.Message != "" {
			head += ": " + clean(r.Message)
		}
		if _, err := fmt.Fprintln(c.OutOrStdout(), head); err != nil {
			return err
		}
		if err := printMembers(c, r.Members); err != nil {
			return err
		}
	}
	return nil
}
