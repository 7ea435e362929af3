package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plugtone/provision/resolve"
)

// leftOutText returns what phones do not get, with one of them and the reason.
func leftOutText(n resolve.LeftOutCount) string {
	if n.Phones == 1 {
		return fmt.Sprintf("left out on %s: %s", n.MAC, clean(n.Text))
	}
	return fmt.Sprintf("left out on %d phones of %s: %s (%s: %s)", n.Phones, clean(n.Vendor), clean(n.Member), n.MAC, clean(n.Text))
}

// warnLeftOut warns of what phones do not get since a change, one line for each vendor and member.
func warnLeftOut(c *cobra.Command, list []resolve.LeftOutCount) {
	for _, n := range list {
		message(c, "warning: %s", leftOutText(n))
	}
}

// printLeftOut lists what phones would not get after a change.
func printLeftOut(w io.Writer, list []resolve.LeftOutCount) error {
	for _, n := range list {
		if _, err := fmt.Fprintln(w, leftOutText(n)); err != nil {
			return err
		}
	}
	return nil
}
