package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/dhcp"
)

// checkMAC finds a mistyped MAC before a request is sent.
func checkMAC(c *cobra.Command) {
	if !strings.Contains(c.Use, " MAC") {
		return
	}
	args := c.Args
	c.Args = func(c *cobra.Command, given []string) error {
		if err := args(c, given); err != nil {
			return err
		}
		macs := given[:1]
		if strings.HasSuffix(c.Use, "MAC") || strings.HasSuffix(c.Use, "MAC...") {
			macs = given
		}
		for _, text := range macs {
			if _, err := dhcp.ParseMAC(text); err != nil {
				return usageError{err}
			}
		}
		return nil
	}
}

// argumentProblem returns which arguments are missing, or too many.
func argumentProblem(c *cobra.Command, given []string) string {
	names := argumentNames(c)
	needed := 0
	for _, name := range names {
		if !strings.HasPrefix(name, "[") {
			needed++
		}
	}
	switch {
	case len(given) < needed:
		return missing(names, len(given))
	case len(given)-len(names) == 1:
		return fmt.Sprintf("%q is too much", given[len(given)-1])
	}
	return fmt.Sprintf("%d arguments were given", len(given))
}

// argumentNames returns the names of a command's arguments, from its Use.
func argumentNames(c *cobra.Command) (names []string) {
	for _, word := range strings.Fields(c.Use)[1:] {
		if strings.HasPrefix(word, "-") || word == "|" {
			break
		}
		names = append(names, word)
	}
	return names
}

// missing names the argument that is missing after the first n.
func missing(names []string, n int) string {
	switch name := strings.TrimSuffix(names[n], "..."); {
	case name == "MAC" && n == 0:
		return "MAC is missing: the address of a phone; plugtone device list, discovered list and leases show those that are known"
	case name == "MAC":
		return "the second MAC is missing: the address of the other phone"
	case name == "NEWMAC":
		return "NEWMAC is missing: the address of the new phone"
	default:
		return name + " is missing"
	}
}
