package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/provision/impact"
)

// writes adds the flags of commands that change records.
func (a *app) writes(commands ...*cobra.Command) {
	a.triesFirst(commands...)
	for _, c := range commands {
		c.Flags().BoolVar(&a.resync, "resync", false, "then make exactly the phones fetch whose files this changes, and wait until they have, as plugtone resync does")
		run := c.RunE
		c.RunE = func(c *cobra.Command, args []string) error {
			if a.resync && a.write.DryRun {
				return usagef("--resync goes with the change itself, not with --dry-run")
			}
			if err := run(c, args); err != nil || !a.resync {
				return err
			}
			return a.resyncChanged(c)
		}
	}
}

// triesFirst adds the flags of the dry run and of the reason.
func (a *app) triesFirst(commands ...*cobra.Command) {
	for _, c := range commands {
		f := c.Flags()
		f.BoolVar(&a.write.DryRun, "dry-run", false, "change nothing; show which phones' files would change, and how")
		f.BoolVar(&a.write.Summary, "summary", false, "with --dry-run: only count the phones")
		f.StringVar(&a.write.Message, "message", "", "what the change is for: `TEXT` that plugtone change list shows")
	}
}

// printPreview prints what a change would do: the phones counted, then the lines that would change in each file.
func printPreview(c *cobra.Command, p impact.Preview) error {
	if asJSON, err := c.Flags().GetBool("json"); err == nil && asJSON {
		return printJSON(c, p)
	}
	w := c.OutOrStdout()
	s := newScreen(w, func(string) string { return "" })
	if _, err := fmt.Fprintf(w, "%s: %s would change\n", p.Action, recordCount(p.Created, p.Changed, p.Deleted)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, phoneCount(p.Phones)); err != nil {
		return err
	}
	for _, n := range p.NotRendered {
		if _, err := fmt.Fprintln(w, notRenderedText(n)); err != nil {
			return err
		}
	}
	if err := printRows(c, s, p); err != nil {
		return err
	}
	if err := printLost(w, p.Lost); err != nil {
		return err
	}
	if len(p.Lost) == 0 { // it has them too
		if err := printLeftOut(w, p.LeftOut); err != nil {
			return err
		}
	}
	for _, problem := range p.Problems {
		if _, err := fmt.Fprintf(w, "problem: %s\n", clean(problem)); err != nil {
			return err
		}
	}
	for _, phone := range p.Items {
		if err := printPhone(s, phone); err != nil {
			return err
		}
	}
	if p.More > 0 {
		_, err := fmt.Fprintf(w, "\nand %d more phones\n", p.More)
		return err
	}
	return nil
}

// printRows lists the verdicts of an apply; in a summary those that need attention.
func printRows(c *cobra.Command, s screen, p impact.Preview) error {
	summary, err := c.Flags().GetBool("summary")
	if err != nil || len(p.Rows) == 0 {
		return nil
	}
	text, more := "", p.MoreRows
	for _, r := range p.Rows {
		if summary && r.Reason == "" {
			continue
		}
		word := map[string]string{"conflict": "problem", "new": "ok"}[r.Verdict]
		line := strings.TrimRight(fmt.Sprintf("%s  %s %s  %s", s.paint(word, fmt.Sprintf("%-8s", r.Verdict)), r.Kind, clean(r.Name), clean(r.Row)), " ")
		if r.Reason != "" {
			line += ": " + clean(r.Reason)
		}
		text += line + "\n"
	}
	if text == "" {
		return nil
	}
	if more > 0 {
		text += fmt.Sprintf("and %d more\n", more)
	}
	_, err = io.WriteString(s, "\n"+text)
	return err
}

// printLost lists what phones lose because their models can't have it.
func printLost(w io.Writer, lost []string) error {
	if len(lost) == 0 {
		return nil
	}
	text := "lost, because the model can't have it:\n"
	for _, l := range lost {
		text += "  " + clean(l) + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// notRenderedText returns why phones have files that are not compared.
func notRenderedText(n impact.NotRendered) string {
	if n.Phones == 1 {
		return fmt.Sprintf("not compared are files of %s, which can't be rendered: %s", n.MAC, clean(n.Reason))
	}
	return fmt.Sprintf("not compared are files of %d phones, %s among them, which can't be rendered: %s", n.Phones, n.MAC, clean(n.Reason))
}

func phoneCount(n int) string {
	switch n {
	case 0:
		return "no phone's files would change"
	case 1:
		return "the files of 1 phone would change"
	}
	return fmt.Sprintf("the files of %d phones would change", n)
}

// recordCount counts records: 3 records (2 created, 1 changed).
func recordCount(created, changed, deleted int) string {
	var parts []string
	for _, part := range []struct {
		n    int
		word string
	}{{created, "created"}, {changed, "changed"}, {deleted, "deleted"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.word))
		}
	}
	total := created + changed + deleted
	switch total {
	case 0:
		return "no record"
	case 1:
		return "1 record (" + strings.Fields(parts[0])[1] + ")"
	}
	return fmt.Sprintf("%d records (%s)", total, strings.Join(parts, ", "))
}

// printPhone prints how the files of a phone would change.
func printPhone(s screen, p impact.Phone) error {
	head := "\n" + strings.TrimRight(p.MAC.String()+" "+clean(p.Label), " ")
	switch p.Change {
	case impact.New:
		head += ": new"
	case impact.Gone:
		head += ": removed"
	}
	if _, err := fmt.Fprintln(s, head); err != nil {
		return err
	}
	if p.Error != "" {
		_, err := fmt.Fprintln(s, "  its files can't be rendered: "+clean(p.Error))
		return err
	}
	for _, f := range p.Files {
		switch {
		case f.SecretsOnly:
			if _, err := fmt.Fprintf(s, "  %s: only secrets would change\n", clean(f.Name)); err != nil {
				return err
			}
		case f.Note != "":
			if _, err := fmt.Fprintf(s, "  %s: %s\n", clean(f.Name), clean(f.Note)); err != nil {
				return err
			}
		case f.Diff == "":
			if _, err := fmt.Fprintf(s, "  %s: %s\n", clean(f.Name), f.Change); err != nil {
				return err
			}
		default:
			if err := printDiff(s, f.Diff); err != nil {
				return err
			}
		}
	}
	return nil
}

// printDiff prints a unified diff, coloured where the screen has colours. It may hold what operators entered, so that each line
// is cleaned.
func printDiff(s screen, diff string) error {
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		word := ""
		switch {
		case strings.HasPrefix(line, "+"):
			word = "ok"
		case strings.HasPrefix(line, "-"):
			word = "problem"
		}
		text := strings.ReplaceAll(line, "\t", "    ")
		if _, err := io.WriteString(s, s.paint(word, clean(text))+"\n"); err != nil {
			return err
		}
	}
	return nil
}
