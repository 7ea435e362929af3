package apply

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// rowReader makes records of one row.
type rowReader struct {
	table    *Table
	row      row
	place    string
	order    int
	device   Object
	account  *Object // the extension of a PBX's table
	problems []Problem

	doc      map[string]any
	settings map[string]any
	extras   map[string]any
	lines    map[int]fleet.Line
	keys     map[[2]string]fleet.Key
	where    map[string]string // member to column
	pbx      map[string]string // of a PBX's table: what the line's account is
}

func (x *rowReader) bad(c column, value, format string, args ...any) {
	if c.field == "password" || c.field == "set" && isSecretSetting(c.name) {
		value = ""
	}
	x.problems = append(x.problems, Problem{Place: x.place + ", column " + c.header, Value: value, Message: fmt.Sprintf(format, args...)})
}

func isSecretSetting(name string) bool {
	d, ok := setting.Lookup(name)
	return ok && d.IsSecret() || fleet.LooksSecret(name)
}

// value returns the value of a column: without blanks around it where those mean nothing.
func (x *rowReader) value(i int) string {
	if i >= len(x.row.cells) {
		return ""
	}
	if c := x.table.columns[i]; c.field == "notes" || c.field == "set" {
		return cell(x.row.cells[i])
	}
	return cell(strings.TrimSpace(x.row.cells[i]))
}

// cell returns a value without what spreadsheets need: a quote before what would be a formula.
func cell(text string) string {
	if len(text) > 1 && text[0] == '\'' && strings.ContainsRune("=+-@'", rune(text[1])) {
		return text[1:]
	}
	return text
}

func (x *rowReader) read(find func(dhcp.MAC) (*fleet.Device, error)) error {
	if n := len(x.table.columns); len(x.row.cells) > n && strings.Join(x.row.cells[n:], "") != "" {
		x.problems = append(x.problems, Problem{Place: x.place, Message: fmt.Sprintf("has %d values; the header has %d columns", len(x.row.cells), n)})
		return nil
	}
	x.doc, x.settings, x.extras, x.where, x.pbx = map[string]any{}, map[string]any{}, map[string]any{}, map[string]string{}, map[string]string{}
	mac, ok := x.mac()
	if !ok {
		return nil
	}
	was, err := find(mac)
	if err != nil {
		return err
	}
	x.start(was)
	for i, c := range x.table.columns {
		x.set(c, x.value(i))
	}
	x.finish(was)
	return nil
}

// mac reads the cell that names the device.
func (x *rowReader) mac() (dhcp.MAC, bool) {
	i := x.table.place("mac")
	c, value := x.table.columns[i], x.value(i)
	mac, err := dhcp.ParseMAC(value)
	if err != nil {
		x.bad(c, value, "is not a MAC address: write it as 001565123456, 00:15:65:12:34:56, 00-15-65-12-34-56 or 0015.6512.3456")
		return mac, false
	}
	x.doc["mac"] = mac.String()
	x.where["mac"] = c.header
	return mac, true
}

// start takes what the device has: a row changes only the lines and keys that it names.
func (x *rowReader) start(was *fleet.Device) {
	x.lines, x.keys = map[int]fleet.Line{}, map[[2]string]fleet.Key{}
	if was == nil {
		return
	}
	for _, l := range was.Lines {
		x.lines[l.Position] = l
	}
	for _, k := range was.Keys {
		x.keys[[2]string{k.Area, strconv.Itoa(k.Slot)}] = k
	}
}

func (x *rowReader) set(c column, value string) {
	switch c.field {
	case "-", "mac":
	case "tags":
		x.doc["tags"] = toAny(strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }))
		x.where["tags"] = c.header
	case "other_macs":
		x.setMACs(c, value)
	case "enabled":
		x.setEnabled(c, value)
	case "template":
		x.setTemplate(c, value)
	case "set":
		x.setSetting(c, value)
	case "key":
		x.setKey(c, value)
	case "line":
		if c.n == 0 { // of a PBX's table
			x.pbx["line"], x.where["account"] = value, c.header
			return
		}
		x.setLine(c.n, c, value)
	case "line_number", "display_name", "auth_user", "password", "server":
		x.pbx[c.field] = value
	default:
		x.doc[c.field] = nil
		if value != "" {
			x.doc[c.field] = value
		}
		x.where[c.field] = c.header
	}
}

func (x *rowReader) setMACs(c column, value string) {
	macs := []string{}
	for text := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		mac, err := dhcp.ParseMAC(text)
		if err != nil {
			x.bad(c, text, "is not a MAC address")
			return
		}
		macs = append(macs, mac.String())
	}
	x.doc["other_macs"], x.where["other_macs"] = toAny(macs), c.header
}

func (x *rowReader) setEnabled(c column, value string) {
	x.where["enabled"] = c.header
	switch strings.ToLower(value) {
	case "true", "yes", "1", "on", "t", "":
		x.doc["enabled"] = true
	case "false", "no", "0", "off", "f":
		x.doc["enabled"] = false
	default:
		x.bad(c, value, "is neither true nor false")
	}
}

// setTemplate reads VENDOR/MODEL as PBXs name their templates.
func (x *rowReader) setTemplate(c column, value string) {
	if vendor, model, ok := strings.Cut(value, "/"); ok && x.doc["model"] == nil {
		x.doc["vendor"], x.doc["model"] = vendor, model
		x.where["vendor"], x.where["model"] = c.header, c.header
	}
}

