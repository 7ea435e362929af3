package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

func deviceCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "device", Aliases: []string{"dev"}, Short: "The phones",
		Long: "The phones, each known by its MAC. A MAC may be written as 001565123456, 00:15:65:12:34:56, 00-15-65-12-34-56 or\n" +
			"0015.6512.3456, in either case."}
	remove := deviceRemove(a)
	for _, sub := range []*cobra.Command{
		deviceAdd(a), deviceSet(a), deviceList(a),
		showCommand(a, "MAC", "Show a device and its status", (*client.Client).Devices, printDevice),
		remove, deviceSwitch(a, "enable", true, "Give a device its accounts again"),
		deviceSwitch(a, "disable", false, "Give a device a configuration without accounts and keys"),
		deviceFiles(a), deviceDiff(a), deviceHistory(a), deviceRollback(a), deviceEnroll(a), deviceCredentials(a),
		deviceCopy(a), deviceSwap(a), deviceReplace(a), deviceKeys(a),
	} {
		checkMAC(sub)
		c.AddCommand(sub)
	}
	return c
}

// deviceFlags are those of device add and device set.
type deviceFlags struct {
	vendor, model, label, profile, notes, reserve string
	location, serial                              string
	lines, keys, settings, otherMACs, contacts    []string
	tags                                          []string
	beyond                                        bool
}

func (d *deviceFlags) define(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&d.vendor, "vendor", "", "id of the `VENDOR`: plugtone vendor list")
	f.StringVar(&d.model, "model", "", "`MODEL`, as T46U or yealink/T46U")
	f.StringVar(&d.label, "label", "", "`TEXT` that people call this phone by")
	f.StringArrayVar(&d.lines, "line", nil, lineUsage)
	f.StringVar(&d.profile, "profile", "", "`PROFILE` whose keys and settings it shares")
	f.StringArrayVar(&d.keys, "key", nil, "a key by its `SPEC`, SLOT=TYPE:VALUE and more, see above (repeatable)")
	f.StringArrayVar(&d.contacts, "contact", nil, "`NAME=NUMBER` of the phonebook (repeatable; they replace all contacts)")
	f.StringArrayVar(&d.settings, "set", nil, "`NAME=VALUE` of a setting (plugtone vendor show lists them), items of a list separated by commas; or VENDOR/PARAMETER=VALUE in the vendor's own words (repeatable)")
	f.StringVar(&d.reserve, "reserve-ip", "", "address `ADDR` that only this phone is given")
	f.StringVar(&d.location, "location", "", "where the phone is: `TEXT`")
	f.StringVar(&d.serial, "serial", "", "serial number of the phone: `TEXT`")
	f.StringArrayVar(&d.tags, "tag", nil, "a short `WORD` to select phones by (repeatable; they replace all tags)")
	f.BoolVar(&d.beyond, "beyond-model", false, "also write lines and keys beyond those that the pack states of the model; =false takes it back")
	f.StringVar(&d.notes, "notes", "", "notes for operators: `TEXT`")
	f.StringArrayVar(&d.otherMACs, "other-mac", nil, "a further `MAC` of the same phone, as of its Wi-Fi (repeatable)")
}

const keyHelp = `A key is [AREA:]SLOT=TYPE[:VALUE][,NAME=TEXT]..., for example 2=blf:1002,label=Bob or expansion1:5=park:701,line=2.
NAME is label, label_source (extension: the label is the display name of the extension that VALUE names), line (the line that it uses,
the first unless named), pickup_code (dialled before VALUE to take its call), or locked (true: the phone's user can't change it, where
the phone can do that). A comma within a text is written \,
AREA is line (the default), memory, programmable, or expansion1 to expansion6. TYPE is one of:
`

func keyTypes() string {
	types := fleet.KeyTypes()
	half := len(types) / 2
	return keyHelp + "  " + strings.Join(types[:half], " ") + "\n  " + strings.Join(types[half:], " ")
}

// patch turns the flags that were given into members of a device, except keys.
func (d *deviceFlags) patch(c *cobra.Command) (patchFields, error) {
	m := patchFields{c: c, doc: map[string]any{}}
	m.text("vendor", "vendor", d.vendor)
	m.text("model", "model", d.model)
	m.text("label", "label", d.label)
	m.text("profile", "profile", d.profile)
	m.text("notes", "notes", d.notes)
	m.text("location", "location", d.location)
	m.text("serial", "serial", d.serial)
	if c.Flags().Changed("tag") {
		m.doc["tags"] = slices.DeleteFunc(slices.Clone(d.tags), func(tag string) bool { return tag == "" })
	}
	m.text("reserve-ip", "reserved_ip", d.reserve)
	if c.Flags().Changed("beyond-model") {
		m.doc["beyond_model"] = d.beyond
	}
	if c.Flags().Changed("line") {
		lines, err := parseLines(d.lines)
		if err != nil {
			return m, err
		}
		m.doc["lines"] = lines
	}
	if c.Flags().Changed("contact") {
		contacts, err := parseContacts(d.contacts)
		if err != nil {
			return m, err
		}
		m.doc["contacts"] = contacts
	}
	if c.Flags().Changed("other-mac") {
		macs := []string{}
		for _, text := range d.otherMACs {
			if text == "" {
				continue
			}
			mac, err := dhcp.ParseMAC(text)
			if err != nil {
				return m, usageError{err}
			}
			macs = append(macs, mac.String())
		}
		m.doc["other_macs"] = macs
	}
	return m, m.settings(d.settings)
}

