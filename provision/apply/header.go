package apply

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// foreign is a table of another program: which of its columns are which fields. Columns that are not listed mean nothing to a
// phone's record.
type foreign struct {
	name   string
	marks  []string // columns that no other table has: one is enough
	fields map[string]string
	others []string // known columns without a field
}

// foreignTables are the tables that are recognised by their header, with names in lower case and _ for what is neither letter
// nor digit.
//
// FusionPBX: app/devices/device_download.php (2024): the columns of v_devices and v_device_lines that the user picks. The
// device_address of later versions is the device_mac_address of earlier ones.
// FS PBX: DeviceImportExportController.php and DevicesTemplate (2026): mac_address, serial_number, associated_extension.
// Yeastar P-Series: manual, "Auto Provisioning Phone Information Parameters" (2024).
var foreignTables = []foreign{
	{"FusionPBX", []string{"device_mac_address", "device_address"}, map[string]string{
		"device_mac_address": "mac", "device_address": "mac", "device_label": "label", "device_vendor": "vendor", "device_model": "model",
		"device_template": "template", "device_description": "notes", "device_location": "location", "device_serial_number": "serial",
		"device_enabled": "enabled", "line_number": "line_number", "user_id": "line", "auth_id": "auth_user", "password": "password",
		"display_name": "display_name", "server_address": "server",
	}, []string{"device_uuid", "domain_uuid", "device_profile_uuid", "device_enabled_date", "device_username", "device_password", "device_uuid_alternate",
		"device_provisioned_date", "device_provisioned_method", "device_provisioned_ip", "device_provisioned_agent", "device_firmware_version",
		"device_user_uuid", "device_line_uuid", "server_address_primary", "server_address_secondary", "outbound_proxy_primary",
		"outbound_proxy_secondary", "sip_port", "sip_transport", "register_expires", "shared_line", "enabled", "label"}},
	{"FS PBX", []string{"associated_extension"}, map[string]string{
		"mac_address": "mac", "serial_number": "serial", "associated_extension": "line",
	}, []string{"device_template", "device_key_template"}},
	{"Yeastar", []string{"assign_extension", "provisioning_method"}, map[string]string{
		"vendor": "vendor", "model": "model", "mac_address": "mac", "assign_extension": "line",
	}, []string{"template", "provisioning_method", "hot_desking_phone", "authentication_first_time", "phone_name", "gateway", "ipei"}},
}

// headerName returns the name of a column in lower case, with _ for what is neither letter nor digit.
func headerName(text string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return '_'
	}, strings.TrimSpace(text)), "_")
}

// readHeader determines what each column is. Columns that rename names are as it maps them.
func readHeader(head []string, rename map[string]string) (format string, out []column, err error) {
	var bad fleet.ValidationError
	used := map[string]bool{}
	other := foreignTable(head)
	format = "plugtone"
	if other != nil {
		format = other.name
	}
	for i, text := range head {
		text = strings.TrimSpace(text)
		c := column{header: text}
		name := strings.ToLower(text)
		var problem error
		switch to, renamed := renamedTo(rename, text); {
		case renamed:
			used[strings.ToLower(text)] = true
			if c, problem = fieldOf(to); problem != nil {
				problem = fmt.Errorf("is mapped to %q: %w", to, problem)
			}
		case other != nil:
			c, problem = other.column(text)
		default:
			if !strings.HasPrefix(name, "set:") {
				text = name
			}
			c, problem = fieldOf(text)
			if problem == nil && slices.Contains(accountFields, c.field) && c.n == 0 {
				c, problem = fieldOf("?" + text) // fields of PBXs' tables only
			}
		}
		c.header = strings.TrimSpace(head[i])
		if problem != nil {
			bad = append(bad, fleet.FieldError{Field: fmt.Sprintf("row 1, column %d", i+1), Value: c.header, Message: problem.Error(),
				Hint: "map it to a field, or to - to leave it out"})
		}
		if at := slices.IndexFunc(out, func(o column) bool { return o.key() == c.key() && c.field != "-" }); at >= 0 && problem == nil {
			bad.Add(fmt.Sprintf("row 1, column %d", i+1), c.header, "is the same as column %d (%s)", at+1, out[at].header)
		}
		out = append(out, c)
	}
	for from := range rename {
		if !used[strings.ToLower(from)] {
			bad.Add("map", from, "the header has no such column")
		}
	}
	if !slices.ContainsFunc(out, func(c column) bool { return c.field == "mac" }) && len(bad) == 0 {
		bad.Add("row 1", "", "there is no column mac; the first row names the columns, such as mac,model,label,line1")
	}
	return format, out, bad.Err()
}

// key distinguishes columns of one field from those of another.
func (c column) key() string { return fmt.Sprint(c.field, c.n, c.area, c.slot, c.name) }

func renamedTo(rename map[string]string, header string) (string, bool) {
	for from, to := range rename {
		if strings.EqualFold(from, header) {
			return to, true
		}
	}
	return "", false
}

// foreignTable recognises the table of another program, nil when it is none.
func foreignTable(head []string) *foreign {
	for i, f := range foreignTables {
		if slices.ContainsFunc(head, func(h string) bool { return slices.Contains(f.marks, headerName(h)) }) {
			return &foreignTables[i]
		}
	}
	return nil
}

func (f *foreign) column(text string) (column, error) {
	name := headerName(text)
	if field, ok := f.fields[name]; ok {
		return column{header: text, field: field}, nil
	}
	if slices.Contains(f.others, name) {
		return column{header: text, field: "-"}, nil
	}
	return column{}, fmt.Errorf("is not a column of %s that is known", f.name)
}

// checkSetting returns an error for a name that is neither a setting nor a vendor's parameter.
func checkSetting(name string) error {
	if vendor, param, own := strings.Cut(name, "/"); own && vendor != "" && param != "" {
		return nil
	}
	if _, ok := setting.Lookup(name); !ok {
		return setting.Unknown(name)
	}
	return nil
}