func (x *rowReader) setSetting(c column, value string) {
	if vendor, param, own := strings.Cut(c.name, "/"); own {
		params, _ := x.extras[vendor].(map[string]any)
		if params == nil {
			params = map[string]any{}
			x.extras[vendor] = params
		}
		params[param] = nil
		if value != "" {
			params[param] = value
		}
		x.where["vendor_settings."+vendor] = c.header
		return
	}
	x.where["settings."+c.name] = c.header
	if value == "" {
		x.settings[c.name] = nil
		return
	}
	var list []string
	if value[0] == '[' && json.Unmarshal([]byte(value), &list) == nil {
		x.settings[c.name] = toAny(list)
		return
	}
	v, err := setting.Parse(c.name, value)
	if err != nil {
		d, _ := setting.Lookup(c.name)
		x.bad(c, value, "allowed is %s", d.Allowed())
		return
	}
	x.settings[c.name] = toAny(v)
}

func (x *rowReader) setKey(c column, value string) {
	at := [2]string{c.area, strconv.Itoa(c.slot)}
	x.where["key "+at[0]+":"+at[1]] = c.header
	if value == "" {
		delete(x.keys, at)
		return
	}
	k, err := fleet.ParseKey(c.area + ":" + at[1] + "=" + value)
	if err != nil {
		_, why, _ := strings.Cut(err.Error(), "\": ")
		x.bad(c, value, "%s", why)
		return
	}
	x.keys[at] = k
}

// setLine binds a line to an extension. What else the line has stays while the extension does.
func (x *rowReader) setLine(n int, c column, value string) {
	x.where[fmt.Sprintf("line %d", n)] = c.header
	if value == "" {
		delete(x.lines, n)
		return
	}
	number, registrar := fleet.ParseExtension(value)
	was := x.lines[n]
	if was.Extension == number && (registrar == "" || registrar == was.Registrar) {
		return
	}
	x.lines[n] = fleet.Line{Position: n, Extension: number, Registrar: registrar}
}

// finish makes the records.
func (x *rowReader) finish(was *fleet.Device) {
	x.setAccount()
	if len(x.settings) > 0 {
		x.doc["settings"] = x.settings
	}
	if len(x.extras) > 0 {
		x.doc["vendor_settings"] = x.extras
	}
	if model, ok := x.doc["model"].(string); ok && strings.Contains(model, "/") && x.doc["vendor"] == nil {
		x.doc["vendor"] = nil // the model names the vendor too
	}
	lines := []fleet.Line{}
	for _, n := range slices.Sorted(maps.Keys(x.lines)) {
		lines = append(lines, x.lines[n])
	}
	keys := slices.Collect(maps.Values(x.keys))
	fleet.SortKeys(keys)
	if was == nil || !slices.Equal(lines, was.Lines) {
		x.doc["lines"] = toAny(lines)
	}
	if was == nil || !slices.Equal(keys, was.Keys) {
		x.doc["keys"] = toAny(keys)
	}
	x.device = Object{Kind: fleet.KindDevice, Place: x.place, Order: x.order, Doc: x.doc, Where: func(path string) string { return x.column(path, lines, keys) }}
}

// setAccount takes the line of a PBX's table, with the account that it registers.
func (x *rowReader) setAccount() {
	number := x.pbx["line"]
	if number == "" {
		return
	}
	n := 1
	if text := x.pbx["line_number"]; text != "" {
		if v, err := strconv.Atoi(text); err == nil {
			n = v
		}
	}
	c := column{header: x.where["account"]}
	x.setLine(n, c, number)
	if x.pbx["password"] == "" && x.pbx["display_name"] == "" {
		return // the extension must exist
	}
	doc := map[string]any{"number": number, "server": x.pbx["server"]}
	for _, m := range []string{"display_name", "auth_user", "password"} {
		if v := x.pbx[m]; v != "" {
			doc[m] = v
		}
	}
	x.account = &Object{Kind: fleet.KindExtension, Place: x.place, Order: x.order, Doc: doc, Missing: true,
		Where: func(path string) string { return x.place + ", column " + x.where["account"] + " (" + path + ")" }}
}

// column returns the place of a member in the table.
func (x *rowReader) column(path string, lines []fleet.Line, keys []fleet.Key) string {
	name := path
	var i int
	switch {
	case scan(path, "lines[%d]", &i) && i < len(lines):
		name = fmt.Sprintf("line %d", lines[i].Position)
	case scan(path, "keys[%d]", &i) && i < len(keys):
		name = "key " + keys[i].Area + ":" + strconv.Itoa(keys[i].Slot)
	case strings.HasPrefix(path, "vendor_settings."):
		parts := strings.SplitN(strings.TrimPrefix(path, "vendor_settings."), ".", 2)
		vendor, _, _ := strings.Cut(parts[0], "[")
		name = "vendor_settings." + vendor
	}
	if header, ok := x.where[name]; ok {
		return x.place + ", column " + header
	}
	if path == "" {
		return x.place
	}
	return x.place + " (" + path + ")"
}

func scan(text, format string, n *int) bool {
	_, err := fmt.Sscanf(text, format, n)
	return err == nil
}
