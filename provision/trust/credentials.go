package trust

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/setting"
)

// Credentials are one phone's own HTTP user and password. The daemon makes them, never a person, so that they can't be guessed
// and no two phones share them.
type Credentials struct {
	User     string         `json:"user" doc:"HTTP user" example:"p001565123456"`
	Password setting.Secret `json:"password,omitempty" doc:"HTTP password; shown with reveal only" example:"k7m2x9q4w8r3t6y5n2b4"`
	// Previous counts too until the phone has used Password: after a change it still has the old one.
	Previous  setting.Secret `json:"previous_password,omitempty" doc:"password before the last change, accepted until the phone has used the new one; shown with reveal only" example:"b4n2y5t6r3w8q4x9m2k7"`
	ChangedAt time.Time      `json:"changed_at,omitzero" doc:"when the password was made" example:"2026-11-22T12:00:00Z"`
}

// String hides the passwords.
func (c Credentials) String() string { return fmt.Sprintf("%s:%s", c.User, c.Password) }

const (
	// passwordLetters can be read out, typed and written into any vendor's format without a mistake.
	passwordLetters = "abcdefghjkmnpqrstuvwxyz23456789"
	// passwordLength makes 99 bits, and fits the shortest field that a phone has for it.
	passwordLength = 20
	// minPassword is the length of the shortest password that is accepted from a backup or another daemon.
	minPassword = 12
)

func newPassword() setting.Secret {
	out := make([]byte, 0, passwordLength)
	buf := make([]byte, 1)
	for len(out) < passwordLength {
		rand.Read(buf) // never fails: the process ends instead
		// 248 is the largest multiple of 31 in a byte: above it some letters would be likelier.
		if n := int(buf[0]); n < 248 {
			out = append(out, passwordLetters[n%len(passwordLetters)])
		}
	}
	return setting.Secret(out)
}

// NewCredentials makes the credentials of the phone with mac.
func NewCredentials(mac dhcp.MAC) *Credentials {
	return &Credentials{User: mac.Hex(), Password: newPassword()}
}

// Rotate gives the phone a new password. The one that it has used last counts until the new one is used.
func (c *Credentials) Rotate(now time.Time) {
	// A password that the phone has not used yet may never have reached it; the one before it has.
	if c.Previous == "" {
		c.Previous = c.Password
	}
	c.Password, c.ChangedAt = newPassword(), now.UTC()
}

// InvalidField is a member of Credentials that is not acceptable, and its least length.
type InvalidField struct {
	Name string
	Min  int
}

// Invalid lists the members that a backup or another daemon must not bring.
func (c *Credentials) Invalid() (out []InvalidField) {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	for _, m := range []struct {
		name, text string
		min        int
	}{{"user", c.User, 1}, {"password", c.Password.Reveal(), minPassword}, {"previous_password", c.Previous.Reveal(), 0}} {
		if len(m.text) < m.min || len(m.text) > 64 || strings.Trim(m.text, allowed) != "" {
			out = append(out, InvalidField{m.name, m.min})
		}
	}
	return out
}

// dummyCredentials replace those of a phone that has none, so that checking takes as long.
func dummyCredentials() *Credentials {
	return &Credentials{User: "000000000000", Password: "no phone has this pass", Previous: "no phone has this pass"}
}
