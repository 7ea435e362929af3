package fleet

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// CheckCredentials gives d the credentials of the record that it replaces: only Rotate changes them. A new record may bring its own, as
// from an export; else they are made.
func CheckCredentials(fleet View, bad *ValidationError, d *Device) error {
	if old, err := fleet.Device(d.MAC); err == nil && old.Credentials != nil {
		d.Credentials = old.Credentials
		return nil
	}
	if d.Vendor == "" {
		d.Credentials = nil // only its address is stored: it requests no files
		return nil
	}
	c := d.Credentials
	if c == nil || c.Password == "" {
		d.Credentials = trust.NewCredentials(d.MAC)
		return nil
	}
	if c.User == "" {
		c.User = d.MAC.Hex()
	}
	for _, field := range c.Invalid() {
		bad.Add("credentials."+field.Name, "", "allowed are %d to 64 letters, digits, dots and dashes; left out they are made", field.Min)
	}
	return nil
}

// RotateCredentials gives one phone a new password in one edit, and returns its record. While the phone has not used the last
// one it is ErrPending, unless force is set, which drops the pending one: the phone may have fetched it already, and two are
// all that count, so that away from our leases it could be left with none.
func RotateCredentials(records Records, actor string, mac dhcp.MAC, force bool, now time.Time) (*Device, error) {
	var d *Device
	err := records.Edit(actor, "rotate credentials of "+mac.String(), func(e Edit) error {
		var err error
		if d, err = e.DeviceByAny(mac); err != nil {
			return err
		}
		switch c := d.Credentials; {
		case c == nil:
			d.Credentials = trust.NewCredentials(d.MAC)
		case c.Previous != "" && !force:
			return fmt.Errorf("device %s: %w: that of %s and the one before it both count until then\nhint: force replaces it all the same; a phone that has fetched it, and is away from our leases, must be enrolled then",
				d.MAC, ErrPending, c.ChangedAt.Format(time.RFC3339))
		default:
			c.Rotate(now)
		}
		return e.PutDevice(d)
	})
	return d, err
}

// RetirePasswords ends the time of the old passwords of phones that have used their new ones, in one edit. What was used shows
// nothing once there's a newer one.
func RetirePasswords(records Records, actor string, used map[dhcp.MAC]setting.Secret) error {
	return records.Edit(actor, "retire old passwords of phones that have used their new ones", func(e Edit) error {
		for mac, password := range used {
			d, err := e.Device(mac)
			if err != nil || d.Credentials == nil || d.Credentials.Previous == "" || d.Credentials.Password != password {
				continue // removed or changed meanwhile: nothing is left to retire
			}
			d.Credentials.Previous = ""
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// FillCredentials makes credentials for phones that have none, as after an upgrade. It returns for how many.
func FillCredentials(records Records, actor string) (int, error) {
	var without []dhcp.MAC
	err := records.View(func(f View) error {
		for d, err := range f.Devices(dhcp.MAC{}) {
			if err != nil {
				return err
			}
			if d.Vendor != "" && d.Credentials == nil {
				without = append(without, d.MAC)
			}
		}
		return nil
	})
	if err != nil || len(without) == 0 {
		return 0, err
	}
	return len(without), records.Edit(actor, "make credentials for phones without", func(e Edit) error {
		for _, mac := range without {
			d, err := e.Device(mac)
			if err != nil || d.Credentials != nil {
				continue
			}
			d.Credentials = trust.NewCredentials(mac)
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// WriteCredentials prints the credentials of all phones as CSV, for the redirect services of vendors: where each phone
// goes for its configuration, and as whom.
func WriteCredentials(w io.Writer, f View, url string) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"mac", "vendor", "model", "label", "url", "user", "password"}); err != nil {
		return err
	}
	for d, err := range f.Devices(dhcp.MAC{}) {
		if err != nil {
			return err
		}
		if d.Vendor == "" || d.Credentials == nil {
			continue
		}
		row := []string{d.MAC.String(), d.Vendor, d.Model, plainCell(d.Label), url, d.Credentials.User, d.Credentials.Password.Reveal()}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// plainCell keeps a text that people entered from being a formula when the file is opened in a spreadsheet.
func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t", rune(s[0])) {
		return "'" + s
	}
	return s
}
