package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
)

// statusCommand returns the command that shows the daemon's state and its warnings.
func statusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "status", Args: cobra.NoArgs, Short: "Show the daemon's state, how full its subnets are, and its warnings",
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, _ []string) error {
			s, err := cl.Status(c.Context())
			if err != nil {
				return err
			}
			subnets, err := cl.Subnets(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(c, struct {
					client.DaemonStatus
					Subnets []client.Subnet `json:"subnets"`
				}{s, subnets})
			}
			return printStatus(a, c, s, subnets)
		}),
	}
}

func printStatus(a *app, c *cobra.Command, s client.DaemonStatus, subnets []client.Subnet) error {
	var f fields
	f.add("version", s.Version)
	f.add("running", "since "+at(s.StartedAt)+", "+span(a.now().Sub(s.StartedAt)))
	f.add("ready", yesNo(s.Ready))
	f.add("configuration", s.Config)
	f.add("data", s.DataDir)
	f.add("listening", strings.Join(s.Listening, ", "))
	for _, x := range s.Faults {
		f.add("problem", localTimes(x))
	}
	for _, x := range s.Warnings {
		f.add("warning", localTimes(x))
	}
	for _, m := range s.Members {
		f.add("member "+m.Member, otherMember(m))
		for _, x := range slices.Concat(m.Faults, m.Warnings) {
			f.add("warning", m.Member+": "+localTimes(x))
		}
	}
	if err := f.print(c.OutOrStdout()); err != nil || len(subnets) == 0 {
		return err
	}
	t := newTable("SUBNET", "INTERFACE", "PHONES", "ADDRESSES", "LEASED", "DECLINED", "FREE", "FULL IN", "PROVISIONING ADDRESS")
	for _, n := range subnets {
		t.add(n.Subnet.String(), dash(n.Interface), n.Phones, strconv.Itoa(n.Addresses), strconv.Itoa(n.Active), strconv.Itoa(n.Declined),
			strconv.Itoa(n.Free), fullIn(n.DaysUntilFull), dash(n.ProvisioningURL))
	}
	if _, err := fmt.Fprintln(c.OutOrStdout()); err != nil {
		return err
	}
	return t.print(c.OutOrStdout())
}

// otherMember returns the state of another member of the cluster.
func otherMember(m client.MemberStatus) string {
	if m.Problem != "" {
		return "no answer: " + m.Problem
	}
	return either(m.Ready, "ready", "not ready") + ", version " + m.Version + ", since " + at(m.StartedAt)
}

// fullIn returns in how many days a subnet is full, by its forecast.
func fullIn(days *int) string {
	if days == nil {
		return dash("")
	}
	return strconv.Itoa(*days) + "d"
}
