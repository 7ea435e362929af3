package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/provision/changes"
	"plugtone/provision/deviceindex"
	"plugtone/provision/devicestatus"
)

func deviceList(a *app) *cobra.Command {
	var search, state, vendor, profile, sort string
	var m many
	c := &cobra.Command{
		Use: "list [MAC]...", Aliases: []string{"ls"}, Args: m.anyArgs, Short: "List devices",
		Example: `  plugtone device list --state stale
  plugtone device list --vendor yealink --search reception
  plugtone device list --where "profile=desk,state!=in_sync" --sort -last_fetch`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("state", state, "never_seen", "never_fetched", "in_sync", "stale", "refused", "disabled"); err != nil {
				return err
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			q := url.Values{}
			for name, v := range map[string]string{"q": search, "state": state, "vendor": vendor, "profile": profile, "where": m.where, "sort": sort} {
				if v != "" {
					q.Set(name, v)
				}
			}
			if len(args) > 0 || m.stdin {
				if len(q) > 0 {
					return usagef("devices that are named by their MACs are listed as they are; leave the other flags out")
				}
				list, err := m.records(c, cl, args)
				if err != nil {
					return err
				}
				return a.printDevices(c, list)
			}
			list, err := cl.Devices().All(c.Context(), q)
			if err != nil {
				return err
			}
			return a.printDevices(c, list)
		},
	}
	f := c.Flags()
	f.StringVar(&search, "search", "", "only those with this `TEXT` in MAC, label, model, lines, notes ...")
	f.StringVar(&state, "state", "", "only those in `STATE`: never_seen, never_fetched, in_sync, stale, refused or disabled")
	m.define(c)
	f.StringVar(&vendor, "vendor", "", "only this `VENDOR`'s")
	f.StringVar(&profile, "profile", "", "only those that name this `PROFILE`")
	f.StringVar(&sort, "sort", "", "in the order of `FIELD`, with a minus before it from the last to the first: "+strings.Join(deviceindex.Sorts(), " "))
	return c
}

// addSource prints which PBX source a record comes from, and what of it is changed there.
func addSource(f *fields, source string, members []string, gone bool) {
	if gone {
		source += ", which has it no more"
	}
	f.add("source", source)
	f.add("from source", strings.Join(members, " "))
}

func (a *app) printDevices(c *cobra.Command, list []client.Device) error {
	if a.json {
		return printJSON(c, list)
	}
	t := newTable("MAC", "VENDOR", "MODEL", "LINES", "STATE", "IP", "LABEL")
	for _, d := range list {
		st := statusOf(d)
		ip := "-"
		if st.IP.IsValid() {
			ip = st.IP.String()
		}
		t.add(d.MAC.String(), dash(d.Vendor), dash(d.Model), dash(linesOf(d.Lines)), dash(st.State), ip, d.Label)
	}
	return t.print(c.OutOrStdout())
}

// warn prints what contradicts the record of a device.
func warn(c *cobra.Command, warnings []string) {
	for _, text := range warnings {
		message(c, "warning: %s", clean(text))
	}
}

func statusOf(d client.Device) devicestatus.Status {
	if d.Status == nil {
		return devicestatus.Status{}
	}
	return *d.Status
}

// addStatus shows what is known of the phone now.
func addStatus(f *fields, st *devicestatus.Status, now time.Time) {
	f.add("state", st.State)
	f.add("rendered by", renderedBy(st.Upstream))
	if st.IP.IsValid() {
		f.add("address", st.IP.String())
	}
	f.add("switch port", st.SwitchPort)
	f.add("last seen", ago(st.LastSeen, now))
	f.add("last fetch", ago(st.LastFetch, now))
	f.add("firmware", st.Firmware)
}

// renderedBy names the PBX that renders a phone's files, and what the state is compared with.
func renderedBy(u *devicestatus.Upstream) string {
	switch {
	case u == nil:
		return ""
	case u.Answered.IsZero():
		return u.Hosts + ", which has not answered for it yet"
	}
	return fmt.Sprintf("%s; the state is that of the last answer, of %s at %s", u.Hosts, u.By, at(u.Answered))
}

// addLines adds the lines, and what the PBX has of them.
func addLines(f *fields, d client.Device) {
	for _, l := range d.Lines {
		f.add("line "+strconv.Itoa(l.Position), changes.LineText(l))
	}
	for _, l := range statusOf(d).Registration {
		f.add("pbx, line "+strconv.Itoa(l.Position), l.String())
	}
}

// printDevice shows what a phone is, its status, and then what it is given.
func printDevice(a *app, c *cobra.Command, d client.Device) error {
	var f fields
	f.add("device", d.MAC.String())
	f.add("label", d.Label)
	model := strings.TrimSuffix(d.Vendor+"/"+d.Model, "/")
	f.add("model", model)
	if d.Vendor == "" {
		f.add("model", "none: only its address is kept")
	}
	if st := d.Status; st != nil {
		addStatus(&f, st, a.now())
	}
	if !d.Enabled {
		f.add("enabled", "no: the phone is given a configuration without accounts")
	}
	if d.ReservedIP.IsValid() {
		f.add("reserved", d.ReservedIP.String())
	}
	for _, m := range d.OtherMACs {
		f.add("other mac", m.String())
	}
	f.add("profile", d.Profile)
	addLines(&f, d)
	for _, k := range d.Keys {
		spec := k.String()
		name, value, _ := strings.Cut(spec, "=")
		f.add("key "+name, value)
	}
	addContacts(&f, d.Contacts)
	addSettings(&f, d.Settings)
	for _, vendor := range sortedKeys(d.VendorSettings) {
		for _, name := range sortedKeys(d.VendorSettings[vendor]) {
			f.add(vendor, name+" = "+d.VendorSettings[vendor][name])
		}
	}
	for _, text := range statusOf(d).Beyond {
		f.add("beyond model", text)
	}
	for _, o := range statusOf(d).OnPhone {
		f.add("on the phone", o.Parameter+" = "+o.Value+" ("+o.File+")")
	}
	for _, text := range statusOf(d).LeftOut {
		f.add("left out", text)
	}
	for _, text := range d.Warnings {
		f.add("problem", text)
	}
	f.add("location", d.Location)
	f.add("serial", d.Serial)
	f.add("tags", strings.Join(d.Tags, ", "))
	addSource(&f, d.Source, d.SourceMembers, d.Gone)
	f.add("notes", d.Notes)
	f.add("changed", at(d.UpdatedAt)+", revision "+strconv.FormatUint(d.Revision, 10))
	return f.print(c.OutOrStdout())
}
