package main

import (
	"bufio"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/dhcp"
)

// many selects devices for a command: MACs as arguments, --where, or a MAC a line on standard input.
type many struct {
	where string
	stdin bool
}

func (m *many) define(c *cobra.Command) {
	c.Flags().StringVar(&m.where, "where", "", "devices for which `EXPR` holds: FIELD=VALUE or FIELD!=VALUE, comma-separated, * for any text; a value with a comma in double quotes")
	c.Flags().BoolVar(&m.stdin, "stdin", false, "devices whose MACs are on standard input, one a line")
}

// args checks that devices are named in one way, and each MAC.
func (m *many) args(c *cobra.Command, given []string) error {
	ways := 0
	for _, on := range []bool{len(given) > 0, m.where != "", m.stdin} {
		if on {
			ways++
		}
	}
	switch {
	case ways == 0:
		return usagef("MAC is missing: name one or more, or use --where or --stdin, usage: %s", c.UseLine())
	case ways > 1:
		return usagef("name the devices by MAC, --where or --stdin, not by more than one of them")
	}
	for _, text := range given {
		if _, err := dhcp.ParseMAC(text); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// anyArgs is args where naming no device means all of them.
func (m *many) anyArgs(c *cobra.Command, given []string) error {
	if len(given) == 0 && m.where == "" && !m.stdin {
		return nil
	}
	return m.args(c, given)
}

// single reports whether one device is named by its MAC.
func (m *many) single(args []string) bool { return len(args) == 1 }

// request returns the devices that were named.
func (m *many) request(c *cobra.Command, args []string) (in client.ManyDevices, err error) {
	in.Where = m.where
	for _, text := range args {
		mac, err := dhcp.ParseMAC(text)
		if err != nil {
			return in, usageError{err}
		}
		in.MACs = append(in.MACs, mac)
	}
	if !m.stdin {
		return in, nil
	}
	lines := bufio.NewScanner(c.InOrStdin())
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		mac, err := dhcp.ParseMAC(text)
		if err != nil {
			return in, usageError{err}
		}
		in.MACs = append(in.MACs, mac)
	}
	if err := lines.Err(); err != nil {
		return in, fmt.Errorf("read MACs: %w", err)
	}
	if len(in.MACs) == 0 {
		return in, fmt.Errorf("standard input has no MAC")
	}
	return in, nil
}

// devices returns the MACs of the devices that were named, each once. With --where they are those for which the conditions hold now.
func (m *many) devices(c *cobra.Command, cl *client.Client, args []string) ([]dhcp.MAC, error) {
	in, err := m.request(c, args)
	if err != nil {
		return nil, err
	}
	macs := in.MACs
	if in.Where != "" {
		found, err := cl.Devices().All(c.Context(), url.Values{"where": {in.Where}})
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			macs = append(macs, d.MAC)
		}
	}
	var out []dhcp.MAC
	for _, mac := range macs {
		if !slices.Contains(out, mac) {
			out = append(out, mac)
		}
	}
	return out, nil
}

// records reads the devices that were named, in their order.
func (m *many) records(c *cobra.Command, cl *client.Client, args []string) ([]client.Device, error) {
	macs, err := m.devices(c, cl, args)
	if err != nil {
		return nil, err
	}
	list := make([]client.Device, 0, len(macs))
	for _, mac := range macs {
		d, _, err := cl.Devices().Get(c.Context(), mac.String(), false)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// changeMany sends a change of many devices and prints what became of it.
func (a *app) changeMany(c *cobra.Command, in client.ManyDevices) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	out, err := cl.ChangeDevices(c.Context(), in)
	if err != nil {
		return err
	}
	if out.Change == 0 && out.Same+out.Skipped == 0 {
		message(c, "no device is selected")
	}
	return a.printApplied(c, out)
}

func deviceSwitch(a *app, verb string, on bool, short string) *cobra.Command {
	var m many
	c := &cobra.Command{
		Use: verb + " [MAC]...", Args: m.args, Short: short,
		RunE: func(c *cobra.Command, args []string) error {
			if !m.single(args) {
				in, err := m.request(c, args)
				if err != nil {
					return err
				}
				in.Set = map[string]any{"enabled": on}
				return a.changeMany(c, in)
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			dev, was, err := changeDevice(c, cl, args[0], map[string]any{"enabled": on}, nil)
			if err != nil {
				return err
			}
			if dev.Enabled && !was.Enabled {
				leftOut(c, dev, nil)
			}
			return a.done(c, dev, "device %s %sd; the phone gets the change with its next fetch", dev.MAC, verb)
		},
	}
	m.define(c)
	a.writes(c)
	return c
}

func deviceRemove(a *app) *cobra.Command {
	var m many
	c := removeCommand(a, "device", "MAC", "", (*client.Client).Devices)
	one := c.RunE
	c.Use, c.Args = "rm [MAC]...", m.args
	c.Short = "Remove devices; the phones keep their addresses and are discovered ones again"
	c.RunE = func(c *cobra.Command, args []string) error {
		if m.single(args) {
			return one(c, args)
		}
		in, err := m.request(c, args)
		if err != nil {
			return err
		}
		in.Delete = true
		return a.changeMany(c, in)
	}
	m.define(c)
	return c
}