// parseContacts reads NAME=NUMBER. A single "" means no contacts.
func parseContacts(texts []string) ([]fleet.Contact, error) {
	contacts := []fleet.Contact{}
	for _, text := range texts {
		if text == "" && len(texts) == 1 {
			break
		}
		name, number, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("--contact %.60q is not NAME=NUMBER", text)
		}
		contacts = append(contacts, fleet.Contact{Name: name, Number: number})
	}
	return contacts, nil
}

func parseKeys(specs []string) ([]fleet.Key, error) {
	out := make([]fleet.Key, 0, len(specs))
	for _, spec := range specs {
		k, err := fleet.ParseKey(spec)
		if err != nil {
			return nil, usageError{err}
		}
		if slices.ContainsFunc(out, func(o fleet.Key) bool { return o.Area == k.Area && o.Slot == k.Slot }) {
			return nil, usagef("--key names key %s twice", keyName(k))
		}
		out = append(out, k)
	}
	return out, nil
}

func deviceAdd(a *app) *cobra.Command {
	var d deviceFlags
	c := &cobra.Command{
		Use: "add MAC", Args: cobra.ExactArgs(1), Short: "Enter a phone",
		Long: "Enter a phone. Without --vendor and --model it takes what the phone was recognised as, and prints it; a device that\n" +
			"is no phone (a printer) keeps neither, only its address.\n\n" + lineHelp + "\n" + keyTypes(),
		Example: `  plugtone device add 00:15:65:12:34:56 --model yealink/T46U --label "Front Desk Phone" --line 1001
  plugtone device add 001565123456 --line 1001 --key 2=blf:1002,label=Bob --key 3=park:701
  plugtone device add 0015.6512.3456 --profile reception --set time_zone=Europe/Berlin
  plugtone device add 3c:2a:f4:00:00:01 --label Printer --reserve-ip 10.20.0.60`,
		RunE: func(c *cobra.Command, args []string) error {
			m, err := d.patch(c)
			if err != nil {
				return err
			}
			keys, err := parseKeys(d.keys)
			if err != nil {
				return err
			}
			m.doc["mac"] = args[0]
			m.doc["keys"] = slices.DeleteFunc(keys, func(k fleet.Key) bool { return k.Type == "" })
			cl, err := a.client()
			if err != nil {
				return err
			}
			if d.vendor == "" && d.model == "" {
				if err := recognise(c, cl, args[0], m.doc); err != nil {
					return err
				}
			}
			dev, err := cl.Devices().Create(c.Context(), m.doc)
			if client.IsConflict(err) {
				return fmt.Errorf("%w\nhint: plugtone device set %s changes it", err, args[0])
			}
			if err != nil {
				return err
			}
			d.reserved(c, cl)
			beyondModel(c, dev)
			leftOut(c, dev, nil)
			warn(c, dev.Warnings)
			return a.done(c, dev, "device %s created%s", dev.MAC, describeModel(dev))
		},
	}
	d.define(c)
	a.writes(c)
	return c
}

// reserved reports an address that is in no subnet. That may be intended: for a subnet that is yet to come, or one that another server leases.
func (d *deviceFlags) reserved(c *cobra.Command, cl *client.Client) {
	ip, err := netip.ParseAddr(d.reserve)
	if err != nil {
		return
	}
	subnets, err := cl.Subnets(c.Context())
	if err != nil || slices.ContainsFunc(subnets, func(s client.Subnet) bool { return s.Subnet.Contains(ip) }) {
		return // the record is written; the check is no reason to fail
	}
	message(c, "no configured subnet contains %s: the address is stored and given to no client", ip)
}

// recognise queries what the phone was recognised as, and prints what it took from where.
func recognise(c *cobra.Command, cl *client.Client, mac string, doc map[string]any) error {
	x, err := cl.Explain(c.Context(), client.ExplainRequest{MAC: mac})
	if err != nil {
		return err
	}
	if x.Vendor == "" {
		message(c, "nothing is known of this device yet: only its address is kept")
		message(c, "hint: --model names what it is; plugtone vendor list shows the vendors")
		return nil
	}
	doc["vendor"] = x.Vendor
	took := "vendor " + x.Vendor
	if x.Model != "" {
		doc["model"] = x.Model
		took += ", model " + x.Model
	}
	message(c, "took %s: %s", took, x.Identity)
	if x.Model == "" {
		message(c, "hint: the model is not known yet; plugtone device set %s --model MODEL names it", mac)
	}
	return nil
}

