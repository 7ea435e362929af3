package pbx

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/setting"
)

// readDevices reads v_devices with lines, keys and settings.
func (f *fusion) readDevices(ctx context.Context) error {
	f.out.Devices = []SourceDevice{}
	rows, mac, err := f.deviceRows(ctx)
	if err != nil {
		return err
	}
	lines, err := f.lines(ctx)
	if err != nil {
		return err
	}
	keys, err := f.keys(ctx)
	if err != nil {
		return err
	}
	settings, err := f.settings(ctx, "v_device_settings", "device_uuid", "device_setting_subcategory", "device_setting_value", "device_setting_enabled")
	if err != nil {
		return err
	}
	own, templates, err := f.neutral(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		domain, known := f.domains[r["domain_uuid"]]
		if !known && r["domain_uuid"] != "" {
			continue // of a domain that is off
		}
		d, ok := f.device(r, mac, domain)
		if !ok {
			continue
		}
		id := cmp.Or(r["device_uuid_alternate"], r["device_uuid"]) // the phone is given what another device has
		d.Lines, d.Settings = f.linesOf(d, lines[id]), append(d.Settings, settings[id]...)
		d.Keys = merge(ofVendor(keys[id], d), own[id])
		if t := templates[r["device_template_uuid"]]; d.Template == "" {
			d.Template = t
		}
		f.out.Devices = append(f.out.Devices, d)
	}
	slices.SortStableFunc(f.out.Devices, func(a, b SourceDevice) int { return slices.Compare(a.MAC[:], b.MAC[:]) })
	return nil
}

// deviceRows reads v_devices, and returns the column that has the MAC: another one before FusionPBX 5.1.
func (f *fusion) deviceRows(ctx context.Context) (rows []row, mac string, err error) {
	have, err := f.columns(ctx, "v_devices")
	if err != nil {
		return nil, "", err
	}
	mac = "device_address"
	if !have[mac] && have["device_mac_address"] {
		mac = "device_mac_address"
	}
	optional := []string{"device_label", "device_vendor", "device_model", "device_template", "device_enabled", "device_location", "device_serial_number",
		"device_description", "device_profile_uuid", "device_uuid_alternate", "device_time_zone", "device_provisioned_agent"}
	if f.fspbx {
		optional = append(optional, "serial_number", "device_template_uuid", "device_key_template_uuid")
	}
	rows, err = f.table(ctx, "v_devices", []string{"device_uuid", "domain_uuid", mac}, optional)
	return rows, mac, err
}

// device returns what v_devices has of a device.
func (f *fusion) device(r row, macColumn, domain string) (SourceDevice, bool) {
	d := SourceDevice{Domain: domain, Vendor: r["device_vendor"], Model: r["device_model"], Template: r["device_template"], Label: r["device_label"],
		Location: r["device_location"], Serial: cmp.Or(r["serial_number"], r["device_serial_number"]), Notes: r["device_description"],
		Agent: r["device_provisioned_agent"], Enabled: r["device_enabled"] == "" || isTrue(r["device_enabled"])}
	var err error
	if d.MAC, err = dhcp.ParseMAC(r[macColumn]); err != nil {
		f.problem("device "+cmp.Or(r["device_label"], r["device_uuid"]), "%.40q is not a MAC address", r[macColumn])
		return d, false
	}
	if zone := r["device_time_zone"]; zone != "" {
		d.Settings = append(d.Settings, SourceSetting{"time_zone", setting.Secret(zone)})
	}
	for _, id := range []string{r["device_profile_uuid"], r["device_key_template_uuid"]} {
		if id != "" {
			d.Profiles = append(d.Profiles, id)
		}
	}
	return d, true
}

func (s snapshot) problem(record, format string, args ...any) {
	s.out.Problems = append(s.out.Problems, SourceProblem{record, fmt.Sprintf(format, args...)})
}

// lines reads the rows of v_device_lines by device.
func (f *fusion) lines(ctx context.Context) (map[string][]row, error) {
	optional := []string{"server_address", "server_address_primary", "server_address_secondary", "outbound_proxy_primary", "outbound_proxy_secondary", "auth_id", "password",
		"display_name", "label", "sip_port", "sip_transport", "register_expires", "shared_line", "enabled"}
	if f.fspbx {
		optional = append(optional, "external_line")
	}
	rows, err := f.table(ctx, "v_device_lines", []string{"device_uuid", "line_number", "user_id"}, optional)
	return byColumn(rows, "device_uuid"), err
}

func byColumn(rows []row, column string) map[string][]row {
	out := map[string][]row{}
	for _, r := range rows {
		out[r[column]] = append(out[r[column]], r)
	}
	return out
}

// linesOf converts the lines of a device.
func (f *fusion) linesOf(d SourceDevice, rows []row) (out []SourceLine) {
	for _, r := range rows {
		what := d.String() + ", line " + r["line_number"]
		n, err := strconv.Atoi(r["line_number"])
		if err != nil {
			f.problem(what, "its number is not a number")
			continue
		}
		if r["user_id"] == "" {
			continue // a row that is not filled in
		}
		l := SourceLine{Position: n, Domain: d.Domain, Number: r["user_id"], Label: r["label"], Port: r["sip_port"], Transport: r["sip_transport"],
			OutboundProxy: r["outbound_proxy_primary"], BackupServer: r["server_address_secondary"], BackupOutboundProxy: r["outbound_proxy_secondary"],
			Expires: r["register_expires"], Shared: isShared(r["shared_line"]), Disabled: r["enabled"] != "" && !isTrue(r["enabled"])}
		f.address(&l, r)
		f.compare(&l, r, what)
		out = append(out, l)
	}
	slices.SortStableFunc(out, func(a, b SourceLine) int { return a.Position - b.Position })
	return out
}

// address sets domain and server of a line. Its server_address is the domain, or another server of it; or, for an account that the PBX does not have,
// that account's server.
func (f *fusion) address(l *SourceLine, r row) {
	server, primary := r["server_address"], r["server_address_primary"]
	_, known := f.accounts[account{l.Domain, l.Number}]
	_, alias := f.numbers[account{l.Domain, l.Number}]
	switch {
	case server == "":
	case f.isDomain(server), isTrue(r["external_line"]), !known && !alias:
		l.Domain = server
	default:
		l.Server = server
	}
	if primary != "" && primary != server {
		l.Server = primary
	}
}

// compare sets what depends on the line's extension, and reports what the line has otherwise: it is a copy.
func (f *fusion) compare(l *SourceLine, r row, what string) {
	if number, ok := f.numbers[account{l.Domain, l.Number}]; ok {
		l.Number = number
	}
	a, ok := f.accounts[account{l.Domain, l.Number}]
	if name := r["display_name"]; l.Label == "" && name != a.DisplayName && name != l.Number {
		l.Label = name
	}
	if !ok || isTrue(r["external_line"]) {
		return // an account of another server: the records may have it
	}
	if copied := r["password"]; copied != "" && copied != a.Password.Reveal() {
		f.problem(what, "its password is not that of %s; the extension's counts", a)
	}
	if auth := r["auth_id"]; auth != "" && auth != l.Number && auth != r["user_id"] {
		f.problem(what, "its auth id %.40q is not that of %s; the extension's counts", auth, a)
	}
}

func (f *fusion) isDomain(name string) bool {
	for _, d := range f.domains {
		if d == name {
			return true
		}
	}
	return false
}

// isShared reports whether a line is shared: FusionPBX has words of the vendors there.
func isShared(text string) bool {
	return !slices.Contains([]string{"", "0", "false", "f", "no", "none", "private", "disabled"}, strings.ToLower(text))
}
