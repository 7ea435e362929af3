package provision

import (
	"crypto/rand"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"

	"plugtone/provision/setting"
)

// Credentials are one phone's own HTTP user and password. They are made by the daemon, never chosen by people, so that
// nobody can guess them and no two phones share them.
type Credentials struct {
	User     string `json:"user"`
	Password Secret `json:"password,omitempty"`
	// Previous counts too until the phone has used Password: after a change it still has the old one.
	Previous  Secret    `json:"previous_password,omitempty"`
	ChangedAt time.Time `json:"changed_at,omitzero"`
}

// passwordLetters are those that are read out, typed and written into any vendor's format without a mistake.
const passwordLetters = "abcdefghjkmnpqrstuvwxyz23456789"

// passwordLength makes 99 bits, and fits the shortest field that a phone has for it.
const passwordLength = 20

// leastPassword is the shortest that is taken from a backup or another daemon.
const leastPassword = 12

func newPassword() Secret {
	out := make([]byte, 0, passwordLength)
	buf := make([]byte, 1)
	for len(out) < passwordLength {
		rand.Read(buf) // never fails: the process ends instead
		// 248 is the largest multiple of 31 in a byte: above it some letters would be likelier.
		if n := int(buf[0]); n < 248 {
			out = append(out, passwordLetters[n%len(passwordLetters)])
		}
	}
	return Secret(out)
}

// NewCredentials makes the credentials of the phone with mac.
func NewCredentials(mac MAC) *Credentials {
	return &Credentials{User: mac.Hex(), Password: newPassword()}
}

// Rotate gives the phone a new password. The one that it has used last goes on until the new one is used.
func (c *Credentials) Rotate(now time.Time) {
	// Whether the phone has a password that it hasn't used yet isn't known: the one before it has.
	if c.Previous == "" {
		c.Previous = c.Password
	}
	c.Password, c.ChangedAt = newPassword(), now.UTC()
}

// loginKey is one password of a phone.
type loginKey struct {
	mac      MAC
	password Secret
}

// hasUsed tells whether a phone has used its newest password: the one before is at its end, also while the record still has it.
func (s *Service) hasUsed(d *Device) bool {
	_, used := s.used.get(loginKey{d.MAC, d.Credentials.Password})
	return used
}

// credentials keeps those of the record that d replaces: they change by Rotate alone. A new record may bring its own, as
// from an export; else they are made.
func (f *faults) credentials(fleet Fleet, d *Device) error {
	if old, err := fleet.Device(d.MAC); err == nil && old.Credentials != nil {
		d.Credentials = old.Credentials
		return nil
	}
	if d.Vendor == "" {
		d.Credentials = nil // only its address is kept: it asks for nothing
		return nil
	}
	c := d.Credentials
	if c == nil || c.Password == "" {
		d.Credentials = NewCredentials(d.MAC)
		return nil
	}
	if c.User == "" {
		c.User = d.MAC.Hex()
	}
	for _, part := range []struct {
		name, text string
		least      int
	}{{"user", c.User, 1}, {"password", c.Password.Reveal(), leastPassword}, {"previous_password", c.Previous.Reveal(), 0}} {
		if len(part.text) < part.least || len(part.text) > 64 || strings.Trim(part.text, passwordLetters+strings.ToUpper(passwordLetters)+"iloILO01._-") != "" {
			f.add("credentials."+part.name, "", "allowed are %d to 64 letters, digits, dots and dashes; left out they are made", part.least)
		}
	}
	return nil
}

// RotateCredentials gives one phone a new password in one edit, and returns its record. While the phone has not used the last
// one it is ErrPending, unless force says that this one is to count no more: the phone may have fetched it already, and two are
// all that count, so that away from our leases it could be left with none.
func RotateCredentials(records Records, actor string, mac MAC, force bool, now time.Time) (*Device, error) {
	var d *Device
	err := records.Edit(actor, "rotate credentials of "+mac.String(), func(e Edit) error {
		var err error
		if d, err = e.DeviceByAny(mac); err != nil {
			return err
		}
		switch c := d.Credentials; {
		case c == nil:
			d.Credentials = NewCredentials(d.MAC)
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

// RetirePasswords ends the time of the old passwords of phones that have used their new ones, in one edit. What was used says
// nothing once there's a newer one.
func RetirePasswords(records Records, actor string, used map[MAC]Secret) error {
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

// FillCredentials makes credentials for phones that have none, as after an upgrade. It tells for how many.
func FillCredentials(records Records, actor string) (int, error) {
	var without []MAC
	err := records.View(func(f Fleet) error {
		for d, err := range f.Devices(MAC{}) {
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
			d.Credentials = NewCredentials(mac)
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// WriteCredentials prints the credentials of all phones as CSV, for the redirect services of vendors: where each phone
// goes for its configuration, and as whom.
func WriteCredentials(w io.Writer, f Fleet, url string) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"mac", "vendor", "model", "label", "url", "user", "password"}); err != nil {
		return err
	}
	for d, err := range f.Devices(MAC{}) {
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

// layer is the settings that write the credentials into the phone.
func (c *Credentials) layer() layer {
	return layer{"credentials", setting.Values{"provisioning_user": c.User, "provisioning_password": setting.Secret(c.Password.Reveal())}}
}

// decoy stands in for credentials that a phone doesn't have, so that checking takes as long.
func decoy() *Credentials {
	return &Credentials{User: "000000000000", Password: "no phone has this pass", Previous: "no phone has this pass"}
}

// String hides the passwords.
func (c Credentials) String() string { return fmt.Sprintf("%s:%s", c.User, c.Password) }