// beyondModel warns of lines and keys that were let through although the pack states fewer of the model.
func beyondModel(c *cobra.Command, d client.Device) {
	for _, text := range statusOf(d).Beyond {
		message(c, "warning: %s", text)
	}
}

// leftOut warns of what the phone does not get, apart from what it did not get before.
func leftOut(c *cobra.Command, d client.Device, before []string) {
	for _, text := range statusOf(d).LeftOut {
		if !slices.Contains(before, text) {
			message(c, "warning: left out: %s", text)
		}
	}
}

// describeModel returns what a device is, in brackets.
func describeModel(d client.Device) string {
	switch {
	case d.Vendor == "":
		return ""
	case d.Model == "":
		return " (" + d.Vendor + ")"
	}
	return " (" + d.Vendor + "/" + d.Model + ")"
}

func deviceSet(a *app) *cobra.Command {
	var d deviceFlags
	var m many
	c := &cobra.Command{
		Use: "set [MAC]...", Args: m.args, Short: "Change only what is named",
		Long: "Change only what is named. --line names all lines in order; --key and --set touch only what they name:\n" +
			"--key 5= and --set NAME= remove, and so does an empty value of the other flags.\n\n" + lineHelp + "\n" + keyTypes(),
		Example: `  plugtone device set 00:15:65:12:34:56 --label "Reception" --key 5=speed_dial:0800123456
  plugtone device set --where "profile=desk,state!=in_sync" --set language=de --dry-run
  plugtone device set 00:15:65:12:34:56 --line 1001 --line 1002   # both lines, in this order
  plugtone device set 00:15:65:12:34:56 --line 1=1001,label=Desk --line 2=1002,shared=true,enabled=false
  plugtone device set 00:15:65:12:34:56 --key 5= --set ring_volume=  # remove both`,
		RunE: func(c *cobra.Command, args []string) error {
			doc, err := d.patch(c)
			if err != nil {
				return err
			}
			keys, err := parseKeys(d.keys)
			if err != nil {
				return err
			}
			if len(doc.doc) == 0 && len(keys) == 0 {
				return usagef("nothing to change was named")
			}
			if doc.doc["model"] != nil && strings.Contains(d.model, "/") && d.vendor == "" {
				doc.doc["vendor"] = nil // yealink/T46U names the vendor too
			}
			if !m.single(args) {
				in, err := m.request(c, args)
				if err != nil {
					return err
				}
				in.Set, in.Keys = doc.doc, keys
				return a.changeMany(c, in)
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			dev, was, err := changeDevice(c, cl, args[0], doc.doc, keys)
			if err != nil {
				return err
			}
			if dev.Revision == was.Revision {
				return a.done(c, dev, "device %s unchanged: it is so already", dev.MAC)
			}
			d.reserved(c, cl)
			beyondModel(c, dev)
			leftOut(c, dev, statusOf(was).LeftOut)
			warn(c, dev.Warnings)
			return a.done(c, dev, "device %s changed%s", dev.MAC, describeModel(dev))
		},
	}
	d.define(c)
	m.define(c)
	a.writes(c)
	return c
}

// changeDevice patches a device and returns it, and what it was before. Keys are one list, so they are merged here into the
// existing ones; when the device changes in between, the merge is repeated.
func changeDevice(c *cobra.Command, cl *client.Client, mac string, doc map[string]any, keys []fleet.Key) (dev, was client.Device, err error) {
	const tries = 5
	for i := 1; ; i++ {
		var etag string
		was, etag, err = cl.Devices().Get(c.Context(), mac, false)
		if err != nil {
			return dev, was, err
		}
		var absent []fleet.Key
		if len(keys) > 0 {
			doc["keys"], absent = mergeKeys(was.Keys, keys)
		} else {
			etag = ""
		}
		dev, err = cl.Devices().Patch(c.Context(), mac, doc, etag)
		if client.IsPrecondition(err) && i < tries {
			continue
		}
		if err != nil {
			return dev, was, err
		}
		for _, k := range absent {
			message(c, "key %s: nothing to remove", keyName(k))
		}
		return dev, was, nil
	}
}

// keyName is a key's area and slot, as on the command line.
func keyName(k fleet.Key) string {
	name, _, _ := strings.Cut(k.String(), "=")
	return name
}

// mergeKeys puts each change into its place; a change without a type takes the key away, or is absent when there is none.
func mergeKeys(have, changes []fleet.Key) (out, absent []fleet.Key) {
	out = slices.Clone(have)
	for _, k := range changes {
		n := len(out)
		out = slices.DeleteFunc(out, func(o fleet.Key) bool { return o.Area == k.Area && o.Slot == k.Slot })
		if k.Type != "" {
			out = append(out, k)
		} else if len(out) == n {
			absent = append(absent, k)
		}
	}
	return out, absent
}
