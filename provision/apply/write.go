package apply

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// WriteTable writes devices as a table that ParseTable reads. It reads them twice, first to find out which columns there are.
// Secrets are left out unless reveal is set. Contacts, and what a line has besides its extension, have no columns: applying the
// table leaves them as they are.
func WriteTable(w io.Writer, devices iter.Seq2[*fleet.Device, error], reveal bool) error {
	cols := &columns{reveal: reveal, used: map[string]bool{"mac": true}, keys: map[fleet.Key]bool{}, settings: map[string]bool{}}
	for d, err := range devices {
		if err != nil {
			return err
		}
		cols.add(d)
	}
	head := cols.head()
	out := csv.NewWriter(w)
	if err := out.Write(head); err != nil {
		return err
	}
	for d, err := range devices {
		if err != nil {
			return err
		}
		cells := cols.cells(d)
		row := make([]string, len(head))
		for i, name := range head {
			row[i] = quoteFormula(cells[name])
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// quoteFormula keeps a text from being a formula when the table is opened in a spreadsheet; cell takes the quote away.
func quoteFormula(s string) string {
	if s != "" && strings.ContainsRune("=+-@'", rune(s[0])) {
		return "'" + s
	}
	return s
}

// columns are those that a table of devices needs.
type columns struct {
	reveal   bool
	used     map[string]bool
	lines    int
	keys     map[fleet.Key]bool // area and slot
	settings map[string]bool
}

func (c *columns) add(d *fleet.Device) {
	for name, value := range c.plain(d) {
		if value != "" {
			c.used[name] = true
		}
	}
	for _, l := range d.Lines {
		c.lines = max(c.lines, l.Position)
	}
	for _, k := range d.Keys {
		c.keys[fleet.Key{Area: k.Area, Slot: k.Slot}] = true
	}
	for name := range c.settingCells(d) {
		c.settings[name] = true
	}
}

// order is that of the columns before lines, keys and settings.
var order = []string{"mac", "other_macs", "vendor", "model", "label", "profile", "enabled", "reserved_ip", "location", "serial", "tags", "notes"}

func (c *columns) head() []string {
	var out []string
	for _, name := range order {
		if c.used[name] {
			out = append(out, name)
		}
	}
	for n := range c.lines {
		out = append(out, "line"+strconv.Itoa(n+1))
	}
	keys := slices.Collect(maps.Keys(c.keys))
	fleet.SortKeys(keys)
	for _, k := range keys {
		out = append(out, keyColumn(k))
	}
	for _, name := range slices.Sorted(maps.Keys(c.settings)) {
		out = append(out, "set:"+name)
	}
	return out
}

func keyColumn(k fleet.Key) string { return "key:" + k.Area + ":" + strconv.Itoa(k.Slot) }

// plain returns the cells of members that are no lists of their own.
func (c *columns) plain(d *fleet.Device) map[string]string {
	out := map[string]string{
		"mac": d.MAC.String(), "vendor": d.Vendor, "model": d.Model, "label": d.Label, "profile": d.Profile, "location": d.Location,
		"serial": d.Serial, "notes": d.Notes, "tags": strings.Join(d.Tags, " "), "enabled": "",
	}
	if !d.Enabled {
		out["enabled"] = "false"
	}
	if d.ReservedIP.IsValid() {
		out["reserved_ip"] = d.ReservedIP.String()
	}
	var macs []string
	for _, m := range d.OtherMACs {
		macs = append(macs, m.String())
	}
	out["other_macs"] = strings.Join(macs, " ")
	return out
}

// settingCells returns the settings of a device by the names of their columns without set:.
func (c *columns) settingCells(d *fleet.Device) map[string]string {
	out := map[string]string{}
	for name, v := range d.Settings {
		if s, ok := setting.Lookup(name); !c.reveal && (!ok || s.IsSecret()) {
			continue
		}
		out[name] = settingText(v)
	}
	for vendor, params := range d.VendorSettings {
		for name, v := range params {
			if v == "" || !c.reveal && fleet.LooksSecret(name) {
				continue // an empty cell would remove it
			}
			out[vendor+"/"+name] = v
		}
	}
	return out
}

// settingText prints a setting. A list with a comma in a text is written as JSON.
func settingText(v any) string {
	list, ok := v.([]string)
	if ok && slices.ContainsFunc(list, func(s string) bool { return strings.ContainsAny(s, ",[") }) {
		if b, err := json.Marshal(list); err == nil {
			return string(b)
		}
	}
	return setting.Print(v)
}

func (c *columns) cells(d *fleet.Device) map[string]string {
	out := c.plain(d)
	for _, l := range d.Lines {
		out[fmt.Sprintf("line%d", l.Position)] = l.String()
	}
	for _, k := range d.Keys {
		_, what, _ := strings.Cut(k.String(), "=")
		out[keyColumn(k)] = what
	}
	for name, v := range c.settingCells(d) {
		out["set:"+name] = v
	}
	return out
}
