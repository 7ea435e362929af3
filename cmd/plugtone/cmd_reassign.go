package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/reassign"
)

func deviceCopy(a *app) *cobra.Command {
	var lines []string
	var label string
	c := &cobra.Command{
		Use: "copy MAC NEWMAC", Args: cobra.ExactArgs(2), Short: "Enter a phone like another",
		Long: "Enter a phone like another: with its model, profile, keys, settings, contacts, location and tags. The lines are its own:\n" +
			"without --line it has none.",
		Example: `  plugtone device copy 00:15:65:12:34:56 00:15:65:12:34:57 --line 1002 --label Kitchen`,
		RunE: func(c *cobra.Command, args []string) error {
			parsed, err := parseLines(lines)
			if err != nil {
				return err
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			r, err := cl.CopyDevice(c.Context(), args[0], client.CopyRequest{To: args[1], Label: label, Lines: parsed})
			if err != nil {
				return err
			}
			return reassigned(a, c, r, "device %s created like %s%s", r.Devices[0].MAC, macText(args[0]), describeModel(r.Devices[0]))
		},
	}
	c.Flags().StringArrayVar(&lines, "line", nil, lineUsage)
	c.Flags().StringVar(&label, "label", "", "`TEXT` that people call the new phone by")
	a.writes(c)
	return c
}

func deviceSwap(a *app) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "swap MAC MAC", Args: cobra.ExactArgs(2), Short: "Exchange what two phones are for, in one step",
		Long: "Exchange what two phones are for: lines, keys, settings, profile, label, location, reserved address and all else but the\n" +
			"hardware itself (MAC, model, serial number). With phones of different models, what one can't have is listed first.",
		Example: `  plugtone device swap 00:15:65:12:34:56 00:15:65:12:34:57 --dry-run`,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			r, err := cl.SwapDevices(c.Context(), args[0], args[1], yes)
			if err != nil {
				return lossHint(err)
			}
			return reassigned(a, c, r, "devices %s and %s swapped; each gets its new lines with its next fetch", r.Devices[0].MAC, r.Devices[1].MAC)
		}),
	}
	lossFlag(c, &yes)
	a.writes(c)
	return c
}

func deviceReplace(a *app) *cobra.Command {
	var yes bool
	var model string
	c := &cobra.Command{
		Use: "replace MAC NEWMAC", Args: cobra.ExactArgs(2), Short: "Put a phone in the place of another, in one step",
		Long: "Put a phone in the place of another. The new one takes lines, keys, settings, label, reserved address and profile. The old\n" +
			"one is disabled: when it fetches its file and proves itself, the file clears its accounts, and it gets no secret any more.\n\n" +
			"The new phone's model is --model, or that of its record, or what it was recognised as, or the old phone's. With another\n" +
			"model, what it can't have is listed first.",
		Example: `  plugtone device replace 00:15:65:12:34:56 00:15:65:12:34:57 --dry-run
  plugtone device replace 00:15:65:12:34:56 805e.c000.0001 --model yealink/T54W --message "broken display"`,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			r, err := cl.ReplaceDevice(c.Context(), args[0], client.ReplaceRequest{By: args[1], Model: model}, yes)
			if err != nil {
				return lossHint(err)
			}
			return reassigned(a, c, r, "device %s replaced by %s%s; %[1]s is disabled", r.Devices[1].MAC, r.Devices[0].MAC, describeModel(r.Devices[0]))
		}),
	}
	c.Flags().StringVar(&model, "model", "", "`MODEL` of the new phone, as T54W or yealink/T54W")
	lossFlag(c, &yes)
	a.writes(c)
	return c
}

func deviceKeys(a *app) *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "The keys of phones"}
	c.AddCommand(keysFill(a))
	return c
}

func keysFill(a *app) *cobra.Command {
	r := client.FillRequest{}
	var sort string
	var blf, dial []string
	var m many
	c := &cobra.Command{
		Use: "fill [MAC]...", Args: m.args, Short: "Give phones a key for each of many extensions",
		Long: "Give phones a key for each of many extensions, in consecutive slots of an area, all phones in one step. The labels follow the\n" +
			"extensions' display names. Of a range such as 1001-1040, the extensions that exist count. Run again, it sets the same\n" +
			"keys. A slot that has a key of another type is an error unless --overwrite is given.",
		Example: `  plugtone device keys fill 00:15:65:12:34:56 --area line --from 5 --blf 1001-1040 --sort label --skip-own
  plugtone device keys fill --where "profile=reception" --from 5 --blf 1001-1040 --skip-own --dry-run
  plugtone device keys fill 001565123456 001565123457 --area expansion1 --from 1 --blf 1001-1020 --blf 1100 --dry-run`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("sort", sort, reassign.SortNumber, reassign.SortLabel); err != nil {
				return err
			}
			switch {
			case len(blf)+len(dial) == 0:
				return usagef("--blf is missing: it names the extensions, such as 1001-1040")
			case len(blf) > 0 && len(dial) > 0:
				return usagef("--blf and --speed-dial are two layouts: give one of them")
			}
			named, err := m.request(c, args)
			if err != nil {
				return err
			}
			for _, mac := range named.MACs {
				r.Devices = append(r.Devices, mac.String())
			}
			r.Where, r.Sort, r.Type, r.Extensions = named.Where, sort, "blf", blf
			if len(dial) > 0 {
				r.Type, r.Extensions = "speed_dial", dial
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			out, err := cl.FillKeys(c.Context(), r)
			if err != nil {
				return err
			}
			if out.Change.ID == 0 {
				return a.done(c, out, "unchanged: no device that was named lacks a key for one of these extensions")
			}
			return reassigned(a, c, out, "keys of %s filled; that is change %d", deviceCount(out.Change.Changed), out.Change.ID)
		},
	}
	m.define(c)
	f := c.Flags()
	f.StringSliceVar(&blf, "blf", nil, "busy lamps for `EXTENSIONS`: ranges such as 1001-1040 and single ones, separated by commas (repeatable)")
	f.StringSliceVar(&dial, "speed-dial", nil, "speed dials for `EXTENSIONS` instead of busy lamps (repeatable)")
	f.StringVar(&sort, "sort", "", "`ORDER` of the keys: number or label; as named when not given")
	fillFlags(c, &r)
	a.writes(c)
	return c
}

// fillFlags adds the flags of keys fill whose values need no check here.
func fillFlags(c *cobra.Command, r *client.FillRequest) {
	f := c.Flags()
	f.StringVar(&r.Area, "area", "line", "`AREA` of the keys: line, memory, programmable, expansion1 to expansion6")
	f.IntVar(&r.From, "from", 1, "first `SLOT`")
	f.BoolVar(&r.SkipOwn, "skip-own", false, "leave out the extensions on a phone's own lines")
	f.BoolVar(&r.Overwrite, "overwrite", false, "also replace keys of other types")
}

func deviceCount(n int) string {
	if n == 1 {
		return "1 device"
	}
	return fmt.Sprintf("%d devices", n)
}

func lossFlag(c *cobra.Command, yes *bool) {
	c.Flags().BoolVar(yes, "yes", false, "also when something is lost that the other model can't have")
}

// lossHint explains the refusal of what would lose something.
func lossHint(err error) error {
	if client.IsConflict(err) && strings.Contains(err.Error(), "would be lost") {
		return fmt.Errorf("%w\nhint: --yes goes on without them; --dry-run shows the files", err)
	}
	return err
}

// reassigned prints what was done, and on standard error what was lost.
func reassigned(a *app, c *cobra.Command, r client.Reassigned, format string, args ...any) error {
	if !a.json {
		for _, l := range r.Lost {
			message(c, "lost: %s", clean(l))
		}
		if len(r.Lost) == 0 { // it has them too
			warnLeftOut(c, r.LeftOut)
		}
	}
	return a.done(c, r, format, args...)
}
